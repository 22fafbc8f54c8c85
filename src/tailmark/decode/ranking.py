"""Scores of items, or items already ranked, to a list of the best."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.decode.best import best_few
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer

NO_ITEM = -1
"""What a list is filled up with that is too short."""

_MOST = np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The best items of each sample, such as what a user is recommended; best first.

    Args:
        top: How many to keep; a shorter list is filled up with -1.
        ranked: Whether the output has items already, best first, of shape (1, items); otherwise it
            has a score for each item, of the same shape. Equal scores rank in the order of the
            items, and an item with a score of minus infinity is left out.
    """

    top: int = 20
    ranked: bool = False

    columns = ("items",)
    ragged = ()

    def __post_init__(self) -> None:
        """Refuse to keep nothing."""
        if self.top < 1:
            raise SystemSetupError(f"decode.top is {self.top}: keep 1 item or more")

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: The output is no scores, or no items.
        """
        del declared  # an item beyond them is a wrong answer, seen query by query
        read = self._listed if self.ranked else self._scored
        try:
            read(raw)
            count = np.size(raw)
        except BadOutputError as cause:
            way_out = "say with decode.ranked which of them it has, or choose one by system.output"
            raise SystemSetupError(f"{cause}: {way_out}") from cause

        def decode(raw: Any, _sample: int) -> Answer:
            best = read(raw)
            if not self.ranked and np.size(raw) != count:
                raise BadOutputError(f"output has {np.size(raw)} scores, the first had {count}")
            items = np.full(self.top, NO_ITEM, dtype=np.int32)
            items[: len(best)] = best
            return (items,)

        return decode, []

    def _scored(self, raw: Any) -> npt.NDArray[Any]:
        scores = _row(raw, "fiu", "scores")
        if np.isnan(scores).any():
            raise BadOutputError("output has NaN")
        best = best_few(scores, self.top)
        listed: npt.NDArray[Any] = best[scores[best] != -np.inf]
        return listed

    def _listed(self, raw: Any) -> npt.NDArray[Any]:
        items = _row(raw, "iu", "items")[: self.top]
        beyond = (items < NO_ITEM) | (items > _MOST)
        if beyond.any():
            raise BadOutputError(
                f"output has the item {items[beyond][0]}: items are whole numbers from 0 on, of 32 "
                "bits, or -1 for none"
            )
        return items

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "ranking", "top": self.top, "ranked": self.ranked}


def _row(raw: Any, kinds: str, what: str) -> npt.NDArray[Any]:
    try:
        values = np.asarray(raw)
    except ValueError:
        raise BadOutputError(f"output is ragged, not {what} of shape (1, items)") from None
    if values.dtype.kind not in kinds:
        raise BadOutputError(f"output of type {values.dtype} is not {what}")
    if values.ndim != 2 or values.shape[0] != 1:
        raise BadOutputError(f"output of shape {values.shape} is not {what} of shape (1, items)")
    row: npt.NDArray[Any] = values[0]
    return row
