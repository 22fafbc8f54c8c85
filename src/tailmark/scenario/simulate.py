"""The queue that the product runs, without a clock: from a schedule and service times to moments.

A discrete-event simulation, exact to the nanosecond. At one moment completions come first, then
arrivals, then free workers look at the queue. Knows nothing of runs; reads no clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.records.model import NEVER, NONE, Int8s, Int32s, Int64s, Status
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing

Service = Callable[[Sequence[int]], int]
"""Nanoseconds that a batch of these rows takes."""

TimedService = Callable[[Sequence[int], int, int], int]
"""The same for (rows, worker, moment it begins): where the time of day matters, or who works."""


@dataclass(frozen=True, kw_only=True)
class Moments:
    """When everything happened; row j is the j-th of the schedule.

    Args:
        scheduled_ns: When it came, shape (rows,).
        started_ns: When a worker began it; `NONE` if none did.
        completed_ns: When it was done; `NONE` likewise.
        status: `Status` codes: ok, shed or timed_out.
        worker: Who served it; `NONE` likewise.
        batches: Size of each batch in the order they began, shape (batches,).
        busy_ns: What all workers together spent in service.
    """

    scheduled_ns: Int64s
    started_ns: Int64s
    completed_ns: Int64s
    status: Int8s
    worker: Int32s
    batches: Int64s
    busy_ns: int


def simulate(
    schedule: Schedule,
    queueing: Queueing,
    service: Service | npt.ArrayLike,
    *,
    timeout_ns: int | None = None,
) -> Moments:
    """Serve a schedule, row by row in the order they come.

    A free worker takes at once what is waiting, up to a batch. Where that is fewer, and waiting is
    allowed, it begins when the batch is full or the first row has waited for ``batch_wait_ns``;
    while it collects, no other takes. Of several free workers the one free the longest takes. Where
    only the newest are taken, what waits beyond a batch is shed then, the oldest first.

    Args:
        schedule: What comes, and when.
        queueing: How it waits.
        service: What a batch takes; or of each row what it takes alone, shape (rows,), where
            nothing is batched.
        timeout_ns: A row that has waited longer than this when a worker would begin it is not
            begun, unless the schedule is patient.

    Raises:
        InputError: Service times that do not fit the rows or the batches.
    """
    if callable(service):
        of_rows = service
        return simulate_clocked(
            schedule, queueing, lambda rows, _worker, _at: of_rows(rows), timeout_ns=timeout_ns
        )
    times = np.asarray(service, dtype=np.int64)
    if times.shape != schedule.sample.shape:
        raise InputError(
            f"service times have shape {times.shape} and there are {len(schedule)} rows: give one "
            "a row"
        )
    if queueing.batch > 1:
        raise InputError(
            f"service times of single rows do not say what a batch of up to {queueing.batch} "
            "takes: give a function of the batch's rows"
        )
    plain = schedule.due_ns is not None and not queueing.sheds and timeout_ns is None
    if plain and queueing.workers == 1:
        return _one_server(schedule, times)
    if plain:
        return _several_servers(schedule, times, queueing.workers)
    alone = times.tolist()
    return simulate_clocked(
        schedule, queueing, lambda rows, _worker, _at: int(alone[rows[0]]), timeout_ns=timeout_ns
    )


def simulate_clocked(
    schedule: Schedule,
    queueing: Queueing,
    service: TimedService,
    *,
    timeout_ns: int | None = None,
) -> Moments:
    """As `simulate`, for a service that depends on when it begins and at which worker.

    Args:
        schedule: What comes, and when.
        queueing: How it waits.
        service: What a batch takes; called once a batch, in the order they begin.
        timeout_ns: As for `simulate`.
    """
    return _Queue(schedule, queueing, timeout_ns).serve(service)


def row_due_ns(schedule: Schedule) -> Int64s:
    """When each row of an open loop is due; shape (rows,)."""
    assert schedule.due_ns is not None  # noqa: S101 - a closed loop has none
    return np.repeat(schedule.due_ns, schedule.per_query)[: len(schedule)].astype(np.int64)


def _one_server(schedule: Schedule, times: Int64s) -> Moments:
    """Lindley's recursion, unrolled: a busy period begins where the due time outruns the work."""
    due = row_due_ns(schedule)
    work = np.cumsum(times)
    completed = work + np.maximum.accumulate(due - (work - times))
    return _all_served(due, completed - times, times, np.zeros(len(due), dtype=np.int32))


def _several_servers(schedule: Schedule, times: Int64s, workers: int) -> Moments:
    """Kiefer and Wolfowitz: whoever is free the longest takes the next."""
    due = row_due_ns(schedule)
    free = [(0, worker) for worker in range(workers)]
    started, served_by = [], []
    for at, took in zip(due.tolist(), times.tolist(), strict=True):
        since, worker = free[0]
        began = max(since, at)
        heapreplace(free, (began + took, worker))
        started.append(began)
        served_by.append(worker)
    begun = np.array(started, dtype=np.int64)
    return _all_served(due, begun, times, np.array(served_by, dtype=np.int32))


def _all_served(due: Int64s, started: Int64s, times: Int64s, worker: Int32s) -> Moments:
    rows = len(due)
    return Moments(
        scheduled_ns=due,
        started_ns=started,
        completed_ns=started + times,
        status=np.full(rows, Status.ok, dtype=np.int8),
        worker=worker,
        batches=np.ones(rows, dtype=np.int64),
        busy_ns=int(times.sum()),
    )


class _Queue:
    """One pass over a schedule. A step is one batch; steps begin in order of time.

    So whatever has come by the moment a worker looks can be let in then, one after another: all
    that was begun before is known, with its completion.
    """

    def __init__(self, schedule: Schedule, queueing: Queueing, timeout_ns: int | None) -> None:
        rows, size = len(schedule), schedule.per_query
        self._queueing = queueing
        self._timeout = NEVER if timeout_ns is None or schedule.patient else timeout_ns
        edges = [*range(0, rows, size), rows]
        self._queries = list(pairwise(edges)) if rows else []
        self._due: list[int] | None = None if schedule.due_ns is None else schedule.due_ns.tolist()
        self._next = 0  # the query that comes next
        self._done_at = 0  # when all that was begun, shed or given up is done
        self._waiting: list[int] = []
        self._head = 0  # of what is waiting: those before it are gone
        self._gone: list[tuple[int, int]] = []  # (moment, rows) that leave the system
        self._inside = 0
        self.moments = _Columns(rows)

    def serve(self, service: TimedService) -> Moments:
        """Until nothing is left."""
        free = [(0, worker) for worker in range(self._queueing.workers)]
        now = 0
        while True:
            since, worker = free[0]
            now = max(now, since)
            self._let_in(now)
            if self._head == len(self._waiting):
                if self._next == len(self._queries):
                    break
                now = max(now, self._arrival())
                continue
            now = self._collected(now)
            self._shed_older(now)
            self._give_up(now)
            rows = self._waiting[self._head : self._head + self._queueing.batch]
            if not rows:
                continue
            self._head += len(rows)
            took = int(service(rows, worker, now))
            heapreplace(free, (now + took, worker))
            self._leaves(now + took, len(rows))
            self.moments.begin(rows, worker, now, took)
        return self.moments.frozen()

    def _arrival(self) -> int:
        """When the next query comes; never, while a closed loop waits for a row not yet begun."""
        if self._next == len(self._queries):
            return NEVER
        if self._due is not None:
            return self._due[self._next]
        return self._done_at if self._head == len(self._waiting) else NEVER

    def _let_in(self, now: int) -> None:
        """All that has come by now; what finds the system full is shed."""
        while (at := self._arrival()) <= now:
            self._admit(at)

    def _admit(self, at: int) -> None:
        """The next query, sample by sample."""
        most = self._queueing.capacity
        first, end = self._queries[self._next]
        self._next += 1
        while self._gone and self._gone[0][0] <= at:
            self._inside -= heappop(self._gone)[1]
        for row in range(first, end):
            self.moments.scheduled[row] = at
            if most is not None and self._inside >= most:
                self.moments.status[row] = Status.shed
                self._done_at = max(self._done_at, at)
            else:
                self._inside += 1
                self._waiting.append(row)

    def _collected(self, now: int) -> int:
        """When the batch that a worker begins to collect now is full, or has waited long enough."""
        batch, wait = self._queueing.batch, self._queueing.batch_wait_ns
        until = self.moments.scheduled[self._waiting[self._head]] + wait
        while len(self._waiting) - self._head < batch and now < until:
            at = self._arrival()
            if at > until:
                return until
            now = max(now, at)
            self._let_in(now)
        return now

    def _shed_older(self, now: int) -> None:
        """Rows that newer ones come before, where only the newest are taken."""
        if self._queueing.when_busy != "newest":
            return
        while len(self._waiting) - self._head > self._queueing.batch:
            self.moments.status[self._waiting[self._head]] = Status.shed
            self._head += 1
            self._leaves(now, 1)

    def _give_up(self, now: int) -> None:
        """Rows that have waited too long are not begun."""
        while self._head < len(self._waiting):
            row = self._waiting[self._head]
            if now - self.moments.scheduled[row] <= self._timeout:
                return
            self.moments.status[row] = Status.timed_out
            self._head += 1
            self._leaves(now, 1)

    def _leaves(self, at: int, rows: int) -> None:
        self._done_at = max(self._done_at, at)
        if self._queueing.capacity is not None:
            heappush(self._gone, (at, rows))


@dataclass
class _Columns:
    """Moments in the making."""

    rows: int
    scheduled: list[int] = field(init=False)
    started: list[int] = field(init=False)
    completed: list[int] = field(init=False)
    status: list[int] = field(init=False)
    worker: list[int] = field(init=False)
    batches: list[int] = field(default_factory=list)
    busy: int = 0

    def __post_init__(self) -> None:
        self.scheduled = [0] * self.rows
        self.started = [NONE] * self.rows
        self.completed = [NONE] * self.rows
        self.worker = [NONE] * self.rows
        self.status = [int(Status.ok)] * self.rows

    def begin(self, rows: Sequence[int], worker: int, now: int, took: int) -> None:
        for row in rows:
            self.started[row] = now
            self.completed[row] = now + took
            self.worker[row] = worker
        self.batches.append(len(rows))
        self.busy += took

    def frozen(self) -> Moments:
        return Moments(
            scheduled_ns=np.array(self.scheduled, dtype=np.int64),
            started_ns=np.array(self.started, dtype=np.int64),
            completed_ns=np.array(self.completed, dtype=np.int64),
            status=np.array(self.status, dtype=np.int8),
            worker=np.array(self.worker, dtype=np.int32),
            batches=np.array(self.batches, dtype=np.int64),
            busy_ns=self.busy,
        )
