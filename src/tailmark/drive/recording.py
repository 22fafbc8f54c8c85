"""One round as it happens, and the facts it becomes."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.drive.failures import describe_failure
from tailmark.records.model import NONE, STAGES, Int64s, Round, Status
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import WhenBusy
from tailmark.units import format_duration

_FAILED = int(Status.failed)
_DISTINCT_FAILURES = 100

IDLE = -1
"""Of `Recording.serving`: nothing is being served."""
_BY_COMPLETION = -2


class Recording:
    """Preallocated columns in nanoseconds of the clock, row by row; 0 where nothing was stamped.

    About 22 bytes a row in a closed loop of one, 38 with a queue, 24 more with stages.

    Args:
        rows: The most there will be.
        stages: Whether stages are timed.
        queue: Whether rows may wait: then ``due`` is kept apart from ``issued``, and ``started``.
    """

    def __init__(self, rows: int, *, stages: bool = False, queue: bool = False) -> None:
        self.issued = array("q", bytes(8 * rows))
        self.completed = array("q", bytes(8 * rows))
        self.due = array("q", bytes(8 * rows)) if queue else self.issued
        self.started = array("q", bytes(8 * rows)) if queue else None
        self.status = bytearray(rows)
        self.output_id = array("i", [NONE]) * rows
        self.stages = tuple(array("q", bytes(8 * rows)) for _ in range(3 if stages else 0))
        self.failures: Counter[str] = Counter()
        self.serving = _BY_COMPLETION
        self._counting = Lock()

    def __len__(self) -> int:
        """Rows."""
        return len(self.status)

    def fail(self, row: int, cause: BaseException | str, status: int = _FAILED) -> None:
        """Note that a row has no answer, and why."""
        self.status[row] = status
        self.note(cause if isinstance(cause, str) else describe_failure(cause))

    def note(self, what: str) -> None:
        """Count something that went wrong; any thread may."""
        with self._counting:
            if what in self.failures or len(self.failures) < _DISTINCT_FAILURES:
                self.failures[what] += 1

    def position(self) -> int | None:
        """The row in progress, None while there is none. Safe to ask from another thread.

        A loop that never idles says nothing itself: its rows before that one have completed.
        """
        if self.serving == _BY_COMPLETION:
            row = bisect_left(range(len(self)), True, key=lambda i: not self.completed[i])
            return row if row < len(self) else None
        return None if self.serving == IDLE else self.serving

    def column(self, name: str) -> Int64s:
        """A column of moments as an array (no copy)."""
        return np.frombuffer(getattr(self, name), dtype=np.int64)

    def to_round(
        self,
        index: int,
        schedule: Schedule,
        *,
        start_ns: int,
        timeout_ns: int,
        facts: Mapping[str, Any],
    ) -> Round:
        """What happened, as facts.

        Args:
            index: Which round of the run.
            schedule: What was to be sent, and when.
            start_ns: When the round began, by the clock.
            timeout_ns: An answer later than this is none, whoever noticed it first; where the
                schedule is patient, one that took longer from when it was begun.
            facts: What is true of the whole round.
        """
        issued = self._since(start_ns, "issued")
        completed = self._since(start_ns, "completed")
        scheduled = self._since(start_ns, "due") if self.due is not self.issued else issued
        status = np.frombuffer(self.status, dtype=np.int8).copy()
        output_id = np.frombuffer(self.output_id, dtype=np.int32).copy()
        started = self._since(start_ns, "started") if self.started is not None else None
        since = scheduled if started is None or not schedule.patient else started
        late = (status == Status.ok) & (completed - since > timeout_ns)
        if late.any():
            status[late] = Status.timed_out
            self.failures[answered_late(timeout_ns)] += int(late.sum())
        answered = status == Status.ok
        output_id[~answered] = NONE
        return Round(
            index=index,
            facts={
                **facts,
                **({"together": True} if schedule.together else {}),
                **({"open_loop": True} if schedule.due_ns is not None else {}),
                "duration_ns": int(max(completed.max(), issued.max())),
            },
            query=np.arange(len(schedule), dtype=np.int64) // schedule.per_query,
            sample=schedule.sample,
            scheduled_ns=scheduled,
            issued_ns=issued,
            started_ns=started,
            completed_ns=np.where(answered, completed, NONE),
            status=status,
            output_id=output_id,
            **{
                f"{stage}_ns": np.frombuffer(column, dtype=np.int64)
                for stage, column in zip(STAGES, self.stages, strict=False)
            },
        )

    def _since(self, start_ns: int, name: str) -> npt.NDArray[np.int64]:
        stamps = self.column(name)
        since: Int64s = np.where(stamps == 0, NONE, stamps - start_ns)
        return since


def answered_late(timeout_ns: int) -> str:
    """Of an answer that came when nobody waited for it any more."""
    return f"answered after the timeout of {format_duration(timeout_ns)}"


def never_begun(timeout_ns: int) -> str:
    """Of a query that waited so long that serving it would have been in vain."""
    return f"waited in the queue beyond the timeout of {format_duration(timeout_ns)}"


SHED = "shed: max_outstanding samples were queued or in service"

WHY_SHED: Mapping[WhenBusy, str] = {
    "queue": SHED,
    "skip": "shed: every worker was busy",
    "newest": "shed: a newer one was there before a worker was free",
}
"""Of a query that nobody serves."""
