"""A folder of images, labelled by a CSV file or by the folders they are in."""

import csv
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.errors import WorkloadError, nearest
from tailmark.workload.base import Samples, check_labels, digest
from tailmark.workload.picture import is_image, prepare, read, thumbnail
from tailmark.workload.preprocess import Preprocess


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
        contents = tuple(read(self.path, name, "labels") for name in names)
        return Samples(
            ids=names,
            load=lambda index: (names[index], contents[index]),
            prepare=partial(prepare, self.preprocess),
            fingerprint=digest(contents),
            references=labels,
            classes=classes,
            thumbnail=lambda index: thumbnail((names[index], contents[index])),
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
            sorted(str(f.relative_to(self.path)) for f in p.iterdir() if is_image(f))
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

    def describe(self) -> dict[str, Any]:
        """The settings; of paths, the last part (the contents' hash is in the run)."""
        return {
            "kind": "images",
            "path": self.path.name,
            "labels": self.labels.name if self.labels else None,
            "classes": self.classes,
            "preprocess": asdict(self.preprocess),
        }
