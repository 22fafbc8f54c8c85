"""What a model file is made of is read from it, hidden precision too."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tailmark.conversion.contents import contents
from tailmark.conversion.weights import precision
from tailmark.errors import ConversionError

onnx = pytest.importorskip("onnx", reason="reads ONNX models: the extra 'convert'")

Array = npt.NDArray[Any]


def _write(path: Path, weight: Array, bias: Array | None = None) -> Path:
    """A convolution with these weights, and ReLU."""
    kept = {"w": weight} | ({} if bias is None else {"b": bias})
    kind = onnx.helper.np_dtype_to_tensor_dtype(weight.dtype)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["x", *kept], ["c"]),
            onnx.helper.make_node("Relu", ["c"], ["y"]),
        ],
        "g",
        [onnx.helper.make_tensor_value_info("x", kind, [1, weight.shape[1], 8, 8])],
        [onnx.helper.make_tensor_value_info("y", kind, None)],
        initializer=[onnx.numpy_helper.from_array(v, k) for k, v in kept.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opsets, producer_name="t", ir_version=8), path
    )
    return path


def _drawn(*shape: int) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def _rounded(values: Array, axis: int | None) -> Array:
    """To 8-bit steps, as a quantiser's float32 weights are; of a channel or of all."""
    others = tuple(i for i in range(values.ndim) if i != axis) if axis is not None else None
    scale = (np.abs(values).max(others, keepdims=True) / 127).astype(np.float32)
    steps: Array = np.round(values / scale) * scale
    return steps.astype(np.float32)


def _bfloat16(values: Array) -> Array:
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def test_a_model_is_told_in_plain_data(tmp_path: Path) -> None:
    """Format, producer, operators, weights by stored type and by what they truly are."""
    model = _write(tmp_path / "m.onnx", _drawn(8, 4, 3, 3), _drawn(8))
    assert contents(model) == {
        "format": "onnx",
        "producer": "t",
        "opset": 17,
        "nodes": 2,
        "operators": {"Conv": 1, "Relu": 1},
        "quantized_operators": [],
        "parameters": 296,
        "stored_bytes": {"float32": 1184},
        "effective_parameters": {"float32": 288},
        "weights_precision": "float32",
    }


W = _drawn(16, 8, 3, 3)


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        (W, "float32"),
        (W.astype(np.float16).astype(np.float32), "float16"),
        (W.astype(np.float16), "float16"),
        (_bfloat16(W), "bfloat16"),
        (_rounded(W, None), "int8"),
        (_rounded(W, 0), "int8"),
        (_rounded(W, 1), "int8"),
        (_rounded(W[:, :1], 0), "int8"),  # a depthwise convolution: 9 numbers a channel
        (_rounded(np.abs(W), None) * np.float32(0.37), "int8"),
        (np.where(np.arange(16)[:, None, None, None] == 3, W, _rounded(W, 0)), "float32"),
        (np.ones((4, 4, 1, 1), np.float32), "float32"),  # would fit anything
        (np.where(W > 2, np.float32(1e6), W.astype(np.float16)), "float32"),  # beyond float16
    ],
)
def test_hidden_precision_shows(weight: Array, told: str) -> None:
    """Float32 numbers that were rounded before are told from those that were not."""
    assert precision(weight.dtype.name, weight) == told


@pytest.mark.parametrize("axis", [0, 3])
def test_dense_and_channels_last(axis: int) -> None:
    """Channels may be the last axis, of few or many numbers."""
    assert precision("float32", _rounded(_drawn(3, 3, 20, 40), axis)) == "int8"
    assert precision("float32", _rounded(_drawn(300, 50), axis and 1)) == "int8"
    assert precision("float32", _drawn(300, 50)) == "float32"


def test_several_precisions_are_mixed(tmp_path: Path) -> None:
    """A model of which a share is rounded is neither the one nor the other."""
    model = onnx.load(_write(tmp_path / "m.onnx", _drawn(8, 4, 3, 3)))
    other = _drawn(8, 4, 3, 3).astype(np.float16).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(other, "v"))
    model.graph.node.append(onnx.helper.make_node("Conv", ["x", "v"], ["z"]))
    onnx.save(model, tmp_path / "mixed.onnx")
    told = contents(tmp_path / "mixed.onnx")
    assert told["weights_precision"] == "mixed"
    assert told["effective_parameters"] == {"float16": 288, "float32": 288}


def test_openvino_saves_in_float16(tmp_path: Path) -> None:
    """What its file holds is told, and that it is half precision where nobody asked for it."""
    openvino = pytest.importorskip("openvino", reason="reads .xml: the extra 'openvino'")
    read = openvino.convert_model(_write(tmp_path / "m.onnx", _drawn(16, 4, 3, 3)))
    openvino.save_model(read, tmp_path / "half.xml")
    openvino.save_model(read, tmp_path / "full.xml", compress_to_fp16=False)
    half, full = (contents(tmp_path / f"{name}.xml") for name in ("half", "full"))
    assert half["operators"]["Convolution"] == 1
    assert (half["weights_precision"], full["weights_precision"]) == ("float16", "float32")


def test_tflite_tells_its_weights(data: Path) -> None:
    """The weights of a quantised .tflite are 8-bit, and its operators compute in them."""
    pytest.importorskip("ai_edge_litert", reason="reads .tflite: the extra 'litert'")
    told = contents(data / "models" / "mobilenet_v1_0.25_128_quant.tflite")
    assert told["weights_precision"] == "int8"
    assert told["stored_bytes"] == {"int32": 14948, "uint8": 463856}
    assert "CONV_2D" in told["quantized_operators"]


def test_real_models_are_told(data: Path) -> None:
    """QDQ shows its operators and integers, a half-precision file its type."""
    quantized = contents(data / "models" / "mobilenetv2-12-qdq.onnx")
    assert quantized["quantized_operators"] == ["DequantizeLinear", "QuantizeLinear"]
    assert quantized["weights_precision"] == "int8"
    assert contents(data / "models" / "SqueezeNet_fp16.onnx")["weights_precision"] == "float16"


def test_other_files(tmp_path: Path) -> None:
    """Of other formats the format is told; what cannot be read is one sentence."""
    (tmp_path / "m.pt2").write_bytes(b"")
    assert contents(tmp_path / "m.pt2") == {"format": "pt2"}
    (tmp_path / "m.onnx").write_bytes(b"nonsense")
    with pytest.raises(ConversionError, match=r"model 'm\.onnx' cannot be read as ONNX"):
        contents(tmp_path / "m.onnx")
    with pytest.raises(ConversionError, match="does not exist"):
        contents(tmp_path / "absent.onnx")
