"""The system seam: a recipe that opens into a predictor, or into a responder.

A recipe is plain data: it can be checked, stored, and opened in another process. A predictor is
synchronous: it takes a batch and returns when the output is on the host; a responder takes queries
and answers later. None knows the clock, the deadline or what is right.
"""

from collections.abc import Callable, Mapping, Sequence
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
        """The settings in effect, read back from the runtime where it tells them.

        What systems have in common goes by one name: ``kind``, ``version``, ``precision`` (what the
        numbers are computed in: ``float64``, ``float32``, ``bfloat16``, ``float16``, ``int8``),
        ``threads``, ``device``, ``optimization``. What a runtime does not tell is left out.
        """
        ...


Complete = Callable[..., None]
"""``complete(ticket, output)`` or ``complete(ticket, error=cause)``; from any thread, once each."""


class Responder(Protocol):
    """A live system that answers when it likes: it queues and batches by itself.

    Each ticket is to be completed once, before ``submit`` returns or later from any thread.
    """

    def submit(self, tickets: Sequence[int], batches: Sequence[Batch], complete: Complete) -> None:
        """Take a query: a ticket and a batch of one for each of its samples; do not wait."""
        ...

    def check(self, batch: Batch) -> None:
        """See `Predictor.check`."""
        ...

    def describe(self) -> dict[str, Any]:
        """See `Predictor.describe`."""
        ...


class System(Protocol):
    """A recipe for a predictor or a responder."""

    def open(self) -> Predictor | Responder:
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


def joined(ones: Sequence[Batch]) -> Batch:
    """Batches of one as one batch; a single one as it is."""
    first = ones[0]
    if len(ones) == 1:
        return first
    if isinstance(first, Mapping):
        return {name: np.concatenate([one[name] for one in ones]) for name in first}
    return np.concatenate(ones)  # type: ignore[arg-type]


def split(output: Any, count: int) -> list[Any]:
    """A batch's output as an output each, views with a batch axis of one.

    Raises:
        ValueError: It does not have ``count`` rows.
    """
    if count == 1:
        return [output]
    if isinstance(output, Mapping):
        parts = {name: split(values, count) for name, values in output.items()}
        return [{name: parts[name][i] for name in parts} for i in range(count)]
    if not isinstance(output, np.ndarray):
        output = np.asarray(output)
    if output.ndim == 0 or len(output) != count:
        raise ValueError(
            f"its output has the shape {list(output.shape)} and not {count} rows, one a sample"
        )
    return [output[i : i + 1] for i in range(count)]
