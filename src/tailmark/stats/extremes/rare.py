"""Shares of rare events, where events of one round belong together."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri, stdtrit

from tailmark.records.model import Int64s
from tailmark.stats.dependence import inflation
from tailmark.stats.estimate import Estimate

Floats = npt.NDArray[np.float64]


def design_effect(counts: Floats, sizes: Floats) -> float:
    """How many exceedances are worth one independent one; 1 or more.

    How much their number varies between rounds beyond what chance gives, and how much neighbouring
    rounds go together.

    Args:
        counts: Exceedances of each round, shape (rounds,).
        sizes: Queries of each round, likewise.
    """
    rate = counts.sum() / sizes.sum()
    if not 0 < rate < 1:
        return 1.0
    # Pearson's statistic; for rare events this is variance over mean.
    beyond = (counts - rate * sizes) ** 2 / (rate * (1 - rate) * sizes.mean())
    apart = float(beyond.sum()) / (len(counts) - 1)
    return max(1.0, apart) * float(inflation(counts / sizes))


def share_later(
    by_round: Sequence[Int64s], deadline_ns: int, *, confidence: float = 0.95
) -> Estimate:
    """The share of queries later than a deadline, where that is rare.

    Korn & Graubard (1998): Clopper and Pearson's interval, had there been as many queries as these
    are worth. A query without an answer is later than any deadline.

    Args:
        by_round: Each round's latencies.
        deadline_ns: The deadline.
        confidence: Of the interval.
    """
    sizes = np.array([len(one) for one in by_round], dtype=np.float64)
    counts = np.array([np.count_nonzero(one > deadline_ns) for one in by_round], dtype=np.float64)
    n, k, rounds = float(sizes.sum()), float(counts.sum()), len(by_round)
    told = partial(
        Estimate, value=k / n, confidence=confidence, n=rounds, method="Korn-Graubard over rounds"
    )
    if rounds < 2:
        return told(reason="an interval needs 2 rounds or more, have 1")
    alpha = (1 - confidence) / 2
    worth = 1 / design_effect(counts, sizes) * (ndtri(alpha) / stdtrit(rounds - 1, alpha)) ** 2
    n, k = n * worth, k * worth
    low = float(betaincinv(k, n - k + 1, alpha)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - alpha)) if k < n else 1.0
    return told(low=low, high=high)
