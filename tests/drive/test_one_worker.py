"""A queue served in one thread is the queue that the scenarios describe, to the nanosecond."""

from array import array
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.drive.backlog import Backlog
from tailmark.drive.one_worker import OneWorker, infer_in_turn
from tailmark.drive.recording import Recording
from tailmark.records.model import NONE, Round, Status
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing, WhenBusy
from tailmark.scenario.simulate import simulate
from tailmark.testing import VirtualClock

GAPS = st.lists(st.sampled_from([0, 1, 3, 10, 40]), min_size=1, max_size=40)
POLICIES = st.builds(
    lambda batch, wait, most, when_busy: Queueing(
        batch=1 if when_busy == "skip" else batch,
        batch_wait_ns=wait if batch > 1 and when_busy != "skip" else 0,
        max_outstanding=most if when_busy == "queue" else None,
        when_busy=when_busy,
    ),
    st.integers(1, 5),
    st.sampled_from([0, 4, 25]),
    st.sampled_from([None, 1, 2, 6]),
    st.sampled_from(get_args(WhenBusy)),
)


def schedule(gaps: list[int], per_query: int) -> Schedule:
    """Queries so far apart, of so many samples."""
    rows = len(gaps) * per_query
    return Schedule(
        sample=np.arange(rows, dtype=np.int32),
        due_ns=np.cumsum(gaps).astype(np.int64) - gaps[0],
        per_query=per_query,
    )


def begun(one: Schedule, clock: VirtualClock) -> Recording:
    """A recording whose rows are due as scheduled, from now on."""
    recording = Recording(len(one), queue=True)
    assert one.due_ns is not None
    due = np.repeat(one.due_ns, one.per_query) + clock.now_ns()
    recording.due = array("q", due.tobytes())
    return recording


def served(one: Schedule, policy: Queueing, spans: list[int], timeout_ns: int) -> Round:
    """What the drive makes of it, on a clock that only the system moves."""
    clock = VirtualClock()
    start_ns = clock.now_ns()
    recording = begun(one, clock)

    def serve(rows: Any) -> None:
        began = clock.now_ns()
        clock.advance(takes(rows, spans))
        for row in rows:
            recording.started[row] = began  # type: ignore[index]
            recording.completed[row] = clock.now_ns()

    OneWorker(serve, recording, clock, policy, timeout_ns, None).run()
    return recording.to_round(0, one, start_ns=start_ns, timeout_ns=10**9, facts={})


def takes(rows: Any, spans: list[int]) -> int:
    """A batch takes as long as its slowest, and a little for each more."""
    slowest: int = max(spans[row % len(spans)] for row in rows)
    return slowest + len(rows) - 1


@given(
    gaps=GAPS,
    per_query=st.integers(1, 3),
    policy=POLICIES,
    spans=st.lists(st.integers(1, 30), min_size=1, max_size=7),
    timeout_ns=st.sampled_from([5, 60, 10**9]),
)
def test_it_is_the_simulated_queue(
    gaps: list[int], per_query: int, policy: Queueing, spans: list[int], timeout_ns: int
) -> None:
    """Whatever comes, however it is batched, shed or given up."""
    one = schedule(gaps, per_query)
    real = served(one, policy, spans, timeout_ns)
    told = simulate(one, policy, lambda rows: takes(rows, spans), timeout_ns=timeout_ns)
    assert real.started_ns is not None
    assert np.array_equal(real.status, told.status)
    assert np.array_equal(real.started_ns, told.started_ns)
    assert np.array_equal(real.completed_ns, told.completed_ns)
    assert np.array_equal(real.scheduled_ns, told.scheduled_ns)


@given(GAPS, st.lists(st.integers(1, 30), min_size=1, max_size=7), POLICIES)
def test_nobody_is_late_but_the_queue(gaps: list[int], spans: list[int], policy: Queueing) -> None:
    """A clock whose sleeps end on time shows no lateness at all."""
    real = served(schedule(gaps, 1), policy, spans, 10**9)
    assert np.array_equal(real.issued_ns, real.scheduled_ns)


@given(
    gaps=GAPS,
    spans=st.lists(st.integers(1, 30), min_size=1, max_size=7),
    timeout_ns=st.sampled_from([5, 60, 10**9]),
)
def test_the_short_way_is_the_long_one(gaps: list[int], spans: list[int], timeout_ns: int) -> None:
    """What is written out for speed does what the general loop does."""
    one = schedule(gaps, 1)
    clock = VirtualClock()
    start_ns = clock.now_ns()
    recording = begun(one, clock)
    backlog = Backlog(
        recording, one.sample, lambda raw, _: raw, lambda answer: answer, 8, clock.now_ns
    )

    def predict(sample: int) -> int:
        clock.advance(spans[sample % len(spans)])
        return sample + 100

    infer_in_turn(one.sample, range(len(one)), predict, recording, clock, timeout_ns, backlog)
    short = recording.to_round(0, one, start_ns=start_ns, timeout_ns=10**9, facts={})
    long = served(one, Queueing(), spans, timeout_ns)
    for column in ("scheduled_ns", "issued_ns", "started_ns", "completed_ns", "status"):
        assert np.array_equal(getattr(short, column), getattr(long, column)), column
    there = short.answered
    assert np.array_equal(short.output_id[there], one.sample[there] + 100)
    assert (short.output_id[~there] == NONE).all()


class Drowsy(VirtualClock):
    """Oversleeps by 7 ns; each look takes 1."""

    oversleep_ns = 3

    def now_ns(self) -> int:
        """One nanosecond later each time."""
        self.advance(1)
        return super().now_ns()

    def sleep_ns(self, duration_ns: int) -> None:
        """Too long."""
        self.advance(duration_ns + 7)


def test_who_wakes_late_says_so() -> None:
    """What finds the worker idle is late by how late it woke; what finds it busy is not late."""
    one = schedule([0, 1000, 1, 1000], 1)
    clock = Drowsy()
    recording = begun(one, clock)
    start_ns = recording.due[0]

    def predict(sample: int) -> int:
        clock.advance(100)
        return sample

    infer_in_turn(one.sample, range(4), predict, recording, clock, 10**9)
    real = recording.to_round(0, one, start_ns=start_ns, timeout_ns=10**9, facts={})
    late = real.issued_ns - real.scheduled_ns
    assert late[1] >= 4 - 3
    assert late[3] >= 4 - 3
    assert late[2] == 0
    assert real.started_ns is not None
    assert real.started_ns[2] >= real.completed_ns[1]


@pytest.mark.parametrize(("hold", "in_the_gap"), [(100, 0), (12, 6)])
def test_decoding_waits_for_the_end_or_for_a_gap(hold: int, in_the_gap: int) -> None:
    """No query is kept waiting by it, and only once much waits is any gap used."""
    clock = VirtualClock()
    one = schedule([0, *[10] * 5, 1000, *[10] * 5], 1)
    recording = begun(one, clock)
    decoded: list[tuple[int, int]] = []

    def decode(raw: int, _sample: int) -> int:
        clock.advance(100)
        decoded.append((raw, clock.now_ns()))
        return raw

    backlog = Backlog(recording, one.sample, decode, lambda answer: answer, hold, clock.now_ns)

    def predict(sample: int) -> int:
        clock.advance(8)
        return sample

    infer_in_turn(one.sample, range(12), predict, recording, clock, 10**9, backlog)
    late = np.array(recording.issued) - np.array(recording.due)
    assert list(recording.output_id) == list(range(12))
    assert (late == 0).all()
    assert [raw for raw, at in decoded if at > recording.due[-1]] == list(range(in_the_gap, 12))


def test_a_full_backlog_is_decoded_whoever_waits() -> None:
    """Memory is bounded."""
    clock = VirtualClock()
    one = schedule([0, *[1] * 50], 1)
    recording = begun(one, clock)
    backlog = Backlog(
        recording, one.sample, lambda raw, _: raw, lambda answer: answer, 3, clock.now_ns
    )
    waiting = []

    def predict(sample: int) -> int:
        waiting.append(len(backlog.held))
        clock.advance(5)
        return sample

    infer_in_turn(one.sample, range(51), predict, recording, clock, 10**9, backlog)
    assert max(waiting) < 3
    assert list(recording.output_id) == list(range(51))


def test_the_watchdog_sees_a_call_and_not_an_idle_worker() -> None:
    """A wait for the next query is no call that never returns."""
    seen: list[int | None] = []

    class Looking(VirtualClock):
        def sleep_ns(self, duration_ns: int) -> None:
            seen.append(recording.position())
            super().sleep_ns(duration_ns)

    clock = Looking()
    one = schedule([0, 100, 100], 1)
    recording = begun(one, clock)

    def predict(sample: int) -> int:
        clock.advance(5)
        seen.append(recording.position())
        return sample

    infer_in_turn(one.sample, range(3), predict, recording, clock, 10**9)
    assert seen == [0, None, 1, None, 2]
    assert recording.position() is None
    assert list(recording.status) == [Status.ok] * 3
