"""The inverse question: the shortest deadline that delivers a quality."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from tailmark.errors import InputError
from tailmark.quality.steps import Steps
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import half_width

_ROUNDING = 1e-9


def shortest_deadlines(wanted: Sequence[float], by_round: Sequence[Steps]) -> dict[float, Estimate]:
    """For each quality, the shortest deadline at which the mean over rounds reaches it.

    The mean is a step function itself, so the deadline is exact. The interval is Woodruff's (1952):
    the mean's t interval over rounds at that deadline, turned back into deadlines.

    Args:
        wanted: Shares from 0 to 1.
        by_round: Each round's quality as a function of the deadline.

    Raises:
        InputError: A quality that no system can have.
    """
    for target in wanted:
        if not 0 < target <= 1:
            raise InputError(f"quality {target:g} cannot be asked for: give a share from 0 to 1")
    mean = Steps.mean(by_round)
    return {target: _reach(target, mean, by_round) for target in wanted}


def _reach(target: float, mean: Steps, by_round: Sequence[Steps]) -> Estimate:
    rounds = len(by_round)
    estimate = partial(Estimate, n=rounds, method="Woodruff over rounds")
    deadline = _first(target, mean)
    if deadline is None:
        best = float(mean.values.max())
        return estimate(
            value=None, reason=f"no deadline delivers {target:g}: the best is {best:.4g}"
        )
    value = float(deadline)
    if rounds < 2:
        return estimate(value=value, reason="an interval needs 2 rounds or more, have 1")
    there = np.array([deadline])
    half = half_width(np.nan_to_num(np.concatenate([steps.at(there) for steps in by_round])))
    low, high = _first(target - half, mean), _first(target + half, mean)
    if low is None or high is None:
        return estimate(
            value=value,
            reason=f"{target:g} is too near the best this run delivers to bound the deadline",
        )
    return estimate(value=value, low=float(low), high=float(high))


def _first(target: float, mean: Steps) -> int | None:
    """The first step that reaches the target; None if none does."""
    reached = np.flatnonzero(mean.values[1:] >= target - _ROUNDING)
    return int(mean.at_ns[reached[0]]) if len(reached) else None
