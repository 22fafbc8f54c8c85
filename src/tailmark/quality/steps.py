"""A round's quality as a function of the deadline: a step function, exact, from one sort."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tailmark.quality.base import Floats
from tailmark.records.model import NEVER, Int64s

_FOUR_BYTES = np.iinfo(np.uint32).max


@dataclass(frozen=True)
class Steps:
    """``values[j]`` from ``at_ns[j - 1]`` on; ``values[0]`` before the first step.

    Args:
        at_ns: Ascending, shape (steps,).
        values: Shape (steps + 1,).
    """

    at_ns: Int64s
    values: Floats

    @classmethod
    def rising(cls, at_ns: Int64s, gains: Floats | None, over: float) -> Self:
        """The running sum of ``gains``, each from its moment on, divided by ``over``.

        Args:
            at_ns: When each is gained, in any order; `NEVER` is never.
            gains: Shape (events,); None for 1 each.
            over: What a quality of 1 would add up to.
        """
        counts = at_ns != NEVER
        if gains is not None:
            counts &= gains != 0
        moments = at_ns[counts]
        if gains is None or not ((gains != 0) & (gains != 1)).any():
            moments = ascending(moments)  # sorting values is faster than sorting indices
            total = np.arange(len(moments) + 1, dtype=np.float64)
        else:
            order = np.argsort(moments, kind="stable")
            moments = moments[order]
            total = np.concatenate([[0.0], np.cumsum(gains[counts][order])])
        return cls(moments, total / over if over else total)

    @classmethod
    def mean(cls, several: Sequence[Self]) -> Self:
        """The mean of several, itself a step function; what is undefined (NaN) counts as 0."""
        values = [np.nan_to_num(one.values) for one in several]
        at_ns = np.concatenate([one.at_ns for one in several])
        gains = np.concatenate([np.diff(v) for v in values]) / len(several)
        order = np.argsort(at_ns, kind="stable")
        base = float(np.mean([v[0] for v in values]))
        total = base + np.concatenate([[0.0], np.cumsum(gains[order])])
        at_ns = at_ns[order]
        last = np.ones(len(at_ns), dtype=np.bool_)  # of several steps at one moment
        last[:-1] = at_ns[1:] != at_ns[:-1]
        return cls(at_ns[last], total[np.concatenate([[True], last])])

    def at(self, deadlines_ns: Int64s) -> Floats:
        """The value at each deadline: a latency equal to the deadline is on time."""
        found: Floats = self.values[np.searchsorted(self.at_ns, deadlines_ns, side="right")]
        return found


def ascending(moments_ns: Int64s) -> Int64s:
    """Sorted; where all lie below 4.3 s as four bytes each, which halves the time."""
    if len(moments_ns) and moments_ns.min() >= 0 and moments_ns.max() <= _FOUR_BYTES:
        return np.sort(moments_ns.astype(np.uint32)).astype(np.int64)
    return np.sort(moments_ns)
