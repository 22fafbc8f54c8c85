"""The inverse question: the shortest deadline that delivers a quality."""

from collections.abc import Callable, Sequence

import numpy as np

from tailmark.errors import InputError
from tailmark.quality.base import Floats
from tailmark.records.model import Int64s
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import half_width

METHOD = "Woodruff over rounds"
_ROUNDING = 1e-12

ByRound = Callable[[int], Floats]
"""Quality of each round at a deadline."""


def shortest_deadlines(
    wanted: Sequence[float], moments: Int64s, by_round: ByRound
) -> dict[float, Estimate]:
    """For each quality, the shortest deadline at which the mean over rounds reaches it.

    Quality changes only where some answer comes, so the deadline is found exactly, by bisecting
    the moments. Only under ``fail`` does quality never fall as the deadline grows; under the other
    policies the deadline found is one that delivers. The interval is Woodruff's (1952): the mean's
    t interval over rounds at that deadline, turned back into deadlines.

    Args:
        wanted: Shares from 0 to 1.
        moments: When answers came, ascending.
        by_round: Grades every round at a deadline.

    Raises:
        InputError: A quality that no system can have.
    """
    for target in wanted:
        if not 0 < target <= 1:
            raise InputError(f"quality {target:g} cannot be asked for: give a share from 0 to 1")
    return {target: _reach(target, moments, by_round) for target in wanted}


def _reach(target: float, moments: Int64s, by_round: ByRound) -> Estimate:
    deadline = _shortest(target, moments, by_round)
    if deadline is None:
        best = float(by_round(int(moments[-1])).mean()) if len(moments) else 0.0
        return Estimate(
            value=None,
            method=METHOD,
            reason=f"no deadline delivers {target:g}: without one it is {best:.4g}",
        )
    values = by_round(deadline)
    rounds = len(values)
    if rounds < 2:
        return Estimate(
            value=float(deadline),
            n=rounds,
            method=METHOD,
            reason="an interval needs 2 rounds or more, have 1",
        )
    half = half_width(values)
    low = _shortest(target - half, moments, by_round)
    high = _shortest(target + half, moments, by_round)
    if low is None or high is None:
        return Estimate(
            value=float(deadline),
            n=rounds,
            method=METHOD,
            reason=f"{target:g} is too near the best this run delivers to bound the deadline",
        )
    return Estimate(
        value=float(deadline), low=float(low), high=float(high), n=rounds, method=METHOD
    )


def _shortest(target: float, moments: Int64s, by_round: ByRound) -> int | None:
    """Bisect; None if even the last moment does not deliver."""

    def delivers(k: int) -> bool:
        return float(np.mean(by_round(int(moments[k])))) >= target - _ROUNDING

    low, high = 0, len(moments) - 1
    if high < 0 or not delivers(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if delivers(middle):
            high = middle
        else:
            low = middle + 1
    return int(moments[low])
