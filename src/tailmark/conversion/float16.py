"""A float32 model in half precision: its weights, or all that it computes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.conversion.base import Inputs
from tailmark.conversion.onnx_graph import load, needed, save
from tailmark.errors import ConversionError


@dataclass(frozen=True, kw_only=True)
class Float16:
    """Make a float16 model with ONNX Runtime's converter, or one of float16 weights.

    Operators that the converter deems unfit for float16 stay in float32, with casts around them;
    weights beyond its range are clamped to it, those below its least number moved up to that.

    Args:
        keep_io: Inputs and outputs stay float32.
        weights_only: Only weights are kept in float16, each cast to float32 where it is read:
            what saving a model in half precision does. What would overflow stays float32.
    """

    keep_io: bool = True
    weights_only: bool = False

    tools = ("onnx", "onnxruntime")
    wants_inputs = 0
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: It has nothing in float32.
        """
        del inputs
        model = load(source, "float16")
        if self.weights_only:
            if not _halve_weights(model.graph):
                raise ConversionError(
                    f"model {source.name!r} has no float32 weights: give a float32 model"
                )
        else:
            converter = needed("onnxruntime.transformers.float16", "float16")
            model = converter.convert_float_to_float16(model, keep_io_types=self.keep_io)
            tools = needed("onnxruntime.transformers.onnx_model", "float16")
            tools.OnnxModel.graph_topological_sort(model.graph)  # its casts come last
        save(model, out)

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "float16", **asdict(self)}


def _halve_weights(graph: Any) -> int:
    import onnx

    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if not np.array_equal(np.isfinite(halved), np.isfinite(values)):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(halved, f"{name}_float16"))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return len(casts)
