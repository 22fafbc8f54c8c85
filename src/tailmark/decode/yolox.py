"""The raw output of YOLOX.

Source: Ge et al., YOLOX: Exceeding YOLO Series in 2021, and the head of its public code
(Megvii-BaseDetection/YOLOX, ``yolox/models/yolo_head.py``, ``decode_outputs``).
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
    placed,
    unknown_categories,
)
from tailmark.decode.label_map import LabelMap, read_label_map
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Yolox:
    """A row for each cell of several grids, shape (1, cells, 5 + classes).

    A row is the box's centre, relative to its cell and in cells; the logarithms of its width and
    height, in cells; how likely there is an object; and how likely it is of each class, if so.

    Args:
        strides: How many pixels of the input a cell is wide, grid after grid.
        score_threshold: A box is kept if its score, object times class, is above.
        iou_threshold: Of two boxes whose intersection over union is above, the better is kept.
        class_aware: Whether a box removes only those of its own class.
        keep: At most so many, the best.
        labels: What the classes are called: ``coco80``, a list, or a file.
    """

    strides: tuple[int, ...] = (8, 16, 32)
    score_threshold: float = 0.01
    iou_threshold: float = 0.65
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
        corner, stride = self._cells(*input_size(placements))
        selection = Selection.of(self, labels, placements)
        try:
            first = _rows(raw, len(stride))
        except BadOutputError as cause:
            raise SystemSetupError(
                f"{cause}: set decode.strides or the workload's preprocess to what the model has"
            ) from cause
        check_labels(labels, first.shape[1] - 5)
        check_probabilities(first[:, 4:], "score")

        def decode(raw: Any, sample: int) -> Answer:
            rows = _rows(raw, len(stride))
            if rows.shape != first.shape:
                raise BadOutputError(f"output has rows of {rows.shape[1]}, not {first.shape[1]}")
            # No class is likelier than the object, so most rows need no further look.
            likely = np.flatnonzero(rows[:, 4] > self.score_threshold)
            rows = rows[likely]
            classes = rows[:, 5:].argmax(axis=1)
            scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + classes]
            centres = (rows[:, :2] + corner[likely]) * stride[likely]
            with np.errstate(over="ignore"):  # which the selection refuses
                sizes = np.exp(rows[:, 2:4]) * stride[likely]
            return selection.answer(corners_of(centres, sizes), scores, classes, sample)

        return decode, unknown_categories(labels, declared)

    def _cells(self, width: int, height: int) -> tuple[Floats, Floats]:
        """Each cell's place in its grid, shape (cells, 2), and its width, shape (cells, 1)."""
        if not self.strides or min(self.strides) < 1:
            raise SystemSetupError(
                f"decode.strides is {self.strides}: give one or more, of 1 pixel or more each"
            )
        places, widths = [], []
        for stride in self.strides:
            rows, columns = np.mgrid[: height // stride, : width // stride]
            places.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
            widths.append(np.full((rows.size, 1), stride))
        return (
            np.concatenate(places).astype(np.float32),
            np.concatenate(widths).astype(np.float32),
        )

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return described("yolox", self)


def _rows(raw: Any, cells: int) -> Floats:
    values = floats(raw)
    if values.ndim != 3 or values.shape[:2] != (1, cells) or values.shape[2] < 6:
        raise BadOutputError(
            f"output of shape {values.shape} is not YOLOX's of shape (1, {cells}, 5 + classes)"
        )
    rows: Floats = values[0]
    return rows
