"""Image files: found, read, decoded and pictured small, each failure naming the file."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.workload.preprocess import Preprocess

Picture = tuple[str, bytes]
"""The name of a file and what is in it."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


def is_image(file: Path) -> bool:
    """Whether a file's name says so; what is hidden is none."""
    return file.suffix.lower() in _SUFFIXES and file.name[0] != "."


def read(folder: Path, name: str, listed_in: str) -> bytes:
    """A file's contents.

    Args:
        folder: Where images are.
        name: Of the file in it.
        listed_in: What says that there is one, for the message.

    Raises:
        WorkloadError: It is missing or cannot be read.
    """
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise WorkloadError(
            f"image {name!r} is not in {str(folder)!r}: add it, or take it out of the {listed_in}"
        ) from None
    except (OSError, ValueError) as cause:  # a name with a null byte is a ValueError
        reason = getattr(cause, "strerror", None) or cause
        raise WorkloadError(f"image {name!r} cannot be read: {reason}") from cause


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height, from the file's header alone."""
    size: tuple[int, int] = _opened(picture, lambda image: image.size)
    return size


def prepare(preprocess: Preprocess, picture: Picture) -> npt.NDArray[Any]:
    """The model's input."""
    values: npt.NDArray[Any] = _opened(picture, preprocess)
    return values


def thumbnail(picture: Picture) -> bytes:
    """A small JPEG."""

    def shrink(image: Image.Image) -> bytes:
        small = image.convert("RGB")
        small.thumbnail((96, 96))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=70)
        return buffer.getvalue()

    content_small: bytes = _opened(picture, shrink)
    return content_small


def _opened(picture: Picture, use: Callable[[Image.Image], Any]) -> Any:
    """Decode and use an image, naming it if either fails."""
    name, content = picture
    try:
        with Image.open(io.BytesIO(content)) as image:
            return use(image)
    except WorkloadError as cause:
        raise WorkloadError(f"image {name!r}: {cause}") from cause
    except Exception as cause:  # what Pillow's formats raise on broken bytes shares no base
        raise WorkloadError(
            f"image {name!r} cannot be decoded: replace it, or take it out of the workload"
        ) from cause
