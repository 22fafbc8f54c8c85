"""Samples from arrays: in memory, or in an ``.npz`` file."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import WorkloadError, nearest
from tailmark.records.model import Column
from tailmark.records.ragged import Ragged
from tailmark.workload.base import Sample, Samples, check_labels, digest

_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on a file that is no ``.npz``, or no longer whole."""


_KINDS = "biufU"
"""NumPy's letters for truths, whole numbers, floats and texts."""


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """Samples along the first axis of one array, or of several for a model of several inputs.

    Args:
        path: An ``.npz`` file; no pickled objects in it.
        input: The array's name in it, or several names.
        reference: The references' name in it, several names for references by column, or null for
            none. Whole numbers of shape (samples,) are class labels.
        classes: How many classes the labels speak of; declare it, so that it can be checked.
        inputs: From code, instead of a file: an array, or a mapping of arrays.
        references: From code: an array, a `Ragged`, or a mapping of these by column.
    """

    path: Path | None = None
    input: str | tuple[str, ...] = "inputs"
    reference: str | tuple[str, ...] | None = "references"
    classes: int | None = None
    inputs: Any = None
    references: Any = None

    def open(self) -> Samples:
        """Read and check the arrays.

        Raises:
            WorkloadError: A missing or unreadable file or array, or lengths that differ.
        """
        inputs, references = self._arrays()
        named = inputs if isinstance(inputs, dict) else {"inputs": inputs}
        columns = _columns(references)
        count = _count([*named.items(), *columns.items()])

        def load(index: int) -> Sample:
            if isinstance(inputs, dict):
                return {name: values[index] for name, values in inputs.items()}
            one: Sample = inputs[index]
            return one

        return Samples(
            ids=tuple(str(i) for i in range(count)),
            load=load,
            prepare=_as_it_is,
            fingerprint=digest(np.ascontiguousarray(a).tobytes() for a in named.values()),
            references=self._references(columns, alone=not isinstance(references, Mapping)),
            classes=self.classes,
        )

    def _references(self, columns: dict[str, Column], *, alone: bool) -> Any:
        """By column, or the only one; labels are checked."""
        if not columns or not alone:
            return columns or None
        (values,) = columns.values()
        if isinstance(values, Ragged) or values.ndim > 1 or values.dtype.kind not in "iu":
            return values
        labels = values.astype(np.int64)
        check_labels(labels, self.classes, str(self.path) if self.path else "references")
        return labels

    def _arrays(self) -> tuple[Any, Any]:
        if self.path is None:
            if self.inputs is None:
                raise WorkloadError("no samples: give path (an .npz file) or, from code, inputs")
            if isinstance(self.inputs, dict):
                given: Any = {name: np.asarray(values) for name, values in self.inputs.items()}
            else:
                given = np.asarray(self.inputs)
            return given, self.references
        held = read_npz(self.path)
        wanted = (self.input,) if isinstance(self.input, str) else tuple(self.input)
        right = (self.reference,) if isinstance(self.reference, str) else self.reference or ()
        for name in (*wanted, *right):
            if name not in held:
                raise WorkloadError(
                    f"{str(self.path)!r} has no array {name!r}{nearest(name, held)}: it holds "
                    f"{', '.join(sorted(held)) or 'nothing'}; name one with input or reference"
                )
        inputs = held[wanted[0]] if isinstance(self.input, str) else {n: held[n] for n in wanted}
        if isinstance(self.reference, str):
            return inputs, held[self.reference]
        return inputs, {name: held[name] for name in right} or None

    def describe(self) -> dict[str, Any]:
        """The settings, without the arrays themselves (their hash is in the run)."""
        return {
            "kind": "arrays",
            "path": self.path.name if self.path else None,
            "input": self.input,
            "reference": self.reference,
            "classes": self.classes,
        }


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read every array of an ``.npz`` file, refusing pickled objects.

    Raises:
        WorkloadError: Missing or unreadable.
    """
    try:
        with path.open("rb") as file:  # which NumPy would leave open on a damaged one
            held = np.load(file, allow_pickle=False)
            if isinstance(held, np.ndarray):
                raise WorkloadError(
                    f"{str(path)!r} holds one array without a name: save it by np.savez"
                )
            with held:
                return {name: held[name] for name in held.files}
    except FileNotFoundError:
        raise WorkloadError(f"{str(path)!r} does not exist: give an .npz file") from None
    except _UNREADABLE as cause:
        raise WorkloadError(f"{str(path)!r} cannot be read as .npz: {cause}") from cause


def _count(held: list[tuple[str, Column]]) -> int:
    """How many samples there are: each array has as many entries."""
    for name, values in held:
        if isinstance(values, np.ndarray) and values.ndim == 0:
            raise WorkloadError(f"array {name!r} is a single number: give one entry a sample")
    count = len(held[0][1])
    if any(len(values) != count for _, values in held):
        listed = ", ".join(f"{name} {len(values)}" for name, values in held)
        raise WorkloadError(f"arrays differ in length ({listed}): give one entry a sample in each")
    if count == 0:
        raise WorkloadError("the workload has no samples: give at least one")
    return count


def _columns(references: Any) -> dict[str, Column]:
    if references is None:
        return {}
    by_name = references if isinstance(references, Mapping) else {"references": references}
    return {name: _column(name, values) for name, values in by_name.items()}


def _column(name: str, values: Any) -> Column:
    """What can be stored and graded: numbers, truths or texts, none of them missing."""
    if isinstance(values, Ragged):
        _column(name, values.values)
        return values
    try:
        found = np.asarray(values)
    except ValueError:
        raise WorkloadError(
            f"array {name!r} has rows of different lengths: give them as a Ragged"
        ) from None
    if found.dtype.kind not in _KINDS:
        raise WorkloadError(
            f"array {name!r} is of type {found.dtype}: give numbers, truths or texts as references"
        )
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise WorkloadError(
            f"array {name!r} has a reference that is NaN or infinite: give numbers, or leave the "
            "sample out"
        )
    return found


def _as_it_is(raw: Sample) -> Sample:
    return raw
