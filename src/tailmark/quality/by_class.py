"""Counts of each class, and the metrics that are made of them: F1, IoU, accuracy.

Knows not what is counted: labels of texts, or pixels. Where there is nothing to find and nothing
was found, F1 is 0, as scikit-learn has it, and IoU is undefined.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tailmark.quality.base import Floats
from tailmark.records.model import Int64s


def how_many(classes: int) -> int:
    """How many counts there are: of what is true, wrong and right; of each class, and of none."""
    return 3 * (classes + 1)


def answered(index: Int64s, true: Int64s, classes: int) -> Int64s:
    """Which counts answers add to; what is true adds to the count of its class's index.

    Args:
        index: The class of each; ``classes`` for none, which is right nowhere.
        true: What it should be, below ``classes``.
        classes: How many there are.
    """
    found: Int64s = (classes + 1) * (1 + (index == true)) + index
    return found


@dataclass(frozen=True)
class ByClass:
    """Of several sets.

    Args:
        right: How many of each class are answered so: true positives; shape (sets, classes).
        answered: How many are answered to be of it, rightly or not; likewise.
        true: How many are of it; likewise.
    """

    right: Floats
    answered: Floats
    true: Floats

    @classmethod
    def of(cls, totals: Floats) -> Self:
        """From counts in the order of `answered`; shape (sets, counts)."""
        n = totals.shape[1] // 3
        true, wrong, right = (totals[:, k * n : (k + 1) * n - 1] for k in range(3))
        return cls(right, wrong + right, true)

    @property
    def f1(self) -> Floats:
        """The harmonic mean of precision and recall; shape (sets, classes)."""
        return ratio(2 * self.right, self.answered + self.true, 0.0)

    @property
    def f1_macro(self) -> Floats:
        """Its mean over the classes; shape (sets,)."""
        return self._unless_empty(self.f1.sum(axis=1) / max(self.f1.shape[1], 1))

    @property
    def f1_weighted(self) -> Floats:
        """Its mean weighted by how many are of each class; shape (sets,)."""
        return ratio((self.f1 * self.true).sum(axis=1), self.true.sum(axis=1))

    @property
    def f1_micro(self) -> Floats:
        """F1 of all classes' counts together; shape (sets,)."""
        answered, true = self.answered.sum(axis=1), self.true.sum(axis=1)
        return self._unless_empty(ratio(2 * self.right.sum(axis=1), answered + true))

    def f1_of(self, index: int) -> Floats:
        """F1 of one class; shape (sets,)."""
        return self._unless_empty(self.f1[:, index])

    @property
    def iou(self) -> Floats:
        """Intersection over union; shape (sets, classes), NaN where the union is empty."""
        return ratio(self.right, self.answered + self.true - self.right)

    @property
    def recall(self) -> Floats:
        """The share of each class that is found; shape (sets, classes), NaN where none is of it."""
        return ratio(self.right, self.true)

    @property
    def accuracy(self) -> Floats:
        """The share that is right; shape (sets,)."""
        return ratio(self.right.sum(axis=1), self.true.sum(axis=1))

    def _unless_empty(self, values: Floats) -> Floats:
        """NaN for a set of nothing."""
        found: Floats = np.where(self.true.any(axis=1), values, np.nan)
        return found


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any], of_nothing: float = np.nan) -> Floats:
    """Part ÷ whole, and what that is where the whole is 0."""
    found: Floats = np.divide(part, whole, out=np.full(part.shape, of_nothing), where=whole != 0)
    return found


def known_mean(values: Floats) -> Floats:
    """The mean of each row's values, without NaN; NaN where all are. Shape (rows,)."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1))
