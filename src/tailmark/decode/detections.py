"""Outputs that are boxes already, whatever their order and form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.decode.boxes import (
    COLUMNS,
    Selection,
    check_labels,
    corners_of,
    described,
    floats,
    logistic,
    placed,
    unknown_categories,
)
from tailmark.decode.label_map import LabelMap, read_label_map
from tailmark.errors import SystemSetupError, nearest
from tailmark.placement import Placements
from tailmark.records.catalogue import Answer

Floats = npt.NDArray[np.floating[Any]]

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Boxes with a score and a category each, in several outputs by name or in one.

    Args:
        boxes: Of several outputs, the one of shape (boxes, 4); any may have a batch axis of one in
            front.
        scores: The one of shape (boxes,), or (boxes, classes) where ``categories`` is null.
        categories: The one of shape (boxes,); null where the best of several scores tells.
        order: Of one output of shape (boxes, …), what its last axis holds: ``box`` (four numbers),
            ``score``, ``category``, and ``skip`` for a number that is neither.
        format: Two corners (``xyxy``), a corner and a size (``xywh``), or a centre and a size
            (``cxcywh``).
        unit: ``pixel`` of the model's input, ``share`` of its width and height, or ``image``: in
            pixels of the image already.
        activation: What makes scores of the numbers: ``none``, ``sigmoid``, or ``softmax`` over
            the classes.
        background: Whether the ``first`` or the ``last`` of several scores is for no object.
        labels: What the model's classes, without the background, are called: ``coco80``, a list,
            or a file; null where a class's number, counted with the background, is its label.
        score_threshold: A box is kept if its score is above.
        iou_threshold: Of two boxes whose intersection over union is above, the better is kept;
            null where the model has seen to that.
        class_aware: Whether a box removes only those of its own class.
        keep: At most so many, the best.
    """

    boxes: str = "boxes"
    scores: str = "scores"
    categories: str | None = "labels"
    order: tuple[Literal["box", "score", "category", "skip"], ...] = ("box", "score", "category")
    format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy"
    unit: Literal["pixel", "share", "image"] = "pixel"
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    background: Literal["first", "last"] | None = None
    labels: LabelMap | None = None
    score_threshold: float = 0.0
    iou_threshold: float | None = None
    class_aware: bool = True
    keep: int = 100

    columns = COLUMNS
    ragged = COLUMNS

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: No such outputs, or of other shapes.
        """
        self._check_order()
        labels = None if self.labels is None else read_label_map(self.labels)
        placements = None if self.unit == "image" else placed(declared)
        selection = Selection.of(self, labels, placements)
        try:
            _, scores, _ = self._parts(raw)
        except BadOutputError as cause:
            raise SystemSetupError(
                f"{cause}: say what the outputs are with decode's boxes, scores, categories and "
                "order"
            ) from cause
        if scores.ndim == 1 and (self.background is not None or self.activation == "softmax"):
            raise SystemSetupError(
                "decode.background and softmax are for several scores a box, and the model has "
                "one: leave them out, or set decode.categories: null to read scores by class"
            )
        if labels is not None and scores.ndim == 2:
            check_labels(labels, scores.shape[1] - (self.background is not None))

        def decode(raw: Any, sample: int) -> Answer:
            boxes, scores, categories = self._parts(raw)
            best, classes = self._best(scores, categories)
            return selection.answer(self._corners(boxes, placements, sample), best, classes, sample)

        return decode, [] if labels is None else unknown_categories(labels, declared)

    def _check_order(self) -> None:
        for part in ("box", "score", "category"):
            if self.order.count(part) != 1:
                raise SystemSetupError(
                    f"decode.order is {list(self.order)}: name box, score and category once each"
                )

    def _parts(self, raw: Any) -> tuple[Floats, Floats, Floats | None]:
        """Boxes, shape (boxes, 4); scores, (boxes,) or (boxes, classes); categories or None."""
        if isinstance(raw, list) and len(raw) == 1:  # torchvision has a list of one a batch
            raw = raw[0]
        read = self._from_several if isinstance(raw, Mapping) else self._from_one
        boxes, scores, categories = read(raw)
        if boxes.shape[1] != 4:
            raise BadOutputError(f"output has boxes of {boxes.shape[1]} numbers, not four")
        if scores.ndim == 2 and scores.shape[1] <= (self.background is not None):
            raise BadOutputError(f"output has scores of shape {scores.shape}, and no class")
        return boxes, scores, categories

    def _from_several(self, raw: Mapping[str, Any]) -> tuple[Floats, Floats, Floats | None]:
        score_axes = 2 if self.categories is None else 1
        parts = {
            self.boxes: _without_batch(self._named(raw, self.boxes), 2, self.boxes),
            self.scores: _without_batch(self._named(raw, self.scores), score_axes, self.scores),
        }
        if self.categories is not None:
            categories = self._named(raw, self.categories)
            parts[self.categories] = _without_batch(categories, 1, self.categories)
        if len({len(part) for part in parts.values()}) > 1:
            lengths = ", ".join(f"{name} has {len(part)}" for name, part in parts.items())
            raise BadOutputError(f"outputs differ in length: {lengths}")
        named = None if self.categories is None else parts[self.categories]
        return parts[self.boxes], parts[self.scores], named

    def _named(self, raw: Mapping[str, Any], name: str) -> Any:
        if name not in raw:
            raise BadOutputError(
                f"the model has no output {name!r}{nearest(name, raw)}: it has {', '.join(raw)}"
            )
        return raw[name]

    def _from_one(self, raw: Any) -> tuple[Floats, Floats, Floats]:
        values = _without_batch(raw, 2, "the model")
        width = sum(4 if part == "box" else 1 for part in self.order)
        if values.shape[1] != width:
            raise BadOutputError(
                f"output has rows of {values.shape[1]} numbers and decode.order has {width} "
                f"({', '.join(self.order)})"
            )
        starts, at = {}, 0
        for part in self.order:
            starts[part] = at
            at += 4 if part == "box" else 1
        box = starts["box"]
        return values[:, box : box + 4], values[:, starts["score"]], values[:, starts["category"]]

    def _best(
        self, scores: Floats, categories: Floats | None
    ) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Each box's score and class."""
        if self.activation == "sigmoid":
            scores = logistic(scores)
        elif self.activation == "softmax":
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
        if categories is not None:
            return scores, _whole(categories)
        if self.background == "last":
            scores = scores[:, :-1]
        elif self.background == "first":
            scores = scores[:, 1:]
        classes = scores.argmax(axis=1)
        best: Floats = scores[np.arange(len(scores)), classes]
        if self.background == "first" and self.labels is None:
            classes += 1
        return best, classes

    def _corners(self, boxes: Floats, placements: Placements | None, sample: int) -> Floats:
        if self.unit == "share" and placements is not None:
            boxes = boxes * np.tile(placements.input_size[sample], 2)
        if self.format == "cxcywh":
            return corners_of(boxes[:, :2], boxes[:, 2:])
        if self.format == "xywh":
            return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        return boxes

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return described("detections", self)


def _without_batch(raw: Any, axes: int, name: str) -> Floats:
    values = floats(raw)
    if values.ndim == axes + 1 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != axes:
        raise BadOutputError(
            f"output {name!r} has the shape {values.shape}, not {axes} axes after the batch's"
        )
    return values


def _whole(categories: Floats) -> npt.NDArray[np.int64]:
    rounded = np.rint(categories)
    if (rounded != categories).any() or np.abs(rounded).max(initial=0) > _INT32.max:
        raise BadOutputError("output has categories that are no whole numbers of 32 bits")
    return rounded.astype(np.int64)
