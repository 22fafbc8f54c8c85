"""ONNX models as conversions read, change and write them."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tailmark import extras
from tailmark.errors import ConversionError

_EXTERNAL_FROM_BYTES = 2**31 - 2**20
"""Protobuf's limit is 2 GiB a message."""


def needed(module: str, kind: str) -> ModuleType:
    """A module of the extra ``convert``.

    Raises:
        ConversionError: Its package is not installed.
    """
    return extras.needed(
        module, f"conversion {kind}", install="'tailmark[convert]'", error=ConversionError
    )


def load(source: Path, kind: str) -> Any:
    """The model, with its external data; initializers are no inputs, constants are initializers.

    Args:
        source: The ``.onnx`` file.
        kind: The conversion that asks.

    Raises:
        ConversionError: It cannot be read.
    """
    onnx = needed("onnx", kind)
    if not source.is_file():
        raise ConversionError(f"model {str(source)!r} does not exist: give an .onnx file")
    try:
        model = onnx.load(source)
    except Exception as cause:  # protobuf's errors share no base of their own
        raise ConversionError(
            f"model {source.name!r} cannot be read as ONNX ({cause}): give an .onnx file"
        ) from cause
    if not model.graph.node:
        raise ConversionError(f"model {source.name!r} has no nodes: give an ONNX model")
    _settle(model.graph)
    model.ir_version = max(model.ir_version, 4)  # before, an initializer had to be an input too
    return model


def save(model: Any, out: Path) -> None:
    """Check and write a model; beyond protobuf's limit, its tensors in a file beside it.

    Raises:
        ConversionError: It is not valid.
    """
    import onnx

    used = {node.domain for graph in graphs(model) for node in graph.node} | {
        node.domain for function in model.functions for node in function.node
    }
    kept = [o for o in model.opset_import if o.domain in ("", "ai.onnx") or o.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    large = model.ByteSize() > _EXTERNAL_FROM_BYTES
    onnx.save(
        model, out, save_as_external_data=large, location=f"{out.name}.data" if large else None
    )
    try:
        onnx.checker.check_model(str(out))
    except onnx.checker.ValidationError as cause:
        raise ConversionError(
            f"what was made is no valid ONNX model: {str(cause).splitlines()[0]}"
        ) from cause


def graphs(model: Any) -> Iterator[Any]:
    """The graph, and those inside its operators, outermost first."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting.extend([attribute.g] if attribute.HasField("g") else attribute.graphs)


def opset(model: Any) -> int:
    """The version of ONNX's own operators."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)


def drop_unused(model: Any) -> None:
    """Drop initializers that nothing reads, and what was told of values that are gone."""
    read = {name for graph in graphs(model) for node in graph.node for name in node.input}
    read |= {value.name for graph in graphs(model) for value in graph.output}
    for graph in graphs(model):
        there = read | {name for node in graph.node for name in node.output}
        _keep(graph.initializer, read)
        _keep(graph.value_info, there)
        del graph.quantization_annotation[:]


def _keep(named: Any, names: set[str]) -> None:
    kept = [one for one in named if one.name in names]
    if len(kept) < len(named):
        del named[:]
        named.extend(kept)


def _settle(graph: Any) -> None:
    names = {initializer.name for initializer in graph.initializer}
    inputs = [one for one in graph.input if one.name not in names]
    del graph.input[:]
    graph.input.extend(inputs)
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            graph.initializer.add().CopyFrom(node.attribute[0].t)
            graph.initializer[-1].name = node.output[0]
        else:
            nodes.append(node)
    if len(nodes) < len(graph.node):
        del graph.node[:]
        graph.node.extend(nodes)
