"""What a run answered first to each sample, and which samples two runs answer otherwise."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tailmark.analysis.flips import answer_labels
from tailmark.records.model import NONE, Int64s, Run

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The first answer of each sample.

    Args:
        label: Shape (samples,); `NONE` where there is none. Of outputs that are no labels, what
            tells one answer from another.
    """

    label: Int64s

    @property
    def there(self) -> Bools:
        """Which samples have an answer; shape (samples,)."""
        return np.not_equal(self.label, NONE)


def first_outputs(run: Run) -> Int64s:
    """The output of each sample's first answer, `NONE` where it has none; shape (samples,)."""
    first = np.full(len(run.references), NONE, dtype=np.int64)
    for one in run.rounds():
        there = np.flatnonzero(one.output_id >= 0)[::-1]  # backwards: the first one stays
        new = there[first[one.sample[there]] == NONE]
        first[one.sample[new]] = one.output_id[new]
        if (first != NONE).all():
            break
    return first


def answered(run: Run) -> Answered:
    """Read a run's first answers."""
    first = first_outputs(run)
    there = first != NONE
    label = np.full(len(first), NONE, dtype=np.int64)
    label[there] = answer_labels(run)[first[there]]
    return Answered(label=label)


def flips(a: Answered, b: Answered) -> Bools:
    """Samples answered otherwise, or in one of them only; shape (samples,)."""
    return np.not_equal(a.label, b.label)
