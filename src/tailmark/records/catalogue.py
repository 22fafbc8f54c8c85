"""The distinct answers of a run, each stored once and known by its number."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.records.model import Column, Columns
from tailmark.records.ragged import Ragged

Answer = tuple[npt.NDArray[Any], ...]
"""One decoded output: an array for each of the decoder's columns."""


class Catalogue:
    """Numbers answers in the order they are first seen."""

    def __init__(
        self, columns: tuple[str, ...], known: Columns, ragged: Collection[str] = ()
    ) -> None:
        """Begin with the answers of earlier rounds.

        Args:
            columns: An answer's columns, in order.
            known: Their values, of length (answers,) each; empty at the start of a run.
            ragged: Which columns differ in length from answer to answer.
        """
        self._columns = columns
        self._ragged = ragged
        self._ids: dict[tuple[bytes, ...], int] = {}
        self._fresh: list[Answer] = []
        if known:
            for row in zip(*(known[name] for name in columns), strict=True):
                self._ids[tuple(np.asarray(part).tobytes() for part in row)] = len(self._ids)

    def number(self, answer: Answer) -> int:
        """The answer's number, a new one if it was never seen."""
        key = tuple(map(np.ndarray.tobytes, answer))
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._ids)
            self._fresh.append(answer)
        return found

    def take_new(self) -> dict[str, Column]:
        """The answers first seen since the last call, by column; empty if there are none."""
        fresh, self._fresh = self._fresh, []
        if not fresh:
            return {}
        parts = zip(*fresh, strict=True)
        return {n: self._stacked(n, p) for n, p in zip(self._columns, parts, strict=True)}

    def _stacked(self, name: str, parts: tuple[npt.NDArray[Any], ...]) -> Column:
        if name not in self._ragged:
            return np.stack(parts)
        return Ragged.of(parts, parts[0].dtype, *parts[0].shape[1:])
