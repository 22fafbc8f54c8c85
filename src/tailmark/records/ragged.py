"""Rows of different lengths, one after another in one array: boxes of images, for one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ragged:
    """A column whose rows differ in length.

    Args:
        values: All rows, one after another; shape (total, …).
        starts: Where each row begins, and the end of the last; int64, shape (rows + 1,).
    """

    values: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, rows: Iterable[npt.ArrayLike], dtype: npt.DTypeLike | None = None, *inner: int
    ) -> Self:
        """From rows of any length.

        Args:
            rows: Each of shape (length, *inner).
            dtype: Of the values; as the rows have it if nobody says.
            inner: The shape of one value, needed where every row may be empty.
        """
        parts = [np.asarray(row, dtype=dtype).reshape(-1, *inner) for row in rows]
        lengths = np.array([0, *map(len, parts)], dtype=np.int64)
        # An empty list is of no type of its own, and would make numbers of whole ones.
        some = [part for part in parts if len(part)] or parts
        empty = np.empty((0, *inner), dtype=np.float64 if dtype is None else dtype)
        return cls(np.concatenate(some) if some else empty, np.cumsum(lengths))

    def __len__(self) -> int:
        """Rows."""
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        """One row, a view of shape (length, …)."""
        found: npt.NDArray[Any] = self.values[self.starts[row] : self.starts[row + 1]]
        return found

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Row by row."""
        return map(self.__getitem__, range(len(self)))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Of each row; shape (rows,)."""
        return np.diff(self.starts)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Self:
        """These rows, in this order, as a column of their own."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        place = np.arange(starts[-1]) + np.repeat(self.starts[:-1][rows] - starts[:-1], lengths)
        return type(self)(self.values[place], starts)

    @classmethod
    def joined(cls, several: Sequence[Self]) -> Self:
        """The rows of several columns, one column after another."""
        ends = np.cumsum([0, *(one.starts[-1] for one in several)])
        starts = [one.starts[:-1] + end for one, end in zip(several, ends[:-1], strict=True)]
        values = np.concatenate([one.values for one in several])
        return cls(values, np.concatenate([*starts, ends[-1:]]).astype(np.int64))
