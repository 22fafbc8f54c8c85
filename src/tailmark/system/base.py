"""The system seam: a recipe that opens into a predictor.

A recipe is plain data: it can be checked, stored, and opened in another process. A predictor is
synchronous: it takes a batch and returns when the output is on the host. Neither knows the clock,
the deadline or what is right.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]
"""A sample with a batch axis in front; named arrays for a model of several inputs."""


class Predictor(Protocol):
    """A live model.

    ``fresh`` says that every call returns arrays of its own, so that reading them can wait; a
    model that writes into the same arrays again has its outputs read at once.
    """

    fresh: bool

    def predict(self, batch: Batch) -> Any:
        """Answer a batch; whatever is raised makes the query a failed one."""
        ...

    def check(self, batch: Batch) -> None:
        """Refuse a batch whose names, shapes or types the model does not take.

        Raises:
            SystemSetupError: Naming what is expected and what was given.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The settings in effect, read back from the runtime where it tells them."""
        ...


class System(Protocol):
    """A recipe for a predictor."""

    def open(self) -> Predictor:
        """Load the model.

        Raises:
            SystemSetupError: It cannot be loaded.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The settings asked for, as plain data."""
        ...

    def fingerprint(self) -> str | None:
        """SHA-256 of the model's files, or None where there are none."""
        ...


def with_batch_axis(sample: Any) -> Batch:
    """One sample as a batch of one, contiguous, so that no copy is made while timing."""
    if isinstance(sample, Mapping):
        return {name: _one(values) for name, values in sample.items()}
    return _one(sample)


def _one(values: Any) -> npt.NDArray[Any]:
    return np.ascontiguousarray(np.asarray(values)[None])
