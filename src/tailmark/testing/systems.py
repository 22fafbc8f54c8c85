"""Systems whose behaviour is known, to hold measurements against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.system.base import Batch, Predictor
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


class _Predictor:
    fresh = False

    def __init__(self, predict: Callable[[Batch], Any]) -> None:
        self.predict = predict

    def check(self, batch: Batch) -> None:
        """Anything fits."""

    def describe(self) -> dict[str, Any]:
        return {"kind": "fake"}
