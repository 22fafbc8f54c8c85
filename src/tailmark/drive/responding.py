"""A system that answers when it likes: queries are handed over, completions come from any thread.

What it may get wrong is recorded, never trusted: a ticket completed twice counts once, an unknown
one not at all, and one that is never completed is lost when its timeout is past.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tailmark.clock import Clock
from tailmark.drive.backlog import Backlog
from tailmark.drive.recording import IDLE, SHED, Recording
from tailmark.drive.service import Timed
from tailmark.drive.waiting import SHARED_SPIN_NS, waiter
from tailmark.errors import SystemSetupError
from tailmark.records.model import Int32s, Status
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing
from tailmark.system.base import Batch, Responder
from tailmark.units import format_duration

UNKNOWN = "the system completed a query that it was never given"
TWICE = "the system completed a query more than once"
AFTER_THE_END = "the system completed a query after the end of its round"

_NAP_S = 0.1


def check_responder(timed: Timed, queueing: Queueing) -> None:
    """Refuse what a system that answers by itself leaves nobody to do.

    Raises:
        SystemSetupError: Stages to time, workers and batches, or samples to skip.
    """
    if timed == "total":
        raise SystemSetupError(
            "the system answers by itself, so its stages cannot be timed from here: set timed: "
            "inference, and have it preprocess"
        )
    if queueing.workers > 1 or queueing.batch > 1:
        raise SystemSetupError(
            "the system answers by itself, so it has its own workers and batches: leave out "
            "system.workers and system.batch"
        )
    if queueing.when_busy != "queue":
        raise SystemSetupError(
            f"the system answers by itself, so nobody here knows when it is busy, and when_busy is "
            f"{queueing.when_busy!r}: give max_outstanding, or have the system skip what it will"
        )


class Exchange:
    """One round's queries and completions.

    Args:
        responder: The live system.
        inputs: By sample, its batch of one.
        order: The sample of each row.
        recording: Filled.
        clock: Tells the time, and sleeps.
        queueing: Only ``max_outstanding`` is ours to keep; the system queues by itself.
        timeout_ns: How long an answer is waited for, from when its query was due.
        backlog: Decoded by the issuing thread while it has time.
        note_later: Where a completion is noted that comes when the round is over.
    """

    def __init__(
        self,
        responder: Responder,
        inputs: Sequence[Batch],
        order: Int32s,
        recording: Recording,
        clock: Clock,
        queueing: Queueing,
        timeout_ns: int,
        backlog: Backlog,
        note_later: Callable[[str], None],
    ) -> None:
        self._responder = responder
        self._inputs = inputs
        self._order = order
        self._recording = recording
        self._clock = clock
        self._capacity = queueing.max_outstanding
        self._timeout_ns = timeout_ns
        self._backlog = backlog
        self._note_later = note_later
        self._change = threading.Condition()
        self._pending: set[int] = set()
        self._given = bytearray(len(recording))
        self._over = False
        self._moved_ns = 0

    def run(self, schedule: Schedule) -> None:
        """Issue every query, and wait until each is answered or its timeout is past."""
        recording, due = self._recording, self._recording.due
        recording.serving = IDLE
        now, wait_until = self._clock.now_ns, waiter(self._clock, SHARED_SPIN_NS)
        closed = schedule.due_ns is None
        rows = len(schedule)
        for first in range(0, rows, schedule.per_query):
            last = min(first + schedule.per_query, rows)
            moment = now()
            if closed:
                for row in range(first, last):
                    due[row] = moment
            elif moment < due[first]:
                self._backlog.settle_before(due[first])
                moment = wait_until(due[first])
            for row in range(first, last):
                recording.issued[row] = moment
            recording.serving = first  # a submit that never returns is one for the watchdog
            self._submit(range(first, last))
            recording.serving = IDLE
            if closed:
                self._wait(moment)
            if self._backlog.full:
                self._backlog.settle()
        if rows:
            self._wait(due[-1], patient=schedule.patient)
        with self._change:
            self._over = True
            for row in self._pending:
                recording.fail(row, self._unanswered(), int(Status.lost))
            self._pending.clear()
        self._backlog.settle()

    def _submit(self, rows: Sequence[int]) -> None:
        """Hand a query over; it may be answered before this returns."""
        with self._change:
            room = len(rows)
            if self._capacity is not None and self._capacity - len(self._pending) < room:
                self._lose_overdue()
                room = max(0, min(room, self._capacity - len(self._pending)))
            for row in rows[room:]:
                self._recording.fail(row, SHED, int(Status.shed))
            rows = rows[:room]
            self._pending.update(rows)
            for row in rows:
                self._given[row] = True
        if not rows:
            return
        samples = self._order
        try:
            self._responder.submit(rows, [self._inputs[samples[row]] for row in rows], self._done)
        except Exception as cause:  # noqa: BLE001 - the system may raise anything
            with self._change:
                for row in self._pending.intersection(rows):
                    self._recording.fail(row, cause)
                self._pending.difference_update(rows)

    def _done(self, ticket: int, output: Any = None, error: BaseException | None = None) -> None:
        """The system's end: a ticket's output, or what went wrong."""
        moment = self._clock.now_ns()
        recording = self._recording
        with self._change:
            if self._over:
                self._note_later(AFTER_THE_END)
            elif not self._was_given(ticket):
                recording.note(UNKNOWN)
            elif ticket in self._pending:
                self._moved_ns = moment
                self._pending.discard(ticket)
                recording.completed[ticket] = moment
                if error is None:
                    self._backlog.append(((int(ticket),), output))
                else:
                    recording.fail(ticket, error)
                if not self._pending:
                    self._change.notify_all()
            elif recording.status[ticket] == Status.lost:
                recording.completed[ticket] = moment
                recording.status[ticket] = Status.timed_out
            else:
                recording.note(TWICE)

    def _was_given(self, ticket: object) -> bool:
        return (
            isinstance(ticket, int) and 0 <= ticket < len(self._given) and bool(self._given[ticket])
        )

    def _wait(self, due_ns: int, *, patient: bool = False) -> None:
        """Until nothing is pending, or what was due last is overdue; patient while answers come."""
        while True:
            since = max(due_ns, self._moved_ns) if patient else due_ns
            left = since + self._timeout_ns - self._clock.now_ns()
            with self._change:
                if not self._pending:
                    return
                if left <= 0:
                    self._lose_overdue()
                    return
                self._change.wait(min(left / 1e9, _NAP_S))

    def _lose_overdue(self) -> None:
        """Wait no longer for what is overdue; whoever calls holds the lock."""
        latest = self._clock.now_ns() - self._timeout_ns
        due = self._recording.due
        for row in [row for row in self._pending if due[row] <= latest]:
            self._pending.discard(row)
            self._recording.fail(row, self._unanswered(), int(Status.lost))

    def _unanswered(self) -> str:
        return f"no answer within the timeout of {format_duration(self._timeout_ns)}"
