"""Which label each of a model's classes stands for."""

import csv
import json
from pathlib import Path
from typing import Literal

import numpy as np

from tailmark.errors import SystemSetupError
from tailmark.records.model import Int32s

NO_LABEL = -1
"""What a class becomes that no label names (a model's "background"): never right."""

LabelMap = Literal["coco80"] | tuple[int, ...] | Path
"""The usual table of COCO's 80 classes, a label for each class, or a file of such."""

_COCO_NEVER_USED = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}

_COCO80 = tuple(label for label in range(1, 91) if label not in _COCO_NEVER_USED)


def read_label_map(given: LabelMap) -> Int32s:
    """One label for each of the model's classes, in order; shape (classes,).

    Args:
        given: Of a file: a JSON list, or one number a line.

    Raises:
        SystemSetupError: It cannot be read, or is no list of whole numbers.
    """
    if isinstance(given, Path):
        return _read_file(given)
    labels = _COCO80 if given == "coco80" else given
    try:
        return np.array(labels, dtype=np.int32)
    except OverflowError:
        raise SystemSetupError(
            f"decode.labels has {max(labels, key=abs)}: labels are whole numbers of 32 bits"
        ) from None


def _read_file(path: Path) -> Int32s:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise SystemSetupError(
            f"label map {str(path)!r} cannot be read: {getattr(cause, 'strerror', None) or cause}"
        ) from cause
    try:
        if text.lstrip().startswith("["):
            numbers = [int(n) for n in json.loads(text)]
        else:
            numbers = [int(row[0]) for row in csv.reader(text.splitlines()) if row]
        return np.array(numbers, dtype=np.int32)
    except (ValueError, TypeError, OverflowError, csv.Error) as cause:
        raise SystemSetupError(
            f"label map {str(path)!r} is not a list of whole numbers: {cause}"
        ) from cause
