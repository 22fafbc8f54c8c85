"""Stops measuring when what is reported is known well enough."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tailmark.analysis.asked import DEFAULT_DEADLINES, metric_of, resolve
from tailmark.analysis.at_deadline import UNGRADED, UNIT
from tailmark.analysis.grading import check_time, grade, latencies, prepare_grader
from tailmark.errors import InputError, nearest
from tailmark.quality.late import parse_policy
from tailmark.quality.steps import ascending
from tailmark.records.model import Int64s, Run
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.quantiles import Floats
from tailmark.stats.rounds import (
    mean_by_round,
    rounds_for_tail_mean,
    rounds_needed,
    tail_mean_by_round,
    tail_quantile,
)
from tailmark.stopping import Look
from tailmark.units import Percentile, format_duration, parse_deadline, parse_duration

CONFIDENCE = 0.95
"""Of the interval at the stop, all looks together."""

TAIL = 0.05
_FACTOR = 1.5
_EARLIEST = 30
"""Rare disturbances are likelier seen than not by then; who looks sooner believes in luck."""
_QUALITIES = {
    "mean": "the mean of {}",
    "tail": "the 5 % tail of {}",
    "cvar": "the CVaR (5 %) of {}",
    "on_time": "the share on time",
}


@dataclass(frozen=True)
class HalfWidth:
    """Stops when the interval of what is reported is narrow enough, valid although one peeks.

    It is looked at after a few numbers of rounds, fixed beforehand, each about 1.5 times the one
    before; the last is the most allowed. Each look spends an equal part of the 5 % that an interval
    may miss (Bonferroni), so the interval at the stop covers 95 % whatever made it stop and however
    the looks depend on each other, as far as each look's interval holds what it claims.

    Args:
        half_width: A share such as 0.005, of quality. Of a latency percentile it is a share of its
            value, or a time: ``"50us"``.
        of: ``mean``, ``tail`` (5 % quantile) or ``cvar`` of quality over rounds, ``on_time`` (share
            of queries), or a latency percentile: ``p99``.
        at: The deadline; by default the first the experiment names.

    Raises:
        InputError: A setting that means nothing.
    """

    half_width: Any
    of: str = field(default="mean", kw_only=True)
    at: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        known = [*_QUALITIES, "p99"]
        if self.of not in _QUALITIES and not self._percentile():
            raise InputError(
                f"of is {self.of!r}{nearest(str(self.of), known)}: it is {', '.join(_QUALITIES)}, "
                "or a latency percentile such as p99"
            )
        if self.at is not None:
            if self._percentile():
                raise InputError(f"at is {self.at!r}: of {self.of} there is no deadline; leave it")
            if not isinstance(self.at, str):
                raise InputError(f"at is {self.at!r}: write a deadline with its unit, such as 5ms")
            parse_deadline(self.at)
        self._check_width()

    def _check_width(self) -> None:
        given = self.half_width
        if isinstance(given, str) and self._percentile():
            if parse_duration(given, "a half-width") == 0:
                raise InputError(f"half_width is {given!r}: give more than zero, such as 50us")
            return
        plain = isinstance(given, int | float) and not isinstance(given, bool)
        if not plain or not 0 < given < 1:
            also = " or a time such as 50us" if self._percentile() else ""
            raise InputError(
                f"half_width is {given!r}: of {self.of} it is a share above 0 and below 1, such as "
                f"0.005{also}"
            )

    @property
    def grades(self) -> bool:
        """All but latency and punctuality need references."""
        return self.of in ("mean", "tail", "cvar")

    @property
    def judges(self) -> bool:
        """It needs no requirement."""
        return False

    def describe(self) -> dict[str, Any]:
        """The settings that are given."""
        at = {} if self.at is None else {"at": self.at}
        return {"half_width": self.half_width, "of": self.of, **at}

    def looks(self, at_most: int) -> tuple[int, ...]:
        """As many as bear an interval at the confidence that so many looks leave to each.

        Raises:
            InputError: Not even one look at the end does.
        """
        least = self._bears(CONFIDENCE)
        if at_most < least:
            raise InputError(
                f"half_width of {self.of} needs {least} rounds at least, and at_most is {at_most}: "
                f"give at_most {least} or more"
            )
        found = [at_most]
        while True:
            earlier = math.ceil(found[0] / _FACTOR)
            needs = max(_EARLIEST, self._bears(_each(len(found) + 1)))
            if earlier < needs or earlier == found[0]:
                return tuple(found)
            found.insert(0, earlier)

    def _bears(self, confidence: float) -> int:
        """How many rounds an interval takes at least."""
        if self.of == "tail":
            return rounds_needed(TAIL, confidence)
        if self.of == "cvar":
            return rounds_for_tail_mean(TAIL)
        return 2

    def explain(self, looks: tuple[int, ...]) -> str:
        """For ``tailmark check``."""
        wanted = (
            f"stops when the half-width of {self._words()} is {self._width(self.wanted)} or less, "
            f"which takes {looks[0]} rounds at least; looks "
        )
        if len(looks) == 1:
            return f"{wanted}once, at the end: with more rounds allowed it would look earlier too"
        times = "twice" if len(looks) == 2 else f"{len(looks)} times"
        return (
            f"{wanted}{times}, after {_listed(looks)} rounds, with {_sure(_each(len(looks)))} "
            f"intervals, so that {_sure(CONFIDENCE)} hold for all looks together"
        )

    def look(self, run: Run, looks: tuple[int, ...]) -> Look:
        """Hold the interval of these rounds against the width that is wanted."""
        found, words = self._estimate(run, _each(len(looks)))
        half = self.half(found)
        stop = half <= self.wanted
        last = len(run) == looks[-1]
        figures = {"half_width": half if math.isfinite(half) else None, "estimate": found.to_dict()}
        return Look(
            stop=stop,
            says=self._says(found, half, words, way_out=last and not stop),
            brief=f"half-width {self._width(half)} of {self._width(self.wanted)}",
            figures=figures,
        )

    @property
    def wanted(self) -> float:
        """The half-width asked for: a share, or nanoseconds."""
        if isinstance(self.half_width, str):
            return float(parse_duration(self.half_width))
        return float(self.half_width)

    def half(self, estimate: Estimate) -> float:
        """An estimate's half-width in the terms of what is asked; infinite where it has none."""
        if estimate.low is None or estimate.high is None or estimate.value is None:
            return math.inf
        half = (estimate.high - estimate.low) / 2
        if self._percentile() and not isinstance(self.half_width, str):
            return half / estimate.value if estimate.value > 0 else math.inf
        return half

    def _estimate(self, run: Run, confidence: float) -> tuple[Estimate, str]:
        """As `summarize` has it, at another confidence; and what it is of, in words."""
        time = check_time(run, None)
        percentile = self._percentile()
        if percentile:
            by_round, ordered = _pooled(run, time)
            percent = percentile.percent
            found = pooled_percentile(by_round, ordered, percent, confidence=confidence)
            return found, self._words()
        declared = run.manifest.experiment.get("quality", {})
        metric = metric_of(run, None)
        first = next(iter(declared.get("deadlines") or DEFAULT_DEADLINES))
        deadline = parse_deadline(self.at or first)
        if isinstance(deadline, Percentile):
            (deadline,) = resolve([str(deadline)], _pooled(run, time)[1])
        grades = grade(
            run,
            prepare_grader(run, metric) if self.grades else None,
            np.array([deadline], dtype=np.int64),
            policy=parse_policy(declared.get("on_late") or "fail"),
            time=time,
        )
        values = (grades.on_time if grades.quality is None else grades.quality)[:, 0]
        words = f"{_QUALITIES[self.of].format(metric.name)} at {format_duration(deadline)}"
        return estimate(self.of, values, confidence), words

    def _says(self, e: Estimate, half: float, words: str, *, way_out: bool) -> str:
        if e.low is None or e.high is None:
            return f"{words} has no interval yet: {e.reason}"
        ends = f"{self._value(e.low)} to {self._value(e.high)}"
        said = (
            f"{words} is {self._value(e.value)} ({ends}, {_sure(CONFIDENCE)} over all looks), a "
            f"half-width of {self._width(half)} where {self._width(self.wanted)} was wanted"
        )
        if way_out:
            would = math.ceil(e.n * (half / self.wanted) ** 2)
            said += f"; about {_rounded(would):,} rounds would do"
        return said

    def _words(self) -> str:
        if self._percentile():
            return f"{self.of} latency"
        at = f" at {self.at}" if self.at else ""
        return _QUALITIES[self.of].format("quality") + at

    def _value(self, x: float | None) -> str:
        return format_duration(x) if self._percentile() else f"{100 * (x or 0):.2f} %"

    def _width(self, half: float) -> str:
        if not math.isfinite(half):
            return "unknown"
        return format_duration(half, 2) if isinstance(self.half_width, str) else _per_cent(half, 2)

    def _percentile(self) -> Percentile | None:
        if self.of in _QUALITIES or not isinstance(self.of, str):
            return None
        try:
            found = parse_deadline(self.of)
        except InputError:
            return None
        return found if isinstance(found, Percentile) else None


def estimate(of: str, values: Floats, confidence: float) -> Estimate:
    """What `summarize` says of these rounds, at another confidence.

    Args:
        of: ``mean``, ``on_time``, ``tail`` or ``cvar``.
        values: One a round, shape (rounds,).
        confidence: Of the interval.
    """
    if of == "tail":
        return tail_quantile(values, TAIL, confidence=confidence)
    if of == "cvar":
        return tail_mean_by_round(values, TAIL, confidence=confidence, bounds=UNIT)
    return mean_by_round(values, confidence=confidence, bounds=UNIT, undefined=UNGRADED)


def _each(looks: int) -> float:
    """The confidence of each of so many looks."""
    return 1 - (1 - CONFIDENCE) / looks


def _pooled(run: Run, time: str) -> tuple[list[Int64s], Int64s]:
    """Latencies by round, and of all rounds together, ascending."""
    by_round = [ascending(latencies(run, one, time)) for one in run.rounds()]
    return by_round, ascending(np.concatenate(by_round))


def _per_cent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}g} %"


def _sure(confidence: float) -> str:
    return _per_cent(confidence, 4)


def _rounded(count: int) -> int:
    """Up, to two digits: more would claim too much."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def _listed(looks: tuple[int, ...]) -> str:
    *most, last = map(str, looks)
    return f"{', '.join(most)} and {last}" if most else last
