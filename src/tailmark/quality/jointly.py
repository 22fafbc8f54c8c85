"""A round's quality as a function of the deadline where a metric grades sets.

No sum of gains gives it, so the metric itself is asked for the deadlines that are wanted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np

from tailmark.quality.base import Arrivals, Floats, SetGrader
from tailmark.quality.steps import Steps
from tailmark.records.model import NEVER, Int32s, Int64s

_AT_ONCE = 256
_BEFORE_ALL = -1
"""A deadline by which nothing is there: an answer may take no time at all."""


def arrivals_of(
    sample: Int32s, row: Int64s, at_ns: Int64s, output: Int32s, *, left_out: bool = False
) -> Arrivals:
    """Answers in the order that `Arrivals` has them, less those that never come.

    Args:
        sample: What each row asks, shape (rows,).
        row: Which row has an answer, in any order, shape (answers,).
        at_ns: From when on, likewise; `NEVER` is never.
        output: Which, likewise; -1 is none.
        left_out: As `Arrivals` has it.
    """
    come = (at_ns != NEVER) & (output >= 0)
    if not come.all():
        row, at_ns, output = row[come], at_ns[come], output[come]
    if not (np.diff(row) > 0).all():  # sorting costs more than all the rest
        order = np.lexsort((at_ns, row))
        row, at_ns, output = row[order], at_ns[order], output[order]
    return Arrivals(sample=sample, row=row, at_ns=at_ns, output=output, left_out=left_out)


@dataclass(frozen=True)
class Jointly:
    """The hard step: what is there by the deadline is graded together.

    Args:
        grader: Of sets.
        arrivals: What is there from when on.
    """

    grader: SetGrader
    arrivals: Arrivals

    def at(self, deadlines_ns: Int64s) -> Floats:
        """The value at each deadline."""
        if (np.diff(deadlines_ns) > 0).all():
            return self.grader.by_deadline(self.arrivals, deadlines_ns)
        ascending, place = np.unique(deadlines_ns, return_inverse=True)
        found: Floats = self.grader.by_deadline(self.arrivals, ascending)[place]
        return found

    @cached_property
    def steps(self) -> Steps:
        """The whole function: it changes only where an answer comes."""
        moments = np.unique(self.arrivals.at_ns)
        asked = np.concatenate([[_BEFORE_ALL], moments])
        several = [self.at(asked[k : k + _AT_ONCE]) for k in range(0, len(asked), _AT_ONCE)]
        return Steps(moments, np.concatenate(several))


@dataclass(frozen=True)
class Penalized:
    """The hard step times the share on time.

    Args:
        hard: Of the answers.
        on_time: The share.
    """

    hard: Jointly
    on_time: Steps

    def at(self, deadlines_ns: Int64s) -> Floats:
        """The value at each deadline."""
        return self.hard.at(deadlines_ns) * self.on_time.at(deadlines_ns)

    @property
    def steps(self) -> Steps:
        """The whole function."""
        at_ns, hard = np.unique(self.on_time.at_ns), self.hard.steps
        both = np.concatenate([[_BEFORE_ALL], at_ns])
        return Steps(at_ns, hard.at(both) * self.on_time.at(both))


class _Rising(Protocol):
    def at(self, deadlines_ns: Int64s) -> Floats: ...


@dataclass(frozen=True)
class Faded:
    """The hard step averaged over longer deadlines, as `fading` has it.

    Args:
        nothing: Its quality before any answer.
        up: What its rises add up to, faded.
        down: What its falls do: an answer may spoil a set.
    """

    nothing: float
    up: _Rising
    down: _Rising

    @classmethod
    def of(cls, hard: Jointly, rising: Callable[[Int64s, Floats], _Rising]) -> Self:
        """Each step of the hard one, faded by itself."""
        steps = hard.steps
        gains = np.diff(np.nan_to_num(steps.values))
        rises, falls = np.maximum(gains, 0.0), np.maximum(-gains, 0.0)
        return cls(
            float(np.nan_to_num(steps.values[0])),
            rising(steps.at_ns, rises),
            rising(steps.at_ns, falls),
        )

    def at(self, deadlines_ns: Int64s) -> Floats:
        """The value at each deadline."""
        return self.nothing + self.up.at(deadlines_ns) - self.down.at(deadlines_ns)
