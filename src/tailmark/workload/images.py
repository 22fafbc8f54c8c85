"""A folder of images, labelled by a CSV file or by the folders they are in."""

import csv
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from tailmark.errors import WorkloadError, nearest
from tailmark.workload.base import Samples, check_labels, digest

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """From a file to a model's input, in this order; what is left out is not done.

    Args:
        resize: Shortest side in pixels.
        antialias: Smooth while shrinking, as Pillow does; otherwise plain bilinear sampling.
        crop: Side of a centred square, its corner rounded down.
        color: Order of the channels: ``rgb``, ``bgr`` or ``gray``.
        scale: Multiplies the 0–255 values.
        mean: Subtracted after scaling; one number, or one a channel in the order of ``color``.
        std: Divides last; likewise.
        layout: ``nchw`` or ``nhwc`` (the batch axis N comes later).
        dtype: The model's input type.
    """

    resize: int | None = None
    antialias: bool = False
    crop: int | None = None
    color: Literal["rgb", "bgr", "gray"] = "rgb"
    scale: float = 1.0
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    layout: Literal["nchw", "nhwc"] = "nchw"
    dtype: Literal["float32", "float16", "uint8", "int8"] = "float32"

    def __post_init__(self) -> None:
        """Refuse settings that cannot be carried out."""
        channels = 1 if self.color == "gray" else 3
        for name in ("mean", "std"):
            values = getattr(self, name)
            if isinstance(values, tuple) and len(values) not in (1, channels):
                raise WorkloadError(
                    f"preprocess.{name} has {len(values)} values and {self.color} has "
                    f"{channels} channels: give one number, or one a channel"
                )
        if not np.all(np.asarray(self.std)):
            raise WorkloadError("preprocess.std has a zero: give numbers other than zero")
        for name in ("resize", "crop"):
            pixels = getattr(self, name)
            if pixels is not None and pixels < 1:
                raise WorkloadError(f"preprocess.{name} is {pixels}: give 1 pixel or more")

    def __call__(self, image: Image.Image) -> npt.NDArray[Any]:
        """Shape (channels, height, width) or (height, width, channels), after ``layout``.

        Raises:
            WorkloadError: The image is smaller than the crop.
        """
        image = image.convert("L" if self.color == "gray" else "RGB")
        if self.resize is not None:
            image = _shortest_side(image, self.resize, antialias=self.antialias)
        if self.crop is not None:
            image = _centre(image, self.crop)
        pixels = np.asarray(image, dtype=np.float32)
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if self.color == "bgr":
            pixels = pixels[:, :, ::-1]
        shift, spread = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        values = (pixels * np.float32(self.scale) - shift) / spread
        if self.layout == "nchw":
            values = values.transpose(2, 0, 1)
        if self.dtype in ("uint8", "int8"):
            limits = np.iinfo(self.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        return np.ascontiguousarray(values, dtype=self.dtype)


def _shortest_side(image: Image.Image, side: int, *, antialias: bool) -> Image.Image:
    width, height = image.size
    ratio = side / min(width, height)
    size = (max(side, round(width * ratio)), max(side, round(height * ratio)))
    if antialias:
        return image.resize(size, Image.Resampling.BILINEAR)
    # Pillow's resize always smooths; its affine transform samples between the four neighbours.
    scale = (width / size[0], 0, 0, 0, height / size[1], 0)
    return image.transform(size, Image.Transform.AFFINE, scale, Image.Resampling.BILINEAR)


def _centre(image: Image.Image, side: int) -> Image.Image:
    width, height = image.size
    if min(width, height) < side:
        raise WorkloadError(
            f"an image of {width}x{height} is smaller than crop {side}: add resize: {side} or more"
        )
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


@dataclass(frozen=True, kw_only=True)
class Images:
    """Image files with one label each.

    Args:
        path: The folder; without ``labels``, each of its folders is a class, in sorted order.
        labels: A CSV file with a header.
        file_column: Its column of file names, relative to ``path``.
        label_column: Its column of integer class labels.
        classes: How many classes the labels speak of; declare it, so that it can be checked.
        preprocess: From file to input.
    """

    path: Path
    labels: Path | None = None
    file_column: str = "file"
    label_column: str = "class_index"
    classes: int | None = None
    preprocess: Preprocess = field(default_factory=Preprocess)

    def open(self) -> Samples:
        """List the images and check that each can be read.

        Raises:
            WorkloadError: A missing folder, file, column or label; the first is named.
        """
        if not self.path.is_dir():
            raise WorkloadError(f"{str(self.path)!r} is not a folder: give one that holds images")
        listed = self._from_csv(self.labels) if self.labels else self._from_folders()
        names = tuple(name for name, _ in listed)
        labels = np.array([label for _, label in listed], dtype=np.int64)
        classes = self.classes
        if self.labels is None:
            classes = classes or int(labels.max()) + 1
        check_labels(labels, classes, str(self.labels or self.path))
        contents = tuple(self._read(name) for name in names)
        return Samples(
            ids=names,
            load=lambda index: (names[index], contents[index]),
            prepare=partial(_prepare, self.preprocess),
            fingerprint=digest(contents),
            references=labels,
            classes=classes,
            thumbnail=lambda index: _thumbnail(names[index], contents[index]),
        )

    def _from_csv(self, labels: Path) -> list[tuple[str, int]]:
        try:
            with labels.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                header = rows.fieldnames or []
                for column in (self.file_column, self.label_column):
                    if column not in header:
                        raise WorkloadError(
                            f"{str(labels)!r} has no column {column!r}{nearest(column, header)}: "
                            f"it has {', '.join(header) or 'none'}; name it with file_column or "
                            "label_column"
                        )
                listed = [
                    (row[self.file_column] or "", self._label(row[self.label_column], labels, line))
                    for line, row in enumerate(rows, start=2)
                ]
        except FileNotFoundError:
            raise WorkloadError(f"{str(labels)!r} does not exist: give the labels' CSV") from None
        except (OSError, UnicodeDecodeError, csv.Error) as cause:
            raise WorkloadError(f"{str(labels)!r} cannot be read as CSV: {cause}") from cause
        if not listed:
            raise WorkloadError(f"{str(labels)!r} lists no images: give at least one row")
        self._refuse_repeats(listed, labels)
        return listed

    def _label(self, text: str | None, labels: Path, line: int) -> int:
        try:
            return int(np.int64(int(text or "")))
        except (ValueError, OverflowError):
            raise WorkloadError(
                f"{str(labels)!r} line {line} has label {text!r}: labels are whole numbers"
            ) from None

    def _refuse_repeats(self, listed: list[tuple[str, int]], labels: Path) -> None:
        seen: set[str] = set()
        for name, _ in listed:
            if name in seen:
                raise WorkloadError(f"{str(labels)!r} lists {name!r} twice: list each image once")
            seen.add(name)

    def _from_folders(self) -> list[tuple[str, int]]:
        folders = sorted(p for p in self.path.iterdir() if p.is_dir() and p.name[0] != ".")
        held = [
            sorted(str(f.relative_to(self.path)) for f in p.iterdir() if _is_image(f))
            for p in folders
        ]
        if not any(held):
            raise WorkloadError(
                f"{str(self.path)!r} has no class folders with images: "
                "give labels: FILE.csv, or one folder a class"
            )
        for folder, files in zip(folders, held, strict=True):
            if not files:  # passing it over would renumber the classes after it
                raise WorkloadError(
                    f"class folder {folder.name!r} holds no images: add some, or take it away"
                )
        return [(file, label) for label, files in enumerate(held) for file in files]

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise WorkloadError(
                f"image {name!r} is not in {str(self.path)!r}: add it, or take its row out of "
                "the labels"
            ) from None
        except (OSError, ValueError) as cause:  # a name with a null byte is a ValueError
            reason = getattr(cause, "strerror", None) or cause
            raise WorkloadError(f"image {name!r} cannot be read: {reason}") from cause

    def describe(self) -> dict[str, Any]:
        """The settings; of paths, the last part (the contents' hash is in the run)."""
        return {
            "kind": "images",
            "path": self.path.name,
            "labels": self.labels.name if self.labels else None,
            "classes": self.classes,
            "preprocess": asdict(self.preprocess),
        }


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES and file.name[0] != "."


def _opened(name: str, content: bytes, use: Callable[[Image.Image], Any]) -> Any:
    """Decode and use an image, naming it if either fails."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return use(image)
    except WorkloadError as cause:
        raise WorkloadError(f"image {name!r}: {cause}") from cause
    except Exception as cause:  # what Pillow's formats raise on broken bytes shares no base
        raise WorkloadError(
            f"image {name!r} cannot be decoded: replace it, or take it out of the labels"
        ) from cause


def _prepare(preprocess: Preprocess, raw: tuple[str, bytes]) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = _opened(*raw, preprocess)
    return values


def _thumbnail(name: str, content: bytes) -> bytes:
    def shrink(image: Image.Image) -> bytes:
        small = image.convert("RGB")
        small.thumbnail((96, 96))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=70)
        return buffer.getvalue()

    content_small: bytes = _opened(name, content, shrink)
    return content_small
