"""The generalised Pareto law: what lies beyond a high threshold, whatever lies below it.

Pickands (1975): the excesses of almost any law over a high threshold tend to it. Its survival
function is ``(1 + shape * y / scale) ** (-1 / shape)``, exponential where the shape is zero.
Knows nothing of thresholds, rounds or intervals.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

Floats = npt.NDArray[np.float64]

SHAPE_MIN = -0.5
"""Below it the tail ends so sharply that the likelihood bears no intervals (Smith 1985)."""

_SHAPE_MAX = 4.0
_ALMOST_ZERO = 1e-5
_SEARCHED = 15.0


@dataclass(frozen=True, kw_only=True)
class Pareto:
    """A generalised Pareto law of excesses.

    Args:
        shape: Zero is exponential, above it a heavy tail, below it one that ends.
        scale: In the unit of the excesses.
    """

    shape: float
    scale: float

    def survival(self, excess: npt.ArrayLike) -> Floats:
        """P(an excess is larger), for each."""
        ratio = np.asarray(excess, dtype=np.float64) / self.scale
        if abs(self.shape) < _ALMOST_ZERO:
            return np.exp(-ratio)
        inner = np.maximum(1 + self.shape * ratio, 0.0)
        with np.errstate(divide="ignore"):  # past the end of a short tail
            return np.exp(-np.log(inner) / self.shape)

    def exceeded_with(self, probability: float) -> float:
        """The excess that is exceeded with this probability."""
        if abs(self.shape) < _ALMOST_ZERO:
            return -self.scale * math.log(probability)
        return self.scale * math.expm1(-self.shape * math.log(probability)) / self.shape

    def log_likelihood(self, excess: Floats) -> float:
        """Of independent excesses; minus infinity where one lies past the end."""
        inner = self.shape * excess / self.scale
        if inner.min() <= -1:
            return -math.inf
        if abs(self.shape) < _ALMOST_ZERO:
            total = float(excess.sum()) / self.scale
        else:
            total = (1 + 1 / self.shape) * float(np.log1p(inner).sum())
        return -len(excess) * math.log(self.scale) - total

    def scores(self, excess: Floats) -> Floats:
        """Derivatives of the log density by log scale and by shape; shape (excesses, 2)."""
        shape = self._nudged
        ratio = excess / self.scale
        inner = 1 + shape * ratio
        by_scale = -1 + (1 + shape) * ratio / inner
        by_shape = np.log(inner) / shape**2 - (1 + 1 / shape) * ratio / inner
        return np.stack([by_scale, by_shape], axis=1)

    def slopes(self, probability: Floats) -> Floats:
        """Derivatives of log survival by log scale and by shape; shape (probabilities, 2).

        Args:
            probability: Of being exceeded: where to take them.
        """
        shape = self._nudged
        depth = -np.log(probability)
        inner = np.exp(shape * depth)
        ratio = np.expm1(shape * depth) / shape
        return np.stack([ratio / inner, depth / shape - ratio / (shape * inner)], axis=1)

    def information(self) -> Floats:
        """What one excess tells of log scale and shape (Fisher); shape (2, 2)."""
        both = 1 / (1 + self.shape)
        return np.array([[1.0, both], [both, 2 * both]]) / (1 + 2 * self.shape)

    @property
    def _nudged(self) -> float:
        """The shape, kept off zero, where these derivatives are limits."""
        if abs(self.shape) >= _ALMOST_ZERO:
            return self.shape
        return math.copysign(_ALMOST_ZERO, self.shape)


def fit(excess: Floats) -> Pareto | None:
    """The most likely law; None where it would be one without a sound likelihood.

    For a given ratio t = shape / scale the likelihood is largest at shape = mean(log(1 + t y))
    (Davison 1984; Grimshaw 1993), so one search along t finds it. Excesses are scaled by their
    mean, so that their unit does not matter.

    Args:
        excess: Above zero, two or more that differ, shape (excesses,).
    """
    unit = float(excess.mean())
    y = excess / unit
    longest = float(y.max())

    below = 1 - y / longest

    def shape_at(v: float) -> float:
        # 1 + t y for t = exp(v) - 1 / longest, without cancelling where it is nearly zero.
        return float(np.log(below + y * math.exp(v)).mean())

    def law(v: float) -> Pareto:
        shape, t = shape_at(v), math.exp(v) - 1 / longest
        # Their ratio tends to the mean, which is 1, as both go to zero.
        return Pareto(shape=shape, scale=shape / t if abs(t) > 1e-9 else 1.0)

    def loss(v: float) -> float:
        tried = law(v)
        return math.log(tried.scale) + tried.shape

    first = -math.log(longest) - _SEARCHED
    if shape_at(first) < SHAPE_MIN:  # it rises with v
        first = brentq(lambda v: shape_at(v) - SHAPE_MIN, first, -math.log(longest))
    last = -math.log(longest)
    while shape_at(last) < _SHAPE_MAX:
        last += 1
    grid = np.linspace(first, last, 2 * math.ceil(last - first) + 1)
    best = int(np.argmin([loss(v) for v in grid]))
    if best in (0, len(grid) - 1):
        return None
    around = (grid[best - 1], grid[best + 1])
    found = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-9})
    best_law = law(float(found.x))
    return Pareto(shape=best_law.shape, scale=unit * best_law.scale)
