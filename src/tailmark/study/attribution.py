"""What causes the differences between two environments: settings taken back one at a time.

B is asked again with settings of A, until the answers are A's: the fewest that do so are the cause.
Where no setting is, what nobody declared is tried: labels counted from elsewhere, channels the
other way round, rows for columns.
"""

import itertools
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tailmark.analysis.answered import Answered, answered
from tailmark.analysis.latency import means_of_both
from tailmark.analysis.unlike import flips
from tailmark.differential_file import DifferentialPlan, PlannedEnvironment, nested
from tailmark.errors import InterruptedRunError, TailmarkError
from tailmark.experiment import Experiment
from tailmark.measurement import run_experiment
from tailmark.records.differential import DifferentialRecord, folder_of
from tailmark.records.model import Run
from tailmark.records.store import count_rounds, open_run
from tailmark.stats.ratios import paired_ratio
from tailmark.study.apart import first_divergence_apart
from tailmark.study.divergence import reads_onnx
from tailmark.study.hypotheses import INPUTS, shifted_labels
from tailmark.study.operator_times import operator_times, slower_operator
from tailmark.study.precision import float_precision_of
from tailmark.study.workshop import Workshop
from tailmark.system.base import Batch, with_batch_axis
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.workload.transformed import Transformation, Transformed

EFFECTIVE = ("precision", "threads", "device")
"""What a runtime decides by itself where nobody does, and says afterwards."""

WHOLESALE = ("framework", "make", "system.model", "system.call", "system.make")
"""Axes that are another implementation altogether: what in it is the cause, they do not say."""

_TRIES = 24
"""The most combinations that are asked: beyond singles and pairs, the best are joined greedily."""

_LOOKED_AT = 3
"""Samples that operators are compared by."""

_SLOWER = 1.1
"""From which ratio of latencies on it is asked which operator takes the time."""

_EXPLAINS = 0.9
"""The share of flips that an undeclared cause must take away to be named."""


@dataclass(frozen=True, kw_only=True)
class Toggle:
    """Settings of B put back to A's, and what remained.

    Args:
        axes: Which, by name.
        flips: Samples answered otherwise than in A still; None where it could not be tried.
        error: Why not.
        effective: What the runtime then was: of `EFFECTIVE`, and ``kind``.
    """

    axes: tuple[str, ...]
    flips: int | None
    error: str | None = None
    effective: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "axes": list(self.axes),
            "flips": self.flips,
            "error": self.error,
            "effective": dict(self.effective),
        }


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What makes B answer otherwise than A.

    Args:
        a: The one environment's name.
        b: The other's.
        samples: Asked in both.
        labels: Whether answers are labels.
        flips: Answered otherwise; an answer that only one has is.
        missing: Of these, without an answer in B.
        axes: All that differs, and what it is in A and in B.
        toggles: What was tried.
        cause: The fewest axes that explain it; empty where none do.
        explained: Flips that taking these back takes away.
        undeclared: What nobody declared and explains it, in words.
        contents: What the models' files differ in, by name: in A, and in B.
        divergence: The first operator whose output diverges, where both models are ONNX graphs.
        slower: The operator that takes the most of the time that B takes longer.
    """

    a: str
    b: str
    samples: int
    labels: bool
    flips: int
    missing: int
    axes: Mapping[str, tuple[Any, Any]]
    toggles: tuple[Toggle, ...] = ()
    cause: tuple[str, ...] = ()
    explained: int = 0
    undeclared: str | None = None
    contents: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    divergence: Mapping[str, Any] | None = None
    slower: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "a": self.a,
            "b": self.b,
            "samples": self.samples,
            "labels": self.labels,
            "flips": self.flips,
            "missing": self.missing,
            "axes": {name: list(sides) for name, sides in self.axes.items()},
            "toggles": [one.to_dict() for one in self.toggles],
            "cause": list(self.cause),
            "explained": self.explained,
            "undeclared": self.undeclared,
            "contents": {name: list(sides) for name, sides in self.contents.items()},
            "divergence": self.divergence,
            "slower": self.slower,
        }


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One thing that two environments differ in, and how to put B's back.

    Args:
        name: A setting's dotted name, ``framework``, a step of ``make``, or what is effective.
        a: What it is in A.
        b: In B.
        settings: Dotted names with their values of A; None takes a setting away.
        steps: The steps that B's model is made by when it is put back; None leaves them.
        without: The one of B's steps that is left out then, by its place; None leaves them.
    """

    name: str
    a: Any
    b: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Any, ...] | None = None
    without: int | None = None


def attribute(
    plan: DifferentialPlan,
    record: DifferentialRecord,
    workshop: Workshop,
    tell: Callable[[str], None],
) -> list[Attribution]:
    """Explain every environment that answers otherwise than the baseline.

    Args:
        plan: What was to be.
        record: What was measured.
        workshop: Makes models.
        tell: Told what is tried.

    Raises:
        StoreError: The runs cannot be read or written.
    """
    base = record.run(record.baseline)
    if base is None or not base.outputs:
        return []
    planned = {one.name: one for one in plan.environments}
    a = _side(planned[record.baseline], base, record)
    found = []
    for one in record.environments:
        run = record.run(one.name)
        if one.name == record.baseline or run is None:
            continue
        b = _side(planned[one.name], run, record)
        pair = _Pair(record, workshop, tell, a, b)
        slower = not one.answers_only and _slower(base, run)
        if pair.flips or slower:
            found.append(pair.attribute(slower=slower))
    return found


_ABSENT = object()


def _slower(a: Run, b: Run) -> bool:
    """Whether B takes longer by more than `_SLOWER` for sure."""
    ratio = paired_ratio(*means_of_both(a, b))
    return ratio.low is not None and ratio.low > _SLOWER


def axes_between(
    a: PlannedEnvironment,
    b: PlannedEnvironment,
    effective: tuple[Mapping[str, Any], Mapping[str, Any]],
    pinnable: Iterable[str],
) -> list[Axis]:
    """What two environments differ in, the most particular first.

    Args:
        a: The one.
        b: The other.
        effective: What of `EFFECTIVE` A was, and B.
        pinnable: Of `EFFECTIVE`, what B's system can be told.
    """
    one, other = dict(a.settings), dict(b.settings)
    steps = tuple(one.pop("make")), tuple(other.pop("make"))
    differing = [
        name
        for name in dict.fromkeys([*other, *one])
        if one.get(name, _ABSENT) != other.get(name, _ABSENT)
    ]
    found: list[Axis] = []
    framework = None
    if "system.kind" in differing:
        # What only one of the kinds has cannot be put back without the kind.
        tied = [
            name
            for name in differing
            if name.startswith("system.") and (name not in one or name not in other)
        ]
        tied += ["system.kind"]
        differing = [name for name in differing if name not in tied]
        framework = Axis(
            name="framework",
            a=one.get("system.kind"),
            b=other.get("system.kind"),
            settings={name: one.get(name) for name in tied},
        )
    found += [
        Axis(name=name, a=one.get(name), b=other.get(name), settings={name: one.get(name)})
        for name in differing
    ]
    declared = {axis.name.rpartition(".")[2] for axis in found}
    for name in EFFECTIVE:
        sides = tuple(said.get(name) for said in effective)
        if None in sides or sides[0] == sides[1] or name in declared or name not in pinnable:
            continue
        pinned = {f"system.{name}": sides[0]}
        found.insert(0, Axis(name=name, a=sides[0], b=sides[1], settings=pinned))
    found += _step_axes(*steps)
    return [*found, framework] if framework is not None else found


def _step_axes(one: tuple[Any, ...], other: tuple[Any, ...]) -> list[Axis]:
    """Steps that only B's model is made by, each for itself; otherwise all of them together."""
    if one == other:
        return []
    shared = iter(one)
    awaited = next(shared, _ABSENT)
    extra: list[int] = []
    for place, step in enumerate(other):
        if step == awaited:
            awaited = next(shared, _ABSENT)
        else:
            extra.append(place)
    if awaited is not _ABSENT:
        return [Axis(name="make", a=list(one), b=list(other), steps=one)]
    kinds = [step if isinstance(step, str) else step["kind"] for step in other]
    return [
        Axis(name=f"make.{_numbered(kinds, place)}", a=None, b=other[place], without=place)
        for place in extra
    ]


def _numbered(kinds: Sequence[str], place: int) -> str:
    """A step's kind, and where there are several of it, which."""
    kind = kinds[place]
    before = kinds[:place].count(kind)
    return f"{kind} {before + 1}" if kinds.count(kind) > 1 else kind


def _effective(system: Mapping[str, Any], contents: Mapping[str, Any] | None) -> dict[str, Any]:
    told = {name: system.get(name) for name in ("kind", *EFFECTIVE)}
    return told | {"precision": float_precision_of(system, contents)}


@dataclass(frozen=True)
class _Side:
    """One of two environments: what was to be, what it answered, what of `EFFECTIVE` it was."""

    planned: PlannedEnvironment
    answered: Answered
    effective: Mapping[str, Any]


def _side(planned: PlannedEnvironment, run: Run, record: DifferentialRecord) -> _Side:
    contents = record.environment(planned.name).contents
    return _Side(planned, answered(run), _effective(run.manifest.system, contents))


@dataclass
class _Pair:
    """Two environments, and what is tried between them."""

    record: DifferentialRecord
    workshop: Workshop
    tell: Callable[[str], None]
    a: _Side
    b: _Side
    tried: dict[tuple[str, ...], Toggle] = field(default_factory=dict)

    @cached_property
    def flips(self) -> int:
        return self._against_a(self.b.answered)

    def _against_a(self, other: Answered) -> int:
        return int(flips(self.a.answered, other).sum())

    def attribute(self, *, slower: bool) -> Attribution:
        """Find the cause.

        Args:
            slower: Whether B takes longer too.
        """
        a, b = self.a, self.b
        axes = axes_between(a.planned, b.planned, (a.effective, b.effective), self._pinnable())
        total = self.flips
        cause = self._fewest(axes, total) if total else ()
        explained = total - (self._flips_of(cause) if cause else total)
        there = a.answered.there
        particular = cause and not set(WHOLESALE) & set(cause)
        return Attribution(
            a=a.planned.name,
            b=b.planned.name,
            samples=int((a.answered.sent & b.answered.sent).sum()),
            labels=a.answered.label is not None,
            flips=total,
            missing=int((there & b.answered.sent & ~b.answered.there).sum()),
            axes={axis.name: (axis.a, axis.b) for axis in axes},
            toggles=tuple(self.tried.values()),
            cause=cause,
            explained=explained,
            undeclared=None if particular or not total else self._undeclared(total),
            contents=self._contents(),
            **self._operators(total, slower=slower),
        )

    def _operators(self, total: int, *, slower: bool) -> dict[str, Mapping[str, Any]]:
        """Which operator diverges first, and which takes the time, as far as graphs tell."""
        try:
            sides = [self.workshop.experiment(one.planned) for one in (self.a, self.b)]
            a, b = (one.system for one in sides)
            if not (reads_onnx(a) and reads_onnx(b)):
                return {}
            differ = np.flatnonzero(flips(self.a.answered, self.b.answered))
            inputs = self._inputs(sides, differ[:_LOOKED_AT] if total else range(1))
            if inputs is None:
                return {}
            found: dict[str, Mapping[str, Any]] = {}
            name = self.b.planned.name
            if total:
                self.tell(f"looking for where {name} diverges")
                found["divergence"] = first_divergence_apart(a, b, inputs).to_dict()
            if slower and isinstance(a, OnnxRuntime) and isinstance(b, OnnxRuntime):
                self.tell(f"timing the operators of {name}")
                named = slower_operator(*(operator_times(one, inputs) for one in (a, b)))
                if named is not None:
                    found["slower"] = named.to_dict()
        except TailmarkError as cause:
            return {"divergence": {"error": str(cause)}}
        return found

    def _inputs(self, sides: Sequence[Experiment], chosen: Iterable[int]) -> list[Batch] | None:
        """A few inputs, where both environments are given the same."""
        workloads = [one.workload for one in sides]
        if workloads[0].describe() != workloads[1].describe():
            return None
        samples = self.workshop.prepared(sides[0]).workload.open()
        return [with_batch_axis(samples.prepare(samples.load(int(index)))) for index in chosen]

    def _pinnable(self) -> list[str]:
        """What of `EFFECTIVE` B's system has a setting for."""
        recipe = self.workshop.experiment(self.b.planned).system
        names = getattr(type(recipe), "__dataclass_fields__", {})
        return [name for name in EFFECTIVE if name in names]

    def _fewest(self, axes: Sequence[Axis], total: int) -> tuple[str, ...]:
        """The fewest axes without which B answers as A; else those that take most away.

        Among as few, those that leave most of B as it is: another framework changes what the
        runtime decides by itself too.
        """
        by_name = {axis.name: axis for axis in axes}
        for size in (1, 2):
            chosen = itertools.combinations(by_name, size)
            for names in itertools.islice(chosen, max(0, _TRIES - len(self.tried))):
                self._try([by_name[name] for name in names])
            whole = [t for t in self.tried.values() if t.flips == 0 and len(t.axes) == size]
            if whole:
                return min(whole, key=self._changed).axes
        return self._greedy(by_name, total)

    def _greedy(self, by_name: Mapping[str, Axis], total: int) -> tuple[str, ...]:
        """Axes joined one by one, each the one that takes most away."""
        best: Toggle | None = None
        while len(self.tried) < 2 * _TRIES:
            held = best.axes if best else ()
            left = total if best is None or best.flips is None else best.flips
            found = [
                toggle
                for name in by_name
                if name not in held
                and (toggle := self._try([by_name[one] for one in (*held, name)])).flips is not None
                and toggle.flips < left
            ]
            if not found:
                break
            best = min(found, key=lambda one: (one.flips, self._changed(one)))
            if best.flips == 0:
                break
        return best.axes if best else ()

    def _changed(self, toggle: Toggle) -> int:
        """How much of what B effectively was is another now."""
        was = self.b.effective
        return sum(was.get(name) != value for name, value in toggle.effective.items())

    def _flips_of(self, axes: tuple[str, ...]) -> int:
        left = self.tried[tuple(sorted(axes))].flips
        return self.flips if left is None else left

    def _try(self, axes: Sequence[Axis]) -> Toggle:
        """B with these put back, asked once; remembered."""
        key = tuple(sorted(axis.name for axis in axes))
        if key in self.tried:
            return self.tried[key]
        self.tried[key] = toggle = self._toggle(key, self._put_back(axes))
        return toggle

    def _toggle(self, key: tuple[str, ...], put_back: PlannedEnvironment) -> Toggle:
        if put_back.settings == self.a.planned.settings:  # it is A
            return Toggle(axes=key, flips=0, effective=self.a.effective)
        what = ", ".join(key)
        self.tell(f"{self.b.planned.name} with {what} of {self.a.planned.name}")
        run = self._asked(put_back, "+".join(key))
        if isinstance(run, TailmarkError):
            return Toggle(axes=key, flips=None, error=str(run))
        left = self._against_a(answered(run))
        contents = self.record.environment(self.b.planned.name).contents
        return Toggle(axes=key, flips=left, effective=_effective(run.manifest.system, contents))

    def _put_back(self, axes: Sequence[Axis]) -> PlannedEnvironment:
        planned = self.b.planned
        settings = dict(planned.settings)
        out = {axis.without for axis in axes}
        made = enumerate(settings.pop("make"))
        steps = tuple(step for place, step in made if place not in out)
        for axis in axes:
            if axis.steps is not None:
                steps = axis.steps
            for name, value in axis.settings.items():
                settings.pop(name, None)
                if value is not None:
                    settings[name] = value
        document = {**planned.document, **nested(settings)}
        return replace(planned, document=document, steps=steps)

    def _asked(
        self, planned: PlannedEnvironment, what: str, by: Transformation | None = None
    ) -> Run | TailmarkError:
        """What `_ask` gives, or why it does not; Ctrl-C is no answer."""
        try:
            return self._ask(planned, what, by)
        except InterruptedRunError:
            raise
        except TailmarkError as cause:
            return cause

    def _ask(self, planned: PlannedEnvironment, what: str, by: Transformation | None) -> Run:
        """Every sample once, one after the other, its input transformed if so asked."""
        out = self.record.path / "attribution" / folder_of(f"{self.b.planned.name}-{what}")
        once = self.workshop.experiment(replace(planned, answers_only=True))
        experiment = self.workshop.prepared(once)
        if (out / "run.json").exists():
            if count_rounds(out) and (held := open_run(out)).complete:
                return held
            shutil.rmtree(out)  # it was interrupted
        if by is not None:
            transformed = Transformed(workload=experiment.workload, by=by)
            experiment = replace(experiment, workload=transformed)
        return run_experiment(experiment, out=out)

    def _undeclared(self, total: int) -> str | None:
        """What nobody declared, and would explain it."""
        a, b = self.a.planned.name, self.b.planned.name
        shift = shifted_labels(self.a.answered, self.b.answered)
        if shift:
            side = "higher" if shift > 0 else "lower"
            return f"{b} counts labels from {abs(shift)} {side}: declare decode.offset"
        for name, transformation in INPUTS.items():
            self.tell(f"{b} with {name}")
            run = self._asked(self.b.planned, transformation, transformation)
            if isinstance(run, TailmarkError):
                continue  # not an input of that kind
            if self._against_a(answered(run)) <= (1 - _EXPLAINS) * total:
                return f"{b} answers as {a} once it is given {name}"
        return None

    def _contents(self) -> dict[str, tuple[Any, Any]]:
        """What the model files are made of otherwise."""
        one, other = (
            self.record.environment(side.planned.name).contents or {} for side in (self.a, self.b)
        )
        return {
            name: (one.get(name), other.get(name))
            for name in dict.fromkeys([*one, *other])
            if one.get(name) != other.get(name)
        }
