"""COCO annotations: the boxes of the objects in each image, as a published file has them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.errors import InputError
from tailmark.importers.batches import Batches, brief, read_json
from tailmark.importers.graded import whole
from tailmark.records.ragged import Ragged


@dataclass(frozen=True, kw_only=True)
class Object:
    """What an annotation says.

    Args:
        box: x, y, width and height in pixels.
        category: Its number.
        crowd: Whether the box is around many.
        area: Of the object in square pixels.
    """

    box: tuple[float, ...]
    category: int
    crowd: bool
    area: float


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """What a file says.

    Args:
        where: The file, for messages.
        objects: By image, ascending; in the file's order.
    """

    where: str
    objects: Mapping[int, Sequence[Object]]

    def columns(self, images: Sequence[int]) -> dict[str, Ragged]:
        """References of these images, a row each."""
        rows = [self.objects[image] for image in images]
        return {
            "boxes": Ragged.of([[one.box for one in row] for row in rows], np.float64, 4),
            "categories": Ragged.of([[one.category for one in row] for row in rows], np.int32),
            "crowd": Ragged.of([[one.crowd for one in row] for row in rows], np.bool_),
            "areas": Ragged.of([[one.area for one in row] for row in rows], np.float64),
        }


def read_annotations(path: Path, _: Batches) -> Annotations:
    """Read and check a COCO ``instances`` file; outlines of objects are left out.

    Raises:
        InputError: It is no such file, or an entry cannot be used; the first is named.
    """
    where = repr(str(path))
    held = read_json(path, _without_outline)
    images, entries, categories = (
        _entries(held, name, where) for name in ("images", "annotations", "categories")
    )
    numbers = [_number(one, "id", f"{where}: image {k}") for k, one in enumerate(images)]
    objects: dict[int, list[Object]] = {image: [] for image in sorted(numbers)}
    if len(objects) < len(numbers):
        twice = min(one for one, times in Counter(numbers).items() if times > 1)
        raise InputError(f"{where} lists image {twice} twice: list each image once")
    known = {_number(one, "id", f"{where}: category {k}") for k, one in enumerate(categories)}
    for k, entry in enumerate(entries):
        here = f"{where}: annotation {k}"
        image = _number(entry, "image_id", here)
        if image not in objects:
            raise InputError(f"{here} is of image {image}, which is not listed: list the image")
        found = _object(entry, here)
        if found.category not in known:
            raise InputError(
                f"{here} is of category {found.category}, which is not listed: list the category"
            )
        objects[image].append(found)
    return Annotations(where=where, objects=objects)


def _without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Most of a file is outlines, which nobody asks for here."""
    entry.pop("segmentation", None)
    return entry


def _entries(held: object, name: str, where: str) -> list[dict[str, Any]]:
    found = held.get(name) if isinstance(held, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(
            f"{where} has no list of {name}: give COCO's annotations (images, annotations and "
            "categories)"
        )
    return found


def _number(entry: Mapping[str, Any], key: str, where: str) -> int:
    return whole(entry.get(key), where, key, "a whole number")


def _object(entry: Mapping[str, Any], where: str) -> Object:
    box = entry.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        raise InputError(
            f"{where} has the bbox {brief(box)}: it is x, y, width and height in pixels"
        )
    x, y, width, height = map(float, box)
    area = entry.get("area", width * height)
    if not all(_is_number(size) and size >= 0 for size in (width, height, area)):
        raise InputError(
            f"{where} is {width:g} wide and {height:g} high and has the area {brief(area)}: give "
            "pixels, zero or more"
        )
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise InputError(f"{where} has the iscrowd {brief(crowd)}: it is 0 or 1")
    return Object(
        box=(x, y, width, height),
        category=_number(entry, "category_id", where),
        crowd=bool(crowd),
        area=float(area),
    )


def _is_number(value: object) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond every float
        return False
