"""Several runs beside the first: graded as it is, at deadlines they share, and compared with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.analysis.comparison import ComparedAt, Comparison, compare
from tailmark.analysis.curve import quality_curve
from tailmark.errors import InputError
from tailmark.quality.base import Floats
from tailmark.records.model import Run
from tailmark.report.findings import Findings

_MOST_CELLS = 20_000
_FEWEST_DEADLINES = 24
_MOST_DEADLINES = 72


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What one run does at the deadlines that all share; the last axis, or only one, is theirs.

    Args:
        rounds: Quality of each (or punctuality without references), shape (rounds, deadlines).
        mean: Over rounds; NaN, as all below, where some round is undefined.
        low: Of its interval.
        high: Likewise.
        tail: The 5 % quantile over rounds.
    """

    rounds: Floats
    mean: Floats
    low: Floats
    high: Floats
    tail: Floats


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One run as it stands beside the first.

    Args:
        name: Distinct from the others'.
        found: All that is shown of it by itself.
        shared: Graded as the first is; None where it cannot be.
        comparison: With the first; None for the first itself, and where it is refused.
        refused: Why; empty where it is not.
    """

    name: str
    found: Findings
    shared: Shared | None
    comparison: Comparison | None = None
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """What a page shows of several runs at once.

    Args:
        runs: The first of them is what the others are compared with.
        deadlines_ns: Shared, ascending.
        asked: Those the first was asked for, and how.
        start: The one the first's headline speaks of.
    """

    runs: tuple[Beside, ...]
    deadlines_ns: tuple[int, ...]
    asked: Mapping[int, str]
    start: int

    @property
    def first(self) -> Findings:
        """What the others are compared with."""
        return self.runs[0].found

    def compared_at(self, one: Beside, k: int) -> ComparedAt | None:
        """How a run stands to the first at the k-th deadline, where that was asked for."""
        at = one.comparison.at if one.comparison else ()
        return next((c for c in at if c.a.deadline_ns == self.deadlines_ns[k]), None)


def side_by_side(
    found: Sequence[Findings],
    names: Sequence[str],
    *,
    deadlines: Sequence[str | int] | None = None,
    time: str | None = None,
    allow: Sequence[str] = (),
) -> SideBySide:
    """Hold runs against the first of them.

    Args:
        found: Two or more.
        names: Of the runs, distinct.
        deadlines: As they were asked for; else the first run's own.
        time: Which latency counts.
        allow: What may differ all the same, as for `compare`; here the scenario always may, for
            what a load costs is a reason to put runs side by side.
    """
    allow = (*allow, "scenario")
    first, others = found[0], found[1:]
    alike: dict[str, Any] = {
        "metric": first.summary.metric,
        "on_late": first.summary.on_late,
        "time": time,
    }
    shared_ns = _shared_ns(found)
    runs = [Beside(name=names[0], found=first, shared=_graded(first.run, shared_ns, alike))]
    for one, name in zip(others, names[1:], strict=True):
        comparison, refused, shared = None, "", None
        try:
            comparison = compare(first.run, one.run, deadlines=deadlines, allow=allow, **alike)
        except InputError as cause:
            refused = str(cause)
        if one.graded == first.graded and one.summary.metric == first.summary.metric:
            shared = _graded(one.run, shared_ns, alike)
        runs.append(
            Beside(name=name, found=one, shared=shared, comparison=comparison, refused=refused)
        )
    headline = first.summary.at[first.summary.first].deadline_ns
    return SideBySide(
        runs=tuple(runs),
        deadlines_ns=shared_ns,
        asked={at.deadline_ns: at.label for at in first.summary.at},
        start=shared_ns.index(headline) if headline in shared_ns else 0,
    )


def _shared_ns(found: Sequence[Findings]) -> tuple[int, ...]:
    """Deadlines where something happens to one run or another, and those the first was asked for.

    A log axis has no zero.
    """
    pooled = np.unique([one.at[k].deadline_ns for one in found for k in one.window])
    pooled = pooled[pooled > 0] if pooled[-1] > 0 else pooled
    most = max(_FEWEST_DEADLINES, _MOST_CELLS // max(len(one.run) for one in found))
    count = min(_MOST_DEADLINES, most, len(pooled))
    some = np.linspace(0, len(pooled) - 1, count).round().astype(int)
    asked = {at.deadline_ns for at in found[0].summary.at} & set(pooled.tolist())
    return tuple(sorted({*pooled[some].tolist(), *asked}))


def _graded(run: Run, deadlines_ns: tuple[int, ...], alike: Mapping[str, Any]) -> Shared:
    curve = quality_curve(run, deadlines_ns=deadlines_ns, points=2, **alike)
    which = np.searchsorted(curve.deadlines_ns, deadlines_ns)
    grades = curve.grades
    rounds = grades.on_time if grades.quality is None else grades.quality
    return Shared(
        rounds=rounds[:, which],
        mean=curve.mean[which],
        low=curve.low[which],
        high=curve.high[which],
        tail=curve.tails[0, which],
    )
