"""Metrics that are a function of counts summed over the set, as F1 and IoU are.

What a row adds to the counts does not depend on the other rows. So one running sum gives the counts
at every deadline: what the rows add unanswered, and what each answer changes when it comes.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tailmark.quality.base import Arrivals, Floats
from tailmark.quality.remembered import Latest
from tailmark.records.model import Int32s, Int64s


@dataclass(frozen=True)
class Entries:
    """What some rows add to the counts. Most rows touch few of them; the others are left out.

    Args:
        row: Which row, shape (entries,); None for one entry each.
        count: Which count, likewise; the same one may come several times.
        amount: How much, likewise; None for 1 each.
    """

    row: Int64s | None
    count: Int64s
    amount: npt.NDArray[Any] | None = None


class Counting(Protocol):
    """Prepared outputs and references whose quality is a function of summed counts."""

    @property
    def counts(self) -> int:
        """How many counts there are."""
        ...

    def absent(self, samples: Int32s) -> Entries:
        """What each row adds without an answer.

        Args:
            samples: Shape (rows,).
        """
        ...

    def gained(self, samples: Int32s, outputs: Int32s) -> Entries:
        """How an answer changes what its row adds.

        Args:
            samples: Shape (rows,).
            outputs: Likewise; each row has an answer.
        """
        ...


class Counted:
    """Counts summed over sets.

    Args:
        counting: Of the metric.
    """

    def __init__(self, counting: Counting) -> None:
        self._counts = counting.counts
        self._absent = Latest(counting.absent)
        self._gained = Latest(counting.gained)

    def totals(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """The counts of the set at each deadline; shape (deadlines, counts).

        Sums of whole numbers are exact.

        Args:
            arrivals: The rows of a round and their answers.
            deadlines_ns: Ascending, shape (deadlines,).
        """
        shape = len(deadlines_ns) + 1, self._counts  # the last is after every deadline
        since = slots(arrivals.at_ns, deadlines_ns)
        sample = arrivals.sample[arrivals.row]
        gained = self._gained(sample, arrivals.output)
        change = _summed(gained, since, shape)
        replaces = arrivals.replaces
        if replaces.any():
            change -= _summed(gained, arrivals.until(since, len(deadlines_ns)), shape)
        if arrivals.left_out:
            change += _summed(self._absent(sample[~replaces]), since[~replaces], shape)
        else:
            absent = self._absent(arrivals.sample)
            change[:1] += np.bincount(absent.count, absent.amount, self._counts)
        found: Floats = change[:-1].cumsum(axis=0)
        return found

    def by_row(self, samples: Int32s, outputs: Int32s) -> Floats:
        """The counts of each row by itself; shape (rows, counts). Each row has an answer."""
        shape = len(samples), self._counts
        rows = np.arange(len(samples))
        several = self._absent(samples), self._gained(samples, outputs)
        return _summed(several[0], rows, shape) + _summed(several[1], rows, shape)


def slots(at_ns: Int64s, deadlines_ns: Int64s) -> Int64s:
    """The first deadline at which each is there, or how many there are; shape (arrivals,).

    It is ``searchsorted(deadlines_ns, at_ns)``, which is slower for times in no order.
    """
    order = _order(at_ns)
    ends = np.searchsorted(at_ns, deadlines_ns, side="right", sorter=order)
    count = np.diff(ends, prepend=0, append=len(at_ns))
    found = np.empty(len(at_ns), dtype=np.int64)
    found[order] = np.repeat(np.arange(len(count)), count)
    return found


def _order(at_ns: Int64s) -> Int64s:
    """Which comes when. Times and places as one number are sorted faster than places by times."""
    bits = len(at_ns).bit_length()
    if not len(at_ns) or at_ns.min() < 0 or at_ns.max() >> (62 - bits):
        return np.argsort(at_ns)
    return np.sort(at_ns << bits | np.arange(len(at_ns))) & ((1 << bits) - 1)


def _summed(entries: Entries, place: Int64s, shape: tuple[int, int]) -> Floats:
    """Add entries up where their rows are placed.

    Args:
        entries: Of some rows.
        place: Of each row, shape (rows,).
        shape: (places, counts).
    """
    of_entry = place if entries.row is None else place[entries.row]
    cell = of_entry * shape[1] + entries.count
    found = np.bincount(cell, entries.amount, shape[0] * shape[1])
    return found.reshape(shape).astype(np.float64, copy=False)
