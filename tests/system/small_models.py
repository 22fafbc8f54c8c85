"""Small ONNX files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import helper, numpy_helper

Declared = tuple[int, Sequence[Any]]
"""A type of ONNX's, and a shape."""


def saved(
    path: Path,
    nodes: Sequence[Any],
    inputs: Mapping[str, Declared],
    outputs: Mapping[str, Declared],
    weights: Mapping[str, Any] | None = None,
    opset: int = 17,
) -> Path:
    """Write a model of these parts."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(name, *of) for name, of in inputs.items()],
        [helper.make_tensor_value_info(name, *of) for name, of in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(model, path)
    return path
