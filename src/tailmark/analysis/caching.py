"""Whether samples that come again are answered faster than the first time: the sign of a cache."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.analysis.grading import check_time, latencies
from tailmark.quality.base import Floats
from tailmark.records.model import NEVER, Int32s, Int64s, Run
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import mean_by_round

FASTER_AT_MOST = 0.10
LIMIT = 1 / (1 + FASTER_AT_MOST)
"""MLPerf's TEST04: the same sample repeated may be at most 10 % faster."""

_STALL = 3.0


@dataclass(frozen=True, kw_only=True)
class Caching:
    """The same samples, seen for the first time and again.

    Args:
        ratio: Time of a repeat ÷ time of the same sample when it was new; 1 without a cache.
        first_ns: Median time of new samples.
        again_ns: Median time of their repeats.
        samples: How many.
        repeats: Answers to repeats, of all samples.
        workload: Samples that there are; each is new only once.
        samples_to_decide: About how many would decide against `LIMIT`, where these do not.
    """

    ratio: Estimate
    first_ns: float | None
    again_ns: float | None
    samples: int
    repeats: int
    workload: int
    samples_to_decide: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "ratio": self.ratio.to_dict(),
            "limit": LIMIT,
            "first_ns": self.first_ns,
            "again_ns": self.again_ns,
            "samples": self.samples,
            "repeats": self.repeats,
            "workload": self.workload,
            "samples_to_decide": self.samples_to_decide,
        }


def caching(run: Run) -> Caching:
    """Hold each sample's repeats against its first time, round by round; round 0 is left out.

    A round's value is the mean over its samples of log repeats (their mean) less log first time, so
    that each sample is held against itself. Times beyond three times the sample's median are cut
    there, first and repeated ones alike: a stall is no sign of anything. Without a cache a sample's
    times are exchangeable, and the expected value is zero whatever their law. The interval is over
    rounds.

    Args:
        run: Measured by rounds whose samples no earlier round has sent.
    """
    time = check_time(run, None)
    seen = np.zeros(len(run.references), dtype=np.bool_)
    by_round, firsts, agains = [], [], []
    samples = 0
    for one in run.rounds():
        sent, spent = one.sample, latencies(run, one, time)
        rows = np.flatnonzero(~seen[sent])
        seen[sent] = True
        if one.index == 0:
            continue
        logs = []
        for times in _by_sample(sent[rows], spent[rows]):
            if len(times) < 2 or (times == NEVER).any():
                continue
            cut = np.log(np.clip(times, 1, _STALL * np.median(times)))
            logs.append(cut[1:].mean() - cut[0])
            firsts.append(times[0])
            agains += times[1:].tolist()
        if logs:
            by_round.append(np.mean(logs))
            samples += len(logs)
    ratio = _ratio(np.array(by_round, dtype=np.float64))
    return Caching(
        ratio=ratio,
        first_ns=float(np.median(firsts)) if firsts else None,
        again_ns=float(np.median(agains)) if agains else None,
        samples=samples,
        repeats=len(agains),
        workload=len(seen),
        samples_to_decide=_samples_to_decide(ratio, samples),
    )


def _by_sample(sample: Int32s, spent: Int64s) -> Iterator[Int64s]:
    """Each sample's times, in the order they were taken."""
    order = np.argsort(sample, kind="stable")
    edges = np.flatnonzero(np.diff(sample[order])) + 1
    yield from np.split(spent[order], edges)


def _ratio(logs: Floats) -> Estimate:
    """The mean of logs, as a ratio."""
    e = mean_by_round(logs, undefined="no sample was answered both when it was new and again")

    def ratio(value: float | None) -> float | None:
        return None if value is None else math.exp(value)

    return Estimate(
        value=ratio(e.value),
        low=ratio(e.low),
        high=ratio(e.high),
        confidence=e.confidence,
        n=e.n,
        method=f"{e.method}, of log ratios",
        reason=e.reason,
    )


def _samples_to_decide(ratio: Estimate, samples: int) -> int | None:
    """Half-widths shrink with the root of the samples; None where these decide or none would."""
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return None
    if ratio.low >= LIMIT or ratio.high < LIMIT:
        return None
    gap = abs(math.log(ratio.value / LIMIT))
    half = math.log(ratio.high / ratio.low) / 2
    return max(samples + 1, math.ceil(samples * (half / gap) ** 2)) if gap > 0 else None
