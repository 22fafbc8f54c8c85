"""A queue with one worker, in one thread: who issues is who serves.

While the worker is busy nobody need issue: what fell due meanwhile waits from the moment it was
due, as it would behind a thread of its own. Only a query that finds the worker idle can be issued
late, by how late we wake. So there is no hop between threads, and no spin takes the interpreter
from the system.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tailmark.clock import Clock
from tailmark.drive.backlog import Backlog
from tailmark.drive.recording import IDLE, WHY_SHED, Recording, never_begun
from tailmark.drive.serving import Serve
from tailmark.drive.waiting import waiter
from tailmark.drive.watchdog import STOPS
from tailmark.records.model import NEVER, Int32s, Status
from tailmark.scenario.queueing import Queueing


class OneWorker:
    """Serves every row as it falls due, in the order they come.

    Args:
        serve: Answers a batch of rows.
        recording: Its column ``due`` says when; the others are filled.
        clock: Tells the time, and sleeps.
        queueing: Of one worker.
        patience_ns: Who has waited longer is not served any more.
        backlog: Decoded while the queue is empty.
    """

    def __init__(
        self,
        serve: Serve,
        recording: Recording,
        clock: Clock,
        queueing: Queueing,
        patience_ns: int,
        backlog: Backlog | None,
    ) -> None:
        self._serve = serve
        self._recording = recording
        self._now = clock.now_ns
        self._wait_until = waiter(clock)
        self._queueing = queueing
        self._why_shed = WHY_SHED[queueing.when_busy]
        self._patience_ns = patience_ns
        self._backlog = backlog
        self._waiting: deque[int] = deque()
        self._leaving: deque[int] = deque()  # when those leave who were not yet seen to have left
        self._arrived = 0
        self._busy_until = 0

    def run(self) -> None:
        """Until every row has left."""
        recording, backlog, waiting = self._recording, self._backlog, self._waiting
        recording.serving = IDLE
        while True:
            self._arrive(self._now())
            if waiting:
                self._answer(self._take())
                if backlog is not None and backlog.full:
                    backlog.settle()
            elif self._arrived < len(recording):
                moment = recording.due[self._arrived]
                if backlog is not None:
                    backlog.settle_before(moment)
                self._arrive(self._wait_until(moment))
            else:
                break
        if backlog is not None:
            backlog.settle()

    def _arrive(self, moment: int) -> None:
        """Take in what is due by a moment; who comes to an idle worker was issued only now."""
        recording, due = self._recording, self._recording.due
        rows, capacity = len(recording), self._queueing.capacity
        while self._arrived < rows and due[self._arrived] <= moment:
            row, at = self._arrived, due[self._arrived]
            self._arrived += 1
            recording.issued[row] = at if at < self._busy_until else moment
            if capacity is None or self._outstanding(at) < capacity:
                self._waiting.append(row)
            else:
                self._shed(row)

    def _shed(self, row: int) -> None:
        self._recording.fail(row, self._why_shed, int(Status.shed))

    def _outstanding(self, moment: int) -> int:
        leaving = self._leaving
        while leaving and leaving[0] <= moment:
            leaving.popleft()
        return len(self._waiting) + len(leaving)

    def _take(self) -> list[int]:
        """A batch of those who have not waited too long; the newest, if these alone count."""
        waiting, due, most = self._waiting, self._recording.due, self._queueing.batch
        if len(waiting) < most and self._queueing.batch_wait_ns:
            self._collect()
        if self._queueing.when_busy == "newest":
            while len(waiting) > most:
                self._shed(waiting.popleft())
        began = self._now()
        batch: list[int] = []
        while waiting and len(batch) < most:
            row = waiting.popleft()
            if began - due[row] <= self._patience_ns:
                batch.append(row)
            else:
                why = never_begun(self._patience_ns)
                self._recording.fail(row, why, int(Status.timed_out))
        return batch

    def _collect(self) -> None:
        """Let others join the first of a batch, until it is full or has waited enough."""
        waiting, due, most = self._waiting, self._recording.due, self._queueing.batch
        self._busy_until = NEVER
        enough = due[waiting[0]] + self._queueing.batch_wait_ns
        while len(waiting) < most and self._now() < enough:
            last = self._arrived + most - len(waiting) - 1  # fills the batch, if none is shed
            until = min(enough, due[last]) if last < len(due) else enough
            self._arrive(self._wait_until(until))

    def _answer(self, batch: list[int]) -> None:
        if not batch:
            self._busy_until = self._now()
            return
        recording = self._recording
        recording.serving = batch[0]
        self._serve(batch)
        recording.serving = IDLE
        self._busy_until = recording.completed[batch[0]]
        if self._queueing.capacity is not None:
            self._leaving.extend([self._busy_until] * len(batch))


def infer_in_turn(  # noqa: C901 - one frame, for every call costs
    order: Int32s,
    inputs: Sequence[Any],
    predict: Callable[[Any], Any],
    recording: Recording,
    clock: Clock,
    patience_ns: int,
    backlog: Backlog | None = None,
) -> None:
    """`OneWorker` where it must cost least: inference alone, no batches, nothing shed.

    Args:
        order: The sample of each row.
        inputs: By sample, what ``predict`` takes.
        predict: The system.
        recording: As for `OneWorker`.
        clock: As for `OneWorker`.
        patience_ns: As for `OneWorker`.
        backlog: None keeps no outputs.
    """
    now, wait_until = clock.now_ns, waiter(clock)
    due, issued, completed = recording.due, recording.issued, recording.completed
    started: Any = recording.started
    held, hold = (backlog.held, backlog.hold) if backlog is not None else (None, 0)
    free = 0
    for row, sample in enumerate(order.data):
        one, at = inputs[sample], due[row]
        began = now()
        if began < at:
            recording.serving = IDLE
            if backlog is not None:
                backlog.settle_before(at)
            issued[row] = began = wait_until(at)
        elif free > at:
            issued[row] = at
            if began - at > patience_ns:
                recording.fail(row, never_begun(patience_ns), int(Status.timed_out))
                continue
        else:
            issued[row] = began
        started[row] = began
        recording.serving = row
        try:
            output: Any = predict(one)
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            completed[row] = free = now()
            recording.fail(row, cause)
        else:
            completed[row] = free = now()
            if held is not None:
                held.append((row, output))
                if len(held) >= hold:
                    backlog.settle()  # type: ignore[union-attr]
    recording.serving = IDLE
    if backlog is not None:
        backlog.settle()
