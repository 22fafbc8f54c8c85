"""A quantised model back in float32: what rounding to its steps did is gone, its ranges stay."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.conversion.base import Inputs
from tailmark.conversion.onnx_graph import drop_unused, graphs, load, opset, save
from tailmark.errors import ConversionError

_INTEGER = ("QLinear", "QGemm", "QAttention", "ConvInteger", "MatMulInteger", "DynamicQuantize")
_MOVES = {
    "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose",
    "Unsqueeze",
}  # fmt: skip
"""Operators that hand values on unchanged, whatever their type."""


@dataclass(frozen=True, kw_only=True)
class Dequantize:
    """Make a float32 model of one in QDQ form (``QuantizeLinear``, ``DequantizeLinear``).

    Weights and biases become float32. A pair on an activation becomes a clip to the range its scale
    and zero point can hold: quantisers fold ReLU and ReLU6 into that range, so dropping it would
    change what the network computes.
    """

    tools = ("onnx",)
    wants_inputs = 0
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: It is not in QDQ form.
        """
        del inputs
        model = load(source, "dequantize")
        _Rewriting(model, source.name).run()
        drop_unused(model)
        save(model, out)

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"kind": "dequantize", **asdict(self)}


class _Rewriting:
    def __init__(self, model: Any, name: str) -> None:
        self._model = model
        self._name = name
        self._constants = {one.name: one for one in model.graph.initializer}
        self._nodes: list[Any] = []
        self._made_by = {name: node for node in model.graph.node for name in node.output}
        self._instead: dict[str, str] = {}  # a value that is gone, and what is read for it

    def run(self) -> None:
        graph = self._model.graph
        operators = {node.op_type for one in graphs(self._model) for node in one.node}
        integer = sorted(op for op in operators if op.startswith(_INTEGER))
        if integer:
            raise ConversionError(
                f"model {self._name!r} computes in integers ({', '.join(integer)}): "
                "give one in QDQ form"
            )
        if "DequantizeLinear" not in operators:
            raise ConversionError(f"model {self._name!r} has no DequantizeLinear: use it as it is")
        for node in graph.node:
            if node.op_type == "QuantizeLinear":
                self._quantize(node)
            elif node.op_type == "DequantizeLinear":
                self._dequantize(node)
            else:
                self._nodes.append(node)
        del graph.node[:]
        graph.node.extend(self._nodes)
        self._reconnect()
        operators = {node.op_type for one in graphs(self._model) for node in one.node}
        if operators & {"QuantizeLinear", "DequantizeLinear"}:
            raise ConversionError(
                f"model {self._name!r} quantises inside a branch or loop: "
                "that cannot be taken back, give its float model"
            )

    def _quantize(self, node: Any) -> None:
        """A clip in its place; of a weight that is quantised when loaded, nothing."""
        import onnx

        if node.input[0] in self._constants:
            self._fold(node)
            return
        scale, zero = self._constant(node, 1), self._constant(node, 2)
        if scale.size != 1:
            raise ConversionError(
                f"model {self._name!r} quantises {node.input[0]!r} with a scale a channel: "
                "only weights may have that, give a model whose activations have one scale"
            )
        low, high = (
            ((limit - zero.astype(np.float64)) * scale).astype(scale.dtype).reshape(())
            for limit in _limits(zero.dtype)
        )
        output = node.output[0]
        if opset(self._model) < 11:  # bounds were attributes
            clip = onnx.helper.make_node(
                "Clip", [node.input[0]], [output], min=float(low), max=float(high)
            )
        else:
            bounds = [self._add(f"{output}_min", low), self._add(f"{output}_max", high)]
            clip = onnx.helper.make_node("Clip", [node.input[0], *bounds], [output])
        clip.name = node.name
        self._nodes.append(clip)

    def _dequantize(self, node: Any) -> None:
        if node.input[0] in self._constants:
            self._fold(node)
            return
        origin = self._made_by.get(node.input[0])
        while origin is not None and origin.op_type in _MOVES:
            origin = self._made_by.get(origin.input[0])
        if origin is None or origin.op_type != "QuantizeLinear":
            raise ConversionError(
                f"model {self._name!r} dequantises {node.input[0]!r}, which no QuantizeLinear "
                "made: give a model in QDQ form with float inputs"
            )
        pairs = ((self._constant(origin, at), self._constant(node, at)) for at in (1, 2))
        if not all(np.array_equal(np.ravel(one), np.ravel(other)) for one, other in pairs):
            raise ConversionError(
                f"model {self._name!r} dequantises {node.input[0]!r} by another scale than it was "
                "quantised by, or another zero point: give its float model"
            )
        self._instead[node.output[0]] = node.input[0]

    def _fold(self, node: Any) -> None:
        """Compute an operator of constants now."""
        values = self._constant(node, 0)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        block = next((a.i for a in node.attribute if a.name == "block_size"), 0)
        scale, zero = (_spread(self._constant(node, at), values.ndim, axis, block) for at in (1, 2))
        if node.op_type == "DequantizeLinear":
            made = (values.astype(np.float32) - zero.astype(np.float32)) * scale
            made = made.astype(scale.dtype)
        else:
            low, high = _limits(zero.dtype)
            steps = np.round(values / scale) + zero.astype(np.float32)
            made = np.clip(steps, low, high).astype(zero.dtype)
        self._add(node.output[0], made)

    def _add(self, name: str, values: Any) -> str:
        import onnx

        made = onnx.numpy_helper.from_array(
            np.ascontiguousarray(values).reshape(values.shape), name
        )
        self._model.graph.initializer.append(made)
        self._constants[name] = made
        return name

    def _constant(self, node: Any, at: int) -> Any:
        import onnx

        if at == 2 and (len(node.input) < 3 or not node.input[2]):
            return np.uint8(0)
        if node.input[at] not in self._constants:
            raise ConversionError(
                f"model {self._name!r} computes the scale of {node.input[0]!r} as it runs: "
                "give a model that was quantised statically"
            )
        return onnx.numpy_helper.to_array(self._constants[node.input[at]])

    def _reconnect(self) -> None:
        import onnx

        for graph in graphs(self._model):
            for node in graph.node:
                for i, name in enumerate(node.input):
                    node.input[i] = _last(self._instead, name)
        for value in self._model.graph.output:
            if value.name in self._instead:
                origin = _last(self._instead, value.name)
                self._model.graph.node.append(
                    onnx.helper.make_node("Identity", [origin], [value.name])
                )
        retyped = self._retyped()
        for value in self._model.graph.output:
            if value.name in retyped and value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
                raise ConversionError(
                    f"model {self._name!r} gives {value.name!r} as it was quantised: give a model "
                    "whose outputs are real numbers"
                )
        told = [v for v in self._model.graph.value_info if v.name not in retyped]
        del self._model.graph.value_info[:]
        self._model.graph.value_info.extend(told)

    def _retyped(self) -> set[str]:
        """Values that were integers and are not."""
        integers = {
            name
            for node in self._model.graph.node
            if node.op_type == "Clip"
            for name in node.output
        }
        for node in self._model.graph.node:
            if node.op_type in _MOVES and integers.intersection(node.input):
                integers.update(node.output)
        return integers


def _last(instead: Mapping[str, str], name: str) -> str:
    while name in instead:
        name = instead[name]
    return name


def _spread(values: Any, ndim: int, axis: int, block: int) -> Any:
    """A scale, one in all, a channel or a block of them, to fit a tensor."""
    if block:
        return np.repeat(values, block, axis)
    if values.size == 1:
        return values.reshape(())
    return values.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


def _limits(dtype: Any) -> tuple[float, float]:
    import ml_dtypes

    tell: Any = ml_dtypes.iinfo if "int" in dtype.name else ml_dtypes.finfo
    info = tell(dtype)
    return float(info.min), float(info.max)
