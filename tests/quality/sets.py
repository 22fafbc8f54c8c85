"""A metric that is no mean over samples, graded the slow way: every deadline, every row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.quality.base import Arrivals, Floats, Grader, Metric
from tailmark.records.model import Int32s, Int64s


def spoilt(pairs: Sequence[tuple[int, int | None]]) -> float:
    """The square of what is right less what is wrong, over all; never below zero.

    Args:
        pairs: Of each row what is right, and what is answered, if anything.
    """
    if not pairs:
        return math.nan
    right = sum(answer == reference for reference, answer in pairs)
    wrong = sum(answer not in (None, reference) for reference, answer in pairs)
    return max(0.0, (right - wrong) / len(pairs)) ** 2


@dataclass(frozen=True)
class Spoilt:
    """`spoilt` as a metric: a wrong answer is worse than none."""

    name: str = "spoilt"

    def prepare(self, outputs: Any, references: Any) -> "SpoiltGrader":
        """One label a sample."""
        held = outputs["labels"] if isinstance(outputs, dict) else outputs
        labels = np.asarray(held)
        return SpoiltGrader(labels.reshape(len(labels), -1)[:, 0], np.asarray(references))


@dataclass(frozen=True)
class SpoiltGrader:
    """Asks `spoilt` at each deadline."""

    labels: npt.NDArray[Any]
    references: npt.NDArray[Any]

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """Whether the label is right."""
        right = self.labels[outputs] == self.references[samples]
        return np.where(outputs >= 0, right, False).astype(np.float64)

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """Row by row."""
        found = []
        for deadline in deadlines_ns.tolist():
            answers: list[int | None] = [None] * len(arrivals.sample)
            for row, at, output in zip(
                arrivals.row.tolist(), arrivals.at_ns.tolist(), arrivals.output, strict=True
            ):
                if at <= deadline:
                    answers[row] = int(self.labels[output])
            pairs = [
                (int(self.references[sample]), answer)
                for sample, answer in zip(arrivals.sample, answers, strict=True)
                if answer is not None or not arrivals.left_out
            ]
            found.append(spoilt(pairs))
        return np.array(found, dtype=np.float64)


@dataclass(frozen=True)
class AsSet:
    """An additive metric that does not say so: what is found of sets must agree with it."""

    metric: Metric

    @property
    def name(self) -> str:
        """Told apart from the metric's own."""
        return f"{self.metric.name} of sets"

    def prepare(self, outputs: Any, references: Any) -> "AsSetGrader":
        """As the metric does."""
        return AsSetGrader(self.metric.prepare(outputs, references))


@dataclass(frozen=True)
class AsSetGrader:
    """Means of scores, taken row by row."""

    grader: Grader

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """The metric's."""
        return self.grader.scores(samples, outputs)

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """The mean of what is there."""
        worth = self.grader.scores(arrivals.sample[arrivals.row], arrivals.output)
        found = np.empty(len(deadlines_ns))
        for k, deadline in enumerate(deadlines_ns.tolist()):
            rows = np.zeros(len(arrivals.sample))
            there = arrivals.at_ns <= deadline  # in the order they come: a later one replaces
            rows[arrivals.row[there]] = worth[there]
            over = len(np.unique(arrivals.row[there])) if arrivals.left_out else len(rows)
            found[k] = rows.sum() / over if over else np.nan
        return found
