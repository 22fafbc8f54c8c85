"""What a metric of sets would be, were each answer on time with a probability of its own.

No formula says so, as the Poisson-binomial does for means: rounds are simulated. An answer whose
uniform draw is U is on time at every shift of the probit scale from ``ndtri(U) - ndtri(p)`` on. So
shifts play the part of deadlines, and the metric answers all of them at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy.special import ndtri

from tailmark.quality.base import Floats, SetGrader
from tailmark.quality.jointly import arrivals_of
from tailmark.records.model import Int32s, Int64s, Round
from tailmark.stats.forecast import Forecast

SHIFTS = np.sinh(np.linspace(-3, 3, 61)) * 0.8  # from −8 to 8, where everything is decided
_SURE = 1e-6
_PER_UNIT = 10**9
_MOST, _LEAST = 100, 40
_ROWS = 100_000
_TINY = 1e-12


@dataclass(frozen=True)
class Sent:
    """A round's rows and their answers; each of shape (rows,).

    Args:
        sample: What was asked.
        output: What was answered, sooner or later; -1 for nothing.
    """

    sample: Int32s
    output: Int32s


def sent_of(one: Round) -> Sent:
    """A round's."""
    return Sent(one.sample, one.output_id)


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Simulated rounds; takes the place of `Groups`.

    Args:
        values: Quality of each round at each of `SHIFTS`, shape (simulated, shifts).
        ideal: Quality with every answer on time.
        queries: Of a round.
    """

    values: Floats
    ideal: float
    queries: float

    @classmethod
    def simulated(
        cls, grader: SetGrader, rounds: Sequence[Sent], probability: Floats, *, seed: int = 0
    ) -> Self:
        """Draw who is on time.

        Args:
            grader: Of the metric.
            rounds: Whose answers are taken, one after the other.
            probability: Of each sample to be on time, shape (samples,).
            seed: For the draws.
        """
        values = _drawn(grader, rounds, probability, SHIFTS, seed)
        queries = float(np.mean([len(one.sample) for one in rounds]))
        return cls(values=values, ideal=float(values[:, -1].mean()), queries=queries)

    @property
    def step(self) -> float:
        """About how much one answer changes the quality."""
        return (self.ideal or 1.0) / self.queries

    @property
    def best(self) -> float:
        """The most a round can be worth."""
        return float(self.values.max())

    @cached_property
    def _mean(self) -> Floats:
        found: Floats = self.values.mean(axis=0)
        return found

    @cached_property
    def _variance(self) -> Floats:
        found: Floats = self.values.var(axis=0, ddof=1) + (self.step / 10) ** 2
        return found

    def moments(self, shift: Floats) -> tuple[Floats, Floats]:
        """See `Groups.moments`."""
        return np.interp(shift, SHIFTS, self._mean), np.interp(shift, SHIFTS, self._variance)

    def given(self, shift: float) -> Forecast:
        """See `Groups.given`."""
        right = int(np.clip(np.searchsorted(SHIFTS, shift), 1, len(SHIFTS) - 1))
        share = (shift - SHIFTS[right - 1]) / (SHIFTS[right] - SHIFTS[right - 1])
        share = float(np.clip(share, 0.0, 1.0))
        return Forecast.of((1 - share) * self.values[:, right - 1] + share * self.values[:, right])


def spread_of_sets(
    grader: SetGrader, rounds: Sequence[Sent], probability: Floats, *, seed: int = 0
) -> float:
    """Sd of a round's quality were its answers independent; see `Masks.simulated`."""
    values = _drawn(grader, rounds, probability, np.zeros(1), seed)
    return float(values.std(ddof=1))


def _drawn(
    grader: SetGrader, rounds: Sequence[Sent], probability: Floats, shifts: Floats, seed: int
) -> Floats:
    """Quality of simulated rounds at each shift; shape (simulated, shifts)."""
    random = np.random.default_rng(seed)
    rows = max(1, *(len(one.sample) for one in rounds))
    count = int(np.clip(_ROWS // rows, _LEAST, _MOST))
    likely = ndtri(np.clip(probability, _SURE, 1 - _SURE))
    deadlines = _as_ns(shifts - shifts[0])
    found = np.empty((count, len(shifts)))
    for k in range(count):
        one = rounds[k % len(rounds)]
        uniform = np.clip(random.random(len(one.sample)), _TINY, 1 - _TINY)
        at = _as_ns(ndtri(uniform) - likely[one.sample] - shifts[0]).clip(0)
        arrivals = arrivals_of(one.sample, np.arange(len(one.sample)), at, one.output)
        found[k] = grader.by_deadline(arrivals, deadlines)
    return np.nan_to_num(found)


def _as_ns(shifts: Floats) -> Int64s:
    """Shifts as whole numbers, as deadlines are."""
    return np.ceil(shifts * _PER_UNIT).astype(np.int64)
