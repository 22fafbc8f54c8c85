"""The simulated queue is the queue that was described, moment by moment."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailmark.errors import InputError
from tailmark.records.model import NONE, Status
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing, WhenBusy
from tailmark.scenario.simulate import Moments, simulate, simulate_clocked

_HORIZON = 400


class Oracle:
    """The same rules, one nanosecond after another: completions, arrivals, looks, until all rest.

    Slow, and as the rules are told: nothing is known before its time.
    """

    def __init__(
        self,
        schedule: Schedule,
        queueing: Queueing,
        cost: Sequence[int],
        timeout: int | None,
    ) -> None:
        rows = len(schedule)
        self.schedule, self.queueing, self.cost, self.timeout = schedule, queueing, cost, timeout
        self.due = [NONE] * rows
        self.started = [NONE] * rows
        self.completed = [NONE] * rows
        self.worker = [NONE] * rows
        self.status = [Status.ok] * rows
        self.batches: list[int] = []
        self.queue: list[int] = []
        self.free_since: list[int | None] = [0] * queueing.workers
        self.serving: list[list[int]] = [[] for _ in range(queueing.workers)]
        self.until = [0] * queueing.workers
        self.collecting: int | None = None
        self.busy = 0
        self.sent = 0
        self.gone: set[int] = set()
        for now in range(_HORIZON):
            while self.completions(now) or self.arrivals(now) or self.looks(now):
                pass

    def rows_of(self, query: int) -> range:
        """The rows of a query."""
        size = self.schedule.per_query
        return range(query * size, min(len(self.schedule), (query + 1) * size))

    def completions(self, now: int) -> bool:
        """A batch that is done leaves, and its worker is free."""
        for worker, rows in enumerate(self.serving):
            if rows and self.until[worker] == now:
                self.gone.update(rows)
                self.serving[worker] = []
                self.free_since[worker] = now
                return True
        return False

    def arrivals(self, now: int) -> bool:
        """A query that is due, or whose turn it is, comes in."""
        if self.sent == self.schedule.queries:
            return False
        if self.schedule.due_ns is not None:
            if self.schedule.due_ns[self.sent] != now:
                return False
        elif any(row not in self.gone for row in range(self.sent * self.schedule.per_query)):
            return False
        for row in self.rows_of(self.sent):
            self.due[row] = now
            inside = len(self.queue) + sum(map(len, self.serving))
            most = self.queueing.max_outstanding
            full = most is not None and inside >= most
            if full or (self.queueing.when_busy == "skip" and inside >= self.queueing.workers):
                self.leaves(row, Status.shed)
            else:
                self.queue.append(row)
        self.sent += 1
        return True

    def leaves(self, row: int, status: Status) -> None:
        """A row goes without an answer."""
        self.status[row] = status
        self.gone.add(row)

    def looks(self, now: int) -> bool:
        """A free worker begins to collect, or begins what it has collected."""
        if self.collecting is None:
            free = [(f, w) for w, f in enumerate(self.free_since) if f is not None]
            if not free or not self.queue:
                return False
            self.collecting = min(free)[1]
        waited = now >= self.due[self.queue[0]] + self.queueing.batch_wait_ns
        if len(self.queue) < self.queueing.batch and not waited:
            return False
        worker, self.collecting = self.collecting, None
        while self.queueing.when_busy == "newest" and len(self.queue) > self.queueing.batch:
            self.leaves(self.queue.pop(0), Status.shed)
        while (
            self.queue and self.timeout is not None and now - self.due[self.queue[0]] > self.timeout
        ):
            self.leaves(self.queue.pop(0), Status.timed_out)
        taken = self.queue[: self.queueing.batch]
        if taken:
            self.queue = self.queue[len(taken) :]
            self.serving[worker] = taken
            self.free_since[worker] = None
            self.until[worker] = now + took(taken, self.cost)
            self.batches.append(len(taken))
            self.busy += self.until[worker] - now
            for row in taken:
                self.started[row] = now
                self.completed[row] = self.until[worker]
                self.worker[row] = worker
        return True


def took(rows: Sequence[int], cost: Sequence[int]) -> int:
    """What a batch takes: more than its dearest row, less than all of them."""
    return max(cost[row] for row in rows) + (len(rows) - 1) // 2


@st.composite
def cases(draw: st.DrawFn) -> tuple[Schedule, Queueing, list[int], int | None]:
    """Small loads with ties everywhere: zero gaps, zero service, full queues, hasty timeouts."""
    per_query = draw(st.integers(1, 4))
    queries = draw(st.integers(1, 8))
    rows = per_query * queries - draw(st.integers(0, per_query - 1))
    gaps = draw(st.lists(st.integers(0, 4), min_size=queries, max_size=queries))
    schedule = Schedule(
        sample=np.arange(rows, dtype=np.int32),
        due_ns=draw(st.sampled_from([None, np.cumsum(gaps).astype(np.int64)])),
        per_query=per_query,
    )
    when_busy: WhenBusy = draw(st.sampled_from(get_args(WhenBusy)))
    batch = 1 if when_busy == "skip" else draw(st.integers(1, 4))
    queueing = Queueing(
        workers=draw(st.integers(1, 3)),
        batch=batch,
        batch_wait_ns=draw(st.integers(0, 6)) if batch > 1 else 0,
        max_outstanding=draw(st.none() | st.integers(1, 5)) if when_busy == "queue" else None,
        when_busy=when_busy,
    )
    cost = draw(st.lists(st.integers(0, 6), min_size=rows, max_size=rows))
    return schedule, queueing, cost, draw(st.none() | st.integers(0, 8))


@settings(max_examples=400, deadline=None)
@given(case=cases())
def test_every_moment_is_the_oracles(
    case: tuple[Schedule, Queueing, list[int], int | None],
) -> None:
    """Starts, completions, ends, workers and batches, for every policy at once."""
    schedule, queueing, cost, timeout = case
    expected = Oracle(schedule, queueing, cost, timeout)
    found = simulate(schedule, queueing, lambda rows: took(rows, cost), timeout_ns=timeout)
    assert told(found) == (
        expected.due,
        expected.started,
        expected.completed,
        expected.status,
        expected.worker,
        expected.batches,
    )
    assert found.busy_ns == expected.busy


def told(found: Moments) -> tuple[list[int], ...]:
    """All columns as lists."""
    columns = ("scheduled_ns", "started_ns", "completed_ns", "status", "worker", "batches")
    return tuple(getattr(found, name).tolist() for name in columns)


@settings(deadline=None)
@given(case=cases(), workers=st.integers(1, 3))
def test_shortcuts_lead_to_the_same_place(
    case: tuple[Schedule, Queueing, list[int], int | None], workers: int
) -> None:
    """Where rows are served one by one, recursions give what the general queue gives."""
    schedule, _, cost, _ = case
    queueing = Queueing(workers=workers)
    short = simulate(schedule, queueing, cost)
    general = simulate_clocked(schedule, queueing, lambda rows, _worker, _at: cost[rows[0]])
    assert told(short) == told(general)
    assert short.busy_ns == general.busy_ns == sum(cost)


@given(case=cases())
def test_nothing_is_lost_and_nobody_overtakes(
    case: tuple[Schedule, Queueing, list[int], int | None],
) -> None:
    """Every row is served, shed or given up; those served begin in the order they came."""
    schedule, queueing, cost, timeout = case
    found = simulate(schedule, queueing, lambda rows: took(rows, cost), timeout_ns=timeout)
    served = found.status == Status.ok
    assert ((found.completed_ns != NONE) == served).all()
    assert int(found.batches.sum()) == int(served.sum())
    assert (np.diff(found.started_ns[served]) >= 0).all()
    assert found.batches.max(initial=0) <= queueing.batch
    if timeout is None:
        assert not (found.status == Status.timed_out).any()
    else:
        assert ((found.started_ns - found.scheduled_ns)[served] <= timeout).all()


@given(case=cases())
def test_to_skip_is_to_have_room_for_those_in_service_alone(
    case: tuple[Schedule, Queueing, list[int], int | None],
) -> None:
    """``skip`` is ``max_outstanding`` of as many as there are workers."""
    schedule, queueing, cost, timeout = case
    workers = queueing.workers
    skipping = Queueing(workers=workers, when_busy="skip")
    bounded = Queueing(workers=workers, max_outstanding=workers)
    one, other = (
        simulate(schedule, policy, cost, timeout_ns=timeout) for policy in (skipping, bounded)
    )
    assert told(one) == told(other)


@given(case=cases())
def test_who_is_shed_was_overtaken(
    case: tuple[Schedule, Queueing, list[int], int | None],
) -> None:
    """A newer one came and was begun; the newest of all is always served."""
    schedule, queueing, cost, _ = case
    newest = replace(queueing, when_busy="newest", max_outstanding=None)
    found = simulate(schedule, newest, lambda rows: took(rows, cost))
    assert found.status[-1] == Status.ok
    for row in np.flatnonzero(found.status == Status.shed):
        after = row + 1 + np.argmax(found.status[row + 1 :] == Status.ok)
        assert found.started_ns[after] >= found.scheduled_ns[after] >= found.scheduled_ns[row]


def test_a_round_of_nothing_is_nothing() -> None:
    """No rows, no moments, whatever the way."""
    empty = np.zeros(0, dtype=np.int32)
    for due in (None, np.zeros(0, dtype=np.int64)):
        schedule = Schedule(sample=empty, due_ns=due)
        assert told(simulate(schedule, Queueing(), [])) == ([],) * 6
        assert told(simulate(schedule, Queueing(workers=2, batch=2), len)) == ([],) * 6


def test_a_service_may_know_when_and_by_whom() -> None:
    """Two workers, one of them slow; later rows slower."""
    schedule = Schedule(sample=np.zeros(3, dtype=np.int32), due_ns=np.zeros(3, dtype=np.int64))
    found = simulate_clocked(
        schedule, Queueing(workers=2), lambda _rows, worker, at: 10 + 90 * worker + at
    )
    assert found.worker.tolist() == [0, 1, 0]
    assert found.completed_ns.tolist() == [10, 100, 30]


@pytest.mark.parametrize(
    ("queueing", "times", "says"),
    [
        (Queueing(), [1, 2, 3], "service times have shape (3,) and there are 2 rows"),
        (Queueing(batch=4), [1, 2], "what a batch of up to 4 takes: give a function"),
    ],
)
def test_times_that_do_not_fit_are_refused(queueing: Queueing, times: list[int], says: str) -> None:
    """One time a row, and only where rows are served alone."""
    schedule = Schedule(sample=np.zeros(2, dtype=np.int32), due_ns=np.zeros(2, dtype=np.int64))
    with pytest.raises(InputError) as refused:
        simulate(schedule, queueing, times)
    assert says in str(refused.value)
