"""The mean of what each answer is worth, where that was found out elsewhere.

An IoU of masks that nobody kept, a judge's mark: the answers come with their worth, and all that is
left to ask is which of them are on time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.errors import MetricError
from tailmark.quality.base import Floats, Grader, column, score_answers
from tailmark.quality.spelling import spelled
from tailmark.records.model import NONE, Int32s


@dataclass(frozen=True)
class Score:
    """The mean of a column; additive, and no answer is worth 0.

    Args:
        column: Of the outputs.
    """

    column: str

    @property
    def name(self) -> str:
        """``score:lane_iou``."""
        return spelled("score", self)

    def prepare(self, outputs: Any, references: Any) -> Grader:
        """See `Metric.prepare`.

        Args:
            outputs: The column: numbers from 0 to 1, shape (outputs,). Where a column ``sample``
                says which sample each answers, none is taken for an answer to another.
            references: Not looked at.
        """
        del references
        held = column(outputs, self.column, self.name, "outputs", "name one of these")
        worth = np.asarray(held)
        if worth.ndim != 1 or worth.dtype.kind not in "iuf":
            raise MetricError(
                f"{self.name} cannot read {worth.dtype} of shape {worth.shape}: give one number an "
                "output"
            )
        strange = ~((worth >= 0) & (worth <= 1))
        if strange.any():
            raise MetricError(
                f"{self.name} found {worth[strange][0]}: a score is from 0 to 1, and more is better"
            )
        return _ScoreGrader(worth.astype(np.float64), Addressed.of(outputs, self.name))


@dataclass(frozen=True)
class Addressed:
    """Which sample each output was judged for.

    Args:
        sample: Shape (outputs,); None where that is not known.
        metric: Who asks.
    """

    sample: Int32s | None
    metric: str

    @classmethod
    def of(cls, outputs: Any, metric: str) -> "Addressed":
        """From the column ``sample``, where there is one."""
        named = outputs.get("sample") if isinstance(outputs, Mapping) else None
        return cls(None if named is None else np.asarray(named), metric)

    def check(self, samples: Int32s, outputs: Int32s) -> None:
        """Refuse answers that were judged for another sample.

        Args:
            samples: Shape (rows,).
            outputs: Likewise; `NONE` for no answer.

        Raises:
            MetricError: There is one.
        """
        if self.sample is None:
            return
        there = outputs != NONE
        if (self.sample[outputs[there]] != samples[there]).any():
            raise MetricError(
                f"{self.metric} knows what an answer is worth for its own sample only, and a late "
                "policy takes it for another's: give on_late another policy than stale"
            )


@dataclass(frozen=True)
class _ScoreGrader:
    worth: Floats
    addressed: Addressed

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        self.addressed.check(samples, outputs)
        return score_answers(samples, outputs, lambda _, given: self.worth[given])
