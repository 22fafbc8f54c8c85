"""Small ONNX models, and what ONNX Runtime makes of them without optimising anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from system import small_models
from tailmark.system.onnxruntime import OnnxRuntime

FLOAT = TensorProto.FLOAT


def saved(
    path: Path,
    nodes: list[Any],
    inputs: Mapping[str, list[Any]],
    outputs: Mapping[str, list[Any]],
    weights: Mapping[str, Any] | None = None,
    opset: int = 17,
) -> Path:
    """Write a model of these parts, all of them floats."""
    return small_models.saved(
        path,
        nodes,
        {name: (FLOAT, shape) for name, shape in inputs.items()},
        {name: (FLOAT, shape) for name, shape in outputs.items()},
        weights,
        opset,
    )


def classifier(path: Path) -> Path:
    """Clips its input, convolves it two ways and scores ten classes; of a free batch."""
    draw = np.random.default_rng(0).standard_normal
    return saved(
        path,
        [
            helper.make_node("Clip", ["image", "low", "high"], ["clipped"]),
            helper.make_node("Conv", ["clipped", "k"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Conv", ["r", "d"], ["each"], pads=[1, 1, 1, 1], group=16),
            helper.make_node("GlobalAveragePool", ["each"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["scores"]),
        ],
        {"image": ["N", 3, 12, 12]},
        {"scores": ["N", 10]},
        {
            "low": np.float32(-1.5),
            "high": np.float32(1.5),
            "k": draw((16, 3, 3, 3)).astype(np.float32),
            "d": draw((16, 1, 3, 3)).astype(np.float32),
            "w": draw((16, 10)).astype(np.float32),
            "b": draw(10).astype(np.float32),
        },
    )


def two_by_two(path: Path) -> Path:
    """Two inputs; their sum and their difference."""
    shape = [1, 4, 6, 6]
    return saved(
        path,
        [
            helper.make_node("Conv", ["left", "same"], ["l"]),
            helper.make_node("Conv", ["right", "same"], ["r"]),
            helper.make_node("Add", ["l", "r"], ["sum"]),
            helper.make_node("Sub", ["l", "r"], ["difference"]),
        ],
        {"left": shape, "right": shape},
        {"sum": shape, "difference": shape},
        {"same": np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1)},
    )


def quantised(path: Path) -> Path:
    """A convolution of what was rounded to steps."""
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    return saved(
        path,
        [
            helper.make_node("QuantizeLinear", ["image", "step", "zero"], ["steps"]),
            helper.make_node("DequantizeLinear", ["steps", "step", "zero"], ["rounded"]),
            helper.make_node("Conv", ["rounded", "k"], ["c"]),
            helper.make_node("Relu", ["c"], ["y"]),
        ],
        {"image": ["N", 3, 12, 12]},
        {"y": ["N", 4, 10, 10]},
        {"step": np.float32(0.02), "zero": np.uint8(128), "k": weights},
    )


def without_batch(path: Path) -> Path:
    """Nothing in it says which axis is the batch."""
    shape = [1, 4, 6, 6]
    nodes = [helper.make_node("Sigmoid", ["x"], ["y"])]
    return saved(path, nodes, {"x": shape}, {"y": shape})


def old_softmax(path: Path) -> Path:
    """Shares over the channels, as opset 11 says without being told an axis."""
    shape = [1, 5, 1, 1]
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["r"]),
        helper.make_node("Softmax", ["r"], ["shares"]),
    ]
    return saved(path, nodes, {"x": shape}, {"shares": shape}, opset=11)


def images(count: int = 3) -> Any:
    """Noise for the classifier."""
    draw = np.random.default_rng(1).standard_normal
    return draw((count, 3, 12, 12)).astype(np.float32)


def oracle(model: Path, batch: Any) -> Any:
    """What the graph says, operator by operator."""
    return OnnxRuntime(model=model, optimization="disable").open().predict(batch)


def error(answer: Any, right: Any) -> float:
    """The largest, as a share of the largest number."""
    assert answer.shape == right.shape
    return float(np.abs(answer - right).max() / np.abs(right).max())
