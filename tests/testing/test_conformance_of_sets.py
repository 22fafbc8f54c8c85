"""What a metric of sets owes its seam, and what is said where it does not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from quality.sets import AsSet, Spoilt, SpoiltGrader
from tailmark.quality.base import Arrivals, Floats
from tailmark.quality.topk import top1
from tailmark.records.model import Int64s
from tailmark.testing import check_metric

LABELS = np.array([0, 1, 2, 1, 0])
RIGHT = np.array([0, 1, 1, 1, 2])


@pytest.mark.parametrize("metric", [Spoilt(), AsSet(top1)], ids=["spoilt", "mean"])
def test_metrics_of_sets_keep_their_contract(metric: Any) -> None:
    """The slow ones of our own tests do."""
    check_metric(metric, LABELS, RIGHT)


@dataclass(frozen=True)
class Off(SpoiltGrader):
    """One thing wrong."""

    how: str = ""

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """Almost right."""
        values = super().by_deadline(arrivals, deadlines_ns)
        if self.how == "above one":
            return values + 1
        if self.how == "the best so far":
            return np.maximum.accumulate(np.nan_to_num(values))[::-1].copy()
        if self.how == "early":
            return super().by_deadline(arrivals, deadlines_ns + 1)
        if self.how == "adds up":
            return values * min(1.0, len(arrivals.sample) / max(len(arrivals.row), 1))
        if self.how == "first row":
            return values * (0.5 if arrivals.sample[0] else 1.0)
        return values[:, None]


@dataclass(frozen=True)
class OffMetric(Spoilt):
    """Gives such a grader."""

    how: str = ""

    def prepare(self, outputs: Any, references: Any) -> Off:
        """With one thing wrong."""
        held = super().prepare(outputs, references)
        return Off(held.labels, held.references, self.how)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("shape", "one float64 a deadline"),
        ("above one", "quality is from 0 to 1"),
        ("the best so far", "does not depend on the others"),
        ("early", "changes only where an answer comes"),
        ("adds up", "takes the place of the one before"),
        ("first row", "the order of the rows makes no difference"),
    ],
)
def test_what_is_wrong_is_said(how: str, says: str) -> None:
    """In one sentence."""
    with pytest.raises(AssertionError, match=says):
        check_metric(OffMetric(how=how), LABELS, RIGHT)
