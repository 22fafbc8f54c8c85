"""The scenario seam: from (samples, seed, round) to what is sent when."""

from typing import Any, Literal, Protocol

import numpy as np

from tailmark.records.model import Int32s

Order = Literal["fixed", "shuffled"]


class Scenario(Protocol):
    """A closed loop: the next query is sent when the last completes."""

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Int32s:
        """The samples of round ``index``, in the order they are sent; shape (queries,)."""
        ...

    def describe(self) -> dict[str, Any]:
        """The settings, as plain data."""
        ...


def permutation(samples: int, *, order: Order, seed: int, index: int) -> Int32s:
    """Every sample once: in the workload's order, or shuffled by (seed, round) alone."""
    if order == "fixed":
        return np.arange(samples, dtype=np.int32)
    return np.random.default_rng([seed, index]).permutation(samples).astype(np.int32)
