"""How queries wait and are served: a policy, pure data. Knows neither clocks nor systems."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from tailmark.errors import InputError, nearest

MOST_WORKERS = 1_024

WhenBusy = Literal["queue", "skip", "newest"]
"""What becomes of a sample that finds every worker busy.

======  ==========================================================================================
queue   it waits: first come, first served
skip    it is shed
newest  it waits, and a free worker takes the newest that wait: those before them are shed
======  ==========================================================================================
"""


@dataclass(frozen=True, kw_only=True)
class Queueing:
    """Served by so many workers, in the order they came.

    Args:
        workers: Each has its own opened system and answers one batch at a time.
        batch: The most samples a worker takes at once. It never waits for samples of its own
            accord: what is there when it is free makes the batch.
        batch_wait_ns: How long the first of a batch may wait for others to join it.
        max_outstanding: How many samples may be queued or in service; what comes beyond is shed,
            at once and without an answer. None keeps all.
        when_busy: What becomes of a sample that finds every worker busy.
    """

    workers: int = 1
    batch: int = 1
    batch_wait_ns: int = 0
    max_outstanding: int | None = None
    when_busy: WhenBusy = "queue"

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
        self._check_when_busy()

    def _check_when_busy(self) -> None:
        known = get_args(WhenBusy)
        if self.when_busy not in known:
            close = nearest(str(self.when_busy), known)
            raise InputError(
                f"system.when_busy is {self.when_busy!r}{close}: queue, skip or newest"
            )
        if self.when_busy != "queue" and self.max_outstanding is not None:
            raise InputError(
                f"system.max_outstanding is {self.max_outstanding} and when_busy "
                f"{self.when_busy!r} bounds what waits by itself: give one of them"
            )
        if self.when_busy == "skip" and self.batch > 1:
            raise InputError(
                f"system.batch.max is {self.batch} and when_busy 'skip' lets nothing wait that a "
                "batch could be made of: leave batch out, or give when_busy: newest"
            )

    @property
    def capacity(self) -> int | None:
        """How many samples may be queued or in service; None for any number."""
        return self.workers if self.when_busy == "skip" else self.max_outstanding

    @property
    def sheds(self) -> bool:
        """Whether there may be samples that nobody serves."""
        return self.capacity is not None or self.when_busy == "newest"

    def describe(self) -> dict[str, Any]:
        """The settings, as plain data."""
        return asdict(self)
