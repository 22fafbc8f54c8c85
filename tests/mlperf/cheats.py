"""Systems that answer honestly, and systems that cheat: a known label for each sample.

They take time on a virtual clock, so nothing waits.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tailmark
from tailmark.analysis.compliance import Check, Compliance
from tailmark.system.base import Batch
from tailmark.testing import VirtualClock

SAMPLES = 121
INPUTS = np.random.default_rng(7).normal(size=(SAMPLES, 3))
WORKLOAD = tailmark.Arrays(
    inputs=INPUTS, references=INPUTS.argmax(axis=1) * (np.arange(SAMPLES) % 5 > 0), classes=3
)
TAKES_NS = 1_000_000


class Honest:
    """Takes a time drawn from a law, and gives the scores back.

    Args:
        clock: What its time passes on.
        seed: Of the law, log-normal.
    """

    def __init__(self, clock: VirtualClock, seed: int = 0) -> None:
        self.clock = clock
        self.random = np.random.default_rng(seed)

    def takes(self, batch: Any) -> float:
        """Nanoseconds."""
        return float(TAKES_NS * len(batch) * np.exp(0.1 * self.random.standard_normal()))

    def answer(self, batch: Any) -> Any:
        """Scores."""
        return batch

    def __call__(self, batch: Batch) -> Any:
        """Answer a batch."""
        self.clock.advance(round(self.takes(batch)))
        return self.answer(batch)


class Remembering(Honest):
    """Keeps the last so many answers, and gives them ten times as fast."""

    def __init__(self, clock: VirtualClock, most: int | None = None, share: float = 1.0) -> None:
        super().__init__(clock)
        self.kept: deque[bytes] = deque(maxlen=most)
        self.share = share

    def takes(self, batch: Any) -> float:
        """A tenth, of what it has seen before."""
        key = batch.tobytes()
        known = key in self.kept
        if not known and key[1] < 256 * self.share:
            self.kept.append(key)
        return super().takes(batch) / (10 if known else 1)


class Mixing(Honest):
    """Takes the mean of the batch off: a normalisation that depends on the company."""

    def answer(self, batch: Any) -> Any:
        """As alone, if it is alone."""
        return batch - batch.mean(axis=0) if len(batch) > 1 else batch


class Alert(Honest):
    """Answers rightly while samples come in order, as in an accuracy run, and else cheaply."""

    last = -1

    def answer(self, batch: Any) -> Any:
        """The first score is always highest for every third sample out of order."""
        (index,) = np.flatnonzero((batch[0] == INPUTS).all(axis=1))
        went_on = index - self.last in (0, 1, 1 - SAMPLES)
        self.last = int(index)
        return batch if went_on or index % 3 else batch[:, ::-1]


class Restless(Honest):
    """Adds noise that nobody seeded."""

    def __init__(self, clock: VirtualClock, noise: float, seed: int = 1) -> None:
        super().__init__(clock)
        self.noise = noise
        self.chance = np.random.default_rng(seed)

    def answer(self, batch: Any) -> Any:
        """Other scores each time."""
        return batch + self.noise * self.chance.standard_normal(batch.shape)


class Hurried:
    """Answers from a thread of its own; while many wait, only as well as a cheap model."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, Any, Any]] = deque()
        self.some = threading.Semaphore(0)
        threading.Thread(target=self.work, daemon=True).start()

    def __call__(self, tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        """Queue a query."""
        for ticket, batch in zip(tickets, batches, strict=True):
            self.waiting.append((ticket, batch, complete))
            self.some.release()

    def work(self) -> None:
        """One after another; a few thousand additions take some time on any machine."""
        while True:
            self.some.acquire()
            ticket, batch, complete = self.waiting.popleft()
            sum(range(20_000))
            cheap = len(self.waiting) > 10
            complete(ticket, batch[:, ::-1] if cheap else batch)


def checked(
    out: Path, make: Callable[[VirtualClock], Any], *checks: str, **settings: Any
) -> Compliance:
    """What `comply` says of a callable; its time is virtual.

    Args:
        out: Where runs go.
        make: Of the clock, the callable or the system.
        checks: By default all.
        settings: Of `comply`; ``experiment`` holds those of the experiment.
    """
    clock = VirtualClock()
    system = make(clock)
    experiment = tailmark.Experiment(
        workload=settings.pop("workload", WORKLOAD),
        system=system if hasattr(system, "open") else tailmark.Function(call=system),
        warmup=5,
        **settings.pop("experiment", {}),
    )
    given = {"batch": 3, "rounds": 4, "clock": clock, **settings}
    return tailmark.comply(experiment, out=out, only=checks or None, **given)


def named(found: Compliance) -> dict[str, Check]:
    """The checks by name."""
    return {one.name: one for one in found.checks}
