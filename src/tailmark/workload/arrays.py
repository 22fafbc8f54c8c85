"""Samples from arrays: in memory, or in an ``.npz`` file."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import WorkloadError, nearest
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


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """Samples along the first axis of one array, or of several for a model of several inputs.

    Args:
        path: An ``.npz`` file; no pickled objects in it.
        input: The array's name in it, or several names.
        reference: The references' name in it, or null for none.
        classes: How many classes the labels speak of; declare it, so that it can be checked.
        inputs: From code, instead of a file: an array, or a mapping of arrays.
        references: From code: integer labels, shape (samples,).
    """

    path: Path | None = None
    input: str | tuple[str, ...] = "inputs"
    reference: str | None = "references"
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
        held = named if references is None else {**named, "references": np.asarray(references)}
        for name, values in held.items():
            if values.ndim == 0:
                raise WorkloadError(f"array {name!r} is a single number: give one entry a sample")
        lengths = {name: len(values) for name, values in held.items()}
        if len(set(lengths.values())) != 1:
            listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise WorkloadError(
                f"arrays differ in length ({listed}): give one entry a sample in each"
            )
        count = next(iter(lengths.values()))
        if count == 0:
            raise WorkloadError("the workload has no samples: give at least one")
        if references is not None:
            references = _as_labels(references, self.classes, self._where)

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
            references=references,
            classes=self.classes,
        )

    @property
    def _where(self) -> str:
        return str(self.path) if self.path else "references"

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
        for name in (*wanted, *([self.reference] if self.reference else [])):
            if name not in held:
                raise WorkloadError(
                    f"{str(self.path)!r} has no array {name!r}{nearest(name, held)}: it holds "
                    f"{', '.join(sorted(held)) or 'nothing'}; name one with input or reference"
                )
        inputs = held[wanted[0]] if isinstance(self.input, str) else {n: held[n] for n in wanted}
        return inputs, held[self.reference] if self.reference else None

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


def _as_labels(values: Any, classes: int | None, where: str) -> npt.NDArray[np.int64]:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise WorkloadError(
            f"{where} has references of shape {labels.shape} and type {labels.dtype}: "
            "give integer labels of shape (samples,)"
        )
    labels = labels.astype(np.int64)
    check_labels(labels, classes, where)
    return labels


def _as_it_is(raw: Sample) -> Sample:
    return raw
