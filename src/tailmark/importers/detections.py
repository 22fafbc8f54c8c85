"""DETR: the boxes that were found in each image, graded against COCO's annotations."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.importers.annotations import Annotations
from tailmark.importers.batches import Batches, brief, read_batches
from tailmark.importers.graded import Graded, each
from tailmark.importers.imported import agreement
from tailmark.records.ragged import Ragged

_IMAGE, _CATEGORY, _BOX, _SCORE = 0, 1, slice(2, 6), 6
_NUMBERS = 7
"""Of a detection, and where they stand."""

_MOST = 2**31


def read_boxes(path: Path, ids: Sequence[int]) -> Batches:
    """The items of each batch: the lists of an image's detections."""
    return read_batches(path, ids, compact)


def compact(found: dict[str, Any]) -> Any:
    """A detection as seven numbers, in a third of the memory; anything else as it is.

    Args:
        found: ``image_id``, ``category_id``, ``bbox`` (x, y, width and height) and ``score``.
    """
    try:
        numbers = (found["image_id"], found["category_id"], *found["bbox"], found["score"])
        return array("d", numbers) if len(numbers) == _NUMBERS else found
    except (KeyError, TypeError, OverflowError):
        return found


def read_detr(answered: Batches, right: Annotations | None) -> Graded:
    """An item is the list of an image's detections.

    Raises:
        InputError: It is something else, or the annotations are of other images.
    """
    places = [where for where, _ in each(answered)]
    found = Ragged.of([_numbers(*placed) for placed in each(answered)], np.float64, _NUMBERS)
    images: Sequence[int | None] = _images(found, places)
    known = None
    if right is not None:
        images = asked = _among(images, places, right)
        known = right.columns(asked)
    outputs = {
        "boxes": Ragged(found.values[:, _BOX], found.starts),
        "scores": Ragged(found.values[:, _SCORE], found.starts),
        "categories": Ragged(found.values[:, _CATEGORY].astype(np.int32), found.starts),
    }
    return Graded(
        outputs=outputs,
        references=known,
        metrics=("ap50",),
        ids=None if None in images else tuple(map(str, images)),
        notes=agreement(known["categories"].values, outputs["categories"].values) if known else (),
    )


def _numbers(where: str, item: object) -> npt.NDArray[np.float64]:
    """An image's detections, shape (detections, 7)."""
    if not isinstance(item, list):
        raise InputError(
            f"{where} is the result {brief(item)}: it is the list of an image's detections"
        )
    rows = [compact(one) if isinstance(one, dict) else one for one in item]
    for number, (row, one) in enumerate(zip(rows, item, strict=True)):
        if not isinstance(row, array):
            raise InputError(
                f"detection {number} of {where} is {brief(one)}: it has image_id, category_id, "
                "bbox (x, y, width and height) and score, all of them numbers"
            )
    found = np.array(rows, dtype=np.float64).reshape(-1, _NUMBERS)
    named = found[:, : _CATEGORY + 1]
    usable = np.isfinite(found).all(axis=1)
    usable &= ((np.floor(named) == named) & (abs(named) < _MOST)).all(axis=1)
    if not usable.all():
        number = int(np.argmin(usable))
        said = ", ".join(f"{value:g}" for value in found[number])
        raise InputError(
            f"detection {number} of {where} has the numbers {said}: image_id and category_id are "
            "whole, and all are finite"
        )
    return found


def _images(found: Ragged, places: Sequence[str]) -> list[int | None]:
    """Of which image each item is; None where nothing was found that would say so."""
    images: list[int | None] = []
    first: dict[int, str] = {}
    for item, where in zip(found, places, strict=True):
        several = item[:, _IMAGE]
        if not len(several):
            images.append(None)
            continue
        image = int(several[0])
        if (several != image).any():
            other = int(several[several != image][0])
            raise InputError(
                f"{where} is of the images {image} and {other}: give the detections of one image "
                "in each item"
            )
        if image in first:
            raise InputError(
                f"{where} is of image {image}, as {first[image]}: give each image once"
            )
        first[image] = where
        images.append(image)
    return images


def _among(images: Sequence[int | None], places: Sequence[str], right: Annotations) -> list[int]:
    """The same, all of them annotated: empty items are of the images left over, in their order."""
    for image, where in zip(images, places, strict=True):
        if image is not None and image not in right.objects:
            raise InputError(
                f"{where} is of image {image}, which {right.where} does not list: give the "
                "annotations of the images that were asked"
            )
    rest = sorted(right.objects.keys() - set(images))
    if len(rest) != images.count(None):
        raise InputError(
            f"{right.where} lists {len(right.objects)} images and the results are of "
            f"{len(images)}: give the annotations of the images that were asked, and no others"
        )
    left = iter(rest)
    return [next(left) if image is None else image for image in images]
