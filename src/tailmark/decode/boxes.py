"""From boxes found in a model's input to the answer: the best few, in pixels of the image.

What every decoder of a detector shares. Knows no model.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.label_map import NO_LABEL
from tailmark.decode.nms import suppress
from tailmark.errors import SystemSetupError
from tailmark.placement import Placements
from tailmark.records.catalogue import Answer
from tailmark.records.model import Int32s

COLUMNS = ("boxes", "scores", "categories")
"""Of every answer of boxes: x, y, width, height in pixels of the image, float32, shape (boxes, 4);
how sure each is, float32; what it shows in the labels' own numbering, int32. Best first."""

_SURELY_ONE = 1 + 1e-3
"""What a probability may come to by rounding."""


class Selecting(Protocol):
    """The settings that every box decoder has; see `Selection`."""

    @property
    def score_threshold(self) -> float:
        """See `Selection`, and so the others."""
        ...

    @property
    def iou_threshold(self) -> float | None:
        """Likewise."""
        ...

    @property
    def class_aware(self) -> bool:
        """Likewise."""
        ...

    @property
    def keep(self) -> int:
        """Likewise."""
        ...


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which of the boxes found become the answer.

    Args:
        score_threshold: A box is kept if its score is above.
        iou_threshold: Of two boxes whose intersection over union is above, the better is kept; None
            to keep both.
        class_aware: Whether a box removes only those of its own class.
        keep: At most so many are kept, the best.
        labels: What each class is called, shape (classes,); None where they are called so already.
            What shows no label's class is no box.
        placements: To say where in the image a box is; None where it is said already.
    """

    score_threshold: float
    iou_threshold: float | None
    class_aware: bool
    keep: int
    labels: Int32s | None
    placements: Placements | None

    @classmethod
    def of(cls, decoder: Selecting, labels: Int32s | None, placements: Placements | None) -> Self:
        """As a decoder is set."""
        return cls(
            score_threshold=decoder.score_threshold,
            iou_threshold=decoder.iou_threshold,
            class_aware=decoder.class_aware,
            keep=decoder.keep,
            labels=labels,
            placements=placements,
        )

    def __post_init__(self) -> None:
        """Refuse settings that cannot be carried out."""
        for name in ("score_threshold", "iou_threshold"):
            threshold = getattr(self, name)
            if threshold is not None and not 0 <= threshold <= 1:
                raise SystemSetupError(f"decode.{name} is {threshold}: give a number from 0 to 1")
        if self.keep < 1:
            raise SystemSetupError(f"decode.keep is {self.keep}: keep 1 box or more")

    def answer(
        self,
        corners: npt.NDArray[np.floating[Any]],
        scores: npt.NDArray[np.floating[Any]],
        classes: npt.NDArray[np.integer[Any]],
        sample: int,
    ) -> Answer:
        """The columns.

        Args:
            corners: x1, y1, x2, y2 in pixels of the input, shape (boxes, 4).
            scores: Shape (boxes,).
            classes: In the model's numbering, likewise.
            sample: Whose image.

        Raises:
            BadOutputError: A box without bounds, or a class that has no label.
        """
        if not np.isfinite(corners).all():
            raise BadOutputError("output has a box without bounds")
        order = np.argsort(-scores, kind="stable")  # equal scores as the model has them
        order = order[scores[order] > self.score_threshold]
        order = order[self._labelled(classes[order]) != NO_LABEL]
        if self.iou_threshold is not None:
            groups = classes[order] if self.class_aware else None
            order = order[suppress(corners[order], self.iou_threshold, groups)]
        order = order[: self.keep]
        found = corners[order].astype(np.float64)
        if self.placements is not None:
            found = self.placements.to_image(found, sample)
        found[:, 2:] = np.maximum(found[:, 2:] - found[:, :2], 0)
        return (
            found.astype(np.float32),
            scores[order].astype(np.float32),
            self._labelled(classes[order]),
        )

    def _labelled(self, classes: npt.NDArray[np.integer[Any]]) -> Int32s:
        if self.labels is None:
            return classes.astype(np.int32)
        beyond = (classes < NO_LABEL) | (classes >= len(self.labels))
        if beyond.any():
            raise BadOutputError(
                f"output has class {classes[beyond][0]}, and {len(self.labels)} have labels"
            )
        labels: Int32s = np.where(classes == NO_LABEL, NO_LABEL, self.labels[classes])
        return labels.astype(np.int32)


def placed(declared: Declared) -> Placements:
    """Where the workload says its images lie.

    Raises:
        SystemSetupError: It does not say.
    """
    if declared.placements is None:
        raise SystemSetupError(
            "the workload does not say where its images lie in the model's input, so boxes cannot "
            "be told of the images: use workload.kind: coco"
        )
    return declared.placements


def input_size(placements: Placements) -> tuple[int, int]:
    """Width and height of the model's input, of all samples.

    Raises:
        SystemSetupError: They differ.
    """
    sizes = np.unique(placements.input_size, axis=0)
    if len(sizes) > 1:
        shown = ", ".join(f"{w:g}x{h:g}" for w, h in sizes[:3])
        raise SystemSetupError(
            f"the images come to the model in {len(sizes)} sizes ({shown}, …) and this decoder "
            "reads one: set preprocess.letterbox, or preprocess.resize to width and height"
        )
    width, height = sizes[0].astype(int).tolist()
    return width, height


def check_labels(labels: Int32s, classes: int) -> None:
    """Hold the label map against the model.

    Raises:
        SystemSetupError: It has another number of classes.
    """
    if len(labels) != classes:
        raise SystemSetupError(
            f"decode.labels names {len(labels)} classes and the model has {classes}: give one "
            "label for each of the model's classes"
        )


def unknown_categories(labels: Int32s, declared: Declared) -> list[str]:
    """Hold the label map against what the workload has boxes of.

    Returns:
        Warnings of categories that the model does not know.

    Raises:
        SystemSetupError: It knows none of them.
    """
    if not isinstance(declared.references, Mapping) or "categories" not in declared.references:
        return []
    wanted = np.unique(declared.references["categories"].values)
    missing = wanted[~np.isin(wanted, labels[labels != NO_LABEL])]
    if not missing.size:
        return []
    shown = ", ".join(map(str, missing[:5].tolist())) + (", …" if len(missing) > 5 else "")
    if len(missing) == len(wanted):
        raise SystemSetupError(
            f"the workload has boxes of the categories {shown} and the model's classes are called "
            "otherwise: declare decode.labels"
        )
    warning = (
        f"the model knows {len(wanted) - len(missing)} of the workload's {len(wanted)} categories, "
        f"and finds no boxes of the others ({shown}): declare decode.labels if it does"
    )
    return [warning]


def floats(raw: Any) -> npt.NDArray[np.floating[Any]]:
    """An output as finite numbers of 32 or 64 bits, as many as it needs.

    Raises:
        BadOutputError: It is none, or has NaN or an infinity.
    """
    try:
        values = np.asarray(raw)
    except ValueError:
        raise BadOutputError("output is ragged, not an array") from None
    if values.dtype.kind not in "fiu":
        raise BadOutputError(f"output of type {values.dtype} is not boxes and scores")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32 if values.dtype.kind == "f" else np.float64)
    if not np.isfinite(values).all():
        raise BadOutputError(f"output has {'NaN' if np.isnan(values).any() else 'an infinity'}")
    return values


def check_probabilities(values: npt.NDArray[np.floating[Any]], what: str) -> None:
    """Refuse scores that are something else.

    Raises:
        SystemSetupError: One is below zero or above one.
    """
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < 0 or high > _SURELY_ONE:
        raise SystemSetupError(
            f"the model's {what} is from {low:g} to {high:g} and a probability is from 0 to 1: "
            "export the model with its last activation, or declare another decode.kind"
        )


def corners_of(
    centres: npt.NDArray[np.floating[Any]], sizes: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.floating[Any]]:
    """x1, y1, x2, y2 of boxes known by centre and size, each of shape (boxes, 2)."""
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def logistic(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """The inverse of the logit, by tanh, which no number overflows."""
    half: npt.NDArray[np.floating[Any]] = 0.5 * (1 + np.tanh(values / 2))
    return half


def described(kind: str, recipe: Any) -> dict[str, Any]:
    """A decoder's settings; of paths, the last part."""
    settings = {
        name: value.name if isinstance(value, Path) else value
        for name, value in asdict(recipe).items()
    }
    return {"kind": kind, **settings}
