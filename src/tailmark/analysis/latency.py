"""How long answers took, over a whole run: one pass over its rounds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.analysis.grading import check_time, latencies
from tailmark.quality.steps import ascending
from tailmark.records.model import NEVER, Int64s, Run, Status
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.quantiles import latency_percentile
from tailmark.stats.rounds import mean_by_round

Floats = npt.NDArray[np.float64]

PERCENTILES = (50, 90, 95, 97, 99, 99.9)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What one pass over the rounds sees.

    Args:
        by_round: Each round's latencies, ascending, `NEVER` where there is no answer.
        ordered: All of them, ascending.
        lateness_ns: Of the generator (issued − scheduled), ascending: of all queries, or one zero
            where none was late.
        status: Queries by how they ended.
        sent: How often each sample was sent, shape (samples,).
        shares: Of the latency's variance; see `Latency`.
    """

    by_round: list[Int64s]
    ordered: Int64s
    lateness_ns: Int64s
    status: Mapping[str, int]
    sent: npt.NDArray[np.int64]
    shares: Mapping[str, float] | None


def observe(run: Run, time: str) -> Observed:
    """Read every round once.

    Args:
        run: What was measured.
        time: Which latency counts, as `grading.check_time` gives it.
    """
    samples = len(run.references)
    by_round = []
    lateness: list[Int64s] = []
    status = np.zeros(len(Status), dtype=np.int64)
    sent = np.zeros(samples, dtype=np.int64)
    variance = _Variance(samples)
    prompt = 0
    for one in run.rounds():
        late = latencies(run, one, time)
        by_round.append(np.sort(late))
        if (one.issued_ns != one.scheduled_ns).any():
            lateness.append(one.issued_ns - one.scheduled_ns)
        else:
            prompt += len(one)
        status += np.bincount(one.status, minlength=len(Status))
        seen = np.bincount(one.sample, minlength=samples)
        sent += seen
        variance.add(one.sample, late, once=bool((seen == 1).all()))
    return Observed(
        by_round=by_round,
        ordered=ascending(np.concatenate(by_round)),
        # A closed loop is never late, and millions of zeros say no more than one.
        lateness_ns=np.sort(
            np.concatenate([np.zeros(prompt if lateness else 1, np.int64), *lateness])
        ),
        status={s.name: int(status[s]) for s in Status},
        sent=sent,
        shares=variance.shares(),
    )


class _Variance:
    """How much of the latency's variance goes with the sample, with the round, with neither.

    A two-way layout without replication. These are plain mean squares: a single stall counts as
    the rest, where robust ones would hide the very tail that is asked about.
    """

    def __init__(self, samples: int) -> None:
        self._by_sample = np.zeros(samples)
        self._by_round: list[float] = []
        self._squares = 0.0
        self._origin: int | None = None
        self._complete = samples > 1

    def add(self, sample: npt.NDArray[np.int32], late: Int64s, *, once: bool) -> None:
        """Take in a round; the layout is complete if it has each sample once, answered."""
        self._complete = self._complete and once and not bool((late == NEVER).any())
        if self._complete:
            if self._origin is None:
                self._origin = int(late[0])
            # From an origin among them, or squares of large latencies would drown small variances.
            spent = (late - self._origin).astype(np.float64)
            self._by_sample[sample] += spent
            self._by_round.append(float(spent.mean()))
            self._squares += float((spent**2).sum())

    def shares(self) -> dict[str, float] | None:
        """``sample``, ``round`` and ``rest``, which add up to 1; None if it is not complete."""
        samples, rounds = len(self._by_sample), len(self._by_round)
        if not self._complete or rounds < 2:
            return None
        total = self._squares / (samples * rounds) - float(np.mean(self._by_round)) ** 2
        if total <= 0:
            return None
        sample = float(np.var(self._by_sample / rounds)) / total
        whole = float(np.var(self._by_round)) / total
        return {"sample": sample, "round": whole, "rest": max(0.0, 1 - sample - whole)}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The distribution of latency over all queries; one without an answer is later than any.

    Args:
        time: What was timed.
        mean: Over answered queries.
        min_ns: Likewise.
        max_ns: Likewise.
        percentiles: By percent.
        answered: How many.
        lateness_ns: Of the generator (issued − scheduled), by ``p50``, ``p99``, ``max``.
        cold_start: ``open_ns``, ``first_query_ns``, and how many medians the first query took.
        shares: Of the variance, what differs between samples, between rounds, and the rest; None
            where some sample was not answered once in every round.
    """

    time: str
    mean: Estimate
    min_ns: int | None
    max_ns: int | None
    percentiles: Mapping[float, Estimate]
    answered: int
    lateness_ns: Mapping[str, int]
    cold_start: Mapping[str, float]
    shares: Mapping[str, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "time": self.time,
            "mean": self.mean.to_dict(),
            "min_ns": self.min_ns,
            "max_ns": self.max_ns,
            "percentiles": {f"{p:g}": e.to_dict() for p, e in self.percentiles.items()},
            "answered": self.answered,
            "variance_shares": dict(self.shares) if self.shares else None,
        }


def describe_latency(run: Run, seen: Observed, time: str) -> Latency:
    """The distribution of latency, and how the run began."""
    answered = seen.ordered[: np.searchsorted(seen.ordered, NEVER)]
    means = np.array([mean_answered(one) for one in seen.by_round])
    cold: dict[str, float] = dict(run.manifest.cold_start)
    if cold.get("first_query_ns") and len(answered):
        median = latency_percentile(answered, 50)
        cold["first_query_medians"] = round(cold["first_query_ns"] / max(median, 1), 2)
    late = seen.lateness_ns
    return Latency(
        time=time,
        mean=mean_by_round(
            means, bounds=(0.0, math.inf), undefined="some round has no answer at all"
        ),
        min_ns=int(answered[0]) if len(answered) else None,
        max_ns=int(answered[-1]) if len(answered) else None,
        percentiles={p: pooled_percentile(seen.by_round, seen.ordered, p) for p in PERCENTILES},
        answered=len(answered),
        lateness_ns={
            "p50_ns": latency_percentile(late, 50),
            "p99_ns": latency_percentile(late, 99),
            "max_ns": int(late[-1]),
        },
        cold_start=cold,
        shares=seen.shares,
    )


def mean_answered(latency: Int64s) -> float:
    """The mean of a round's latencies that are no `NEVER`; NaN where there are none."""
    there = latency[latency != NEVER]
    return float(there.mean()) if len(there) else float("nan")


def means_of_both(a: Run, b: Run) -> tuple[Floats, Floats]:
    """Each round's mean latency in A, and in B, over the samples that both answered in it.

    Over as many rounds as both have; NaN where there is no such sample. Where one answers fewer
    samples than the other, the means of all its answers are about other samples than the other's.
    """
    times = check_time(a, None), check_time(b, None)
    found = []
    for one, other in zip(a.rounds(), b.rounds(), strict=False):
        late = latencies(a, one, times[0]), latencies(b, other, times[1])
        both = np.intersect1d(one.sample[late[0] != NEVER], other.sample[late[1] != NEVER])
        found.append(
            [
                mean_answered(late[0][np.isin(one.sample, both)]),
                mean_answered(late[1][np.isin(other.sample, both)]),
            ]
        )
    means = np.array(found, dtype=np.float64).reshape(-1, 2)
    return means[:, 0], means[:, 1]
