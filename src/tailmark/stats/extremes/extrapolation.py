"""Latency beyond the data, with intervals that know the rounds, as far as the data bear it.

The profile likelihood of the exceedances, as if they were independent, is scaled by how little
those of one round are worth together (Smith 1991; Chandler & Bate 2007): that holds for bursts,
for queues and for slow rounds alike. ``benchmarks/extremes_coverage.py`` prints how often the
intervals cover, and how often those of declustering would.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import stdtrit

from tailmark.records.model import NEVER, Int64s
from tailmark.stats.estimate import Estimate
from tailmark.stats.extremes.profile import Peaks
from tailmark.stats.extremes.rare import share_later
from tailmark.stats.extremes.tail import Tail
from tailmark.stats.percentiles import pooled_percentile

INSIDE = 20
"""So many queries later than a level put it inside the data, where no law is needed."""

_SHARE_FLOOR = 1e-9


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """Answers about rare latencies: from the data where they reach, from the tail beyond.

    Args:
        by_round: Each round's latencies in issue order.
        ordered: All of them, ascending.
        tail: From `find_tail`.
        confidence: Of the intervals.
    """

    by_round: Sequence[Int64s]
    ordered: Int64s
    tail: Tail
    confidence: float = 0.95

    def later_than(self, deadline_ns: int) -> Estimate:
        """P(latency > deadline)."""
        later = len(self.ordered) - int(np.searchsorted(self.ordered, deadline_ns, side="right"))
        if later >= INSIDE or self.ordered[-1] == NEVER:
            return share_later(self.by_round, deadline_ns, confidence=self.confidence)
        refused = partial(Estimate, value=None, confidence=self.confidence, n=len(self.by_round))
        tail = self.tail
        if tail.peaks is None or tail.threshold_ns is None or tail.reason:
            return refused(reason=tail.reason)
        above = float(deadline_ns - tail.threshold_ns)
        value = tail.peaks.rate * float(tail.peaks.law.survival(above))
        if value * tail.horizon < 1:
            return refused(reason=self._past_the_horizon())
        low, high = tail.peaks.chances(above, *self._bar(tail.peaks, value))
        return self._told(value, low, min(high, 1.0))

    def once_in(self, queries: float) -> Estimate:
        """The latency that one query in so many exceeds, in nanoseconds.

        Args:
            queries: More than 1.
        """
        n = len(self.ordered)
        if n / queries >= INSIDE or self.ordered[-1] == NEVER:
            percent = 100 * (1 - 1 / queries)
            ascending = [np.sort(one) for one in self.by_round]
            return pooled_percentile(ascending, self.ordered, percent, confidence=self.confidence)
        refused = partial(Estimate, value=None, confidence=self.confidence, n=len(self.by_round))
        tail = self.tail
        if tail.peaks is None or tail.threshold_ns is None or tail.reason:
            return refused(reason=tail.reason)
        if queries > tail.horizon:
            return refused(reason=self._past_the_horizon())
        share = 1 / queries
        bar = self._bar(tail.peaks, share)
        low, high = tail.peaks.levels(share, *bar)
        value = tail.peaks.law.exceeded_with(share / tail.peaks.rate)
        u = tail.threshold_ns
        return self._told(u + value, u + low, u + high)

    def _told(self, value: float, low: float, high: float) -> Estimate:
        told = partial(
            Estimate,
            value=value,
            confidence=self.confidence,
            n=len(self.by_round),
            method="profile likelihood of a generalised Pareto tail, scaled by rounds",
        )
        if math.isfinite(high):
            return told(low=low, high=high)
        return told(reason="the tail may be so heavy that there is no upper end: measure more")

    def _past_the_horizon(self) -> str:
        return (
            f"rarer than the horizon, once in {self.tail.horizon:,} queries, which is as far as "
            f"{len(self.by_round)} rounds like these reach: it grows with their number"
        )

    def _bar(self, peaks: Peaks, probability: float) -> tuple[float, float]:
        """The deviance that is plausible, and roughly how far log probability may be off.

        The larger of two scalings: how the number of exceedances varies by round, and how this
        probability's own influence does. The first alone would miss what slow rounds do to the
        excesses, the second is too small where few bursts carry it (77 to 88 % covered). Student's
        t stands for the scaling's own error.
        """
        k = len(peaks.excess)
        share = np.array([max(probability / peaks.rate, _SHARE_FLOOR)])
        slopes = peaks.law.slopes(share)[0]
        solved = np.linalg.solve(peaks.law.information(), slopes)
        plain = float(1 + slopes @ solved) / k
        u = self.tail.threshold_ns or 0
        parts = np.empty(len(self.by_round))
        for r, one in enumerate(self.by_round):
            excess = (one[one > u] - u).astype(np.float64)
            scores = float((peaks.law.scores(excess) @ solved).sum())
            parts[r] = len(excess) - len(one) * peaks.rate + scores
        by_round = float(np.var(parts / k, ddof=1)) * len(parts)
        scaled = max(k / self.tail.independent, by_round / plain)
        freedom = min(len(parts) - 1.0, self.tail.independent - 2)
        t = float(stdtrit(freedom, 0.5 + self.confidence / 2))
        return scaled * t**2, t * math.sqrt(scaled * plain)


def shape_and_scale(tail: Tail, rounds: int, *, confidence: float = 0.95) -> dict[str, Estimate]:
    """The law's ``shape`` and ``scale`` (in ns), with intervals from its information.

    Args:
        tail: From `find_tail`, with a fit.
        rounds: Of the run.
        confidence: Of the intervals.
    """
    if tail.peaks is None:
        none = Estimate(value=None, n=rounds, confidence=confidence, reason=tail.reason)
        return {"shape": none, "scale": none}
    law = tail.peaks.law
    freedom = min(rounds - 1.0, tail.independent - 2)
    t = float(stdtrit(freedom, 0.5 + confidence / 2))
    errors = np.sqrt(np.diag(np.linalg.inv(law.information())) / tail.independent)
    told = partial(Estimate, confidence=confidence, n=rounds, method="information, by rounds")
    half, factor = t * float(errors[1]), math.exp(t * float(errors[0]))
    return {
        "shape": told(value=law.shape, low=law.shape - half, high=law.shape + half),
        "scale": told(value=law.scale, low=law.scale / factor, high=law.scale * factor),
    }
