"""The decoder seam. What a model's numbers mean is declared, never guessed."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Answer = tuple[npt.NDArray[Any], ...]
"""One decoded answer: an array for each of the decoder's columns."""

Decode = Callable[[Any], Answer]
"""One raw output (batch of one) to its answer; raises `BadOutputError` on one it cannot read."""


class BadOutputError(ValueError):
    """An output that is no answer: NaN, the wrong shape. The query counts as failed."""


class Decoder(Protocol):
    """A recipe for reading outputs."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The answer's columns, in order."""
        ...

    def bind(
        self, raw: Any, classes: int | None, references: npt.NDArray[Any] | None
    ) -> tuple[Decode, list[str]]:
        """Fit to a model by one of its outputs.

        Args:
            raw: What the model gave for the first sample.
            classes: How many classes the workload declares, if it does.
            references: What is right for each sample, if that is known.

        Returns:
            The decoding function, and warnings about what could not be checked.

        Raises:
            SystemSetupError: The output is not what this decoder reads, or not what the workload
                declares.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The settings, as plain data."""
        ...


class Catalogue:
    """The distinct answers of a run, each stored once and known by its number."""

    def __init__(self, columns: tuple[str, ...], known: Mapping[str, npt.NDArray[Any]]) -> None:
        """Begin with the answers of earlier rounds.

        Args:
            columns: The answer's columns, in order.
            known: Their values, shape (outputs, …) each; empty at the start of a run.
        """
        self._columns = columns
        self._ids: dict[tuple[bytes, ...], int] = {}
        self._fresh: list[Answer] = []
        if known:
            for row in zip(*(known[name] for name in columns), strict=True):
                self._ids[tuple(np.asarray(part).tobytes() for part in row)] = len(self._ids)

    def number(self, answer: Answer) -> int:
        """The answer's number, a new one if it was never seen."""
        key = tuple(part.tobytes() for part in answer)
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
