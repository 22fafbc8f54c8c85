"""LiteRT (TensorFlow Lite) as a system: three sets of kernels in one runtime.

XNNPACK takes the operators it has kernels for; the built-in ones compute the rest.
"""

import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Protocol

import numpy as np

from tailmark.errors import SystemSetupError
from tailmark.extras import needed
from tailmark.system.base import Batch, Predictor
from tailmark.system.interface import Interface, wanted_outputs
from tailmark.system.model_file import check_model_file, check_threads, fingerprint
from tailmark.system.native_output import caught

_FLAGS = 0x1 | 0x2 | 0x4
"""``TFLITE_XNNPACK_DELEGATE_FLAG_QS8``, ``_QU8`` and ``_FORCE_FP16`` of ``xnnpack_delegate.h``.

Flags take the place of the default ones, which are the first two.
"""

_RESOLVERS = {
    "xnnpack": "BUILTIN",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}

_WEIGHTY = ("CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
"""Operators that do the arithmetic; their weights are their second operand."""

_PRECISIONS = {"float32": "float32", "float16": "float16", "int8": "int8", "uint8": "int8"}

_Shapes = dict[str, tuple[int, ...]]

_Inputs = Mapping[str, tuple[str, tuple[int, ...], list[int | None]]]
"""By name: the type, the shape it has at first, and the shape declared."""

_Outputs = Mapping[str, tuple[int, ...]]
"""By name: the shape."""


@dataclass(frozen=True, kw_only=True)
class LiteRt:
    """A TensorFlow Lite file run by LiteRT; quantised inputs and outputs are taken as they are.

    Args:
        model: The ``.tflite`` file.
        kernels: ``xnnpack`` where it has them, ``builtin`` (optimised) or ``reference`` (plain).
        threads: Threads inside one operator; not all have use for several.
        precision: ``float16`` lets XNNPACK compute a model of floats in it; None leaves it to the
            model.
        output: The model's output to read, where it has several.
    """

    model: Path
    kernels: Literal["xnnpack", "builtin", "reference"] = "xnnpack"
    threads: int = 1
    precision: Literal["float16"] | None = None
    output: str | None = None

    def open(self) -> Predictor:
        """Load the model.

        Raises:
            SystemSetupError: No package, a missing or corrupt file, or settings it does not have.
        """
        check_model_file(self.model, "a .tflite file")
        check_threads(threads=self.threads)
        if self.precision and self.kernels != "xnnpack":
            raise SystemSetupError(
                f"system.precision is {self.precision!r} and system.kernels {self.kernels!r}: "
                "only xnnpack computes in another precision than the model's"
            )
        needed(
            "ai_edge_litert",
            "system litert",
            package="ai-edge-litert",
            install="'tailmark[litert]'",
        )
        try:
            with caught():
                engine: _Engine = _Compiled(self) if self.precision else _Interpreted(self)
        except Exception as cause:  # the runtime's exceptions share no base of their own
            raise SystemSetupError(
                f"model {str(self.model)!r} cannot be loaded: {_reason(cause)}"
            ) from cause
        return _Live(engine, self)

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part (its hash is in the run)."""
        return {
            "kind": "litert",
            "model": self.model.name,
            "kernels": self.kernels,
            "threads": self.threads,
            "precision": self.precision,
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the model file."""
        return fingerprint(self.model)


class _Engine(Protocol):
    """One of the runtime's two ways to run a model: what it takes and gives, by name."""

    inputs: _Inputs
    outputs: _Outputs

    def resize(self, shapes: _Shapes) -> _Outputs:
        """Take inputs of these shapes from now on; the shapes of the outputs then."""
        ...

    def run(self, feed: Mapping[str, Any], wanted: Sequence[str]) -> list[Any]:
        """The outputs' values, in arrays of their own."""
        ...

    def describe(self) -> dict[str, Any]:
        """What it tells of how it computes."""
        ...


class _Live:
    fresh = True

    def __init__(self, engine: _Engine, recipe: LiteRt) -> None:
        self._engine = engine
        outputs = wanted_outputs(list(engine.outputs), recipe.output)
        declared = {name: (dtype, shape) for name, (dtype, _, shape) in engine.inputs.items()}
        self._interface = Interface(declared, outputs)
        self._any_batch = Interface(
            {
                name: (dtype, [None, *shape[1:]] if shape else [])
                for name, (dtype, shape) in declared.items()
            },
            outputs,
        )
        self._first = {name: shape for name, (_, shape, _) in engine.inputs.items()}
        self._shapes = self._first

    def predict(self, batch: Batch) -> Any:
        feed = self._interface.named(batch)
        shapes = {name: feed[name].shape for name in self._first}
        if shapes != self._shapes:
            self._resize(shapes)
        return self._interface.read(self._engine.run(feed, self._interface.outputs))

    def check(self, batch: Batch) -> None:
        self._any_batch.check(batch)
        feed = self._interface.named(batch)
        self._resize({name: feed[name].shape for name in self._first})

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "litert",
            "version": version("ai-edge-litert"),
            **self._engine.describe(),
            **self._interface.describe(),
        }

    def _resize(self, shapes: _Shapes) -> None:
        """Make room for a batch, or stay as it was.

        Raises:
            SystemSetupError: The graph has its batch's length fixed somewhere.
        """
        try:
            with caught():
                outputs = self._engine.resize(shapes)
            if not self._grown(shapes, outputs):
                raise ValueError("its outputs do not have a row for each sample")  # noqa: TRY301 - one way out for both
        except Exception as cause:  # the runtime's exceptions share no base of their own
            with caught():
                self._engine.resize(self._shapes)
            given = ", ".join(str(list(shape)) for shape in shapes.values())
            fixed = ", ".join(str(list(shape)) for shape in self._first.values())
            raise SystemSetupError(
                f"the model takes {fixed} and the workload gives {given}: its graph holds on to "
                f"its batch ({_reason(cause)}); give as many at once as it takes, or export it "
                "with a free batch"
            ) from cause
        self._shapes = shapes

    def _grown(self, shapes: _Shapes, outputs: _Outputs) -> bool:
        """Whether the outputs' rows are as many times more as the inputs' are.

        An output whose shape is known only once it was computed has no rows yet.
        """
        name, first = next(iter(self._first.items()))
        if not first:
            return True
        return all(
            not shape
            or len(shape) != len(self._engine.outputs[output])
            or shape[0] * first[0] == self._engine.outputs[output][0] * shapes[name][0]
            for output, shape in outputs.items()
        )


class _Interpreted:
    """The interpreter, which tells its operators."""

    def __init__(self, recipe: LiteRt) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter = Interpreter(
            model_path=str(recipe.model),
            num_threads=recipe.threads,
            experimental_op_resolver_type=OpResolverType[_RESOLVERS[recipe.kernels]],
        )
        self._interpreter.allocate_tensors()
        takes, gives = _signature(self._interpreter)
        self._inputs = {name: one["index"] for name, one in takes.items()}
        self._outputs = {name: one["index"] for name, one in gives.items()}
        self.inputs: _Inputs = {name: _taken(one) for name, one in takes.items()}
        self.outputs: _Outputs = {name: _ints(one["shape"]) for name, one in gives.items()}

    def resize(self, shapes: _Shapes) -> _Outputs:
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._inputs[name], shape)
        self._interpreter.allocate_tensors()
        now = {one["index"]: one["shape"] for one in self._interpreter.get_output_details()}
        return {name: _ints(now[index]) for name, index in self._outputs.items()}

    def run(self, feed: Mapping[str, Any], wanted: Sequence[str]) -> list[Any]:
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, feed[name])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[name]) for name in wanted]

    def describe(self) -> dict[str, Any]:
        operators = _operators(self._interpreter)
        return {**_precisions(operators), **_delegated(operators)}


class _Compiled:
    """The compiled model, which takes XNNPACK's flags."""

    def __init__(self, recipe: LiteRt) -> None:
        from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, Options
        from ai_edge_litert.interpreter import Interpreter

        plain = Interpreter(model_path=str(recipe.model))
        self._operators = _operators(plain)
        takes, gives = _signature(plain)
        self.inputs: _Inputs = {name: _taken(one) for name, one in takes.items()}
        self.outputs: _Outputs = {name: _ints(one["shape"]) for name, one in gives.items()}
        self._types = {name: np.dtype(one["dtype"]) for name, one in gives.items()}
        cpu = CpuOptions(num_threads=recipe.threads, xnnpack_flags=_FLAGS)
        model = CompiledModel.from_file(str(recipe.model), options=Options(cpu_options=cpu))
        self._native = SimpleNamespace(model=model, takes={}, gives={})
        weakref.finalize(self, _let_go, self._native)
        # A file without signatures goes by its tensors' names here as there.
        self._key, self._order = next(iter(model.get_signature_list().items()))
        self._make_room()
        self.run(  # the first one loads what there is for other devices, and tells the terminal
            {name: np.zeros(shape, dtype) for name, (dtype, shape, _) in self.inputs.items()}, ()
        )

    def resize(self, shapes: _Shapes) -> _Outputs:
        for place, name in enumerate(self._order["inputs"]):
            self._native.model.resize_input_tensor(place, shapes[name], strict=False)
        self._make_room()
        return self._now

    def run(self, feed: Mapping[str, Any], wanted: Sequence[str]) -> list[Any]:
        takes, gives = self._native.takes, self._native.gives
        for name, buffer in takes.items():
            buffer.write(feed[name])
        self._native.model.run_by_index(0, list(takes.values()), list(gives.values()))
        return [
            gives[name].read(prod(self._now[name]), self._types[name]).reshape(self._now[name])
            for name in wanted
        ]

    def describe(self) -> dict[str, Any]:
        # XNNPACK refuses what it cannot compute in the precision it was forced to, so that whatever
        # it took runs in it; how much it took is told only where that is all.
        told = _precisions(self._operators)
        whole = self._native.model.is_fully_accelerated()
        if told.get("precision") == "float32":
            told = {**told, "precision": "float16"} if whole else {"weights": told["weights"]}
        count = len(self._operators)
        return {**told, "operators": count, **({"delegated": count} if whole else {})}

    def _make_room(self) -> None:
        native, order = self._native, self._order
        native.takes = dict(zip(order["inputs"], native.model.create_input_buffers(0), strict=True))
        native.gives = dict(
            zip(order["outputs"], native.model.create_output_buffers(0), strict=True)
        )
        details = native.model.get_output_tensor_details(self._key)
        self._now = {name: _ints(details[name]["shape"]) for name in order["outputs"]}


def _let_go(native: SimpleNamespace) -> None:
    """Free a compiled model now, whoever still knows of it: the runtime tells the terminal."""
    with caught():
        for buffer in (*native.takes.values(), *native.gives.values()):
            buffer.destroy()
        native.model.environment.close()
        native.model.close()


def _signature(interpreter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and the outputs by name, in the order of the graph.

    Where the file has one signature, its names are the model's; the tensors' are the converter's.
    """
    takes, gives = interpreter.get_input_details(), interpreter.get_output_details()
    if len(interpreter.get_signature_list()) != 1:
        return {one["name"]: one for one in takes}, {one["name"]: one for one in gives}
    runner = interpreter.get_signature_runner()
    return (
        _renamed(takes, runner.get_input_details()),
        _renamed(gives, runner.get_output_details()),
    )


def _renamed(details: Iterable[Any], signature: Mapping[str, Any]) -> dict[str, Any]:
    names = {one["index"]: name for name, one in signature.items()}
    return {names.get(one["index"], one["name"]): one for one in details}


def _taken(details: Any) -> tuple[str, tuple[int, ...], list[int | None]]:
    declared = [None if length < 0 else int(length) for length in details["shape_signature"]]
    return np.dtype(details["dtype"]).name, _ints(details["shape"]), declared


def _ints(shape: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(length) for length in shape)


def _operators(interpreter: Any) -> list[Any]:
    """The graph's operators, and in their midst what XNNPACK took them together in."""
    try:
        return list(interpreter._get_ops_details())  # noqa: SLF001 - told nowhere else
    except ValueError:  # a tensor of no type
        return []


def _precisions(operators: Iterable[Any]) -> dict[str, Any]:
    """What most weights are in; of whole numbers, the arithmetic is of whole numbers too."""
    types = Counter(
        np.dtype(one["operand_types"][1]).name for one in operators if one["op_name"] in _WEIGHTY
    )
    if not types:
        return {}
    weights = types.most_common(1)[0][0]
    precision = _PRECISIONS.get(weights)
    return {"weights": weights, **({"precision": precision} if precision else {})}


def _delegated(operators: Sequence[Any]) -> dict[str, int]:
    """How many of the operators a delegate computes: those between its inputs and its outputs."""
    if not operators:
        return {}
    own = [one for one in operators if one["op_name"] != "DELEGATE"]
    makers = {int(tensor): one for one in own for tensor in one["outputs"]}
    taken = set()
    for delegate in (one for one in operators if one["op_name"] == "DELEGATE"):
        given = {int(tensor) for tensor in delegate["inputs"]}
        open_ends = [int(tensor) for tensor in delegate["outputs"]]
        while open_ends:
            tensor = open_ends.pop()
            maker = makers.get(tensor)
            if maker is None or tensor in given or maker["index"] in taken:
                continue
            taken.add(maker["index"])
            open_ends.extend(int(one) for one in maker["inputs"])
    return {"operators": len(own), "delegated": len(taken)}


def _reason(cause: Exception) -> str:
    lines = [line.strip(" └.") for line in str(cause).splitlines() if line.strip(" └.")]
    return lines[-1] if lines else type(cause).__name__
