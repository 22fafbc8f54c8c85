"""What a run tells of latencies rarer than it saw: the finding behind ``tailmark extremes``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.asked import resolve
from tailmark.analysis.grading import check_time, latencies
from tailmark.errors import InputError
from tailmark.records.model import NEVER, Run, Status
from tailmark.records.store import as_run
from tailmark.stats.estimate import Estimate
from tailmark.stats.extremes.extrapolation import Extrapolation, shape_and_scale
from tailmark.stats.extremes.tail import find_tail
from tailmark.units import Percentile, format_duration, parse_deadline

FORMAT = 1

_FIRST = 100
_COMMON = 99
_LONGEST_HORIZON = 10**15


@dataclass(frozen=True, kw_only=True)
class Late:
    """How often a deadline is missed.

    Args:
        deadline_ns: Resolved.
        label: As it was asked for.
        share: P(latency > deadline).
    """

    deadline_ns: int
    label: str
    share: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        share = self.share.to_dict()
        return {"deadline_ns": self.deadline_ns, "label": self.label, "late": share}


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """What a run tells of latencies rarer than it saw.

    Args:
        run: The run's name.
        time: What was timed.
        rounds: Of the run.
        queries: In all of them.
        unanswered: Of these.
        largest_ns: The longest answered latency; None if nothing was answered.
        threshold_ns: Above it lies the tail; None, as all below, where none could be chosen.
        percentile: Of the threshold, from 0 to 100.
        exceedances: Queries above it.
        exceeding_rounds: Rounds they come from.
        independent: How many independent exceedances they are worth.
        clusters: Bursts they come in.
        extremal_index: The share of exceedances that begin a burst; nothing rests on it.
        shape: Of the generalised Pareto law; above 0 a heavy tail, below 0 one that ends.
        scale_ns: Likewise.
        p_value: Of the law's fit; below 0.05 it is refused.
        horizon: As rare as "once in so many queries" can be told; 0 where no tail is borne.
        reason: Why nothing can be told beyond the data; None where it can.
        levels: For "once in so many queries", the latency exceeded.
        late: By deadline, ascending.
        warnings: Sentences for the reader.
    """

    run: str
    time: str
    rounds: int
    queries: int
    unanswered: int
    largest_ns: int | None
    threshold_ns: int | None
    percentile: float | None
    exceedances: int
    exceeding_rounds: int
    independent: float
    clusters: int
    extremal_index: float | None
    shape: Estimate
    scale_ns: Estimate
    p_value: float | None
    horizon: int
    reason: str | None
    levels: Mapping[int, Estimate]
    late: tuple[Late, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document ``extremes --json`` prints."""
        return {
            "format": FORMAT,
            "run": self.run,
            "time": self.time,
            "rounds": self.rounds,
            "queries": self.queries,
            "unanswered": self.unanswered,
            "largest_ns": self.largest_ns,
            "tail": {
                "threshold_ns": self.threshold_ns,
                "percentile": self.percentile,
                "exceedances": self.exceedances,
                "rounds": self.exceeding_rounds,
                "independent": self.independent,
                "clusters": self.clusters,
                "extremal_index": self.extremal_index,
                "shape": self.shape.to_dict(),
                "scale_ns": self.scale_ns.to_dict(),
                "p_value": self.p_value,
                "reason": self.reason,
            },
            "horizon": self.horizon,
            "levels": [
                {"once_in": n, "latency_ns": level.to_dict()} for n, level in self.levels.items()
            ],
            "late": [one.to_dict() for one in self.late],
            "warnings": list(self.warnings),
        }


def extremes(
    run: Run | str | Path,
    *,
    deadlines: Sequence[str | int] | None = None,
    horizon: float | None = None,
    time: str | None = None,
) -> Extremes:
    """Say how late the rarest answers are, as far beyond the data as the data bear it.

    Args:
        run: A run, or its directory.
        deadlines: ``"50ms"``, ``"p99.9"``, or nanoseconds; else the experiment's own that are rare,
            beyond p99.
        horizon: The rarest latency asked for, as once in so many queries; else what is borne.
        time: ``total``, ``inference`` or another stage.

    Raises:
        InputError: Something asked for is not there.
    """
    run = as_run(run)
    if horizon is not None and not _FIRST <= horizon <= _LONGEST_HORIZON:
        raise InputError(
            f"horizon {horizon!r} is none: say once in how many queries, from 100, such as 1e6"
        )
    time = check_time(run, time)
    by_round = [latencies(run, one, time) for one in run.rounds()]
    timed_out = sum(int((one.status == Status.timed_out).sum()) for one in run.rounds())
    ordered = np.sort(np.concatenate(by_round))
    answered = ordered[: np.searchsorted(ordered, NEVER)]
    tail = find_tail(by_round)
    asked = deadlines or _declared(run)
    labels = resolve(asked, ordered) if asked else {}
    if not deadlines:
        rare = np.searchsorted(ordered, list(labels), side="right") * 100 > _COMMON * len(ordered)
        labels = {
            ns: text for (ns, text), is_rare in zip(labels.items(), rare, strict=True) if is_rare
        }
    told = Extrapolation(by_round=by_round, ordered=ordered, tail=tail)
    cut = _timeout(run) if timed_out else None
    law = shape_and_scale(tail, len(run))
    queries = len(ordered)
    below = np.searchsorted(ordered, tail.threshold_ns or 0, side="right") / max(queries, 1)
    return Extremes(
        run=run.name,
        time=time,
        rounds=len(run),
        queries=queries,
        unanswered=queries - len(answered),
        largest_ns=int(answered[-1]) if len(answered) else None,
        threshold_ns=tail.threshold_ns,
        percentile=None if tail.threshold_ns is None else 100 * float(below),
        exceedances=tail.exceedances,
        exceeding_rounds=tail.rounds,
        independent=tail.independent,
        clusters=tail.clusters,
        extremal_index=tail.extremal_index,
        shape=law["shape"],
        scale_ns=law["scale"],
        p_value=tail.p_value,
        horizon=tail.horizon,
        reason=tail.reason,
        levels={n: told.once_in(n) for n in _ladder(horizon, tail.horizon, queries)},
        late=tuple(
            Late(
                deadline_ns=ns,
                label=label,
                share=_cut(told.later_than(ns), ns, timed_out, cut),
            )
            for ns, label in labels.items()
        ),
        warnings=(*run.manifest.warnings, *run.manifest.ending),
    )


def _declared(run: Run) -> list[str | int]:
    """The experiment's deadlines that are times; a percentile says nothing of what is beyond it."""
    declared = run.manifest.experiment.get("quality", {}).get("deadlines") or []
    return [one for one in declared if not isinstance(parse_deadline(one), Percentile)]


def _ladder(asked: float | None, borne: int, queries: int) -> list[int]:
    """Once in 100, 1,000, … queries up to what is asked, and the horizon where it lies before."""
    last = int(asked) if asked is not None else max(borne, queries)
    steps = [_FIRST]
    while steps[-1] * 10 < last:
        steps.append(steps[-1] * 10)
    return sorted({*steps, last, *([borne] if _FIRST < borne < last else [])})


def _timeout(run: Run) -> int | None:
    found = run.manifest.experiment.get("system", {}).get("timeout_ns")
    return int(found) if found is not None else None


def _cut(share: Estimate, deadline_ns: int, timed_out: int, timeout_ns: int | None) -> Estimate:
    """Nothing is known past a timeout that cut queries off."""
    if timeout_ns is None or deadline_ns < timeout_ns:
        return share
    return replace(
        share,
        value=None,
        low=None,
        high=None,
        reason=f"{timed_out:,} queries were cut off at the timeout of "
        f"{format_duration(timeout_ns)}, so nothing is known of longer ones: raise the timeout",
    )
