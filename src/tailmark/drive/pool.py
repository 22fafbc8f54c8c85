"""Several workers behind one queue, each in a thread of its own; the caller's thread issues.

A call that outlives the timeout cannot be ended in this process. Its worker is given up and another
takes its place with a system newly opened, so that the queue goes on; what it was asked has no
answer.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from tailmark.clock import Clock
from tailmark.drive.backlog import Backlog
from tailmark.drive.failures import describe_failure
from tailmark.drive.meanwhile import meanwhile
from tailmark.drive.newest_queue import NewestQueue
from tailmark.drive.recording import IDLE, WHY_SHED, Recording, never_begun
from tailmark.drive.serving import Serve
from tailmark.drive.waiting import SHARED_SPIN_NS, quick_switches, waiter
from tailmark.errors import QueryNeverReturnedError
from tailmark.records.model import Status
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing
from tailmark.units import format_duration

_LOOKS = 20
_REPLACED_AT_MOST = 8


@dataclass(eq=False)
class _Worker:
    """One thread's doing, read by the overseer."""

    serve: Serve
    served: int = 0
    batch: Sequence[int] = ()
    since_ns: int = 0
    given_up: bool = False
    ended: threading.Event = field(default_factory=threading.Event)


class Pool:
    """One round's workers and their queue.

    Args:
        servers: How each worker answers a batch.
        replace: Makes another in place of one that never returned (its number); None where that
            cannot be.
        recording: Filled.
        clock: Tells the time, and sleeps.
        queueing: Of so many workers.
        patience_ns: Who has waited longer is not served any more.
        timeout_ns: How long a call may take.
        backlog: Decoded by the issuing thread while it has time.
    """

    def __init__(
        self,
        servers: Sequence[Serve],
        replace: Callable[[int], Serve] | None,
        recording: Recording,
        clock: Clock,
        queueing: Queueing,
        patience_ns: int,
        timeout_ns: int,
        backlog: Backlog | None,
    ) -> None:
        self._recording = recording
        self._clock = clock
        self._queueing = queueing
        self._patience_ns = patience_ns
        self._timeout_ns = timeout_ns
        self._backlog = backlog
        self._replace = replace
        self._workers = [_Worker(serve) for serve in servers]
        self._gone: list[_Worker] = []
        self._queue: SimpleQueue[int | None] | NewestQueue = SimpleQueue()
        self._taking = threading.Lock()
        self._served: SimpleQueue[int] = SimpleQueue()
        self._broken: QueryNeverReturnedError | None = None
        self._closed = False

    def run(self, schedule: Schedule) -> None:
        """Issue every query, and wait until each is answered or its timeout is past.

        Raises:
            QueryNeverReturnedError: Too many workers had to be given up.
        """
        self._recording.serving = IDLE
        self._closed = schedule.due_ns is None
        if self._queueing.when_busy == "newest" and not self._closed:
            self._queue = NewestQueue(self._queueing.batch, self._shed)
        with quick_switches(), self._working():
            if self._closed:
                self._in_a_closed_loop(schedule)
            else:
                self._as_due()
            for _ in self._workers:
                self._queue.put(None)
            self._drain()
        if self._backlog is not None:
            self._backlog.settle()
        if self._broken:
            raise self._broken

    @contextmanager
    def _working(self) -> Iterator[None]:
        for number, worker in enumerate(self._workers):
            self._start(worker, number)
        with self._overseen(), self._dismissing():
            yield

    def _overseen(self) -> AbstractContextManager[None]:
        replace = self._replace
        if replace is None:
            return nullcontext()
        every_s = self._timeout_ns / 1e9 / _LOOKS
        return meanwhile(lambda: self._oversee(replace), every_s, "tailmark-overseer")

    @contextmanager
    def _dismissing(self) -> Iterator[None]:
        """Leave no thread waiting for more, also if the round is broken off."""
        try:
            yield
        finally:
            for _ in self._workers:
                self._queue.put(None)

    def _start(self, worker: _Worker, number: int) -> None:
        threading.Thread(
            target=self._work, args=(worker,), name=f"tailmark-worker-{number}", daemon=True
        ).start()

    def _as_due(self) -> None:
        """Issue each row when it is due, whatever becomes of those before."""
        recording, backlog, put = self._recording, self._backlog, self._queue.put
        due, issued = recording.due, recording.issued
        now, wait_until = self._clock.now_ns, waiter(self._clock, SHARED_SPIN_NS)
        capacity = self._queueing.capacity
        queued, moment, last = 0, 0, 0
        for row, at in enumerate(due):
            if at != last:  # a query's samples are handed over together
                moment, last = now(), at
            if moment < at:
                if backlog is not None:
                    backlog.settle_before(at)
                moment = wait_until(at)
            issued[row] = moment
            if capacity is not None and queued - self._done() >= capacity:
                self._shed(row)
                continue
            queued += 1
            put(row)
            if self._broken:
                break

    def _shed(self, row: int) -> None:
        why = WHY_SHED[self._queueing.when_busy]
        self._recording.fail(row, why, int(Status.shed))

    def _in_a_closed_loop(self, schedule: Schedule) -> None:
        """Issue each query when every sample of the last has left."""
        recording, now = self._recording, self._clock.now_ns
        due, issued = recording.due, recording.issued
        rows = len(schedule)
        for first in range(0, rows, schedule.per_query):
            last = min(first + schedule.per_query, rows)
            moment = now()
            for row in range(first, last):
                due[row] = issued[row] = moment
            for row in range(first, last):
                self._queue.put(row)
            left = last - first
            while left and not self._broken:
                try:
                    left -= self._served.get(timeout=0.1)
                except Empty:
                    continue
            if self._broken:
                return
            if self._backlog is not None and self._backlog.full:
                self._backlog.settle()

    def _drain(self) -> None:
        """Wait for the workers; the overseer gives up those that never return."""
        for worker in self._everybody():
            while not worker.ended.wait(0.1) and not self._broken:
                pass

    def _everybody(self) -> Iterator[_Worker]:
        """Also who takes another's place meanwhile."""
        number = 0
        while number < len(self._workers):
            worker = self._workers[number]
            yield worker
            if self._workers[number] is worker:
                number += 1

    def _done(self) -> int:
        return sum(w.served for w in self._workers) + sum(w.served for w in self._gone)

    def _work(self, worker: _Worker) -> None:
        """A worker's thread: take a batch, answer it, until there is no more."""
        most = self._queueing.batch
        try:
            if most == 1:
                self._work_one_by_one(worker)
            else:
                while not worker.given_up and (batch := self._take(worker, most)) is not None:
                    self._answer(worker, batch)
        finally:
            if not worker.given_up:
                worker.ended.set()

    def _work_one_by_one(self, worker: _Worker) -> None:
        """Without what batches need: each step costs every query."""
        get, serve, now = self._queue.get, worker.serve, self._clock.now_ns
        due, patience_ns = self._recording.due, self._patience_ns
        while not worker.given_up and (row := get()) is not None:
            rows, began = (row,), now()
            if began - due[row] > patience_ns:
                self._expired(worker, row, began)
                continue
            worker.batch, worker.since_ns = rows, began
            serve(rows)
            worker.since_ns = 0
            if not worker.given_up:
                worker.served += 1
                if self._closed:
                    self._served.put(1)

    def _take(self, worker: _Worker, most: int) -> list[int] | None:
        """A batch: what is there, and what comes while its first may wait. One taker at a time."""
        with self._taking:
            row = self._next_alive(worker, None)
            if row is None:
                return None
            batch = [row]
            enough = self._recording.due[row] + self._queueing.batch_wait_ns
            while len(batch) < most:
                left_s = (enough - self._clock.now_ns()) / 1e9
                try:
                    row = self._next_alive(worker, max(left_s, 0.0))
                except Empty:
                    break
                if row is None:
                    self._queue.put(None)  # for who takes next
                    if left_s > 0:
                        time.sleep(left_s)  # no more will come; a server could not know that
                    break
                batch.append(row)
            return batch

    def _next_alive(self, worker: _Worker, within_s: float | None) -> int | None:
        """The next row that has not waited too long; None at the end.

        Raises:
            Empty: None within so long.
        """
        while True:
            row = self._queue.get() if within_s is None else self._get(within_s)
            if row is None or not self._expired(worker, row, self._clock.now_ns()):
                return row

    def _get(self, within_s: float) -> int | None:
        return self._queue.get(timeout=within_s) if within_s > 0 else self._queue.get_nowait()

    def _expired(self, worker: _Worker, row: int, now_ns: int) -> bool:
        """Whether a row has waited too long; then it has left."""
        if now_ns - self._recording.due[row] <= self._patience_ns:
            return False
        self._recording.fail(row, never_begun(self._patience_ns), int(Status.timed_out))
        self._count(worker, 1)
        return True

    def _answer(self, worker: _Worker, batch: Sequence[int]) -> None:
        worker.batch, worker.since_ns = batch, self._clock.now_ns()
        worker.serve(batch)
        worker.since_ns = 0
        if not worker.given_up:
            self._count(worker, len(batch))

    def _count(self, worker: _Worker, rows: int) -> None:
        worker.served += rows
        if self._closed:
            self._served.put(rows)

    def _oversee(self, replace: Callable[[int], Serve]) -> None:
        """Give up a worker whose call outlives the timeout."""
        now = self._clock.now_ns()
        for number, worker in enumerate(self._workers):
            since = worker.since_ns
            if since and now - since > self._timeout_ns and not worker.ended.is_set():
                self._give_up(number, worker, replace)

    def _give_up(self, number: int, worker: _Worker, replace: Callable[[int], Serve]) -> None:
        worker.given_up = True
        limit = format_duration(self._timeout_ns)
        for row in worker.batch:
            self._recording.fail(
                row, f"no answer within the timeout of {limit}", int(Status.timed_out)
            )
        self._count(worker, len(worker.batch))
        self._gone.append(worker)
        if len(self._gone) > _REPLACED_AT_MOST:
            self._break(f"{len(self._gone)} calls did not return within the timeout of {limit}")
        else:
            try:
                self._workers[number] = fresh = _Worker(replace(number))
            except Exception as cause:  # noqa: BLE001 - opening a system runs anything
                self._break(
                    f"a call did not return within the timeout of {limit}, and the system cannot "
                    f"be opened again ({describe_failure(cause)})"
                )
            else:
                self._start(fresh, number)
        worker.ended.set()

    def _break(self, what: str) -> None:
        self._broken = QueryNeverReturnedError(
            f"{what}: isolate: true kills such calls and goes on"
        )
