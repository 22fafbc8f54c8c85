"""What a model file is made of, read without running it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.conversion.onnx_graph import graphs, load, opset
from tailmark.conversion.weights import Array, summary
from tailmark.errors import ConversionError

_QUANTIZED = (
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantize", "QLinear", "QGemm", "QAttention",
    "ConvInteger", "MatMulInteger", "MatMulNBits", "FakeQuantize", "DEQUANTIZE",
)  # fmt: skip
_NO_WEIGHTS = {"int64", "uint64", "int16", "uint16", "bool", "str", "object"}
"""Shapes, axes, indices and flags."""

_OPENVINO = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i32": "int32",
    "i8": "int8",
    "u8": "uint8",
}


def contents(model: Path) -> dict[str, Any]:
    """What a model is made of.

    Args:
        model: An ``.onnx`` file, or with their packages installed OpenVINO's ``.xml`` and
            ``.tflite``; of others only the format is told.

    Returns:
        Plain data: ``format``, ``producer``, ``opset``, ``nodes``, ``operators`` (how many of
        each), ``quantized_operators``, ``parameters``, ``stored_bytes`` (by type),
        ``effective_parameters`` and ``weights_precision`` (see `weights.summary`).

    Raises:
        ConversionError: It cannot be read.
    """
    if not model.exists():
        raise ConversionError(f"model {str(model)!r} does not exist: give a model's file")
    package, read = _READERS.get(model.suffix, ("", None))
    if read is None or find_spec(package) is None:
        return {"format": model.suffix.removeprefix(".")}
    try:
        return read(model)
    except ConversionError:
        raise
    except Exception as cause:  # the runtimes' exceptions share no base of their own
        first = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise ConversionError(f"model {model.name!r} cannot be read: {first}") from cause


def _onnx(path: Path) -> dict[str, Any]:
    model = load(path, "contents")
    nodes = [node for graph in graphs(model) for node in graph.node]
    scales = {
        name
        for node in nodes
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}
        for name in node.input[1:]
    }
    tensors = (
        tensor
        for graph in graphs(model)
        for tensor in graph.initializer
        if tensor.name not in scales
    )
    return {
        "format": "onnx",
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "opset": opset(model),
        **_operators(node.op_type for node in nodes),
        **summary(_weights(_read_onnx(tensors))),
    }


def _read_onnx(tensors: Iterable[Any]) -> Iterator[tuple[str, Array]]:
    import onnx

    for tensor in tensors:
        values = onnx.numpy_helper.to_array(tensor)
        yield values.dtype.name, values


def _openvino(path: Path) -> dict[str, Any]:
    import openvino

    model = openvino.Core().read_model(path)
    operators = model.get_ops()
    constants = (one for one in operators if one.get_type_name() == "Constant")
    return {
        "format": "openvino",
        **_operators(
            one.get_type_name()
            for one in operators
            if one.get_type_name() not in {"Constant", "Parameter", "Result"}
        ),
        **summary(_weights(_read_openvino(constants))),
    }


def _read_openvino(constants: Iterable[Any]) -> Iterator[tuple[str, Array]]:
    for one in constants:
        kind = _OPENVINO.get(one.get_element_type().get_type_name())
        if kind is not None:
            yield kind, one.get_data(dtype=np.float32) if kind == "bfloat16" else one.data


def _tflite(path: Path) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    operators = interpreter._get_ops_details()  # noqa: SLF001 - nothing public tells them
    operators = [one for one in operators if one["op_name"] != "DELEGATE"]
    integer = {
        one["op_name"] for one in operators if {np.int8, np.uint8} & set(one["operand_types"][:1])
    }
    return {
        "format": "tflite",
        **_operators((one["op_name"] for one in operators), integer),
        **summary(_weights(_read_tflite(interpreter))),
    }


def _read_tflite(interpreter: Any) -> Iterator[tuple[str, Array]]:
    for tensor in interpreter.get_tensor_details():
        try:
            values = interpreter.get_tensor(tensor["index"])
        except ValueError:  # computed, and nothing is allocated yet
            continue
        quantized = bool(len(tensor["quantization_parameters"]["scales"]))
        if values.dtype.name != "int32" or quantized:  # otherwise axes and shapes
            yield values.dtype.name, values


def _weights(tensors: Iterable[tuple[str, Array]]) -> Iterator[tuple[str, Array]]:
    return (
        (name, values) for name, values in tensors if values.size > 1 and name not in _NO_WEIGHTS
    )


def _operators(names: Iterable[str], integer: Iterable[str] = ()) -> dict[str, Any]:
    counts = Counter(names)
    quantized = sorted({*integer, *(name for name in counts if name.startswith(_QUANTIZED))})
    return {
        "nodes": counts.total(),
        "operators": dict(sorted(counts.items())),
        "quantized_operators": quantized,
    }


_READERS: dict[str, tuple[str, Callable[[Path], dict[str, Any]]]] = {
    ".onnx": ("onnx", _onnx),
    ".xml": ("openvino", _openvino),
    ".tflite": ("ai_edge_litert", _tflite),
}
