"""How plausible a tail is that passes through a given point: its profile likelihood.

A tail is the rate at which a threshold is exceeded and the law of what lies above. Asking it for
the level exceeded with a probability, or the probability of exceeding a level, is the same
question: which points (level, probability) may its curve pass through?
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq

from tailmark.stats.extremes.pareto import SHAPE_MIN, Floats, Pareto

_STEPS = 60
_SETTLED = 1e-7
_FARTHEST = 50.0
_SMALL = 1e-6


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Excesses over a threshold, and the tail that is most likely.

    Args:
        excess: Above the threshold, shape (excesses,).
        queries: All, those below the threshold too.
        law: Fitted to the excesses.
    """

    excess: Floats
    queries: int
    law: Pareto

    @property
    def rate(self) -> float:
        """The share of the queries that exceed the threshold."""
        return len(self.excess) / self.queries

    @cached_property
    def longest(self) -> float:
        """Of the excesses."""
        return float(self.excess.max())

    @cached_property
    def best(self) -> float:
        """The log likelihood of the most likely tail."""
        return _log_likelihood(self, self.rate, self.law)

    def deviance(self, above: float, probability: float) -> float:
        """Twice the log likelihood that is lost if the curve has to pass through a point.

        Given the point, rate and shape are free and the scale follows. They are found by Fisher
        scoring, a step halved while it loses likelihood.

        Args:
            above: How far the point lies above the threshold.
            probability: Of exceeding it.
        """
        through = _Through(peaks=self, above=above, probability=probability)
        depth, shape = max(math.log(self.rate / probability), _SMALL), self.law.shape
        now = through.lost(depth, shape)
        if math.isinf(now):  # a short tail that would end before the longest excess
            shape = _SMALL
            now = through.lost(depth, shape)
        for _ in range(_STEPS if math.isfinite(now) else 0):
            step = through.step(depth, shape)
            then = through.lost(depth + step[0], shape + step[1])
            while then > now and abs(step).max() > _SMALL:
                step = step / 2
                then = through.lost(depth + step[0], shape + step[1])
            if then >= now:
                break
            depth, shape = depth + float(step[0]), shape + float(step[1])
            gained, now = now - then, then
            if gained < _SETTLED:
                break
        return 2 * max(now, 0.0)

    def levels(self, probability: float, bar: float, half: float) -> tuple[float, float]:
        """Between which excesses the level exceeded with a probability lies.

        Args:
            probability: Below the rate.
            bar: The deviance that is still plausible.
            half: Roughly how far the log probability may be off; where to look first.
        """
        share = probability / self.rate
        above = self.law.exceeded_with(share)
        slope = share**-self.law.shape * self.law.scale / above
        return _ends(lambda x: self.deviance(x, probability) - bar, above, half * slope)

    def chances(self, above: float, bar: float, half: float) -> tuple[float, float]:
        """Between which values the probability of exceeding a point lies; see `levels`."""
        value = self.rate * float(self.law.survival(above))
        return _ends(lambda p: self.deviance(above, p) - bar, value, half)


@dataclass(frozen=True, kw_only=True)
class _Through:
    """Tails whose curve passes through a point.

    They have two parameters: ``depth``, by how much in logs the point is rarer than the threshold,
    and the shape.
    """

    peaks: Peaks
    above: float
    probability: float

    def law(self, depth: float, shape: float) -> Pareto:
        grown = math.expm1(shape * depth) / shape if abs(shape) > _SMALL else depth
        return Pareto(shape=shape, scale=self.above / grown)

    def lost(self, depth: float, shape: float) -> float:
        """Log likelihood lost against the most likely tail; infinite where there is no tail."""
        rate = self.probability * math.exp(depth)
        if not 0 < rate < 1 or depth <= 0 or shape <= SHAPE_MIN:
            return math.inf
        tried = self.law(depth, shape)
        if tried.scale <= -shape * self.peaks.longest:
            return math.inf
        return self.peaks.best - _log_likelihood(self.peaks, rate, tried)

    def step(self, depth: float, shape: float) -> Floats:
        """Fisher's, towards a more likely one; shape (2,)."""
        k, n = len(self.peaks.excess), self.peaks.queries
        rate = self.probability * math.exp(depth)
        tried = self.law(depth, shape)
        x = shape if abs(shape) > _SMALL else _SMALL
        grows = 1 / -math.expm1(-x * depth)
        # Log scale and shape, differentiated by depth and shape.
        chain = np.array([[-x * grows, 1 / x - depth * grows], [0.0, 1.0]])
        gradient = tried.scores(self.peaks.excess).sum(axis=0) @ chain
        gradient[0] += k - (n - k) * rate / (1 - rate)
        information = k * chain.T @ tried.information() @ chain
        information[0, 0] += n * rate / (1 - rate)
        solved: Floats = np.linalg.solve(information, gradient)
        return solved


def _log_likelihood(peaks: Peaks, rate: float, law: Pareto) -> float:
    k = len(peaks.excess)
    counted = k * math.log(rate) + (peaks.queries - k) * math.log1p(-rate)
    return counted + law.log_likelihood(peaks.excess)


def _ends(over: Callable[[float], float], value: float, half: float) -> tuple[float, float]:
    """Where, below and above ``value``, ``over`` becomes positive; on a logarithmic scale."""

    def end(step: float) -> float:
        inside, outside = start, start + step
        while abs(outside - start) < _FARTHEST:
            if over(math.exp(outside)) > 0:
                found: float = brentq(lambda x: over(math.exp(x)), inside, outside, xtol=_SMALL)
                return math.exp(found)
            inside, outside = outside, outside + step
            step *= 1.5
        return math.inf if step > 0 else 0.0

    start = math.log(value)
    return end(-half), end(half)
