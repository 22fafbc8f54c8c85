"""An ONNX file as those systems read it that take the graph itself."""

from pathlib import Path
from typing import Any

from tailmark.errors import SystemSetupError
from tailmark.system.interface import Interface
from tailmark.system.model_file import check_model_file


def read_onnx_file(model: Path, kind: str) -> tuple[Any, Interface]:
    """The model, with its external data, and what it declares.

    Args:
        model: The file.
        kind: The system that asks.

    Raises:
        SystemSetupError: It is missing or no ONNX model, or the package onnx is.
    """
    check_model_file(model, "an .onnx file")
    try:
        import onnx
    except ImportError as cause:
        raise SystemSetupError(
            f"system {kind} reads .onnx files by the package onnx: pip install onnx"
        ) from cause
    try:
        proto = onnx.load(str(model))
        constants = {one.name for one in proto.graph.initializer}
        inputs = {
            one.name: _declared(onnx, one) for one in proto.graph.input if one.name not in constants
        }
    except Exception as cause:  # protobuf's errors share no base of their own
        raise SystemSetupError(
            f"model {str(model)!r} cannot be read as ONNX: {type(cause).__name__}"
        ) from cause
    if not proto.graph.node:
        raise SystemSetupError(f"model {str(model)!r} has no nodes: give an ONNX model")
    return proto, Interface(inputs, tuple(one.name for one in proto.graph.output))


def _declared(onnx: Any, one: Any) -> tuple[str, list[int | str | None]]:
    tensor = one.type.tensor_type
    return str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), [
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or None
        for axis in tensor.shape.dim
    ]
