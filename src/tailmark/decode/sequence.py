"""Class scores for each member of a sequence, such as the utterances of a dialogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer
from tailmark.records.model import Int64s
from tailmark.records.ragged import Ragged


@dataclass(frozen=True, kw_only=True)
class SequenceClasses:
    """Scores of shape (1, members, classes); each member's best class is its label.

    Sequences may differ in length. Of equal scores the first class is the best.
    """

    columns = ("labels",)
    ragged = ("labels",)

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: No such scores, or another number of classes than the workload's.
        """
        try:
            count = _scores(raw).shape[1]
        except BadOutputError as cause:
            raise SystemSetupError(f"{cause}: choose one with system.output, or decode") from cause
        lengths = _lengths(declared.references)
        warnings = _compare(count, declared)

        def decode(raw: Any, sample: int) -> Answer:
            scores = _scores(raw)
            if scores.shape[1] != count:
                raise BadOutputError(
                    f"output has scores of {scores.shape[1]} classes, the first had {count}"
                )
            if np.isnan(scores).any():
                raise BadOutputError("output has NaN")
            if lengths is not None and len(scores) != lengths[sample]:
                raise BadOutputError(
                    f"output has scores of {len(scores)} members and the sample has "
                    f"{lengths[sample]}"
                )
            return (scores.argmax(axis=1).astype(np.int32),)

        return decode, warnings

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"kind": "sequence-classes"}


def _scores(raw: Any) -> npt.NDArray[Any]:
    """Shape (members, classes)."""
    try:
        scores = np.asarray(raw)
    except ValueError:
        raise BadOutputError(
            "output is ragged, not class scores of shape (1, members, classes)"
        ) from None
    if scores.dtype.kind not in "fiu":
        raise BadOutputError(f"output of type {scores.dtype} is not class scores")
    if scores.ndim != 3 or scores.shape[0] != 1 or not scores.shape[2]:
        raise BadOutputError(
            f"output of shape {scores.shape} is not class scores of shape (1, members, classes)"
        )
    first: npt.NDArray[Any] = scores[0]
    return first


def _labels(references: Any) -> Any:
    return references.get("labels") if isinstance(references, Mapping) else references


def _lengths(references: Any) -> Int64s | None:
    """How many members each sample has, where the references tell; shape (samples,)."""
    labels = _labels(references)
    if isinstance(labels, Ragged):
        return labels.lengths
    if isinstance(labels, np.ndarray) and labels.ndim in (1, 2):
        members = 1 if labels.ndim == 1 else labels.shape[1]
        return np.full(len(labels), members, dtype=np.int64)
    return None


def _compare(count: int, declared: Declared) -> list[str]:
    """Hold the model's number of classes against what the workload says."""
    if declared.classes is not None:
        if count != declared.classes:
            raise SystemSetupError(
                f"the model has {count} classes and the workload declares {declared.classes}: "
                "give the model that was trained for these classes, or correct the workload's"
            )
        return []
    labels = _labels(declared.references)
    values = labels.values if isinstance(labels, Ragged) else labels
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu" or not values.size:
        return []
    highest = int(values.max())
    if highest >= count:
        raise SystemSetupError(
            f"the model has {count} classes (labels up to {count - 1}) and the workload has label "
            f"{highest}: give the model that was trained for these classes, or correct the labels"
        )
    if highest == count - 1:
        return []
    unchecked = (
        f"the workload does not declare its number of classes (its highest label is {highest}), so "
        f"the model's {count} are unchecked: set workload.classes"
    )
    return [unchecked]
