"""HybridNets: traffic objects, drivable area and lanes, as its own evaluation judged them.

Its result file holds no box and no mask, but what came of them: for each image which detections
found an object at which of ten IoU thresholds, and the IoU and accuracy of each class of pixels.
There is no file of references; which objects there are stands beside the detections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.importers.batches import Batches, brief, read_batches
from tailmark.importers.graded import Graded
from tailmark.records.ragged import Ragged

METRICS = (
    "matched_ap50",
    "matched_recall",
    "score:mean_iou",
    "score:drivable_mean_iou",
    "score:lane_accuracy",
    "score:lane_iou",
)

_BACKGROUND, _ROAD, _LANE = range(3)
_CLASSES = 3
_THRESHOLDS = 10
_PARTS = {"stats", "iou_ls", "acc_ls"}
_MATCHED = 4
_MOST = 2**31

_SHARES = "the share, 0 to 1, of each image, for each of three classes"
_FLAGS = "true or false, for each detection at ten thresholds"
_SCORES = "the scores of detections"
_NUMBERS = "the numbers of categories"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """What came of an image's detections.

    Args:
        found: Whether each found an object at each threshold, the first 0.5; shape (detections,
            thresholds).
        scores: Shape (detections,).
        categories: Likewise.
        objects: The category of each object that is there, shape (objects,).
    """

    found: npt.NDArray[np.bool_]
    scores: Floats
    categories: npt.NDArray[np.int32]
    objects: npt.NDArray[np.int32]


_NOTHING = Matched(
    found=np.empty((0, _THRESHOLDS), dtype=np.bool_),
    scores=np.empty(0),
    categories=np.empty(0, dtype=np.int32),
    objects=np.empty(0, dtype=np.int32),
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """What came of an image.

    Args:
        matched: Its detections.
        iou: Of each class of pixels, shape (classes,).
        accuracy: Likewise, balanced.
    """

    matched: Matched
    iou: Floats
    accuracy: Floats


def read_images(path: Path, ids: Sequence[int]) -> Batches:
    """The images of each batch.

    The file is silent about an image with neither objects nor detections. Where a batch tells of
    fewer images than it has, the silent ones are taken to be its last: all of a batch are late or
    none is, so no quality at a deadline depends on which they are.

    Raises:
        InputError: A batch holds something else, which is named.
    """
    batches = read_batches(path, ids)
    return {
        batch: _images(held[0] if len(held) == 1 else held, f"batch {batch}")
        for batch, held in batches.items()
    }


def read_hybridnets(answered: Batches, _: object) -> Graded:
    """An item is an `Image`."""
    images: list[Image] = [image for batch in answered.values() for image in batch]
    matched = [image.matched for image in images]
    iou = np.array([image.iou for image in images])
    outputs = {
        "sample": np.arange(len(images), dtype=np.int32),
        "found": Ragged.of([one.found for one in matched], np.bool_, _THRESHOLDS),
        "scores": Ragged.of([one.scores for one in matched], np.float64),
        "categories": Ragged.of([one.categories for one in matched], np.int32),
        "mean_iou": iou.mean(axis=1),
        "drivable_mean_iou": iou[:, [_BACKGROUND, _ROAD]].mean(axis=1),
        "lane_accuracy": np.array([image.accuracy[_LANE] for image in images]),
        "lane_iou": iou[:, _LANE],
    }
    return Graded(
        outputs=outputs,
        references=Ragged.of([one.objects for one in matched], np.int32),
        metrics=METRICS,
    )


def _images(held: object, where: str) -> list[Image]:
    if not isinstance(held, dict) or not held.keys() >= _PARTS:
        raise _refused(held, where, "a dictionary of stats, iou_ls and acc_ls")
    iou, accuracy = (_by_class(held[name], f"{name} of {where}") for name in ("iou_ls", "acc_ls"))
    stats = held["stats"]
    if not isinstance(stats, list) or not len(stats) <= len(iou) == len(accuracy):
        raise InputError(
            f"{where} has the IoU of {len(iou)} images, the accuracy of {len(accuracy)} and the "
            f"stats {brief(stats)}: give those of the same images"
        )
    matched = [_matched(one, f"item {k} of the stats of {where}") for k, one in enumerate(stats)]
    matched += [_NOTHING] * (len(iou) - len(matched))
    return [
        Image(matched=one, iou=overlap, accuracy=right)
        for one, overlap, right in zip(matched, iou, accuracy, strict=True)
    ]


def _by_class(held: object, where: str) -> Floats:
    """Shape (images, classes)."""
    if not isinstance(held, list) or len(held) != _CLASSES:
        raise _refused(held, where, _SHARES)
    rows = [_array(one, "f", where, _SHARES) for one in held]
    if len({len(row) for row in rows}) > 1 or not all(((r >= 0) & (r <= 1)).all() for r in rows):
        raise _refused(held, where, _SHARES)
    return np.stack(rows, axis=1)


def _matched(held: object, where: str) -> Matched:
    if not isinstance(held, list | tuple) or len(held) != _MATCHED:
        raise _refused(held, where, "(found, scores, categories, objects) of an image")
    matched = Matched(
        found=_array(held[0], "b", f"found, in {where},", _FLAGS, _THRESHOLDS).astype(np.bool_),
        scores=_array(held[1], "f", f"scores, in {where},", _SCORES),
        categories=_whole(held[2], f"categories, in {where},"),
        objects=_whole(held[3], f"objects, in {where},"),
    )
    if not len(matched.found) == len(matched.scores) == len(matched.categories):
        raise InputError(
            f"{where} has {len(matched.found)} detections, {len(matched.scores)} scores and "
            f"{len(matched.categories)} categories: give one of each"
        )
    return matched


def _whole(held: object, where: str) -> npt.NDArray[np.int32]:
    found = _array(held, "f", where, _NUMBERS)
    if not ((np.floor(found) == found) & (abs(found) < _MOST)).all():
        raise _refused(held, where, _NUMBERS)
    return found.astype(np.int32)


def _array(held: object, kind: str, where: str, wanted: str, *inner: int) -> npt.NDArray[Any]:
    """Shape (rows, *inner); floats may be whole numbers, and no rows have no type."""
    try:
        found = np.array(held if isinstance(held, list) else None)
    except ValueError:  # rows of different lengths
        raise _refused(held, where, wanted) from None
    if found.shape == (0,):
        return np.empty((0, *inner))
    kinds = {"b": "b", "f": "fi"}[kind]
    if found.dtype.kind not in kinds or found.shape != (len(found), *inner):
        raise _refused(held, where, wanted)
    if not np.isfinite(found).all():
        raise _refused(held, where, f"{wanted}, all of them finite")
    return found


def _refused(held: object, where: str, wanted: str) -> InputError:
    return InputError(f"{where} is {brief(held)}: it is {wanted}")
