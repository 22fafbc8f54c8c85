"""Outputs that are labels already."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The answer is the label, or several labels, best first; whole numbers of shape (1, k).

    Args:
        offset: Added to the model's labels to get the workload's.
    """

    offset: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The labels, best first."""
        return ("labels",)

    ragged = ()

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: The output is no whole number.
        """
        del declared  # a label beyond them is a wrong answer, seen query by query
        limits = np.iinfo(np.int32)

        def read(raw: Any) -> Answer:
            values = np.asarray(raw)
            if values.dtype.kind not in "iu" or values.size == 0:
                raise BadOutputError(
                    f"output of type {values.dtype} and shape {values.shape} is no label"
                )
            labels = [int(value) + self.offset for value in values.reshape(-1)]
            if min(labels) < limits.min or max(labels) > limits.max:
                raise BadOutputError(f"output has the label {max(labels, key=abs)}, beyond 32 bits")
            return (np.array(labels, dtype=np.int32),)

        try:
            width = read(raw)[0].size
        except BadOutputError as cause:
            raise SystemSetupError(f"{cause}: use decode: {{kind: classes}} for scores") from cause

        def decode(raw: Any, _sample: int) -> Answer:
            answer = read(raw)
            if answer[0].size != width:
                raise BadOutputError(f"output has {answer[0].size} labels, the first had {width}")
            return answer

        return decode, []

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "labels", "offset": self.offset}
