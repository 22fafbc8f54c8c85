"""The raw output of FastestDet.

Source: the model's public code (dog-qiuqiu/FastestDet, ``utils/tool.py``, ``handle_preds``); the
exponents are those of its ncnn example.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.decode.boxes import (
    COLUMNS,
    Selection,
    check_labels,
    check_probabilities,
    corners_of,
    described,
    floats,
    input_size,
    logistic,
    placed,
    unknown_categories,
)
from tailmark.decode.label_map import LabelMap, read_label_map
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer

Floats = npt.NDArray[np.floating[Any]]

OBJECT_WEIGHT = 0.6
CLASS_WEIGHT = 0.4
"""The score is the weighted geometric mean of both probabilities."""


@dataclass(frozen=True, kw_only=True)
class FastestDet:
    """A column for each cell of one grid, shape (1, 5 + classes, rows, columns).

    A column is how likely there is an object; where the box's centre is, from the cell's corner in
    cells, as the inverse of tanh; its width and height as shares of the input, as the inverse of
    the logistic function; and how likely it is of each class, if there is one.

    Args:
        score_threshold: A box is kept if its score, object^0.6 times class^0.4, is above.
        iou_threshold: Of two boxes whose intersection over union is above, the better is kept.
        class_aware: Whether a box removes only those of its own class.
        keep: At most so many, the best.
        labels: What the classes are called: ``coco80``, a list, or a file.
    """

    score_threshold: float = 0.1
    iou_threshold: float = 0.45
    class_aware: bool = True
    keep: int = 100
    labels: LabelMap = "coco80"

    columns = COLUMNS
    ragged = COLUMNS

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: Another shape, or no probabilities.
        """
        labels = read_label_map(self.labels)
        placements = placed(declared)
        whole = np.array(input_size(placements), dtype=np.float32)
        selection = Selection.of(self, labels, placements)
        try:
            first = _grid(raw)
        except BadOutputError as cause:
            raise SystemSetupError(
                f"{cause}: choose one with system.output, or declare another decode.kind"
            ) from cause
        channels, height, width = first.shape
        check_labels(labels, channels - 5)
        check_probabilities(first[[0, *range(5, channels)]], "score")
        cell_row, cell_column = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32)
        cells = np.array([width, height], dtype=np.float32)

        def decode(raw: Any, sample: int) -> Answer:
            grid = _grid(raw)
            if grid.shape != first.shape:
                raise BadOutputError(f"output has the shape {grid.shape}, not {first.shape}")
            columns = grid.reshape(channels, -1)
            classes = columns[5:].argmax(axis=0)
            likely = columns[5:][classes, np.arange(len(classes))]
            if min(columns[0].min(), likely.min()) < 0:
                raise BadOutputError("output has a probability below zero")
            scores = columns[0] ** OBJECT_WEIGHT * likely**CLASS_WEIGHT
            at = np.flatnonzero(scores > self.score_threshold)
            corner = np.stack([cell_column[at], cell_row[at]], axis=1)
            centres = (np.tanh(columns[1:3, at].T) + corner) / cells * whole
            sizes = logistic(columns[3:5, at].T) * whole
            return selection.answer(corners_of(centres, sizes), scores[at], classes[at], sample)

        return decode, unknown_categories(labels, declared)

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return described("fastestdet", self)


def _grid(raw: Any) -> Floats:
    values = floats(raw)
    if values.ndim != 4 or values.shape[0] != 1 or values.shape[1] < 6:
        raise BadOutputError(
            f"output of shape {values.shape} is not FastestDet's of shape "
            "(1, 5 + classes, rows, columns)"
        )
    grid: Floats = values[0]
    return grid
