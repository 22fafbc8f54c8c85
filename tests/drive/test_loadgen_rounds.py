"""What LoadGen logged and what we saw become one round, on one clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.drive.loadgen.ledger import Account
from tailmark.drive.loadgen.rounds import Joined, join_round
from tailmark.errors import MeasurementError
from tailmark.loadgen.trace import Trace
from tailmark.records.model import NONE, Int64s, Status

ROWS = 4


def ns(*values: int) -> Int64s:
    """A column."""
    return np.array(values, dtype=np.int64)


def trace(completed: Int64s, issued: Int64s | None = None, samples: int = ROWS) -> Trace:
    """Four queries a millisecond apart."""
    scheduled = np.arange(samples, dtype=np.int64) * 10**6
    return Trace(
        sample_seq=np.arange(samples),
        query_seq=np.arange(samples) + 7,
        sample_idx=np.arange(samples),
        scheduled_ns=scheduled,
        issued_ns=scheduled if issued is None else issued,
        completed_ns=completed,
        repeated=0,
        unread=0,
        whole=True,
    )


def account(issued: Int64s, told: Int64s, *, status: int = Status.ok) -> Account:
    """The same four as we see them."""
    return Account(
        sample=np.arange(ROWS, dtype=np.int32),
        issued_ns=issued,
        started_ns=np.where(np.arange(ROWS) == 0, 0, issued + 1),
        told_ns=told,
        status=np.full(ROWS, status, dtype=np.int8),
        output_id=np.zeros(ROWS, dtype=np.int32),
        stages=(),
        outputs={"labels": np.zeros((1, 1), dtype=np.int32)},
        failures={},
    )


def joined(mine: Account, theirs: Trace, **changes: object) -> Joined:
    """As a server's round 0."""
    settings = {"index": 0, "scenario": "Server", "timeout_ns": 10**9, "facts": {}, **changes}
    return join_round(mine, theirs, mine.output_id, **settings)  # type: ignore[arg-type]


DELAYS = st.lists(st.integers(0, 50_000), min_size=ROWS, max_size=ROWS)


@given(offset=st.integers(0, 10**18), issue=DELAYS, enter=DELAYS, serve=DELAYS, tell=DELAYS)
def test_our_clock_is_found_between_what_must_come_before_and_after(
    offset: int, issue: list[int], enter: list[int], serve: list[int], tell: list[int]
) -> None:
    """However far clocks are apart: no further off than is said, and nothing before its cause."""
    scheduled = np.arange(ROWS, dtype=np.int64) * 10**6
    issued = scheduled + issue
    entered = issued + enter
    told = entered + serve
    completed = told + tell
    found = joined(account(entered + offset, told + offset), trace(completed, issued))
    one = found.round
    assert found.warnings == ()
    doubt = one.facts["clock_doubt_ns"]
    assert (np.abs(one.issued_ns - entered) <= doubt + 1).all()
    assert (one.issued_ns >= issued).all()
    assert one.started_ns is not None
    assert one.started_ns[0] == NONE
    assert (one.started_ns[1:] == one.issued_ns[1:] + 1).all()
    assert (one.completed_ns - one.scheduled_ns == completed - scheduled).all()
    assert doubt == (min(enter) + min(tell)) // 2


def test_a_clock_that_was_set_meanwhile_is_told() -> None:
    """Then our rows contradict LoadGen's, which measures by the clock on the wall."""
    scheduled = np.arange(ROWS, dtype=np.int64) * 10**6
    stepped = scheduled + 5000 + ns(0, 0, -(10**9), -(10**9))
    mine = account(scheduled + 1000, scheduled + 4000)
    found = joined(mine, trace(stepped))
    (said,) = found.warnings
    assert "the machine's clock was set by 1 s" in said


def test_an_answer_after_the_timeout_is_none() -> None:
    """But in offline, whose samples wait for each other by design."""
    completed = np.arange(ROWS, dtype=np.int64) * 10**6 + ns(10, 10, 5000, 10)
    mine = account(completed - 9, completed - 1)
    found = joined(mine, trace(completed), timeout_ns=1000)
    assert found.round.status.tolist() == [0, 0, Status.timed_out, 0]
    assert found.round.completed_ns[2] == found.round.output_id[2] == NONE
    assert found.failures == {"answered after the timeout of 1 µs": 1}
    offline = joined(mine, trace(completed), timeout_ns=1000, scenario="Offline")
    assert offline.round.answered.all()


def test_a_trace_that_is_cut_short_makes_no_round() -> None:
    """The disk was full, perhaps."""
    times = np.arange(ROWS, dtype=np.int64) * 10**6
    with pytest.raises(MeasurementError, match="has 3 of 4 samples"):
        joined(account(times, times + 1), trace(times[:3] + 5, samples=3))
