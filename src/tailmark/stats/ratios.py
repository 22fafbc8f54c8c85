"""How many times as long B takes as A, from one latency a round of each.

The interval is made on the scale of logarithms, where twice as slow and twice as fast are equally
far from the same, and turned back. So it is of the typical round's ratio, the geometric mean.
"""

import math
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from tailmark.stats.dependence import inflation
from tailmark.stats.differences import Decision, decide, difference
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import TWO_ROUNDS, mean_interval, over_rounds

Floats = npt.NDArray[np.float64]
Pace = Literal["slower", "faster", "same", "cannot tell"]

MARGIN = 0.02
"""The slow-down that nobody would mind."""

_CAUTION = 0.5
_FEWEST_WORTH = 3
"""Below so many, Student's t knows so little that a ratio could be anything."""

_UNDEFINED = "some round has no latency above 0"
_PACES: dict[Decision, Pace] = {
    "better": "slower",
    "worse": "faster",
    "equivalent": "same",
    "cannot tell": "cannot tell",
}


def paired_ratio(a: Floats, b: Floats, *, confidence: float = 0.95) -> Estimate:
    """B's latency as a multiple of A's, where round r of both was measured side by side.

    Two equal environments must not seem different, so the interval is Student's t without the
    correction for skewness of other means here: what two equal environments differ by is
    symmetric, whatever their latencies' shape, and a few stalls that fell on one of them are no
    skewness. Rounds are worth what AR(1) leaves of them, with the autocorrelation raised by half
    its standard error: in 30 rounds it is too uncertain to be taken as measured. Simulated for
    equal environments (``benchmarks/differential_false_alarms.py``): 5 % of false alarms at most
    from 30 rounds on, where the correction and the measured value have up to 14 %.

    Args:
        a: One latency a round, its mean or a percentile, shape (rounds,); only the rounds both have
            count.
        b: Likewise.
        confidence: Of the interval; for several pairs at once see `confidence_each`.
    """
    both = min(len(a), len(b))
    if not _defined(a[:both], b[:both]):
        return _undefined(both, confidence)
    e = _over_rounds(np.log(b[:both] / a[:both]), confidence)
    return _times(e, f"{e.method}, of the logarithm, paired")


def unpaired_ratio(a: Floats, b: Floats, *, confidence: float = 0.95) -> Estimate:
    """The same for rounds that were measured apart, by MOVER on the scale of logarithms.

    Args:
        a: One latency a round, shape (rounds,).
        b: Likewise.
        confidence: Of the interval.
    """
    if not _defined(a, b):
        return _undefined(min(len(a), len(b)), confidence)
    e = difference(*(_over_rounds(np.log(x), confidence) for x in (a, b)))
    return _times(e, f"{e.method}, of the logarithm")


def decide_pace(ratio: Estimate, margin: float = MARGIN) -> Pace:
    """What a ratio of latencies says of B.

    ``same`` if all of the interval lies within the margin, else ``slower`` or ``faster`` if it
    excludes 1, else ``cannot tell``.

    Args:
        ratio: Of latencies, B / A.
        margin: The slow-down that nobody would mind, 0.02 for 2 %, and the speed-up that undoes it.
    """
    if ratio.low is None or ratio.high is None:
        return "cannot tell"
    low, high = (math.log(end) if end > 0 else -math.inf for end in (ratio.low, ratio.high))
    return _PACES[decide(Estimate(value=None, low=low, high=high), math.log1p(margin))]


def _defined(*latencies: Floats) -> bool:
    return all(bool(len(x)) and bool((np.isfinite(x) & (x > 0)).all()) for x in latencies)


def _undefined(rounds: int, confidence: float) -> Estimate:
    return Estimate(
        value=None, confidence=confidence, n=rounds, method="t over rounds", reason=_UNDEFINED
    )


def _over_rounds(logs: Floats, confidence: float) -> Estimate:
    """The mean over rounds: Student's t on what the rounds are worth."""
    n, mean = len(logs), float(logs.mean())
    inflated = float(inflation(logs, caution=_CAUTION))
    estimate = partial(Estimate, confidence=confidence, n=n, method=over_rounds("t", n, inflated))
    if n < 2:
        return estimate(value=mean, reason=TWO_ROUNDS)
    worth = n / inflated
    if inflated > 1 and worth < _FEWEST_WORTH:
        return estimate(
            value=mean,
            reason=f"{n} rounds that depend on each other as these are worth {worth:.1f} "
            f"independent ones, and an interval needs {_FEWEST_WORTH}: measure more",
        )
    low, high = mean_interval(logs, confidence, inflated=inflated, symmetric=True)
    return estimate(value=mean, low=float(low), high=float(high))


def _times(e: Estimate, method: str) -> Estimate:
    """From the scale of logarithms to multiples."""

    def back(x: float | None) -> float | None:
        with np.errstate(over="ignore", under="ignore"):
            return None if x is None else float(np.exp(x))

    return Estimate(
        value=back(e.value),
        low=back(e.low),
        high=back(e.high),
        confidence=e.confidence,
        n=e.n,
        method=method,
        reason=e.reason,
    )
