"""What a run answered first to each sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.quality.detection.boxes import DETECTED
from tailmark.records.model import NONE, Column, Columns, Int64s, Run
from tailmark.records.ragged import Ragged

Bools = npt.NDArray[np.bool_]

SCORE = 0.3
"""From which score on a box counts as one that was found: below, detectors give any number of
guesses, which come and go with the last bit."""

_LABELS = ("labels", "items")
_LONGEST = 60


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The first answer of each sample.

    Args:
        output: Which of the run's outputs it is, shape (samples,); `NONE` where there is none.
        sent: Which samples were asked for at all, shape (samples,).
        outputs: The run's.
    """

    output: Int64s
    sent: Bools
    outputs: Columns

    @property
    def there(self) -> Bools:
        """Which samples have an answer; shape (samples,)."""
        return np.not_equal(self.output, NONE)

    @cached_property
    def label(self) -> Int64s | None:
        """The label that comes first, shape (samples,); None where answers are no labels.

        It means nothing where there is no answer.
        """
        held = label_of(self.outputs)
        return None if held is None else held[np.where(self.there, self.output, 0)]

    def taken(self, samples: npt.NDArray[np.integer[Any]]) -> dict[str, Column]:
        """The answers to some samples that have one, by column."""
        rows = self.output[samples]
        return {
            name: column.take(rows) if isinstance(column, Ragged) else column[rows]
            for name, column in self.outputs.items()
        }

    def told(self, sample: int) -> int | str | None:
        """An answer in a word: its label, its text, how many boxes; None where there is none."""
        row = int(self.output[sample])
        if row == NONE:
            return None
        if self.label is not None:
            return int(self.label[sample])
        if has_boxes(self.outputs):
            boxes = int(np.count_nonzero(self.outputs["scores"][row] >= SCORE))
            return f"{boxes} box" if boxes == 1 else f"{boxes} boxes"
        return "; ".join(_words(np.asarray(column[row])) for column in self.outputs.values())


def answered(run: Run) -> Answered:
    """Read a run's first answers."""
    output = np.full(len(run.references), NONE, dtype=np.int64)
    sent = np.zeros(len(output), dtype=np.bool_)
    for one in run.rounds():
        sent[one.sample] = True
        there = np.flatnonzero(one.output_id >= 0)[::-1]  # backwards: the first one stays
        new = there[output[one.sample[there]] == NONE]
        output[one.sample[new]] = one.output_id[new]
        if (output != NONE).all():
            break
    return Answered(output=output, sent=sent, outputs=run.outputs)


def label_of(outputs: Columns) -> Int64s | None:
    """The label or item that each output names first, shape (outputs,); None where none does."""
    for name in _LABELS:
        held = outputs.get(name)
        if isinstance(held, np.ndarray) and held.ndim <= 2 and held.dtype.kind in "iu":
            return (held if held.ndim == 1 else held[:, 0]).astype(np.int64)
    return None


def has_boxes(outputs: Mapping[str, Column]) -> bool:
    """Whether answers are boxes."""
    return all(isinstance(outputs.get(name), Ragged) for name in DETECTED)


def boxes_of(outputs: Mapping[str, Column]) -> dict[str, Ragged]:
    """The columns that hold boxes."""
    columns = ((name, outputs.get(name)) for name in DETECTED)
    return {name: column for name, column in columns if isinstance(column, Ragged)}


def _words(value: npt.NDArray[Any]) -> str:
    if value.size > 8:
        return f"{value.dtype} of shape {value.shape}"
    parts = (f"{x:.6g}" if isinstance(x, float) else str(x) for x in value.ravel().tolist())
    said = " ".join(" ".join(parts).split())
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
