"""The inverse question: the shortest deadline that delivers a quality."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from tailmark.errors import InputError
from tailmark.quality.jointly import Faded, Jointly, Penalized
from tailmark.quality.late import ByDeadline
from tailmark.quality.steps import Steps
from tailmark.records.model import NEVER
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import half_width

_ROUNDING = 1e-9
_ROUNDING_OF_A_MEAN = 1e-14


def shortest_deadlines(
    wanted: Sequence[float], by_round: Sequence[ByDeadline]
) -> dict[float, Estimate]:
    """For each quality, the shortest deadline at which the mean over rounds reaches it.

    Exact, to the nanosecond. The interval is Woodruff's (1952): the mean's t interval over rounds
    at that deadline, turned back into deadlines.

    Args:
        wanted: Shares from 0 to 1.
        by_round: Each round's quality as a function of the deadline.

    Raises:
        InputError: A quality that no system can have.
    """
    for target in wanted:
        if not 0 < target <= 1:
            raise InputError(f"quality {target:g} cannot be asked for: give a share from 0 to 1")
    if any(isinstance(one, Faded) for one in by_round):
        raise InputError(
            "the shortest deadline is not told of a metric of sets whose late answers fade: ask "
            "under on_late fail"
        )
    by_round = [one.steps if isinstance(one, Jointly | Penalized) else one for one in by_round]
    steps = [one for one in by_round if isinstance(one, Steps)]
    mean = _Stepwise(steps) if len(steps) == len(by_round) else _Gradual(by_round)
    return {target: _reach(target, mean, by_round) for target in wanted}


class _Mean(Protocol):
    """The mean over rounds as a function of the deadline."""

    @property
    def best(self) -> float:
        """The most that any deadline delivers."""
        ...

    def first(self, target: float) -> int | None:
        """The shortest deadline that reaches the target; None if none does."""
        ...


class _Stepwise:
    """Of step functions: one itself, so its first step that reaches the target is the answer."""

    def __init__(self, by_round: Sequence[Steps]) -> None:
        self._mean = Steps.mean(by_round)
        self.best = float(self._mean.values.max())

    def first(self, target: float) -> int | None:
        """See `_Mean.first`; the mean may fall (under ``drop`` or ``stale``)."""
        reached = np.flatnonzero(self._mean.values[1:] >= target - _ROUNDING)
        return int(self._mean.at_ns[reached[0]]) if len(reached) else None


class _Gradual:
    """Of functions that rise little by little: found by bisection of the whole nanoseconds."""

    def __init__(self, by_round: Sequence[ByDeadline]) -> None:
        self._by_round = by_round
        self.best = self._at(NEVER)

    def _at(self, deadline_ns: int) -> float:
        there = np.array([deadline_ns])
        return float(np.mean([one.at(there)[0] for one in self._by_round]))

    def first(self, target: float) -> int | None:
        """See `_Mean.first`; the mean never falls."""
        least = target - _ROUNDING_OF_A_MEAN
        if self.best < least:
            return None
        low, high = 0, NEVER  # no shorter deadline than `low` reaches it, and `high` does
        while low < high:
            middle = (low + high) // 2
            if self._at(middle) >= least:
                high = middle
            else:
                low = middle + 1
        return low


def _reach(target: float, mean: _Mean, by_round: Sequence[ByDeadline]) -> Estimate:
    rounds = len(by_round)
    estimate = partial(Estimate, n=rounds, method="Woodruff over rounds")
    deadline = mean.first(target)
    if deadline is None:
        return estimate(
            value=None, reason=f"no deadline delivers {target:g}: the best is {mean.best:.4g}"
        )
    value = float(deadline)
    if rounds < 2:
        return estimate(value=value, reason="an interval needs 2 rounds or more, have 1")
    there = np.array([deadline])
    half = half_width(np.nan_to_num(np.concatenate([one.at(there) for one in by_round])))
    low, high = mean.first(target - half), mean.first(target + half)
    if low is None or high is None:
        return estimate(
            value=value,
            reason=f"{target:g} is too near the best this run delivers to bound the deadline",
        )
    return estimate(value=value, low=float(low), high=float(high))
