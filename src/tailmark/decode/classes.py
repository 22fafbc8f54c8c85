"""Class scores to the best few classes, in the labels' own numbering."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.decode.best import best_few
from tailmark.decode.label_map import NO_LABEL, read_label_map
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer


@dataclass(frozen=True, kw_only=True)
class Classes:
    """One score a class, of shape (1, classes) or with further axes of length 1; highest is best.

    Equal scores rank in class order.

    Args:
        top: How many of the best to keep.
        offset: Added to the model's class numbers to get labels: -1 where the model puts
            a background class first.
        map: A file with one label for each of the model's classes, in order: a JSON list, or
            one number a line. A class that no label names is -1.
    """

    top: int = 5
    offset: int = 0
    map: Path | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The labels, best first, and their scores."""
        return ("labels", "scores")

    ragged = ()

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: No scores, or another number of classes than the workload's.
        """
        if self.top < 1:
            raise SystemSetupError(f"decode.top is {self.top}: keep 1 class or more")
        try:
            count = _flat(raw).size
        except BadOutputError as cause:
            raise SystemSetupError(f"{cause}: choose one with system.output, or decode") from cause
        labels = self._labels(count)
        reach = int(labels.max(initial=NO_LABEL)) + 1
        warnings = _compare(reach, count, declared, mapped=self.map is not None)
        top = min(self.top, count)

        def decode(raw: Any, _sample: int) -> Answer:
            scores = _flat(raw)
            if scores.size != count:
                raise BadOutputError(f"output has {scores.size} scores, the first had {count}")
            if np.isnan(scores).any():
                raise BadOutputError("output has NaN")
            best = best_few(scores, top)
            with np.errstate(over="ignore"):  # beyond float32 is infinite
                return labels[best], scores[best].astype(np.float32)

        return decode, warnings

    def _labels(self, count: int) -> npt.NDArray[np.int32]:
        if self.map is None:
            labels = np.arange(count, dtype=np.int32) + np.int32(self.offset)
            labels[labels < 0] = NO_LABEL
            return labels
        if self.offset:
            raise SystemSetupError("decode has both map and offset: give one of them")
        labels = read_label_map(self.map)
        if len(labels) != count:
            raise SystemSetupError(
                f"{str(self.map)!r} maps {len(labels)} classes, the model has {count}: "
                "give one label for each of the model's classes"
            )
        return labels

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {
            "kind": "classes",
            "top": self.top,
            "offset": self.offset,
            "map": self.map.name if self.map else None,
        }


def _flat(raw: Any) -> npt.NDArray[Any]:
    """The scores as a vector, in the type the model gave: a narrower one would make ties."""
    if not isinstance(raw, np.ndarray):
        try:
            raw = np.asarray(raw)
        except ValueError:
            raise BadOutputError(
                "output is ragged, not class scores of shape (1, classes)"
            ) from None
    if raw.dtype.kind not in "fiu":
        raise BadOutputError(f"output of type {raw.dtype} is not class scores")
    shape = raw.shape
    if len(shape) < 2 or shape[0] != 1 or raw.size != shape[1]:
        raise BadOutputError(f"output of shape {shape} is not class scores of shape (1, classes)")
    flat: npt.NDArray[Any] = raw.reshape(-1)
    return flat


def _compare(reach: int, count: int, declared: Declared, *, mapped: bool) -> list[str]:
    """Hold the labels a model can give, below ``reach``, against those the workload declares."""
    classes, references = declared.classes, declared.references
    has = f"the model has {count} classes (labels up to {reach - 1})"
    if classes is not None:
        # A map may leave labels out; an offset shifts all of them, so the counts must agree.
        if reach > classes or (reach < classes and not mapped):
            raise SystemSetupError(
                f"{has} and the workload declares {classes}: declare decode.offset or decode.map, "
                "or correct workload.classes"
            )
        return []
    if not isinstance(references, np.ndarray) or references.dtype.kind not in "iu":
        return []
    highest = int(np.max(references, initial=NO_LABEL))
    if highest >= reach:
        raise SystemSetupError(
            f"{has} and the workload has label {highest}: declare decode.offset or decode.map"
        )
    if highest == reach - 1:
        return []
    unchecked = (
        f"the workload does not declare its number of classes (its highest label is {highest}), so "
        f"the model's {count} are unchecked: set workload.classes"
    )
    return [unchecked]
