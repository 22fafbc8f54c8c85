"""The distinct answers of a run, each stored once and known by its number."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Answer = tuple[npt.NDArray[Any], ...]
"""One decoded output: an array for each of the decoder's columns."""


class Catalogue:
    """Numbers answers in the order they are first seen."""

    def __init__(self, columns: tuple[str, ...], known: Mapping[str, npt.NDArray[Any]]) -> None:
        """Begin with the answers of earlier rounds.

        Args:
            columns: An answer's columns, in order.
            known: Their values, shape (answers, …) each; empty at the start of a run.
        """
        self._columns = columns
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

    def take_new(self) -> dict[str, npt.NDArray[Any]]:
        """The answers first seen since the last call, by column; empty if there are none."""
        fresh, self._fresh = self._fresh, []
        if not fresh:
            return {}
        parts = zip(*fresh, strict=True)
        return {n: np.stack(p) for n, p in zip(self._columns, parts, strict=True)}
