"""Scores of each pixel's classes to a label map."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer

_MOST = 256


@dataclass(frozen=True, kw_only=True)
class Mask:
    """The answer is each pixel's label, uint8 of shape (height, width).

    Of several channels the highest is the label, the first of equal ones. Of one channel, what lies
    above the threshold is 1 and the rest 0.

    Args:
        layout: The output's axes: ``nchw``, ``nhwc``, or ``nhw`` for one channel without an axis of
            its own, or, without a threshold, for labels already.
        threshold: Of one channel, in the model's own numbers: 0.5 of probabilities, 0 of logits.
        column: What the answer's column is called.
    """

    layout: Literal["nchw", "nhwc", "nhw"] = "nchw"
    threshold: float | None = None
    column: str = "mask"

    @property
    def columns(self) -> tuple[str, ...]:
        """The label map."""
        return (self.column,)

    ragged = ()

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: The output is no such scores, or does not fit the workload's masks.
        """
        try:
            first = self._channels(raw)
        except BadOutputError as cause:
            raise SystemSetupError(
                f"{cause}: choose one with system.output, or set decode.layout"
            ) from cause
        self._check(first, declared)

        def decode(raw: Any, _sample: int) -> Answer:
            scores = self._channels(raw)
            if scores.shape != first.shape:
                raise BadOutputError(
                    f"output has the shape {_shown(scores)}, the first had {_shown(first)}"
                )
            if np.isnan(scores).any():
                raise BadOutputError("output has NaN")
            if len(scores) > 1:
                return (scores.argmax(axis=0).astype(np.uint8),)
            if self.threshold is not None:
                return ((scores[0] > self.threshold).astype(np.uint8),)
            return (_labels(scores[0]),)

        return decode, []

    def _channels(self, raw: Any) -> npt.NDArray[Any]:
        """Shape (channels, height, width)."""
        try:
            scores = np.asarray(raw)
        except ValueError:
            raise BadOutputError(
                f"output is ragged, not scores of the axes {self.layout}"
            ) from None
        if scores.dtype.kind not in "fiub":
            raise BadOutputError(f"output of type {scores.dtype} is not scores of pixels")
        if scores.ndim != len(self.layout) or scores.shape[0] != 1 or not scores.size:
            raise BadOutputError(
                f"output of shape {scores.shape} is not scores of one sample with the axes "
                f"{self.layout}"
            )
        one: npt.NDArray[Any] = scores if self.layout == "nhw" else scores[0]
        return np.moveaxis(one, -1, 0) if self.layout == "nhwc" else one

    def _check(self, first: npt.NDArray[Any], declared: Declared) -> None:
        channels, *size = first.shape
        if channels > _MOST:
            raise SystemSetupError(
                f"the model has {channels} channels and a mask at most {_MOST} labels: set "
                "decode.layout"
            )
        if channels > 1 and self.threshold is not None:
            raise SystemSetupError(
                f"decode.threshold is for one channel and the model has {channels}: leave it out, "
                "or set decode.layout"
            )
        if channels == 1 and self.threshold is None:
            if self.layout != "nhw":
                raise SystemSetupError(
                    "the model has one channel: set decode.threshold, 0.5 of probabilities or 0 of "
                    "logits"
                )
            try:
                _labels(first[0])
            except BadOutputError as cause:
                raise SystemSetupError(f"{cause}: set decode.threshold for scores") from cause
        if channels > 1 and declared.classes not in (None, channels):
            raise SystemSetupError(
                f"the model has {channels} classes and the workload declares {declared.classes}: "
                "choose an output with system.output, or correct workload.classes"
            )
        wanted = self._size_of_one(declared.references)
        if wanted is not None and wanted != tuple(size):
            raise SystemSetupError(
                f"the model's masks are {size[1]}x{size[0]} and the workload's "
                f"{wanted[1]}x{wanted[0]}: set workload.mask_size: [{size[1]}, {size[0]}]"
            )

    def _size_of_one(self, references: Any) -> tuple[int, ...] | None:
        if isinstance(references, Mapping):
            references = references.get(self.column)
        known = isinstance(references, np.ndarray) and references.ndim == 3
        return references.shape[1:] if known else None

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {
            "kind": "mask",
            "layout": self.layout,
            "threshold": self.threshold,
            "column": self.column,
        }


def _labels(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if values.dtype.kind == "f" or values.min() < 0 or values.max() >= _MOST:
        raise BadOutputError(
            f"output of type {values.dtype} from {values.min():g} to {values.max():g} is no labels "
            "from 0 to 255"
        )
    return values.astype(np.uint8)


def _shown(scores: npt.NDArray[Any]) -> str:
    return "x".join(map(str, scores.shape))
