"""Latency percentiles over all queries of a run, with intervals from how they vary by round."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from tailmark.records.model import NEVER, Int64s
from tailmark.stats.dependence import inflation
from tailmark.stats.estimate import Estimate
from tailmark.stats.quantiles import latency_percentile
from tailmark.stats.rounds import TWO_ROUNDS, mean_interval, over_rounds

Floats = npt.NDArray[np.float64]

_BEARING_ROUNDS = 1.5
_FEW_BEARING = 6
_MOST_CONCENTRATED = 2.5
_ROUNDING = 1e-12


def pooled_percentile(
    by_round: Sequence[Int64s], ordered: Int64s, percent: float, *, confidence: float = 0.95
) -> Estimate:
    """A latency percentile over all queries, with an interval from how it varies by round.

    Inverted from tests (Francisco & Fuller 1991), with rounds as clusters: a latency is in the
    interval if the share of later queries has an interval over rounds (`mean_interval`) that holds
    the percentile's. Unlike Woodruff's (1952), which takes the spread at the value alone, it sees
    that later queries come in fewer rounds the later they are.

    Args:
        by_round: Each round's latencies, ascending, `NEVER` for a query without an answer.
        ordered: All of them, ascending.
        percent: As 99.
        confidence: Of the interval.
    """
    n = len(by_round)
    estimate = partial(Estimate, confidence=confidence, n=n, method="inverted t tests over rounds")
    value = latency_percentile(ordered, percent)
    if value == NEVER:
        return estimate(
            value=None, reason=f"{100 - percent:g} % of the queries or more have no answer"
        )
    if n < 2:
        return estimate(value=float(value), reason=TWO_ROUNDS)
    if ordered[0] == ordered[-1]:
        return estimate(value=float(value), low=float(value), high=float(value))
    later = _Later(by_round)
    shares = later.than(value)
    # Dependence is measured where queries are many enough to show it.
    around = later.than(latency_percentile(ordered, 100 - min(3 * (100 - percent), 50)))
    inflated = float(max(inflation(shares), inflation(around)))
    estimate = partial(
        estimate, value=float(value), method=over_rounds("inverted t tests", n, inflated)
    )
    reason = _too_concentrated(later, ordered, percent, n)
    if reason:
        return estimate(reason=reason)
    interval = partial(
        mean_interval, confidence=confidence, freedom=bearing_rounds(shares), inflated=inflated
    )
    low, high, reason = _ends(later, ordered, percent, interval)
    return estimate(reason=reason) if reason else estimate(low=float(low), high=float(high))


def _ends(
    later: "_Later",
    ordered: Int64s,
    percent: float,
    interval: Callable[[Floats], tuple[Floats, Floats]],
) -> tuple[int, int, str | None]:
    """The latencies whose share of later queries may be the percentile's; or why not."""
    # Less than that lies above a percentile as LoadGen has it: by more than rounding.
    share = 1 - percent / 100 - _ROUNDING

    def shares(row: int) -> tuple[Floats, Floats]:
        return interval(later.than(int(ordered[row])))

    at = int(np.searchsorted(ordered, latency_percentile(ordered, percent)))
    above = range(at, len(ordered) - 1)
    first = bisect_left(range(at), True, key=lambda row: bool(shares(row)[0] <= share))
    last = at + bisect_left(above, True, key=lambda row: bool(shares(row)[1] < share))
    low, high = int(ordered[first]), int(ordered[last])
    reason = None
    if high == NEVER:
        reason = f"p{percent:g} has no upper end: too many queries have no answer"
    elif high == ordered[-1] or (first == 0 and at > 0):
        rounds = len(later.sizes)
        reason = f"p{percent:g} varies too much between rounds to bound from {rounds}: measure more"
    return low, high, reason


class _Later:
    """The share of each round's queries that took longer than a latency."""

    def __init__(self, by_round: Sequence[Int64s]) -> None:
        self._by_round = by_round
        self.sizes = np.array([len(one) for one in by_round], dtype=np.float64)

    def than(self, latency: int) -> Floats:
        """Shape (rounds,); a ratio of means, linearised, so that rounds may differ in length."""
        counts = np.array(
            [len(one) - np.searchsorted(one, latency, side="right") for one in self._by_round],
            dtype=np.float64,
        )
        pooled = counts.sum() / self.sizes.sum()
        shares: Floats = pooled + (counts - self.sizes * pooled) / self.sizes.mean()
        return shares


def bearing_rounds(shares: Floats) -> float:
    """How many rounds bear a sum, (Σ x)² / Σ x²: all if they share it, 1 if one has it all."""
    squares = float((shares**2).sum())
    return float(shares.sum()) ** 2 / squares if squares > 0 else 0.0


def _too_concentrated(later: _Later, ordered: Int64s, percent: float, n: int) -> str | None:
    """Why the late queries lie in too few rounds to bound a percentile; None if they do not.

    Judged at three times the percentile's share of late queries: at the share itself, the very runs
    that missed a bad round would pass. Where fewer rounds were measured than make one bad round in
    a hundred (for p99) likely, rounds must be alike too.
    """
    if latency_percentile(ordered, percent) == ordered[-2:].min() == ordered[-1]:
        return f"so many queries share the longest latency that p{percent:g} has no upper end"
    share = 1 - percent / 100
    around = min(3 * share, 0.5)
    shares = later.than(latency_percentile(ordered, 100 * (1 - around)))
    bearing = bearing_rounds(shares)
    queries = float(later.sizes.mean()) * around
    by_chance = n * queries / (queries + 1 - around)
    enough = _BEARING_ROUNDS
    if n * share < 1:
        enough = min(_FEW_BEARING, max(_BEARING_ROUNDS, n / 2))
        if by_chance > _MOST_CONCENTRATED * bearing:
            return (
                f"p{percent:g} lies in few rounds (its neighbourhood in {bearing:.1f} of {n}), so "
                f"it needs {math.ceil(1 / share - 1e-6)} rounds for an interval"
            )
    if bearing < enough:
        return f"p{percent:g} rests on {bearing:.1f} of {n} rounds, too few to bound: measure more"
    return None
