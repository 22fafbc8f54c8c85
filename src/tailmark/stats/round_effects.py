"""How a round's quality varies: by chance alone, or also by what its queries share.

Each sample is on time with a probability of its own. What a round shares (a busy neighbour, a hot
processor) moves them all at once: on the probit scale by ``location + spread · u``, with u from
Student's t of 10 degrees of freedom, since machines have bad moments somewhat more often than a
normal law would. Given u the answers are independent, so a spread of 0 is independence.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri, stdtrit

from tailmark.stats.dependence import inflation
from tailmark.stats.forecast import Forecast, mixture
from tailmark.stats.poisson_binomial import sum_of_groups

Floats = npt.NDArray[np.float64]

_FREEDOM = 10
_NORMAL = np.linspace(-5, 5, 101)
_U = stdtrit(_FREEDOM, ndtr(_NORMAL))
_WEIGHT = np.exp(-(_NORMAL**2) / 2) / np.exp(-(_NORMAL**2) / 2).sum()
_SURE = 1e-6
_GROUPS = 128
_LEVELS = 16
_LEAST, _MOST = np.log(1e-3), np.log(20.0)
_UNLIKELY = 1e-12
_BISECTIONS = 32
DRAWS = 400


class Chances(Protocol):
    """What a round's quality may be, given what its answers share; see `Groups`."""

    @property
    def step(self) -> float:
        """By how much one answer changes it."""
        ...

    @property
    def best(self) -> float:
        """The most it can be."""
        ...

    def moments(self, shift: Floats) -> tuple[Floats, Floats]:
        """Its mean and variance at each shift of the probit scale."""
        ...

    def given(self, shift: float) -> Forecast:
        """Its distribution at a shift."""
        ...


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The answers of a round, gathered by how likely they are on time.

    Args:
        probability: Of being on time, shape (groups,).
        right: Of being worth the gain, if on time; likewise.
        gain: What such an answer is worth, likewise.
        count: Answers of that kind in a round, likewise.
        queries: What a quality of 1 would add up to.
    """

    probability: Floats
    right: Floats
    gain: Floats
    count: Floats
    queries: float

    @classmethod
    def gathered(
        cls,
        probability: Floats,
        gain: Floats,
        count: Floats,
        queries: float,
        right: Floats | None = None,
    ) -> Self:
        """From one a sample; what are too many kinds to compute with become fewer, alike ones.

        Their means stay. Gains that are 0 or 1 leave room for 128 probabilities, alike on the
        probit scale, others for 16 of each kind.
        """
        right = np.ones(len(gain)) if right is None else right
        clipped = np.clip(probability, _SURE, 1 - _SURE)
        plain = bool(((gain == 0) | (gain == 1)).all() and (right == 1).all())
        gain = _fewer(gain, count * clipped * right)
        right = _fewer(right, count * clipped)
        near = _bins(ndtri(clipped), _GROUPS if plain else _LEVELS)
        cells, place = np.unique(np.stack([near, gain, right]), axis=1, return_inverse=True)
        place = place.ravel()
        many = np.bincount(place, weights=count)
        mean = np.bincount(place, weights=count * clipped) / many
        return cls(
            probability=np.clip(mean, _SURE, 1 - _SURE),
            right=cells[2],
            gain=cells[1],
            count=many.astype(np.float64),
            queries=queries,
        )

    @property
    def step(self) -> float:
        """By how much one answer changes the quality; where none does, by how much one could."""
        return (float(self.gain.max(initial=0.0)) or 1.0) / self.queries

    @property
    def best(self) -> float:
        """The most a round can be worth."""
        return float(self.count @ self.gain) / self.queries

    def moments(self, shift: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a round's quality given what it shares; each of shape (…,).

        Args:
            shift: Of all answers on the probit scale, shape (…,).
        """
        p = ndtr(ndtri(self.probability) + shift[..., None]) * self.right
        mean = p @ (self.count * self.gain) / self.queries
        chance = (p * (1 - p)) @ (self.count * self.gain**2) / self.queries**2
        return mean, chance + (self.step / 10) ** 2  # not 0 where all is sure

    def given(self, shift: float) -> Forecast:
        """The distribution of a round's quality, given what it shares: Poisson-binomial."""
        p = ndtr(ndtri(self.probability) + shift) if shift else self.probability
        sums, chances = sum_of_groups(p * self.right, self.gain, self.count)
        return Forecast(sums / self.queries, chances)


def _bins(values: Floats, most: int) -> Floats:
    """Numbers that tell which of so many bins of equal width a value lies in, or the values."""
    if len(np.unique(values)) <= most:
        return values
    edges = np.linspace(values.min(), values.max(), most + 1)
    found: Floats = np.searchsorted(edges[1:-1], values).astype(np.float64)
    return found


def _fewer(values: Floats, weight: Floats) -> Floats:
    """The values, or where they are too many the weighted means of bins."""
    distinct, place = np.unique(_bins(values, _LEVELS), return_inverse=True)
    if len(distinct) == len(np.unique(values)):
        return values
    total = np.bincount(place, weights=weight)
    means = np.bincount(place, weights=weight * values) / np.where(total > 0, total, 1.0)
    fewer: Floats = means[place]
    return fewer


def shrunk(hits: Floats, sent: Floats) -> Floats:
    """Each sample's probability of being on time, drawn towards what samples have in common.

    The mean of a beta posterior whose prior is fitted to all samples by moments (the beta-binomial;
    Kleinman 1973): few rounds borrow much, many rounds nothing.

    Args:
        hits: Times on time, shape (samples,).
        sent: Times sent, one or more, shape (samples,).
    """
    mean = float((hits.sum() + 0.5) / (sent.sum() + 1))
    n = float(sent.mean())
    if n <= 1 or len(hits) < 2:
        weight = 1.0
    else:
        within = mean * (1 - mean)
        between = float(np.var(hits / sent, ddof=1)) - within / n
        alike = np.clip(between / (within * (1 - 1 / n)), 1e-3, 0.999)
        weight = 1 / alike - 1
    estimate: Floats = (hits + weight * mean) / (sent + weight)
    return estimate


@dataclass(frozen=True, kw_only=True)
class RoundEffects:
    """A fitted model.

    Args:
        groups: The answers of a round.
        location: Of what a round shares, on the probit scale.
        spread: Likewise; 0 is independence.
        draws: Likely other values of (location, spread), shape (draws, 2).
    """

    groups: Chances
    location: float
    spread: float
    draws: Floats = field(repr=False)

    @classmethod
    def fit(cls, groups: Chances, quality: Floats, *, seed: int = 0) -> Self:
        """Fit to the qualities of rounds, by maximum likelihood.

        Args:
            groups: The answers of a round.
            quality: One a round, shape (rounds,), two or more.
            seed: For the draws.
        """
        n = len(quality)

        def loss(at: Floats) -> float:
            mean, variance = groups.moments(at[0] + np.exp(at[1]) * _U)
            off, spread = np.abs(quality[:, None] - mean), np.sqrt(variance)
            half = groups.step / 2  # quality comes in steps of one answer
            chances = ndtr((half - off) / spread) - ndtr((-half - off) / spread)
            return -float(np.log(chances @ _WEIGHT + _UNLIKELY).sum())

        bounds = [(-4.0, 4.0), (_LEAST, _MOST)]
        starts = [np.array([m, s]) for m in (0.0, 0.7) for s in (-4.0, -1.5, 0.0)]
        start = min(starts, key=loss)
        best = minimize(
            loss, start, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-3, "fatol": 1e-4}
        )
        # Few rounds spread less around their own location than around the true one.
        location, spread = float(best.x[0]), float(np.exp(best.x[1])) * np.sqrt(n / (n - 1))
        covariance = _covariance(loss, best.x) * float(inflation(quality))
        random = np.random.default_rng(seed)
        normal = random.multivariate_normal(np.zeros(2), covariance, size=DRAWS)
        # With few rounds the likelihood's curvature is itself uncertain: Student's t.
        away = normal * np.sqrt((n - 1) / random.chisquare(n - 1, size=(DRAWS, 1)))
        draws = np.stack(
            [
                np.clip(location + away[:, 0], -6, 6),
                np.exp(np.clip(np.log(spread) + away[:, 1], _LEAST, _MOST)),
            ],
            axis=1,
        )
        return cls(groups=groups, location=location, spread=spread, draws=draws)

    @classmethod
    def independent(cls, groups: Chances, rounds: int, *, seed: int = 0) -> Self:
        """No effect of rounds: chance alone, as well as that many rounds know it."""
        step = 1e-3
        mean, variance = groups.moments(np.array([-step, step]))
        slope = float(mean[1] - mean[0]) / (2 * step)
        error = np.sqrt(float(variance.mean()) / rounds) / slope if slope > 0 else 0.0
        random = np.random.default_rng(seed)
        shift = error * random.standard_normal(DRAWS)
        return cls(
            groups=groups,
            location=0.0,
            spread=0.0,
            draws=np.stack([np.clip(shift, -6, 6), np.zeros(DRAWS)], axis=1),
        )

    @property
    def forecast(self) -> Forecast:
        """The distribution of one round's quality, exact given what the round shares."""
        if self.spread == 0:
            return self.groups.given(self.location)
        shifts = self.location + self.spread * _U
        some = _WEIGHT > 1e-9
        parts = [self.groups.given(float(shift)) for shift in shifts[some]]
        return mixture(parts, _WEIGHT[some] / _WEIGHT[some].sum())

    def quantiles(self, levels: Floats) -> Floats:
        """A quantile of each draw, each at a level of its own; shape (draws,)."""
        mean, variance = self._moments
        low, high = np.full(len(mean), -0.5), np.full(len(mean), 1.5)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            below = ndtr((middle[:, None] - mean) / np.sqrt(variance)) @ _WEIGHT < levels
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found: Floats = np.clip(high, 0.0, self.groups.best)
        return found

    def at_least(self, target: float) -> Floats:
        """P(quality ≥ target) of each draw; shape (draws,)."""
        mean, variance = self._moments
        reached: Floats = ndtr((mean - target + self.groups.step / 2) / np.sqrt(variance)) @ _WEIGHT
        return reached

    @property
    def means(self) -> Floats:
        """The expected quality of each draw; shape (draws,)."""
        expected: Floats = self._moments[0] @ _WEIGHT
        return expected

    @cached_property
    def _moments(self) -> tuple[Floats, Floats]:
        found = [self.groups.moments(location + spread * _U) for location, spread in self.draws]
        return np.array([m for m, _ in found]), np.array([v for _, v in found])


def _covariance(loss: Callable[[Floats], float], at: Floats) -> Floats:
    """The inverse of the loss's curvature, kept positive and within reason."""
    step = np.array([0.02, 0.05])
    middle = loss(at)
    curvature = np.empty((2, 2))
    for i in range(2):
        one = np.eye(2)[i] * step
        curvature[i, i] = (loss(at + one) - 2 * middle + loss(at - one)) / step[i] ** 2
    both, across = step, step * np.array([1, -1])
    mixed = loss(at + both) + loss(at - both) - loss(at + across) - loss(at - across)
    curvature[0, 1] = curvature[1, 0] = mixed / (4 * step[0] * step[1])
    values, vectors = np.linalg.eigh(curvature)
    inverse: Floats = (vectors / np.maximum(values, 0.5)) @ vectors.T
    return inverse
