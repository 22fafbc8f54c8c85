"""The workload seam: a recipe that opens into samples. Knows nothing of systems or time."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tailmark.errors import WorkloadError
from tailmark.placement import Placements
from tailmark.records.model import Int32s

Sample = npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]
"""One prepared input, without a batch axis; several named arrays for a model of several inputs."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """An opened workload.

    Args:
        ids: One a sample; unique.
        load: Index to raw sample (bytes of a file, an array), read before anything is timed.
        prepare: Raw sample to input: decoding, resizing, scaling; timed when ``timed: total``.
        fingerprint: SHA-256 of the samples' contents.
        references: A `Column` of as many rows, or several by name (boxes and what they show); None
            where nobody knows what is right.
        classes: How many classes the references speak of, where that was declared.
        thumbnail: Index to a small PNG or JPEG, where a sample can be pictured.
        placements: Where each image lies in the model's input, of images that are fitted to it.
        sequences: Which sequence each sample belongs to, such as a video; shape (samples,), each
            sequence's samples one after another. None where they do not follow each other.
    """

    ids: tuple[str, ...]
    load: Callable[[int], Any]
    prepare: Callable[[Any], Sample]
    fingerprint: str
    references: Any = None
    classes: int | None = None
    thumbnail: Callable[[int], bytes] | None = None
    placements: Placements | None = None
    sequences: Int32s | None = None

    def __len__(self) -> int:
        """How many."""
        return len(self.ids)


class Workload(Protocol):
    """A recipe: cheap to make, checked, and able to travel to another process."""

    def open(self) -> Samples:
        """Find the samples and read what is needed to list them.

        Raises:
            WorkloadError: Something is missing or does not fit; it is named.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The settings that make these samples, as plain data."""
        ...


def check_labels(labels: npt.NDArray[np.int64], classes: int | None, where: str) -> None:
    """Refuse labels below zero or beyond the declared number of classes.

    Raises:
        WorkloadError: Naming the first such label.
    """
    bad = labels < 0 if classes is None else (labels < 0) | (labels >= classes)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        allowed = "0 or more" if classes is None else f"0 to {classes - 1} (classes: {classes})"
        raise WorkloadError(
            f"{where}: sample {first} has label {labels[first]}, labels are {allowed}: "
            "correct the label or the number of classes"
        )


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 of several byte strings, told apart by their lengths."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.hexdigest()
