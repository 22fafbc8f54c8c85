"""What is known of a pair of sample and output, asked once for each pair."""

from collections.abc import Callable
from typing import Generic, TypeVar, cast

import numpy as np

from tailmark.quality.rows import taken
from tailmark.records.columns import joined
from tailmark.records.model import Column, Int32s, Int64s

C = TypeVar("C", bound=Column)


class Remembered(Generic[C]):
    """A function of pairs that remembers what it gave.

    Args:
        ask: From samples and outputs, each of shape (pairs,), to a column of as many rows.
    """

    def __init__(self, ask: Callable[[Int32s, Int32s], C]) -> None:
        self._ask = ask
        self._held: C | None = None
        self._pairs: Int64s = np.empty(0, dtype=np.int64)  # ascending
        self._place: Int64s = np.empty(0, dtype=np.int64)  # of each pair in what is held

    def __call__(self, samples: Int32s, outputs: Int32s) -> C:
        """What is known of each row."""
        pairs, row = np.unique(samples.astype(np.int64) << 32 | outputs, return_inverse=True)
        new = pairs[~np.isin(pairs, self._pairs, assume_unique=True)]
        held = self._held
        if held is None or len(new):
            held = self._held = self._learned(new)
        return cast("C", taken(held, self._place[np.searchsorted(self._pairs, pairs)][row]))

    def _learned(self, pairs: Int64s) -> C:
        """What is held, and what these pairs add to it."""
        samples, outputs = (pairs >> 32).astype(np.int32), pairs.astype(np.int32)
        more = self._ask(samples, outputs)
        at = np.searchsorted(self._pairs, pairs)
        place = len(self._pairs) + np.arange(len(pairs))
        self._pairs = np.insert(self._pairs, at, pairs)
        self._place = np.insert(self._place, at, place)
        return more if self._held is None else cast("C", joined([self._held, more]))
