"""The decoder seam. What a model's numbers mean is declared, never guessed."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy.typing as npt

from tailmark.records.catalogue import Answer

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
