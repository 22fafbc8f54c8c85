"""A half-precision model computed in float32."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.onnx_graph import graphs, load, save
from tailmark.errors import ConversionError


@dataclass(frozen=True, kw_only=True)
class Float32:
    """Make float32 of all that is float16 or bfloat16: weights, inputs, outputs, what lies between.

    The weights keep their values, so nothing is gained but the rounding of what is computed.
    """

    tools = ("onnx",)
    wants_inputs = 0
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: Nothing in it is of half precision.
        """
        del inputs
        model = load(source, "float32")
        changed = sum(_upcast(graph) for graph in graphs(model))
        if not changed:
            raise ConversionError(
                f"model {source.name!r} has nothing in float16 or bfloat16: use it as it is"
            )
        save(model, out)

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"kind": "float32", **asdict(self)}


def _upcast(graph: Any) -> int:
    """How many tensors, values and operators were changed."""
    changed = sum(_widen(tensor) for tensor in graph.initializer)
    for value in (*graph.input, *graph.output, *graph.value_info):
        kind = value.type.tensor_type
        if _half(kind.elem_type):
            kind.elem_type = _FLOAT
            changed += 1
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                changed += _widen(attribute.t)
            elif attribute.name in {"to", "dtype"} and _half(attribute.i):
                attribute.i = _FLOAT  # of Cast; of operators that make numbers
                changed += 1
    return changed


_FLOAT, _FLOAT16, _BFLOAT16 = 1, 10, 16  # onnx.proto, TensorProto.DataType


def _half(kind: int) -> bool:
    return kind in {_FLOAT16, _BFLOAT16}


def _widen(tensor: Any) -> int:
    import numpy as np
    import onnx

    if not _half(tensor.data_type):
        return 0
    values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return 1
