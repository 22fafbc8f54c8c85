"""A distribution of what one round will deliver, and what it says of many rounds.

Knows nothing of how it was made.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """A discrete distribution.

    Args:
        values: Ascending, shape (points,).
        chances: Of each, adding up to 1.
    """

    values: Floats
    chances: Floats

    @classmethod
    def of(cls, observed: Floats) -> Self:
        """The distribution of what was observed: each value alike."""
        values, counts = np.unique(observed, return_counts=True)
        return cls(values, counts / counts.sum())

    @property
    def mean(self) -> float:
        """The expected value."""
        return float(self.values @ self.chances)

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return math.sqrt(max(0.0, float(self.values**2 @ self.chances) - self.mean**2))

    def up_to(self, value: float) -> float:
        """P(quality ≤ value)."""
        row = int(np.searchsorted(self.values, value + _ROUNDING, side="right"))
        return min(1.0, float(self.chances[:row].sum()))

    def at_least(self, target: float) -> float:
        """P(quality ≥ target)."""
        row = int(np.searchsorted(self.values, target - _ROUNDING, side="left"))
        return min(1.0, float(self.chances[row:].sum()))

    def quantile(self, share: float) -> float:
        """The smallest value with at least that share at or below it."""
        row = int(np.searchsorted(np.cumsum(self.chances), share - _ROUNDING))
        return float(self.values[min(row, len(self.values) - 1)])

    def worst_of(self, rounds: int) -> float:
        """The expected worst of so many independent rounds."""
        above = 1 - np.cumsum(self.chances) + self.chances  # P(one round is at this value or above)
        every = np.clip(above, 0.0, 1.0) ** rounds
        return float(self.values[0] + np.diff(self.values) @ every[1:])

    def distance(self, observed: Floats) -> float:
        """The mean continuous ranked probability score against what came (Matheson & Winkler 1976).

        In the values' own unit; less is better, and 0 is certainty of what came.
        """
        ordered = np.sort(observed)
        nodes = np.union1d(self.values, ordered)
        ours = np.cumsum(self.chances)[np.searchsorted(self.values, nodes, side="right") - 1]
        ours = np.where(nodes < self.values[0], 0.0, ours)
        theirs = np.searchsorted(ordered, nodes, side="right") / len(ordered)
        # E over what came of ∫ (F − 1[x ≥ y])² = ∫ (F² − 2 F G + G), with G what came's share.
        gaps = np.diff(nodes)
        return float(gaps @ (ours**2 - 2 * ours * theirs + theirs)[:-1])

    def divergence(self, observed: Floats, bins: int = 20) -> float:
        """The Jensen-Shannon divergence to what came, in bits, over bins of equal width.

        0 where they agree, 1 where they share nothing. The bins span both.
        """
        low = min(float(self.values[0]), float(observed.min()))
        high = max(float(self.values[-1]), float(observed.max()))
        if high <= low:
            return 0.0
        # What hardly ever comes would only stretch the bins.
        ours, edges = np.histogram(
            self.values, bins=bins, range=self._likely(low, high, observed), weights=self.chances
        )
        theirs, _ = np.histogram(observed, bins=edges)
        p, q = ours / max(ours.sum(), 1e-300), theirs / theirs.sum()
        middle = (p + q) / 2
        return float(_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2

    def _likely(self, low: float, high: float, observed: Floats) -> tuple[float, float]:
        low = max(low, min(self.quantile(0.001), float(observed.min())))
        high = min(high, max(self.quantile(0.999), float(observed.max())))
        return (low, high) if high > low else (low - 0.5, high + 0.5)


_ROUNDING = 1e-12


def _relative_entropy(p: Floats, q: Floats) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())


def mixture(parts: list[Forecast], weights: Floats) -> Forecast:
    """Several forecasts, each with its weight."""
    values, place = np.unique(np.concatenate([one.values for one in parts]), return_inverse=True)
    chances = np.concatenate([w * one.chances for one, w in zip(parts, weights, strict=True)])
    total: Floats = np.bincount(place, weights=chances, minlength=len(values)).astype(np.float64)
    return Forecast(values, total)
