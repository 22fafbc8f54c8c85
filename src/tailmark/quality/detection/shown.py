"""Which answers are there at which of several deadlines."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from tailmark.quality.base import Arrivals
from tailmark.quality.detection.boxes import Bools
from tailmark.records.model import Int64s


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Answers that come with a deadline and go with a later one.

    Args:
        since: Index of the first deadline at which each is there, shape (answers,).
        until: Of the first at which it is there no longer, likewise.
        deadlines: How many there are: the index that means never.
    """

    since: Int64s
    until: Int64s
    deadlines: int

    @classmethod
    def of(cls, arrivals: Arrivals, deadlines_ns: Int64s) -> Self:
        """In the order of the arrivals."""
        since = np.searchsorted(deadlines_ns, arrivals.at_ns)
        until = np.full(len(since), len(deadlines_ns))
        again = np.flatnonzero(arrivals.row[1:] == arrivals.row[:-1])
        until[again] = since[again + 1]
        return cls(since=since, until=until, deadlines=len(deadlines_ns))

    def take(self, answers: Int64s) -> Self:
        """Those of these answers."""
        return type(self)(
            since=self.since[answers], until=self.until[answers], deadlines=self.deadlines
        )

    def changes(self) -> Bools:
        """At which deadlines an answer comes or goes; shape (deadlines,)."""
        there = np.zeros(self.deadlines + 1, dtype=np.bool_)
        there[self.since] = there[self.until] = True
        return there[:-1]

    def only(self, deadlines: Bools) -> Self:
        """With those deadlines alone that are marked; nothing changes at the others."""
        place = np.cumsum(np.append(deadlines, True)) - 1
        return type(self)(
            since=place[self.since], until=place[self.until], deadlines=int(place[-1])
        )

    def at_each(self) -> Bools:
        """Whether each is there; shape (answers, deadlines)."""
        deadline = np.arange(self.deadlines)
        return (self.since[:, None] <= deadline) & (deadline < self.until[:, None])

    def counted(self, group: Int64s, groups: int) -> Int64s:
        """How many of each group are there; shape (groups, deadlines).

        Args:
            group: Of each answer, shape (answers,).
            groups: How many groups there are.
        """
        width = self.deadlines + 1
        count = np.bincount(group * width + self.since, minlength=groups * width)
        gone = np.flatnonzero(self.until < self.deadlines)
        if len(gone):
            ends = group[gone] * width + self.until[gone]
            count -= np.bincount(ends, minlength=groups * width)
        found: Int64s = count.reshape(groups, width)[:, :-1].cumsum(axis=1)
        return found
