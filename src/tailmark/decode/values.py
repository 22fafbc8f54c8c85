"""Outputs that are numbers and mean themselves, as a regression model gives."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer


@dataclass(frozen=True, kw_only=True)
class Values:
    """The answer is the numbers, in the shape of a sample's reference.

    The output has the shape (1, …), with as many numbers as a reference has; where that is not
    known, the answer has the output's shape without the first axis.

    Args:
        column: What the answer's column is called.
    """

    column: str = "values"

    @property
    def columns(self) -> tuple[str, ...]:
        """The numbers."""
        return (self.column,)

    ragged = ()

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: The output is no numbers, or not as many as a reference has.
        """
        try:
            first = _numbers(raw)
        except BadOutputError as cause:
            raise SystemSetupError(f"{cause}: choose one with system.output, or decode") from cause
        shape = first.shape
        wanted = self._shape_of_one(declared.references)
        if wanted is not None:
            if first.size != math.prod(wanted):
                raise SystemSetupError(
                    f"the model gives {first.size} numbers (shape {first.shape}) and a reference "
                    f"has {math.prod(wanted)}: choose an output with system.output, or correct the "
                    "references"
                )
            shape = wanted

        def decode(raw: Any, _sample: int) -> Answer:
            values = _numbers(raw)
            if values.shape != first.shape:
                raise BadOutputError(
                    f"output has the shape {values.shape}, the first had {first.shape}"
                )
            if not np.isfinite(values).all():
                what = "NaN" if np.isnan(values).any() else "an infinity"
                raise BadOutputError(f"output has {what}")
            return (values.reshape(shape).astype(first.dtype, copy=False),)

        return decode, []

    def _shape_of_one(self, references: Any) -> tuple[int, ...] | None:
        if isinstance(references, Mapping):
            references = references.get(self.column)
        return references.shape[1:] if isinstance(references, np.ndarray) else None

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "values", "column": self.column}


def _numbers(raw: Any) -> npt.NDArray[np.floating[Any]]:
    """Without the batch axis, as 32 bits if the model has no more, else 64."""
    try:
        values = np.asarray(raw)
    except ValueError:
        raise BadOutputError("output is ragged, not numbers of shape (1, …)") from None
    if values.dtype.kind not in "fiu":
        raise BadOutputError(f"output of type {values.dtype} is not numbers")
    if values.ndim < 1 or values.shape[0] != 1:
        raise BadOutputError(f"output of shape {values.shape} is not numbers of shape (1, …)")
    narrow = values.dtype.kind == "f" and values.dtype.itemsize <= 4
    numbers: npt.NDArray[Any] = values[0].astype(np.float32 if narrow else np.float64)
    return np.asarray(numbers)
