"""A round's quality where a late answer loses its worth little by little.

Past the deadline d, an answer of latency t is worth its score times 1 − (t − d)/T (linear, nothing
from T on) or exp(−(t − d)/T) (exponential). Either is the hard step's quality averaged over
deadlines that are longer than d by up to T, evenly, or by T on average, exponentially.

Like `Steps`, both are prepared once, from one sort, and answer every deadline exactly. They add up
only what is positive, and only differences of times enter, so neither long latencies nor short
fades cost digits.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from tailmark.quality.base import Floats
from tailmark.records.model import NEVER, Int64s


@dataclass(frozen=True)
class Ramps:
    """Straight from knot to knot: each answer begins to count T before it comes.

    Args:
        knots_ns: Ascending, shape (knots + 1,); the first stands twice.
        totals: At each knot, in worths times nanoseconds; shape (knots + 1,), 0 before the first.
        slopes: From each knot on, in worths; shape (knots + 1,), 0 before the first.
        over: What a quality of 1 would add up to.
    """

    knots_ns: Int64s
    totals: Floats
    slopes: Floats
    over: float

    @classmethod
    def rising(cls, at_ns: Int64s, worths: Floats, over: int, fade_ns: int) -> Self:
        """Each worth in full from its moment on, and none of it ``fade_ns`` before.

        Args:
            at_ns: When each is there, in any order; `NEVER` is never.
            worths: Shape (answers,), zero or more.
            over: What a quality of 1 would add up to.
            fade_ns: One or more.
        """
        ends, worths = _counting(at_ns, worths)
        both = np.concatenate([ends - fade_ns, ends])
        order = np.argsort(both, kind="stable")
        knots = both[order]
        slopes = np.cumsum(np.concatenate([worths, -worths])[order])
        # Parts of a point do not cancel to the last bit: where none is on its way, nothing rises.
        on_their_way = np.cumsum(np.where(order < len(ends), 1, -1))
        slopes = np.where(on_their_way > 0, np.maximum(slopes, 0), 0.0)
        totals = np.cumsum(slopes[:-1] * np.diff(knots))
        nothing = [0.0]
        return cls(
            np.concatenate([knots[:1] if len(knots) else [0], knots]),
            np.concatenate([nothing, nothing, totals])[: len(knots) + 1],
            np.concatenate([nothing, slopes]),
            float(over * fade_ns or 1),
        )

    def at(self, deadlines_ns: Int64s) -> Floats:
        """The value at each deadline."""
        knot = np.searchsorted(self.knots_ns[1:], deadlines_ns, side="right")
        since = deadlines_ns - self.knots_ns[knot]  # what wraps around meets a slope of 0
        found: Floats = (self.totals[knot] + self.slopes[knot] * since) / self.over
        return found


@dataclass(frozen=True)
class Decays:
    """What is there, and what is to come, discounted to the deadline.

    Args:
        at_ns: When each answer comes, ascending, shape (answers + 1,); the last is `NEVER`.
        there: The worths before each, summed; shape (answers + 1,).
        to_come: The worths from each on, discounted to its moment; shape (answers + 1,).
        over: What a quality of 1 would add up to.
        fade_ns: In which a worth falls to 1/e.
    """

    at_ns: Int64s
    there: Floats
    to_come: Floats
    over: float
    fade_ns: int

    @classmethod
    def rising(cls, at_ns: Int64s, worths: Floats, over: int, fade_ns: int) -> Self:
        """Each worth in full from its moment on, and 1/e of it ``fade_ns`` before.

        Args:
            at_ns: When each is there, in any order; `NEVER` is never.
            worths: Shape (answers,), zero or more.
            over: What a quality of 1 would add up to.
            fade_ns: One or more.
        """
        moments, worths = _counting(at_ns, worths)
        to_come = worths.copy()  # of the `seen` answers from each on
        seen = 1
        while seen < len(moments):
            discount = np.exp((moments[:-seen] - moments[seen:]) / fade_ns)
            to_come[:-seen] += discount * to_come[seen:]
            seen *= 2
        return cls(
            np.append(moments, NEVER),
            np.concatenate([[0.0], np.cumsum(worths)]),
            np.append(to_come, 0.0),
            float(over or 1),
            fade_ns,
        )

    def at(self, deadlines_ns: Int64s) -> Floats:
        """The value at each deadline."""
        row = np.searchsorted(self.at_ns[:-1], deadlines_ns, side="right")
        discount = np.exp((deadlines_ns - self.at_ns[row]) / self.fade_ns)
        found: Floats = (self.there[row] + self.to_come[row] * discount) / self.over
        return found


def _counting(at_ns: Int64s, worths: Floats) -> tuple[Int64s, Floats]:
    """Those that come and are worth anything, in the order they come."""
    counts = (at_ns != NEVER) & (worths != 0)
    order = np.argsort(at_ns[counts], kind="stable")
    return at_ns[counts][order], worths[counts][order]
