"""One round as it happens, and the facts it becomes."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.drive.service import describe_failure
from tailmark.records.model import NONE, STAGES, Int32s, Round, Status
from tailmark.units import format_duration

_FAILED = int(Status.failed)
_DISTINCT_FAILURES = 100


class Recording:
    """Preallocated columns in nanoseconds of the clock: about 22 bytes a query, 48 with stages."""

    def __init__(self, rows: int, *, stages: bool = False) -> None:
        self.issued = array("q", bytes(8 * rows))
        self.completed = array("q", bytes(8 * rows))
        self.status = bytearray(rows)
        self.output_id = array("i", [NONE]) * rows
        self.stages = tuple(array("q", bytes(8 * rows)) for _ in range(3 if stages else 0))
        self.failures: Counter[str] = Counter()

    def fail(self, row: int, cause: BaseException | str, status: int = _FAILED) -> None:
        """Note that a row has no answer, and why."""
        self.status[row] = status
        text = cause if isinstance(cause, str) else describe_failure(cause)
        if text in self.failures or len(self.failures) < _DISTINCT_FAILURES:
            self.failures[text] += 1

    def position(self) -> int:
        """The row in progress: rows before it have completed. Safe to ask from another thread."""
        return bisect_left(range(len(self.completed)), True, key=lambda i: not self.completed[i])

    def column(self, name: str) -> npt.NDArray[np.int64]:
        """A column of moments as an array (no copy)."""
        return np.frombuffer(getattr(self, name), dtype=np.int64)

    def to_round(
        self, index: int, order: Int32s, *, start_ns: int, timeout_ns: int, facts: Mapping[str, Any]
    ) -> Round:
        """What happened, as facts.

        Args:
            index: Which round of the run.
            order: The samples, in the order they were sent.
            start_ns: When the round began, by the clock.
            timeout_ns: An answer later than this is none, whoever noticed it first.
            facts: What is true of the whole round.
        """
        issued = self.column("issued") - start_ns
        completed = self.column("completed") - start_ns
        status = np.frombuffer(self.status, dtype=np.int8).copy()
        output_id = np.frombuffer(self.output_id, dtype=np.int32).copy()
        late = (status == Status.ok) & (completed - issued > timeout_ns)
        if late.any():
            status[late] = Status.timed_out
            limit = format_duration(timeout_ns)
            self.failures[f"answered after the timeout of {limit}"] += int(late.sum())
        answered = status == Status.ok
        output_id[~answered] = NONE
        return Round(
            index=index,
            facts={**facts, "duration_ns": int(completed[-1])},
            query=np.arange(len(order), dtype=np.int64),
            sample=order,
            scheduled_ns=issued,
            issued_ns=issued,
            completed_ns=np.where(answered, completed, NONE),
            status=status,
            output_id=output_id,
            **{
                f"{stage}_ns": np.frombuffer(column, dtype=np.int64)
                for stage, column in zip(STAGES, self.stages, strict=False)
            },
        )
