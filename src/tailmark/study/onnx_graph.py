"""An ONNX file as a search walks it: who makes what of what, and a copy that shows one more tensor.

Weights are read only when two operators are compared. A branch or loop is one operator.
"""

import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark import extras
from tailmark.errors import SystemSetupError
from tailmark.system.model_file import files_of

Sides = tuple[Any, Any]
"""What something is in A, and in B."""


@dataclass(frozen=True)
class Operator:
    """A node of the graph.

    Args:
        index: Its place in the file, where who reads comes after who makes.
        name: Its own; of a nameless one, that of its first output.
        op_type: Such as ``Conv``.
        reads: Tensors, by name, those that its branches capture too.
        makes: Tensors.
    """

    index: int
    name: str
    op_type: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]


class Graph:
    """The operators of a file, and what lies above what.

    Args:
        model: The ``.onnx`` file.

    Raises:
        SystemSetupError: It cannot be read.
    """

    def __init__(self, model: Path) -> None:
        self.model = model
        proto = _load(model).graph
        constants = {one.name for one in proto.initializer}
        self.inputs = tuple(one.name for one in proto.input if one.name not in constants)
        self.outputs = tuple(one.name for one in proto.output)
        self.operators = tuple(_operators(proto))

    @cached_property
    def makers(self) -> Mapping[str, Operator]:
        """The operators, by the tensors that depend on the model's inputs."""
        varying = set(self.inputs)
        makers = {}
        for operator in self.operators:
            if varying.intersection(operator.reads):
                varying.update(operator.makes)
                makers.update(dict.fromkeys(operator.makes, operator))
        return makers

    @cached_property
    def tensors(self) -> tuple[str, ...]:
        """What depends on the model's inputs, in the order in which it is made."""
        return tuple(self.makers)

    @cached_property
    def above(self) -> Mapping[str, int]:
        """For each of `tensors`, those it is made of: bit i is the ith."""
        place = {name: i for i, name in enumerate(self.tensors)}
        above: dict[str, int] = {}
        for name in self.tensors:
            bits = 0
            for read in self.makers[name].reads:
                if read in place:
                    bits |= above[read] | 1 << place[read]
            above[name] = bits
        return above

    def bits(self, names: Iterable[str]) -> int:
        """Tensors as a set of bits."""
        wanted = set(names)
        return sum(1 << i for i, name in enumerate(self.tensors) if name in wanted)

    def names(self, bits: int) -> list[str]:
        """The tensors of a set of bits."""
        return [name for i, name in enumerate(self.tensors) if bits >> i & 1]

    def back_to(self, tensor: str, stops: set[str]) -> tuple[list[str], list[Operator]]:
        """The nearest of ``stops`` above a tensor, and the operators from them to it."""
        waiting, seen = [tensor], {tensor}
        nearest: list[str] = []
        between: dict[int, Operator] = {}
        while waiting:
            operator = self.makers[waiting.pop()]
            between[operator.index] = operator
            for read in operator.reads:
                if read not in self.makers or read in seen:
                    continue
                seen.add(read)
                (nearest if read in stops else waiting).append(read)
        return nearest, [between[index] for index in sorted(between)]


class Shown:
    """A copy of a model's file with one more output, another each time.

    What is appended to a file of protobuf is merged into what it holds, so that a copy serves for
    all, and its weights are neither read nor written again.

    Args:
        model: The file.
        folder: An empty folder for the copy.
        link: Whether tensors kept outside may be linked instead of copied.
    """

    def __init__(self, model: Path, folder: Path, *, link: bool) -> None:
        self._path = folder / model.name
        shutil.copyfile(model, self._path)
        self._size = model.stat().st_size
        for file in files_of(model)[1:]:
            beside = folder / file.relative_to(model.parent)
            beside.parent.mkdir(parents=True, exist_ok=True)
            _bring(file, beside, link=link)

    def show(self, tensor: str) -> Path:
        """The file, with this tensor as its last output; of the type that the runtime infers."""
        onnx = needed()
        more = onnx.ModelProto()
        more.graph.output.add().name = tensor
        os.truncate(self._path, self._size)
        with self._path.open("ab") as file:
            file.write(more.SerializeToString())
        return self._path


def needed() -> ModuleType:
    """The package onnx.

    Raises:
        SystemSetupError: It is not installed.
    """
    return extras.needed("onnx", "looking into models", install="'tailmark[convert]'")


def differences(
    a: Path, b: Path, pairs: Iterable[tuple[Operator, Operator]]
) -> tuple[dict[str, Sides], dict[str, float | str]]:
    """What operators differ in: attributes in A and in B; the largest difference of their weights.

    Args:
        a: The one model's file.
        b: The other's.
        pairs: Operators of A and of B.
    """
    if a.samefile(b):
        return {}, {}
    one, other = _Contents(a), _Contents(b)
    attributes: dict[str, Sides] = {}
    weights: dict[str, float | str] = {}
    for left, right in pairs:
        if left.op_type != right.op_type:
            attributes["op_type"] = (left.op_type, right.op_type)
        attributes |= _attributes(one.node(left), other.node(right))
        if left.op_type.removeprefix("Fused") == right.op_type.removeprefix("Fused"):
            weights |= _weights(one, other, left, right)
    return attributes, weights


class _Contents:
    """A file with its weights, read one by one."""

    def __init__(self, model: Path) -> None:
        self._folder = model.parent
        self._model = _load(model)
        self._initializers = {one.name: one for one in self._model.graph.initializer}
        self._makers = {name: node for node in self._model.graph.node for name in node.output}

    def node(self, operator: Operator) -> Any:
        return self._model.graph.node[operator.index]

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """What is there before the model runs; None if it is not, or cannot be told."""
        tensor = self._initializers.get(name)
        if tensor is not None:
            return self._stored(tensor)
        node = self._makers.get(name)
        if node is None:
            return None
        known = {read: self.constant(read) for read in node.input if read}
        if any(values is None for values in known.values()):
            return None
        return self._computed(node, known, name)

    def _stored(self, tensor: Any) -> npt.NDArray[Any] | None:
        """In the file or outside it, where onnx refuses what `Shown` has linked.

        None for types of less than a byte, which are packed there.
        """
        onnx = needed()
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            return np.asarray(onnx.numpy_helper.to_array(tensor))
        told = {entry.key: entry.value for entry in tensor.external_data}
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        count = math.prod(tensor.dims)
        if int(told.get("length", 0)) not in (0, count * dtype.itemsize):
            return None
        offset = int(told.get("offset", 0))
        values = np.fromfile(self._folder / told["location"], dtype, count, offset=offset)
        return values.reshape(tensor.dims)

    def _computed(self, node: Any, known: Mapping[str, Any], name: str) -> npt.NDArray[Any] | None:
        """Of a node of constants, such as a weight that is dequantised."""
        helper = needed().helper
        from onnx.reference import ReferenceEvaluator

        inputs = [
            helper.make_tensor_value_info(
                read, helper.np_dtype_to_tensor_dtype(values.dtype), values.shape
            )
            for read, values in known.items()
        ]
        graph = helper.make_graph(
            [node], "one", inputs, [helper.make_empty_tensor_value_info(name)]
        )
        model = helper.make_model(graph, opset_imports=self._model.opset_import)
        try:
            return np.asarray(ReferenceEvaluator(model).run([name], dict(known))[0])  # type: ignore[index]  # a list here
        except Exception:  # noqa: BLE001  what it cannot compute is left untold
            return None


def _load(model: Path) -> Any:
    """The file without the tensors that are kept outside it."""
    onnx = needed()
    try:
        proto = onnx.load(str(model), load_external_data=False)
    except Exception as cause:  # protobuf's errors share no base of their own
        raise SystemSetupError(
            f"model {str(model)!r} cannot be read as ONNX: {type(cause).__name__}"
        ) from cause
    if not proto.graph.node:
        raise SystemSetupError(f"model {str(model)!r} has no nodes: give an ONNX model")
    return proto


def _operators(graph: Any) -> Iterator[Operator]:
    for index, node in enumerate(graph.node):
        makes = tuple(name for name in node.output if name)
        yield Operator(
            index=index,
            name=node.name or next(iter(makes), ""),
            op_type=node.op_type,
            reads=tuple(dict.fromkeys(_reads(node))),
            makes=makes,
        )


def _reads(node: Any) -> Iterator[str]:
    """Names it reads, and those that the graphs inside it take from around them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            own = {one.name for one in (*graph.input, *graph.initializer)}
            own |= {name for inner in graph.node for name in inner.output}
            yield from (one.name for one in graph.output if one.name not in own)
            for inner in graph.node:
                yield from (name for name in _reads(inner) if name not in own)


def _attributes(one: Any, other: Any) -> dict[str, Sides]:
    """What is not alike; None where it is left to its default."""
    helper = needed().helper
    sides = [
        {a.name: _plain(helper.get_attribute_value(a)) for a in n.attribute} for n in (one, other)
    ]
    return {
        name: (sides[0].get(name), sides[1].get(name))
        for name in dict.fromkeys([*sides[0], *sides[1]])
        if sides[0].get(name) != sides[1].get(name)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Iterable):
        return [_plain(one) for one in value]
    return type(value).__name__  # a graph or a tensor


def _weights(
    one: _Contents, other: _Contents, left: Operator, right: Operator
) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    sides = zip(one.node(left).input, other.node(right).input, strict=False)
    for mine, theirs in sides:
        values, others = one.constant(mine), other.constant(theirs)
        if values is None or others is None:
            continue
        if values.shape != others.shape:
            found[theirs] = f"shapes {list(values.shape)} and {list(others.shape)}"
        elif not {values.dtype.kind, others.dtype.kind} <= set("biufV"):
            continue  # texts
        elif not np.array_equal(values, others):
            apart = np.abs(values.astype(np.float64) - others.astype(np.float64))
            found[theirs] = float(apart.max())
    return found


def _bring(file: Path, to: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(file, to)
        except OSError:  # another file system, or one without links
            pass
        else:
            return
    shutil.copyfile(file, to)
