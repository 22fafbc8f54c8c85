"""The tail of a run's latencies: above which threshold it begins, which law it follows.

Pickands (1975), Davison & Smith (1990). All exceedances are fitted as if they were independent,
which errs on average no less if they are not, and none is thrown away (Fawcett & Walshaw 2007).
How much less they are worth together is seen in how their number varies between rounds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tailmark.records.model import NEVER, Int64s
from tailmark.stats.extremes.extremal_index import clusters, extremal_index, waits
from tailmark.stats.extremes.goodness import fit_p_value
from tailmark.stats.extremes.pareto import Floats, Pareto, fit
from tailmark.stats.extremes.profile import Peaks
from tailmark.stats.extremes.rare import design_effect
from tailmark.units import format_duration

EXCEEDANCES = 50
INDEPENDENT = 10
ROUNDS = 10
"""The fewest that a tail is fitted to: from here on, simulated intervals held what they claim."""

LEVEL = 0.05
"""A fit with a lower p-value is a failed one; also ForwardStop's false discovery rate."""

REACH = 10
"""The horizon, as a multiple of the queries that the data are worth."""

_MOST = 250
_HIGHEST_SHARE = 0.1
_STEP = 0.8
_TIED = 0.05


@dataclass(frozen=True, kw_only=True)
class Tail:
    """What lies above a threshold, and what that bears.

    Args:
        threshold_ns: None where the data are too few to choose one, as is all that rests on it.
        exceedances: Queries above it.
        rounds: The rounds they come from.
        independent: How many independent exceedances they are worth.
        clusters: Bursts they come in.
        extremal_index: The share of exceedances that begin a burst; a description.
        peaks: The fit; None where there is none.
        p_value: Of the fit.
        horizon: "Once in so many queries" is as rare as can be told; 0 where nothing can.
        reason: Why nothing can be told beyond the data, and what would help.
    """

    threshold_ns: int | None = None
    exceedances: int = 0
    rounds: int = 0
    independent: float = 0.0
    clusters: int = 0
    extremal_index: float | None = None
    peaks: Peaks | None = None
    p_value: float | None = None
    horizon: int = 0
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A threshold that was tried."""

    threshold: int
    excess: Floats
    counts: Floats
    worth: float
    law: Pareto | None
    p_value: float


def find_tail(by_round: Sequence[Int64s]) -> Tail:
    """Choose a threshold, fit the tail above it, and say how far it reaches.

    From the slowest tenth of the queries upwards, each threshold's fit is tested (Anderson &
    Darling), and the lowest is taken that ForwardStop leaves (Bader, Yan & Zhang 2018), but none
    with more exceedances than 250 independent ones: a law that fits well enough for the test is
    biased further out, and at 250 its intervals still held for log-normal tails (simulated).

    Args:
        by_round: Each round's latencies in issue order, `NEVER` for a query without an answer.
    """
    sizes = np.array([len(one) for one in by_round], dtype=np.float64)
    latency = np.concatenate(by_round)
    unanswered = int(np.count_nonzero(latency == NEVER))
    queries = len(latency)
    if unanswered:
        return Tail(
            reason=f"{unanswered:,} of {queries:,} queries have no answer and are later than any "
            "deadline, so no law of the others tells what is rarer: find out why, or raise the "
            "timeout"
        )
    if len(by_round) < ROUNDS:
        return Tail(reason=f"a tail needs {ROUNDS} rounds, have {len(by_round)}")
    least = round(EXCEEDANCES / _HIGHEST_SHARE)
    if queries < least:
        return Tail(
            reason=f"a tail needs {EXCEEDANCES} exceedances, which the slowest tenth of {least} "
            f"queries has, have {queries} queries"
        )
    tried, tied, worth = _candidates(latency, sizes)
    if tried:
        return _chosen(tried, by_round, sizes)
    if tied:
        return Tail(
            reason="the slow latencies come in steps, which no continuous law describes "
            f"(many took {format_duration(tied, 6)}): look at the clock, or what waits for a tick"
        )
    return Tail(reason=_too_few(worth, len(by_round)))


def _candidates(latency: Int64s, sizes: Floats) -> tuple[list[_Candidate], int, float]:
    """Thresholds from low to high, each with its fit.

    Returns:
        Those; a latency that too many share, or 0; and the most that the exceedances of any
        threshold are worth.
    """
    of_round = np.repeat(np.arange(len(sizes)), sizes.astype(np.int64))
    ordered = np.sort(latency)
    tried, tied, most = [], 0, 0.0
    k = int(len(latency) * _HIGHEST_SHARE)
    while k >= EXCEEDANCES:
        threshold = int(ordered[-k - 1])
        values, times = np.unique(ordered[-k:], return_counts=True)
        over = latency > threshold
        excess = (latency[over] - threshold).astype(np.float64)
        if times.max() > _TIED * k or len(excess) < EXCEEDANCES:
            tied = int(values[np.argmax(times)])
            k = int(k * _STEP)
            continue
        counts = np.bincount(of_round[over], minlength=len(sizes)).astype(np.float64)
        worth = len(excess) / design_effect(counts, sizes)
        most = max(most, worth)
        if INDEPENDENT <= worth <= _MOST:
            law = fit(excess)
            p = fit_p_value(excess, law, of_round[over], len(sizes)) if law else 0.0
            tried.append(
                _Candidate(
                    threshold=threshold,
                    excess=excess,
                    counts=counts,
                    worth=worth,
                    law=law,
                    p_value=p,
                )
            )
        k = int(k * _STEP)
    return tried, tied, most


def _too_few(worth: float, rounds: int) -> str:
    needs = math.ceil(rounds * INDEPENDENT / max(worth, 1.0))
    return (
        f"the slow queries come together in few rounds: they are worth {worth:.2g} independent "
        f"ones at most and a tail needs {INDEPENDENT}, which takes about {needs:,} such rounds, "
        f"have {rounds}"
    )


def _forward_stop(p_values: Floats) -> int:
    """How many of the hypotheses, in their order, are rejected (G'Sell et al. 2016)."""
    sums = np.cumsum(-np.log1p(-np.minimum(p_values, 1 - 1e-12)))
    rejected = np.flatnonzero(sums <= LEVEL * np.arange(1, len(sums) + 1))
    return int(rejected[-1]) + 1 if len(rejected) else 0


def _chosen(tried: list[_Candidate], by_round: Sequence[Int64s], sizes: Floats) -> Tail:
    """The tail above the lowest threshold that is left, and how far it reaches."""
    rejected = _forward_stop(np.array([one.p_value for one in tried]))
    best = tried[min(rejected, len(tried) - 1)]
    exceeds = [one > best.threshold for one in by_round]
    index = extremal_index(waits(exceeds))
    queries = int(sizes.sum())
    k = len(best.excess)
    reason = None
    if best.law is None:
        reason = (
            "the tail ends so sharply that its likelihood bears no intervals: nothing beyond the "
            "data can be told"
        )
    elif best.p_value < LEVEL:
        reason = (
            f"no law of extremes fits the slowest {k:,} queries (p = {best.p_value:.2g}): they may "
            "be of several kinds, such as answers and stalls; find what causes the slowest"
        )
    fitted = best.law is not None and reason is None
    return Tail(
        threshold_ns=best.threshold,
        exceedances=k,
        rounds=int(np.count_nonzero(best.counts)),
        independent=best.worth,
        clusters=clusters(exceeds, 1.0 if index is None else index),
        extremal_index=index,
        peaks=Peaks(excess=best.excess, queries=queries, law=best.law) if best.law else None,
        p_value=best.p_value if best.law else None,
        horizon=_rounded_down(REACH * best.worth * queries / k) if fitted else 0,
        reason=reason,
    )


def _rounded_down(x: float) -> int:
    """To two digits, so that a horizon claims no precision."""
    size: int = 10 ** max(0, math.floor(math.log10(x)) - 1)
    return int(x // size) * size
