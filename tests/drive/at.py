"""Rounds of given moments, measured in real threads."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tailmark
from tailmark.experiment import Experiment
from tailmark.records.model import Run
from tailmark.scenario.base import Scenario, Schedule
from tailmark.scenario.queueing import Queueing

LABELS = tailmark.Labels()
ROWS = 24
WORKLOAD = tailmark.Arrays(inputs=np.arange(ROWS), references=np.arange(ROWS) % 3, classes=3)


class At:
    """A scenario of given moments."""

    def __init__(self, due_ns: Sequence[int] | None, per_query: int = 1) -> None:
        self.due_ns = due_ns
        self.per_query = per_query

    def schedule(self, samples: int, *, order: str, seed: int, index: int) -> Schedule:
        """Every sample once, in order."""
        del order, seed, index
        due = None if self.due_ns is None else np.array(self.due_ns, dtype=np.int64)
        return Schedule(
            sample=np.arange(samples, dtype=np.int32), due_ns=due, per_query=self.per_query
        )

    def describe(self) -> dict[str, Any]:
        """Nothing."""
        return {"kind": "at"}


def measured(
    out: Path,
    call: Callable[[Any], Any],
    queueing: Queueing,
    scenario: Scenario | None = None,
    **changes: Any,
) -> Run:
    """One round of 24 rows, all due at once unless said otherwise; labels are answers."""
    settings: dict[str, Any] = {
        "workload": WORKLOAD,
        "system": tailmark.Function(call=call),
        "decode": LABELS,
        "scenario": scenario or At([0] * ROWS),
        "queueing": queueing,
        "rounds": 1,
        "warmup": 0,
        **changes,
    }
    return tailmark.run_experiment(Experiment(**settings), out=out)


def label(batch: Any) -> Any:
    """The right answers of a batch."""
    return np.asarray(batch) % 3
