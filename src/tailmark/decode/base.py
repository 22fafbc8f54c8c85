"""The decoder seam. What a model's numbers mean is declared, never guessed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tailmark.placement import Placements
from tailmark.records.catalogue import Answer

Decode = Callable[[Any, int], Answer]
"""A raw output (batch of one) and its sample to the answer; `BadOutputError` where it cannot."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the workload says of its samples, as far as outputs are read by it.

    Args:
        classes: How many classes there are, if it says so.
        references: What is right for each sample, if that is known.
        placements: Where each image lies in the model's input, of images.
    """

    classes: int | None = None
    references: Any = None
    placements: Placements | None = None


class BadOutputError(ValueError):
    """An output that is no answer: NaN, the wrong shape. The query counts as failed."""


class Decoder(Protocol):
    """A recipe for reading outputs."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The answer's columns, in order."""
        ...

    @property
    def ragged(self) -> tuple[str, ...]:
        """Which of them differ in length from answer to answer."""
        ...

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """Fit to a model by one of its outputs.

        Args:
            raw: What the model gave for the first sample.
            declared: What the workload says of its samples.

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
