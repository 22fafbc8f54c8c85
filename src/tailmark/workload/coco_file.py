"""A COCO ``instances`` file, read and checked. Knows nothing of pixels.

Source: Lin et al., Microsoft COCO: Common Objects in Context, 2014, and its data format
(cocodataset.org, *Data format*, object detection). Videos as in Argoverse-HD (Li et al., Towards
Streaming Perception, 2020; mtli/sAP) and COCO-VID.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

from tailmark.errors import WorkloadError
from tailmark.records.model import Int32s
from tailmark.records.ragged import Ragged

Entry = Mapping[str, Any]
"""One image or annotation, as the file has it."""

_VIDEO = ("video_id", "sid")
_FRAME = ("frame_id", "fid")
_MOST = np.iinfo(np.int32).max


@dataclass(frozen=True)
class _Object:
    """What an annotation says: a box of x, y, width, height in pixels."""

    box: tuple[float, ...]
    category: int
    crowd: bool
    area: float


@dataclass(frozen=True)
class CocoFile:
    """What a file lists; every error names the file and the first entry that is wrong.

    Args:
        path: Where it is.
        images: Its images, in its order.
        objects: By image id, in the file's order.
        folders: Of each video, where images are named in its folder (``seq_dirs``).
    """

    path: Path
    images: tuple[Entry, ...]
    objects: Mapping[int, Sequence[_Object]]
    folders: Sequence[str] | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check everything but what the order asks for.

        Raises:
            WorkloadError: It is missing or no such file, or an entry cannot be used.
        """
        document = _document(path)
        images = _images(path, document)
        known = _ids(path, document.get("categories"))
        objects: dict[int, list[_Object]] = {image["id"]: [] for image in images}
        for number, entry in enumerate(_entries(path, document, "annotations")):
            where = f"{str(path)!r}: annotation {entry.get('id', f'number {number}')!r}"
            image, found = _object(where, entry, known)
            if image not in objects:
                raise WorkloadError(
                    f"{where} is of image {image!r}, which is not listed: add the image, or take "
                    "the annotation out"
                )
            objects[image].append(found)
        return cls(path, tuple(images), objects, document.get("seq_dirs"))

    def in_order(self, *, video: bool) -> tuple[list[Entry], Int32s | None]:
        """The images by their ids, or by video and frame.

        Returns:
            The images; and of each, shape (images,), the number of its video, counted from 0.

        Raises:
            WorkloadError: An image does not say which frame of which video it is.
        """
        if not video:
            return sorted(self.images, key=lambda image: int(image["id"])), None
        places = [
            (self._number(image, _VIDEO), self._number(image, _FRAME)) for image in self.images
        ]
        order = sorted(range(len(places)), key=places.__getitem__)
        for before, after in pairwise(order):
            if places[before] == places[after]:
                raise WorkloadError(
                    f"{str(self.path)!r}: images {self.images[before]['id']} and "
                    f"{self.images[after]['id']} are the same frame of the same video: number "
                    "each video's frames"
                )
        videos = sorted({video for video, _ in places})
        numbers = {video: number for number, video in enumerate(videos)}
        of_each = np.array([numbers[places[i][0]] for i in order], dtype=np.int32)
        return [self.images[i] for i in order], of_each

    def _number(self, image: Entry, keys: tuple[str, ...]) -> int:
        for key in keys:
            if type(image.get(key)) is int:
                number: int = image[key]
                return number
        raise WorkloadError(
            f"{str(self.path)!r}: image {image['id']} has no whole number {' or '.join(keys)}: "
            "give one to each image, or leave workload.video out"
        )

    def name_of(self, image: Entry) -> str:
        """Its file, relative to the folder of images.

        Raises:
            WorkloadError: It has none.
        """
        if isinstance(name := image.get("file_name"), str):
            return name
        try:
            folders: Any = self.folders or ()
            return f"{folders[image['sid']]}/{image['name']}"
        except (KeyError, IndexError, TypeError):
            raise WorkloadError(
                f"{str(self.path)!r}: image {image['id']} has no file_name (nor a name in a folder "
                "of seq_dirs): give one to each image"
            ) from None

    def check_size(self, image: Entry, size: tuple[int, int]) -> None:
        """Hold what the file says of an image against its width and height.

        Raises:
            WorkloadError: They differ, so the boxes are of another picture.
        """
        said = image.get("width", size[0]), image.get("height", size[1])
        if said != size:
            raise WorkloadError(
                f"image {self.name_of(image)!r} is {size[0]}x{size[1]} and {str(self.path)!r} says "
                f"{said[0]}x{said[1]}: give the images that were annotated"
            )

    def references(self, images: Sequence[Entry]) -> dict[str, Ragged]:
        """The objects of these images by column, a row an image."""
        rows = [self.objects[image["id"]] for image in images]
        return {
            "boxes": Ragged.of([[one.box for one in row] for row in rows], np.float64, 4),
            "categories": Ragged.of([[one.category for one in row] for row in rows], np.int64),
            "crowd": Ragged.of([[one.crowd for one in row] for row in rows], np.bool_),
            "areas": Ragged.of([[one.area for one in row] for row in rows], np.float64),
        }


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise WorkloadError(f"{str(path)!r} does not exist: give the annotations' JSON") from None
    except OSError as cause:
        raise WorkloadError(f"{str(path)!r} cannot be read: {cause.strerror}") from cause
    except (ValueError, RecursionError) as cause:
        raise WorkloadError(f"{str(path)!r} cannot be read as JSON: {cause}") from cause
    if not isinstance(document, dict):
        raise WorkloadError(f"{str(path)!r} is no COCO file: it needs images and annotations")
    return document


def _entries(path: Path, document: dict[str, Any], name: str) -> list[Entry]:
    entries = document.get(name)
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise WorkloadError(
            f"{str(path)!r} has no list of {name}: give a COCO file of images and annotations"
        )
    return entries


def _images(path: Path, document: dict[str, Any]) -> list[Entry]:
    images = _entries(path, document, "images")
    if not images:
        raise WorkloadError(f"{str(path)!r} lists no images: give at least one")
    seen: set[int] = set()
    for number, image in enumerate(images):
        one = image.get("id")
        if type(one) is not int:
            raise WorkloadError(
                f"{str(path)!r}: image number {number} has the id {one!r}: ids are whole numbers"
            )
        if one in seen:
            raise WorkloadError(f"{str(path)!r} lists image {one} twice: list each image once")
        seen.add(one)
    return images


def _ids(path: Path, categories: Any) -> set[int] | None:
    """Of the categories, where the file lists them."""
    if categories is None:
        return None
    try:
        return {category["id"] for category in categories}
    except (TypeError, KeyError):
        raise WorkloadError(
            f"{str(path)!r} has categories without ids: give each an id, or leave them out"
        ) from None


def _object(where: str, entry: Entry, known: set[int] | None) -> tuple[int, _Object]:
    """What an annotation says, and of which image."""
    category = entry.get("category_id")
    if type(category) is not int or not 0 <= category <= _MOST:
        raise WorkloadError(f"{where} has category_id {category!r}: give a whole number")
    if known is not None and category not in known:
        raise WorkloadError(
            f"{where} has category_id {category}, which is not among the file's categories: "
            "correct it, or list the category"
        )
    box = entry.get("bbox")
    if box is None or not _is_box(box):
        raise WorkloadError(
            f"{where} has bbox {box!r}: give x, y, width and height in pixels, four numbers, the "
            "last two not below zero"
        )
    area = entry.get("area", box[2] * box[3])
    if not _is_length(area):
        raise WorkloadError(f"{where} has area {area!r}: give a number of pixels, zero or more")
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise WorkloadError(f"{where} has iscrowd {crowd!r}: give 0 or 1")
    image = entry.get("image_id")
    if type(image) is not int:
        raise WorkloadError(f"{where} has image_id {image!r}: give a listed image's id")
    return image, _Object(tuple(map(float, box)), category, bool(crowd), float(area))


def _is_box(value: Any) -> bool:
    four = isinstance(value, list) and len(value) == 4
    return four and all(map(_is_number, value)) and all(map(_is_length, value[2:]))


def _is_number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _is_length(value: Any) -> bool:
    return _is_number(value) and value >= 0
