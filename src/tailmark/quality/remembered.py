"""What is known of samples and outputs already, and is not asked again."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import numpy as np
import numpy.typing as npt

from tailmark.quality.rows import taken
from tailmark.records.columns import joined
from tailmark.records.model import Column, Int32s, Int64s

C = TypeVar("C", bound=Column)
T = TypeVar("T")


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


class Latest(Generic[T]):
    """A function of rows that remembers what it gave last.

    A round's rows are asked of several times, and the next round's are often the same.

    Args:
        ask: From arrays of shape (rows,).
    """

    def __init__(self, ask: Callable[..., T]) -> None:
        self._ask = ask
        self._latest: tuple[tuple[npt.NDArray[Any], ...], T] | None = None

    def __call__(self, *rows: npt.NDArray[Any]) -> T:
        """What is known of these rows."""
        if self._latest is not None and all(map(np.array_equal, self._latest[0], rows)):
            return self._latest[1]
        found = self._ask(*rows)
        self._latest = tuple(one.copy() for one in rows), found
        return found
