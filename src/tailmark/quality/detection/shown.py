"""Which answers are there at which of several deadlines."""

from dataclasses import dataclass
from functools import cached_property
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
        until = arrivals.until(since, len(deadlines_ns))
        return cls(since=since, until=until, deadlines=len(deadlines_ns))

    def take(self, answers: Int64s) -> Self:
        """Those of these answers."""
        return type(self)(
            since=self.since[answers], until=self.until[answers], deadlines=self.deadlines
        )

    def changes(self, answers: Int64s) -> Bools:
        """At which deadlines one of these answers comes or goes; shape (deadlines,)."""
        there = np.zeros(self.deadlines + 1, dtype=np.bool_)
        there[self.since[answers]] = True
        if self._any_goes:
            there[self.until[answers]] = True
        return there[:-1]

    def only(self, deadlines: Bools) -> Self:
        """With those deadlines alone that are marked; nothing changes at the others."""
        place = np.cumsum(np.append(deadlines, True)) - 1
        return type(self)(
            since=place[self.since], until=place[self.until], deadlines=int(place[-1])
        )

    def at_each(self, answers: Int64s) -> Bools:
        """Whether each of these answers is there; shape (of ``answers``, deadlines)."""
        deadline = np.arange(self.deadlines)
        there: Bools = self.since[answers, None] <= deadline
        if self._any_goes:
            there &= deadline < self.until[answers, None]
        return there

    def counted(self, answers: Int64s, group: Int64s, groups: int) -> Int64s:
        """How many of these answers are there, by group; shape (groups, deadlines).

        Args:
            answers: Any, and as often as they count.
            group: Of each, likewise.
            groups: How many groups there are.
        """
        width = self.deadlines + 1
        begin = group * width
        count = np.bincount(begin + self.since[answers], minlength=groups * width)
        if self._any_goes:
            count -= np.bincount(begin + self.until[answers], minlength=groups * width)
        found: Int64s = count.reshape(groups, width)[:, :-1].cumsum(axis=1)
        return found

    @cached_property
    def _any_goes(self) -> bool:
        """Mostly none does, and then nobody need look."""
        return bool((self.until < self.deadlines).any())
