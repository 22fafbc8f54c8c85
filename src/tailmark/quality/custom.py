"""Metrics from plain functions.

A function of sets is ``function(outputs, references, on_time) -> quality``, asked once for each set
of answers that there is at any deadline::

    def both_halves(outputs, references, on_time):
        right = (outputs["labels"][:, 0] == references) & on_time
        return min(half.mean() for half in np.array_split(right, 2))

A function of answers one by one says so, and then one sort gives every deadline::

    @tailmark.additive
    def close(outputs, references):
        return np.exp(-np.abs(outputs["values"] - references))

Both get a row for each query: arrays, `Ragged`, mappings of such by column, or lists of mappings.
Quality is from 0 to 1.
"""

import inspect
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Arrivals, Floats, Grader, Metric, SetGrader, score_answers
from tailmark.quality.counted import slots
from tailmark.quality.processes import Processes
from tailmark.quality.remembered import Remembered
from tailmark.quality.rows import as_rows, taken, with_nothing
from tailmark.quality.watched import watch
from tailmark.records.model import Int32s, Int64s

F = TypeVar("F", bound=Callable[..., Any])

Progress = Callable[[int, int], object]
"""Told how many evaluations are done, and of how many."""

_ROUNDING = 1e-9


def additive(function: F) -> F:
    """Mark a function that scores answers one by one: see `PerSample`."""
    function.additive = True  # type: ignore[attr-defined] # that is how it is marked
    return function


def of_function(function: Callable[..., Any], *, called: str = "") -> Metric:
    """The metric that a function is.

    Args:
        function: As `PerSample` takes it where it is marked `additive`, else as `Masked`.
        called: What the metric is called.
    """
    kind = PerSample if getattr(function, "additive", False) else Masked
    return kind(function, called=called)


@dataclass(frozen=True)
class PerSample:
    """The mean of what a function says each answer is worth.

    Args:
        function: ``function(outputs, references) -> scores``: rows to scores from 0 to 1, shape
            (rows,). What it says of a row must not depend on the others; it is asked once for each
            pair of sample and output.
        called: What the metric is called; ``module:function`` if nobody says.
    """

    function: Callable[[Any, Any], Any]
    called: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """``module:function``."""
        return self.called or _called(self.function)

    def prepare(self, outputs: Any, references: Any) -> Grader:
        """See `Metric.prepare`."""
        return _PerSampleGrader(self, as_rows(outputs), as_rows(references))


@dataclass(frozen=True)
class Masked:
    """What a function says of sets.

    Args:
        function: ``function(outputs, references, on_time) -> quality``: rows, and which of them
            have an answer, to quality from 0 to 1. ``on_time`` is boolean, shape (rows,); a row
            that has no answer has nothing in its output: -1, NaN, "", an empty row, None.
        called: What the metric is called; ``module:function`` if nobody says.
        workers: How many processes ask the function, once that pays; None for one a core. It stays
            at this one where another could not import the function.
        patience_s: How long the function is asked in this process before others are started.
        progress: Told how many evaluations are done, and of how many, after each.

    Raises:
        InputError: Fewer workers than one.
    """

    function: Callable[[Any, Any, Any], Any]
    called: str = field(default="", compare=False)
    workers: int | None = field(default=None, compare=False)
    patience_s: float = field(default=2.0, compare=False)
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers is {self.workers!r}: give 1 or more processes")

    @property
    def name(self) -> str:
        """``module:function``."""
        return self.called or _called(self.function)

    def prepare(self, outputs: Any, references: Any) -> SetGrader:
        """See `Metric.prepare`."""
        rows = _Sets(self.name, self.function, with_nothing(outputs), as_rows(references))
        return _MaskedGrader(self, rows)


@dataclass(frozen=True)
class _PerSampleGrader:
    metric: PerSample
    outputs: Any
    references: Any

    @cached_property
    def _worth(self) -> Remembered[Floats]:
        return Remembered(self._ask)

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """What the function says of each answer."""
        return score_answers(samples, outputs, self._worth)

    def _ask(self, samples: Int32s, outputs: Int32s) -> Floats:
        name = self.metric.name
        answers, right = taken(self.outputs, outputs), taken(self.references, samples)
        found = _asked(name, self.metric.function, answers, right)
        try:
            scores = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError):
            scores = np.empty(())
        if scores.shape != samples.shape:
            raise MetricError(
                f"{name} returned {_shown(found)} for {len(samples)} answers: return one score for "
                "each, shape (rows,)"
            )
        wrong = scores[~((scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING))]
        if len(wrong):
            raise MetricError(f"{name} scored an answer {wrong[0]}: scores are from 0 to 1")
        return np.clip(scores, 0.0, 1.0)


Set = tuple[Int32s, Int32s]
"""The samples of some rows, and their outputs; -1 for none."""


@dataclass(frozen=True)
class _Sets:
    """A function of sets and what it grades; picklable where the function is.

    Args:
        name: Of the metric.
        function: As `Masked` takes it.
        outputs: All, and last of all nothing.
        references: All.
    """

    name: str
    function: Callable[[Any, Any, Any], Any]
    outputs: Any
    references: Any

    def __call__(self, rows: Set) -> float:
        """The quality of a set."""
        samples, outputs = rows
        answers, right = taken(self.outputs, outputs), taken(self.references, samples)
        found = _asked(self.name, self.function, answers, right, outputs >= 0)
        try:
            quality = float(found)
        except (TypeError, ValueError):
            raise MetricError(
                f"{self.name} returned {_shown(found)}: return one number from 0 to 1"
            ) from None
        if not -_ROUNDING <= quality <= 1 + _ROUNDING:
            raise MetricError(
                f"{self.name} returned {quality} with {np.count_nonzero(outputs >= 0)} of "
                f"{len(outputs)} answers there: quality is from 0 to 1, however few there are"
            )
        return min(max(quality, 0.0), 1.0)


class _MaskedGrader:
    """Asks once for each set, and others to help where that takes long."""

    def __init__(self, metric: Masked, sets: _Sets) -> None:
        self._metric = metric
        self._sets = sets
        self._known: dict[bytes, float] = {}
        self._spent_s = 0.0

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """1 for any answer: of one alone the function says nothing."""
        del samples
        return (outputs >= 0).astype(np.float64)

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """What the function says of the answers that are there."""
        sets = list(_sets_of(arrivals, deadlines_ns))
        keys = [_key(one) for one in sets]
        new = {key: one for key, one in zip(keys, sets, strict=True) if key not in self._known}
        for key, quality in zip(new, self._ask(list(new.values())), strict=True):
            self._known[key] = quality
        return np.array([self._known[key] for key in keys], dtype=np.float64)

    def _ask(self, sets: Sequence[Set]) -> Iterator[float]:
        for done, quality in enumerate(self._each(sets), start=1):
            if self._metric.progress is not None:
                self._metric.progress(done, len(sets))
            if (told := watch.get()) is not None:
                told(self._metric.name, len(self._known) + done)
            yield quality

    def _each(self, sets: Sequence[Set]) -> Iterator[float]:
        for k, one in enumerate(sets):
            # Who waits about as long as starting takes never spends much more than twice the least.
            if self._spent_s >= self._metric.patience_s and k + 1 < len(sets) and self._others:
                yield from self._others.map(sets[k:])
                return
            begin = time.perf_counter()
            quality = self._sets(one) if len(one[0]) else np.nan
            self._spent_s += time.perf_counter() - begin
            yield quality

    @cached_property
    def _others(self) -> Processes | None:
        """Processes that ask the same function; None where they cannot, or are not wanted."""
        count = self._metric.workers or os.cpu_count() or 1
        if count == 1:
            return None
        return Processes.of(self._sets, count, _folders(self._metric.function))


def _sets_of(arrivals: Arrivals, deadlines_ns: Int64s) -> Iterator[Set]:
    """The rows and what they are answered at each deadline."""
    since = slots(arrivals.at_ns, deadlines_ns)
    order = np.argsort(since, kind="stable")  # of a row's answers the last to come stays the last
    ends = np.searchsorted(since[order], np.arange(len(deadlines_ns)), side="right")
    output = np.full(len(arrivals.sample), -1, dtype=np.int32)
    begin = 0
    for end in ends.tolist():
        came = order[begin:end]
        output[arrivals.row[came]] = arrivals.output[came]
        begin = end
        rows = output >= 0 if arrivals.left_out else np.ones(len(output), dtype=np.bool_)
        yield arrivals.sample[rows], output[rows]


def _key(rows: Set) -> bytes:
    digest = blake2b(digest_size=16)
    for column in rows:
        digest.update(column.astype(np.int32).tobytes())
    return digest.digest()


def _asked(name: str, function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except Exception as cause:
        said = " ".join(str(cause).split())
        raise MetricError(f"{name} raised {type(cause).__name__}: {said}") from cause


def _called(function: Callable[..., Any]) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}:{named.__qualname__}"


def _folders(function: Callable[..., Any]) -> list[str]:
    """Where the function's module was found."""
    module = inspect.getmodule(function)
    file = getattr(module, "__file__", None)
    if module is None or file is None:
        return []
    depth = module.__name__.count(".") + (Path(file).stem == "__init__")
    return [str(Path(file).resolve().parents[depth])]


def _shown(found: Any) -> str:
    shape = np.shape(found) if isinstance(found, np.ndarray | list | tuple) else ()
    return f"{type(found).__name__} of shape {shape}" if shape else repr(found)[:60]
