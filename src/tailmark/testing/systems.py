"""Systems whose behaviour is known, to hold measurements against."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tailmark.system.base import Batch, Complete, Predictor, Responder
from tailmark.testing.clock import VirtualClock

Answer = Callable[[Batch], Any]
"""What a model would give for a batch."""


@dataclass(frozen=True, kw_only=True)
class LawfulSystem:
    """Answers after a latency drawn from a known law, on a virtual clock.

    Args:
        clock: The clock that the measurement reads too.
        law: Draws a latency in nanoseconds.
        answer: The output for a batch.
        seed: Of the draws; each opening starts them anew.
    """

    clock: VirtualClock
    law: Callable[[np.random.Generator], float]
    answer: Answer
    seed: int = 0

    def open(self) -> Predictor:
        """Start the draws."""
        random = np.random.default_rng(self.seed)

        def predict(batch: Batch) -> Any:
            self.clock.advance(round(self.law(random)))
            return self.answer(batch)

        return _Predictor(predict)

    def describe(self) -> dict[str, Any]:
        """The seed; a law is code."""
        return {"kind": "lawful", "seed": self.seed}

    def fingerprint(self) -> str | None:
        """None: there is no file."""
        return None


@dataclass(frozen=True, kw_only=True)
class FaultySystem:
    """Misbehaves on chosen calls, counted from 0 and including the first try and the warm-up.

    Args:
        answer: The output for a batch.
        faults: By call: an exception to raise, or the output to give instead.
    """

    answer: Answer
    faults: Callable[[int], BaseException | Any | None]

    def open(self) -> Predictor:
        """Start counting."""
        calls = 0

        def predict(batch: Batch) -> Any:
            nonlocal calls
            fault = self.faults(calls)
            calls += 1
            if isinstance(fault, BaseException):
                raise fault
            return self.answer(batch) if fault is None else fault

        return _Predictor(predict)

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"kind": "faulty"}

    def fingerprint(self) -> str | None:
        """None: there is no file."""
        return None


Fault = Literal["", "raises", "dropped", "twice", "unknown", "waits"]
"""How a responder treats a ticket: rightly, or with an error, never, two times, after two that it
was never given, or when ``release`` is set."""


@dataclass(frozen=True, kw_only=True)
class RespondingSystem:
    """Answers each ticket in a thread of its own, rightly or wrongly.

    Args:
        answer: The output for a batch of one.
        fault: By a batch, how it is treated; the first of all is always answered.
        release: What a ticket that waits is waiting for.
    """

    answer: Answer
    fault: Callable[[Batch], Fault] = lambda _: ""
    release: threading.Event = field(default_factory=threading.Event)

    def open(self) -> Responder:
        """Begin to answer."""
        return _Responder(self)

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"kind": "responding"}

    def fingerprint(self) -> str | None:
        """None: there is no file."""
        return None


class _Responder:
    def __init__(self, recipe: RespondingSystem) -> None:
        self._recipe = recipe
        self._tried = False

    def submit(self, tickets: Sequence[int], batches: Sequence[Batch], complete: Complete) -> None:
        for ticket, batch in zip(tickets, batches, strict=True):
            fault = self._recipe.fault(batch) if self._tried else ""
            self._tried = True
            asked = (fault, ticket, batch, complete)
            threading.Thread(target=self._answer, args=asked, daemon=True).start()

    def _answer(self, fault: Fault, ticket: int, batch: Batch, complete: Complete) -> None:
        if fault == "raises":
            complete(ticket, error=OSError("down"))
            return
        if fault == "dropped":
            return
        if fault == "waits":
            self._recipe.release.wait()
        if fault == "unknown":
            complete(ticket + 10**6, self._recipe.answer(batch))
            complete("ticket", self._recipe.answer(batch))
        complete(ticket, self._recipe.answer(batch))
        if fault == "twice":
            complete(ticket, self._recipe.answer(batch))

    def check(self, batch: Batch) -> None:
        """Anything fits."""

    def describe(self) -> dict[str, Any]:
        return {"kind": "responding"}


class _Predictor:
    fresh = False

    def __init__(self, predict: Callable[[Batch], Any]) -> None:
        self.predict = predict

    def check(self, batch: Batch) -> None:
        """Anything fits."""

    def describe(self) -> dict[str, Any]:
        return {"kind": "fake"}
