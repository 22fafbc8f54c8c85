"""Where two models that should answer alike part: the first operator whose output diverges.

The answers diverge, so some tensor above them is the first that does. It is sought as a faulty
commit is: the tensor that halves what is left is shown as one more output of both models, and is
either the new end or clears all that lies above it. One tensor at a time, so that the runtimes fuse
and plan all the rest as they did; where observing makes the divergence vanish, that is told.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from tailmark.errors import SystemSetupError, TailmarkError
from tailmark.study.onnx_graph import Graph, Operator, Shown, Sides, differences
from tailmark.system.base import Batch, Predictor, System
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.system.openvino import OpenVino

_FEW = 0.5
"""The share of the tensors below which those in both are called few."""


class Side(System, Protocol):
    """A recipe that reads an ``.onnx`` file."""

    @property
    def model(self) -> Path:
        """The file."""
        ...


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """How far a tensor is from the other model's.

    Args:
        largest: Of the differences between two numbers.
        relative: That, as a share of the largest number of either; infinite where there is none.
        exact: It counts things (indices, lengths, texts, truths), so that any difference is one.
        what: Why no number tells it.
    """

    largest: float
    relative: float
    exact: bool = False
    what: str | None = None

    def beyond(self, tolerance: float) -> bool:
        """Whether it is a divergence."""
        return self.relative > (0 if self.exact else tolerance)


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first operator whose output diverges.

    Args:
        operator: Its name in B; None where nothing that the models answer diverges.
        op_type: Such as ``Conv``.
        output: The tensor that diverges.
        max_error: There, the largest difference between two numbers.
        relative_error: That, as a share of the largest number; None where none tells it.
        inputs: What it is made of, with the relative error of each.
        attributes: What the operator, or one of those between, is told, where A and B differ.
        weights: What they were trained to, where A and B differ: the largest difference.
        index: Its place among B's operators, from 0.
        operators: How many B has.
        between: Where no tensor of both is between them, the other operators that it could be.
        end: The model's output that the search set out from, or the one of the largest error.
        end_error: That output's relative error.
        vanishes: Observing the tensor, or one that it is made of, makes the model's output agree:
            it is what the runtime does with them together, such as a fusion.
        shared: Tensors of B that A has too, by name.
        tensors: Tensors of B.
        models: Models built.
        runs: Batches answered.
        skipped: Tensors that a runtime would not show, or that hold steps in one and numbers in the
            other.
        note: What should be known of it.
    """

    operator: str | None
    op_type: str | None = None
    output: str | None = None
    max_error: float | None = None
    relative_error: float | None = None
    inputs: Mapping[str, float | None] = field(default_factory=dict)
    attributes: Mapping[str, Sides] = field(default_factory=dict)
    weights: Mapping[str, float | str] = field(default_factory=dict)
    index: int | None = None
    operators: int
    between: tuple[str, ...] = ()
    end: str
    end_error: float | None
    vanishes: bool = False
    shared: int
    tensors: int
    models: int
    runs: int
    skipped: tuple[str, ...] = ()
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return told | {
            "inputs": dict(self.inputs),
            "attributes": {name: list(sides) for name, sides in self.attributes.items()},
            "weights": dict(self.weights),
            "between": list(self.between),
            "skipped": list(self.skipped),
        }


def reads_onnx(recipe: object) -> TypeGuard[Side]:
    """Whether a recipe can be a side of `first_divergence`."""
    model = getattr(recipe, "model", None)
    return isinstance(model, Path) and model.suffix == ".onnx" and hasattr(recipe, "open")


def first_divergence(
    a: Side,
    b: Side,
    inputs: Sequence[Batch],
    *,
    tolerance: float = 1e-3,
    tell: Callable[[str], None] | None = None,
) -> Divergence:
    """Find the first operator whose output diverges.

    Args:
        a: The one that is believed.
        b: The one that is looked into: the same file under other settings, or a file whose tensors
            have kept their names.
        inputs: Some batches, best of samples that the two answer otherwise.
        tolerance: The relative error beyond which a tensor diverges.
        tell: Told what is observed.

    Raises:
        SystemSetupError: A side reads no ``.onnx`` file or cannot be opened, the inputs do not fit,
            or the two have no outputs in common.
    """
    for side in (a, b):
        if not reads_onnx(side):
            raise SystemSetupError(
                f"no operator of {side.describe().get('kind')!r} can be observed: "
                "give two systems whose model is an .onnx file"
            )
    if not inputs:
        raise SystemSetupError("there are no inputs to observe operators with: give some")
    with _Observatory.of(a, b, inputs) as observatory:
        return _Search(observatory, tolerance, tell or _silent).run()


def _silent(doing: str) -> None:
    del doing


class _RefusedError(Exception):
    """A runtime would not show a tensor."""


class _Observatory:
    """Both models, with whatever tensor is asked for as one more output."""

    def __init__(self, sides: tuple[Side, Side], inputs: Sequence[Batch], folder: Path) -> None:
        self._sides = sides
        self._inputs = inputs
        self._folder = folder
        self._shown: dict[Path, Shown] = {}
        self.graphs = Graph(sides[0].model), Graph(sides[1].model)
        self.ends = _ends(sides, self.graphs)
        self.models = 0
        self.runs = 0

    @classmethod
    @contextmanager
    def of(cls, a: Side, b: Side, inputs: Sequence[Batch]) -> "Iterator[_Observatory]":
        with tempfile.TemporaryDirectory(prefix="tailmark-") as folder:
            yield cls((a, b), inputs, Path(folder))

    def answers(self) -> dict[str, Disagreement]:
        """Of the models' outputs, as they are."""
        try:
            one, other = (
                self._asked(side, side.model, graph.outputs)
                for side, graph in zip(self._sides, self.graphs, strict=True)
            )
        except TailmarkError:
            raise
        except Exception as cause:  # the runtimes' exceptions share no base of their own
            first = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise SystemSetupError(f"the inputs cannot be answered: {first}") from cause
        return {end[1]: _compare(one[end[0]], other[end[1]]) for end in self.ends}

    def observe(self, tensor: str, end: str) -> tuple[Disagreement, Disagreement]:
        """Of a tensor, and of the output that the search set out from meanwhile.

        Raises:
            _RefusedError: A runtime would not.
        """
        (mine,) = (pair[0] for pair in self.ends if pair[1] == end)
        seen = []
        for side, graph, last in zip(self._sides, self.graphs, (mine, end), strict=True):
            try:
                found = self._asked(side, self._with(side, tensor), (*graph.outputs, tensor))
                seen.append((found[tensor], found[last]))
            except Exception as cause:  # whatever a runtime raises, it is this tensor's
                raise _RefusedError(str(cause)) from cause
        (one, here), (other, there) = seen
        kinds = [values[0].dtype for values in (one, other)]
        if _whole(kinds[0]) != _whole(kinds[1]):
            raise _RefusedError(f"it is {kinds[0]} in A and {kinds[1]} in B")
        return _compare(one, other), _compare(here, there)

    def _with(self, side: Side, tensor: str) -> Path:
        if side.model not in self._shown:
            folder = self._folder / str(len(self._shown))
            folder.mkdir()
            link = isinstance(side, OnnxRuntime | OpenVino)  # other readers refuse linked files
            self._shown[side.model] = Shown(side.model, folder, link=link)
        return self._shown[side.model].show(tensor)

    def _asked(
        self, side: Side, model: Path, outputs: tuple[str, ...]
    ) -> dict[str, list[npt.NDArray[Any]]]:
        predictor = _opened(side, model)
        self.models += 1
        found: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in outputs}
        for batch in self._inputs:
            predictor.check(batch)
            answer = predictor.predict(batch)
            self.runs += 1
            for name, values in _named(answer, outputs).items():
                found[name].append(np.array(values))
        return found


def _opened(side: Side, model: Path) -> Predictor:
    changed: dict[str, Any] = {"model": model}
    if hasattr(side, "output"):
        changed["output"] = None
    recipe: Any = side
    opened = replace(recipe, **changed).open()
    if not hasattr(opened, "predict"):
        raise SystemSetupError(
            f"no operator of {side.describe().get('kind')!r} can be observed: it answers when it "
            "likes, give a system that answers at once"
        )
    return opened  # type: ignore[no-any-return]  # of a recipe that is known by its shape alone


def _named(answer: Any, outputs: tuple[str, ...]) -> Mapping[str, Any]:
    """The outputs by the model's own names; a runtime that calls them otherwise keeps the order."""
    if isinstance(answer, Mapping):
        if set(outputs) <= answer.keys():
            return {name: answer[name] for name in outputs}
        answer = list(answer.values())
    several = answer if len(outputs) > 1 else [answer]
    if len(several) != len(outputs):
        raise SystemSetupError(
            f"the runtime gives {len(several)} outputs of {', '.join(outputs)}: choose one by "
            "output"
        )
    return dict(zip(outputs, several, strict=True))


def _ends(sides: tuple[Side, Side], graphs: tuple[Graph, Graph]) -> list[tuple[str, str]]:
    """Outputs of A and of B that are the same: of one name, or else in one place."""
    read = []
    for side, graph in zip(sides, graphs, strict=True):
        chosen = getattr(side, "output", None)
        read.append([chosen] if chosen else list(graph.outputs))
    shared = [name for name in read[0] if name in read[1]]
    if shared:
        return [(name, name) for name in shared]
    if len(read[0]) == len(read[1]):
        return list(zip(*read, strict=True))
    raise SystemSetupError(
        f"the models have no outputs in common ({', '.join(read[0])} and {', '.join(read[1])}): "
        "choose one of each by output"
    )


class _Search:
    """For the first tensor that diverges, in B's graph."""

    def __init__(
        self, observatory: _Observatory, tolerance: float, tell: Callable[[str], None]
    ) -> None:
        self._observatory = observatory
        self._tolerance = tolerance
        self._tell = tell
        self._a, self._b = observatory.graphs
        self._shared = {name for name in self._b.tensors if name in self._a.makers}
        self._seen: dict[str, Disagreement] = {}
        self._healed: set[str] = set()  # observing them makes the end agree
        self._skipped: list[str] = []
        self._end = ""

    def run(self) -> Divergence:
        ends = self._observatory.answers()
        self._seen.update(ends)
        diverging = [name for name, error in ends.items() if self._beyond(error)]
        if not diverging:
            self._end = max(ends, key=lambda name: ends[name].relative)
            return self._result(None)
        self._end = min(
            diverging,
            key=lambda name: self._b.above[name].bit_count() if name in self._b.above else 0,
        )
        if self._end not in self._b.makers:
            return self._result(None)
        cleared = self._b.bits(
            name for name, error in ends.items() if not error.exact and not self._beyond(error)
        )
        for name in self._b.names(cleared):
            cleared |= self._b.above[name]
        target = self._narrowed(self._end, cleared)
        while (upstream := self._diverging_input(target)) is not None:
            # A tensor that agreed has hidden it: only what was itself seen to agree is clear.
            agreed = (name for name, error in self._seen.items() if not self._beyond(error))
            target = self._narrowed(upstream, self._b.bits(agreed))
        return self._result(target)

    def _beyond(self, error: Disagreement) -> bool:
        return error.beyond(self._tolerance)

    def _narrowed(self, target: str, cleared: int) -> str:
        """The first tensor that diverges, of those above one that does."""
        graph = self._b
        left = graph.above[target] & graph.bits(self._shared) & ~cleared
        left &= ~graph.bits(self._skipped)
        while left:
            chosen = self._halving(left)
            error = self._observed(chosen)
            if error is not None and self._beyond(error):
                target = chosen
                left &= graph.above[chosen]
            elif error is None or error.exact:
                left &= ~graph.bits([chosen])
            else:
                left &= ~(graph.above[chosen] | graph.bits([chosen]))
        return target

    def _halving(self, left: int) -> str:
        """The tensor that leaves the fewest whether it diverges or not; the first of the best."""
        count = left.bit_count()

        def clears(name: str) -> int:
            above = (self._b.above[name] & left).bit_count()
            return min(above + 1, count - above)

        return max(self._b.names(left), key=clears)

    def _diverging_input(self, target: str) -> str | None:
        """One of the tensors that it is made of, if they do not all agree after all."""
        while True:
            unseen = [name for name in self._inputs(target)[0] if name not in self._seen]
            if not unseen:
                break
            for name in unseen:
                self._observed(name)
        found = [name for name in self._inputs(target)[0] if self._beyond(self._seen[name])]
        return min(found, key=self._b.tensors.index, default=None)

    def _inputs(self, target: str) -> tuple[list[str], list[Operator]]:
        """Tensors that both have and can show, and the operators that make the target of them."""
        return self._b.back_to(target, self._shared.difference(self._skipped))

    def _observed(self, name: str) -> Disagreement | None:
        """Observe a tensor, once; None where a runtime would not show it."""
        if name not in self._seen and name not in self._skipped:
            try:
                error, end = self._observatory.observe(name, self._end)
            except _RefusedError as cause:
                self._skipped.append(name)
                self._tell(f"{name} cannot be observed: {cause}")
                return None
            self._seen[name] = error
            if not self._beyond(end):
                self._healed.add(name)
            self._tell(f"{name}: relative error {error.relative:.2g}")
        return self._seen.get(name)

    def _result(self, target: str | None) -> Divergence:
        found = Divergence(
            operator=None,
            operators=len(self._b.operators),
            end=self._end,
            end_error=_finite(self._seen[self._end].relative),
            shared=len(self._shared),
            tensors=len(self._b.tensors),
            models=self._observatory.models,
            runs=self._observatory.runs,
            skipped=tuple(self._skipped),
        )
        if target is None:
            return replace(found, note=self._seen[self._end].what)
        inputs, operators = self._inputs(target)
        operator = self._b.makers[target]
        error = self._seen[target]
        pairs = [(self._a.makers[name], one) for one in operators for name in self._in_a(one)]
        attributes, weights = differences(self._a.model, self._b.model, pairs)
        return replace(
            found,
            operator=operator.name,
            op_type=operator.op_type,
            output=target,
            max_error=_finite(error.largest),
            relative_error=_finite(error.relative),
            inputs={name: _finite(self._seen[name].relative) for name in inputs},
            attributes=attributes,
            weights=weights,
            index=operator.index,
            between=tuple(one.name for one in operators if one != operator),
            vanishes=not self._healed.isdisjoint([target, *inputs]),
            note=error.what or self._few(),
        )

    def _in_a(self, operator: Operator) -> list[str]:
        return [name for name in operator.makes if name in self._a.makers][:1]

    def _few(self) -> str | None:
        shared, there = len(self._shared), len(self._b.tensors)
        if shared >= _FEW * there:
            return None
        return (
            f"only {shared} of the {there} tensors go by the same name in both models: what is "
            "between two of them cannot be told apart"
        )


def _compare(ours: Sequence[npt.NDArray[Any]], theirs: Sequence[npt.NDArray[Any]]) -> Disagreement:
    """Over all batches together, so that a batch of small numbers is not held to itself."""
    largest = scale = 0.0
    exact = False
    for one, other in zip(ours, theirs, strict=True):
        if one.shape != other.shape:
            shapes = f"shapes {list(one.shape)} and {list(other.shape)}"
            return Disagreement(largest=np.inf, relative=np.inf, what=shapes)
        if not {one.dtype.kind, other.dtype.kind} <= set("biufV"):
            same = np.array_equal(one, other)
            error = 0.0 if same else np.inf
            what = None if same else "what is no number differs"
            return Disagreement(largest=error, relative=error, exact=True, what=what)
        exact = exact or _counts(one.dtype)
        left, right = one.astype(np.float64), other.astype(np.float64)
        alike = (left == right) | (np.isnan(left) & np.isnan(right))
        with np.errstate(invalid="ignore"):  # between two infinities, which are alike
            apart = np.where(alike, 0, np.abs(left - right))
        if not np.isfinite(apart).all():
            what = "one has numbers where the other has none, or infinite ones"
            return Disagreement(largest=np.inf, relative=np.inf, what=what)
        largest = max(largest, float(apart.max(initial=0)))
        for side in (left, right):
            scale = max(scale, float(np.abs(side).max(initial=0, where=np.isfinite(side))))
    return Disagreement(largest=largest, relative=largest / scale if largest else 0.0, exact=exact)


def _whole(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu"


def _counts(dtype: np.dtype[Any]) -> bool:
    """Whole numbers of 8 bits are quantised ones, and round as those in between do."""
    return dtype.kind == "b" or (dtype.kind in "iu" and dtype.itemsize > 1)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
