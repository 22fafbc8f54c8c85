"""Ways to answer what LoadGen issues: in its own thread, by workers, or by the system itself.

LoadGen issues from one thread, and in the server scenario it issues late while a callback of its
lasts. So whatever has a queue is answered elsewhere, and only a closed loop with one worker in the
callback itself, which spares it a hop between threads.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from tailmark.drive.failures import describe_failure
from tailmark.drive.loadgen.desk import Desk, Held
from tailmark.drive.meanwhile import meanwhile
from tailmark.drive.recording import SHED
from tailmark.drive.responding import UNKNOWN
from tailmark.drive.waiting import quick_switches
from tailmark.drive.watchdog import OverdueError, Watchdog
from tailmark.records.model import Status
from tailmark.scenario.queueing import Queueing
from tailmark.system.base import Predictor, Responder

_LOOKS = 20
_LOOK_AT_LEAST_S = 0.5
_REPLACED_AT_MOST = 8
_NOW = time.perf_counter_ns


class Answering(Protocol):
    """A way to answer; a context manager around the test."""

    def issue(self, ids: Sequence[int], samples: Sequence[int]) -> None:
        """LoadGen's callback: one query."""
        ...


class Inline:
    """In the callback, batch after batch.

    Args:
        desk: Where the questions lie.
        predictor: The live model.
        queueing: Of one worker.
        timeout_ns: How long a call may take.
        give_up: Called with the row when a call cannot be stopped; does not return.
    """

    def __init__(
        self,
        desk: Desk,
        predictor: Predictor,
        queueing: Queueing,
        timeout_ns: int,
        give_up: Callable[[int], object],
    ) -> None:
        self._desk = desk
        self._predictor = predictor
        self._batch = queueing.batch
        self._hold = desk.service.hold if predictor.fresh else 1
        self._held: Held = deque()
        self._watchdog = Watchdog(
            timeout_ns, lambda: desk.serving, lambda: give_up(desk.serving or 0)
        )

    def issue(self, ids: Sequence[int], samples: Sequence[int]) -> None:
        """See `Answering.issue`."""
        desk, predict = self._desk, self._predictor.predict
        rows = desk.take(ids, samples)
        for first in range(0, len(rows), self._batch):
            batch = rows[first : first + self._batch]
            try:
                desk.serve(batch, predict, self._held)
            except OverdueError:  # it came while another exception was handled
                desk.serving = None
                desk.refuse(batch, desk.no_answer, Status.timed_out)
            if self._hold == 1:
                desk.settle(self._held)
        if len(self._held) >= self._hold:
            desk.settle(self._held)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While the test lasts."""
        with self._watchdog:
            yield
        self._desk.settle(self._held)


@dataclass(eq=False)
class _Worker:
    predictor: Predictor
    held: Held = field(default_factory=deque)
    since_ns: int = 0
    given_up: bool = False


class Workers:
    """Several threads behind one queue, each with a system of its own.

    A call that outlives the timeout cannot be ended here. Its worker is given up and another takes
    its place, with a system newly opened.

    Args:
        desk: Where the questions lie.
        predictors: One a worker.
        reopen: Makes another.
        queueing: Of so many workers.
        timeout_ns: How long a response may take.
        progress: Whether the timeout counts from the last answer: a query of all samples at once
            takes as long as it takes.
    """

    def __init__(
        self,
        desk: Desk,
        predictors: Sequence[Predictor],
        reopen: Callable[[], Predictor],
        queueing: Queueing,
        timeout_ns: int,
        *,
        progress: bool,
    ) -> None:
        self._desk = desk
        self._reopen = reopen
        self._queueing = queueing
        self._timeout_ns = timeout_ns
        self._progress = progress
        self._workers = [_Worker(predictor) for predictor in predictors]
        self._threads: list[tuple[_Worker, threading.Thread]] = []
        self._gone = 0
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._taking = threading.Lock()

    def issue(self, ids: Sequence[int], samples: Sequence[int]) -> None:
        """See `Answering.issue`."""
        rows = self._desk.take(ids, samples)
        most = self._queueing.max_outstanding
        if most is not None and len(self._desk) > most:
            beyond = max(0, len(rows) - (len(self._desk) - most))
            self._desk.refuse(rows[beyond:], SHED, Status.shed)
            rows = rows[:beyond]
        for row in rows:
            self._queue.put(row)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While the test lasts."""
        for worker in self._workers:
            self._start(worker)
        with quick_switches(), _overseeing(self._look, self._timeout_ns):
            yield
        for _ in self._threads:
            self._queue.put(None)
        for worker, thread in self._threads:
            if not worker.given_up:
                thread.join(self._timeout_ns / 1e9)
                self._desk.settle(worker.held)

    def _start(self, worker: _Worker) -> None:
        thread = threading.Thread(
            target=self._work, args=(worker,), name="tailmark-worker", daemon=True
        )
        self._threads.append((worker, thread))
        thread.start()

    def _work(self, worker: _Worker) -> None:
        desk, held, predictor = self._desk, worker.held, worker.predictor
        hold = desk.service.hold if predictor.fresh else 1
        while not worker.given_up:
            batch = self._take()
            if not batch:
                return
            if alive := desk.still_open(batch):  # others waited beyond the timeout
                worker.since_ns = _NOW()
                desk.serve(alive, predictor.predict, held)
                worker.since_ns = 0
            if worker.given_up:
                return
            if len(held) >= hold or self._queue.empty():
                desk.settle(held)

    def _take(self) -> list[int]:
        """A batch: what is there, and what comes while its first may wait; empty at the end."""
        most, queue = self._queueing.batch, self._queue
        with self._taking:  # one taker at a time
            first = queue.get()
            if first is None:
                return []
            batch = [first]
            enough = self._desk.ledger.issued[first] + self._queueing.batch_wait_ns
            while len(batch) < most:
                left = enough - _NOW()
                try:
                    row = queue.get(timeout=left / 1e9) if left > 0 else queue.get_nowait()
                except Empty:
                    break
                if row is None:
                    queue.put(None)
                    break
                batch.append(row)
        return batch

    def _look(self) -> None:
        """Answer for those whose time is up, and replace who does not come back."""
        now = _NOW()
        since = now - self._timeout_ns
        desk = self._desk
        if not self._progress or desk.moved_ns < since:
            desk.refuse(desk.open_since(since), desk.no_answer, Status.timed_out)
        for number, worker in enumerate(self._workers):
            began = worker.since_ns
            if began and began < since and not worker.given_up and self._gone < _REPLACED_AT_MOST:
                worker.given_up = True
                self._gone += 1
                self._replace(number)

    def _replace(self, number: int) -> None:
        """Have another worker; where the system cannot be opened again, there is one less."""
        try:
            fresh = self._workers[number] = _Worker(self._reopen())
        except Exception as cause:  # noqa: BLE001 - opening runs the user's code
            self._desk.ledger.note(f"a stuck worker has no successor: {describe_failure(cause)}")
        else:
            self._start(fresh)


class Responding:
    """A system that queues and answers by itself.

    Args:
        desk: Where the questions lie.
        responder: The live system.
        queueing: Only ``max_outstanding`` is ours.
        timeout_ns: How long a response may take.
        progress: See `Workers`.
    """

    def __init__(
        self,
        desk: Desk,
        responder: Responder,
        queueing: Queueing,
        timeout_ns: int,
        *,
        progress: bool,
    ) -> None:
        self._desk = desk
        self._responder = responder
        self._most = queueing.max_outstanding
        self._timeout_ns = timeout_ns
        self._progress = progress
        self._held: Held = deque()

    def issue(self, ids: Sequence[int], samples: Sequence[int]) -> None:
        """See `Answering.issue`."""
        desk = self._desk
        rows = desk.take(ids, samples)
        if self._most is not None and len(desk) > self._most:
            beyond = max(0, len(rows) - (len(desk) - self._most))
            desk.refuse(rows[beyond:], SHED, Status.shed)
            rows = rows[:beyond]
        try:
            self._responder.submit(list(rows), desk.inputs(rows), self._complete)
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            desk.refuse(rows, cause, Status.failed)

    def _complete(
        self, ticket: int, output: Any = None, error: BaseException | None = None
    ) -> None:
        if not isinstance(ticket, int) or not 0 <= ticket < self._desk.ledger.rows:
            self._desk.ledger.note(UNKNOWN)
        elif error is not None:
            self._desk.refuse((ticket,), error, Status.failed)
        else:
            self._desk.respond_one(ticket, output, self._held)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While the test lasts."""
        with quick_switches(), _overseeing(self._look, self._timeout_ns):
            yield
        self._desk.settle(self._held)

    def _look(self) -> None:
        since = _NOW() - self._timeout_ns
        desk = self._desk
        if not self._progress or desk.moved_ns < since:
            what = f"lost: not completed within the timeout of {desk.limit}"
            desk.refuse(desk.open_since(since), what, Status.lost)


def _overseeing(look: Callable[[], None], timeout_ns: int) -> AbstractContextManager[None]:
    """Look so often that a timeout is noticed in time."""
    pause_s = min(timeout_ns / 1e9 / _LOOKS, _LOOK_AT_LEAST_S)
    return meanwhile(look, pause_s, "tailmark-overseer")
