"""How queries wait and are served: a policy, pure data. Knows neither clocks nor systems."""

from dataclasses import asdict, dataclass
from typing import Any

from tailmark.errors import InputError

MOST_WORKERS = 1_024


@dataclass(frozen=True, kw_only=True)
class Queueing:
    """First come, first served, by so many workers.

    Args:
        workers: Each has its own opened system and answers one batch at a time.
        batch: The most samples a worker takes at once. It never waits for samples of its own
            accord: what is there when it is free makes the batch.
        batch_wait_ns: How long the first of a batch may wait for others to join it.
        max_outstanding: How many samples may be queued or in service; what comes beyond is shed,
            at once and without an answer. None keeps all.
    """

    workers: int = 1
    batch: int = 1
    batch_wait_ns: int = 0
    max_outstanding: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if not 1 <= self.workers <= MOST_WORKERS:
            raise InputError(f"system.workers is {self.workers}: give 1 to {MOST_WORKERS}")
        if self.batch < 1:
            raise InputError(f"system.batch.max is {self.batch}: give 1 or more")
        if self.batch_wait_ns < 0:
            raise InputError(f"system.batch.wait is {self.batch_wait_ns} ns: give zero or more")
        if self.batch_wait_ns and self.batch == 1:
            raise InputError("system.batch.wait waits for a second sample: give batch.max above 1")
        if self.max_outstanding is not None and self.max_outstanding < 1:
            raise InputError(
                f"system.max_outstanding is {self.max_outstanding}: give 1 or more, or leave it out"
            )

    def describe(self) -> dict[str, Any]:
        """The settings, as plain data."""
        return asdict(self)
