"""How exceedances cluster: late answers come in bursts, and how long those are.

Ferro & Segers (2003), "Inference for clusters of extreme values", JRSS B 65.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]


def waits(by_round: Sequence[Bools]) -> Int64s:
    """Queries from each exceedance to the next, with the rounds laid end to end.

    A wait that a round's end cuts off goes on in the next one, as it may: between clusters a wait
    has no memory. Leaving those out keeps the short ones alone, and of a true index of 0.2 there
    remained 0.11 (simulated: five exceedances a round).

    Args:
        by_round: Which queries exceed the threshold, in issue order.
    """
    return np.diff(np.flatnonzero(np.concatenate(by_round)))


def extremal_index(between: Int64s) -> float | None:
    """The share of exceedances that begin a cluster: 1 where they are independent.

    The intervals estimator: a wait is zero within a cluster and exponential between clusters, so
    the waits' first two moments tell how many of them are which.

    Args:
        between: From `waits`, shape (waits,).

    Returns:
        From just above 0 to 1; None where there is no wait to judge by.
    """
    if len(between) == 0:
        return None
    t = between.astype(np.float64)
    if t.max() > 2:
        found = 2 * (t - 1).sum() ** 2 / (len(t) * ((t - 1) * (t - 2)).sum())
    else:
        found = 2 * t.sum() ** 2 / (len(t) * (t**2).sum())
    return min(1.0, float(found))


def longest_within(by_round: Sequence[Bools], index: float) -> int:
    """The longest wait within a cluster: a longer one parts two clusters, as does a round's end.

    Of n waits the longest ``index * n`` part clusters, and those that a round's end cuts off are
    among them. Of waits alike, none is told from another, so they stay within.

    Args:
        by_round: Which queries exceed the threshold, in issue order.
        index: The extremal index.
    """
    within = _within_rounds(by_round)
    rounds = sum(bool(one.any()) for one in by_round)
    parting = int(index * (len(within) + rounds - 1)) - (rounds - 1)
    if parting >= len(within):
        return 0
    return int(within[len(within) - 1 - max(parting, 0)])


def clusters(by_round: Sequence[Bools], index: float) -> int:
    """How many clusters the exceedances form; the arguments are those of `longest_within`."""
    rounds = sum(bool(one.any()) for one in by_round)
    apart = _within_rounds(by_round) > longest_within(by_round, index)
    return rounds + int(np.count_nonzero(apart))


def _within_rounds(by_round: Sequence[Bools]) -> Int64s:
    """Waits that no round's end cuts off, ascending."""
    return np.sort(np.concatenate([np.diff(np.flatnonzero(one)) for one in by_round]))
