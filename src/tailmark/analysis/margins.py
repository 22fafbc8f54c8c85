"""By how much answers were decided: what a flip had to overcome.

A margin is the score of the label that won less that of the label that won elsewhere, in the
model's own scores. A flip whose margin is below what the numbers differ by is rounding at a close
call; one above it is another answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.analysis.answered import Answered
from tailmark.records.model import NONE

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The best few labels of each sample and their scores, by its first answer.

    Args:
        labels: Best first, shape (samples, top); `NONE` where there is none.
        scores: Likewise; NaN where there is none.
    """

    labels: npt.NDArray[np.int64]
    scores: Floats

    def of(self, sample: int, label: int) -> float | None:
        """A label's score; None where it is not among the best few."""
        place = np.flatnonzero(self.labels[sample] == label)
        return float(self.scores[sample, place[0]]) if place.size else None

    def decided_by(self, samples: Sequence[int]) -> Floats:
        """Best score less the second best, shape (len(samples),); NaN where there are not two."""
        if self.scores.shape[1] < 2:
            return np.full(len(samples), np.nan)
        chosen = self.scores[np.asarray(samples, dtype=np.int64)]
        with np.errstate(invalid="ignore"):  # two infinite scores decide nothing
            margins: Floats = chosen[:, 0] - chosen[:, 1]
        return margins


def scored(first: Answered) -> Scored | None:
    """The best few of first answers; None where answers are no ranked labels."""
    labels, scores = first.outputs.get("labels"), first.outputs.get("scores")
    if not isinstance(labels, np.ndarray) or not isinstance(scores, np.ndarray):
        return None
    if labels.ndim != 2 or scores.shape != labels.shape:
        return None
    there, rows = first.there, first.output[first.there]
    held: Any = np.full((len(there), labels.shape[1]), NONE, dtype=np.int64)
    found: Floats = np.full(held.shape, np.nan)
    held[there], found[there] = labels[rows], scores[rows]
    return Scored(labels=held, scores=found)
