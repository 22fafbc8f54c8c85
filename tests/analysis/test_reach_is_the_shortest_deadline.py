"""Law: the inverse question finds the shortest deadline that delivers, to the nanosecond."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.handmade import hand_runs, make_round, make_run
from tailmark import summarize
from tailmark.records.model import Run


def _means(run: Run, deadlines: Sequence[int], policy: str = "fail") -> dict[int, float]:
    """What the run delivers at each of the deadlines."""
    if not deadlines:
        return {}
    found = summarize(run, deadlines=deadlines, on_late=policy, fallback=run).at
    return {at.deadline_ns: float(np.nan_to_num(at.rounds or ()).sum()) / len(run) for at in found}


@given(run=hand_runs(), target=st.sampled_from([0.01, 0.25, 1 / 3, 0.5, 0.75, 1.0]))
def test_it_is_that_of_trying_every_latency(run: Run, target: float) -> None:
    """Of all measured latencies, the first that delivers; where none does, that is said."""
    measured = sorted({int(t) for one in run.rounds() for t in one.latency_ns()[one.answered]})
    delivering = [t for t, mean in _means(run, measured).items() if mean >= target - 1e-12]
    found = summarize(run, deadlines=[1], quality=[target]).reach[target]
    if not delivering:
        assert found.value is found.low is found.high is None
        assert found.reason is not None
        assert found.reason.startswith(f"no deadline delivers {target:g}")
        return
    assert found.value == delivering[0]
    assert (found.low is None) == (found.high is None)
    if found.low is None or found.high is None:
        assert found.reason
    else:
        assert found.low <= found.value <= found.high


@given(
    run=hand_runs(),
    target=st.sampled_from([0.25, 0.5, 1.0]),
    policy=st.sampled_from(["drop", "stale", "fallback"]),
)
def test_under_every_policy_it_is_the_first_that_delivers(
    run: Run, target: float, policy: str
) -> None:
    """Also where quality may fall as the deadline grows, no shorter deadline was passed over."""
    longest = 2 * max((int(t) for one in run.rounds() for t in one.completed_ns), default=0)
    means = _means(run, range(max(longest, 1) + 1), policy)
    delivering = [d for d, mean in means.items() if mean >= target - 1e-9]
    found = summarize(run, deadlines=[1], quality=[target], on_late=policy, fallback=run).reach[
        target
    ]
    assert found.value == (delivering[0] if delivering else None)


@settings(max_examples=150)
@given(
    run=hand_runs(),
    target=st.sampled_from([0.01, 0.25, 1 / 3, 0.5, 0.75, 1.0]),
    policy=st.sampled_from(
        ["linear:1ns", "linear:2ns", "linear:7ns", "exponential:1ns", "exponential:4ns", "penalty"]
    ),
)
def test_where_worth_fades_no_shorter_deadline_was_passed_over(
    run: Run, target: float, policy: str
) -> None:
    """Of all whole nanoseconds from zero on; the ends of its interval are such deadlines too."""
    longest = max((int(t) for one in run.rounds() for t in one.completed_ns), default=0)
    means = _means(run, range(max(longest, 0) + 2), policy)
    found = summarize(run, deadlines=[1], quality=[target], on_late=policy).reach[target]
    delivering = [d for d, mean in means.items() if mean >= target - 1e-12]
    assert found.value == (delivering[0] if delivering else None)
    if found.low is not None and found.high is not None and found.value is not None:
        assert found.low <= found.value <= found.high
        assert {found.low, found.high} <= set(means)


def test_a_fading_worth_may_need_no_time_at_all() -> None:
    """Answers after 3 ns that fade over 6: a deadline of zero delivers half of their worth."""
    run = make_run([make_round([3, 3], [0, 0], index=r) for r in range(4)], [0, 0])
    ask = summarize(run, deadlines=[1], quality=[0.5, 0.9, 1.0], on_late="linear:6ns").reach
    assert {q: (e.low, e.value, e.high) for q, e in ask.items()} == {
        0.5: (0.0, 0.0, 0.0),
        0.9: (3.0, 3.0, 3.0),
        1.0: (3.0, 3.0, 3.0),
    }


def test_to_the_nanosecond_over_hours() -> None:
    """An answer after an hour, fading over another: two thirds are had at 40 minutes exactly."""
    hour = 3600 * 10**9
    run = make_run([make_round([hour], [0])], [0])
    share = 2 / 3
    line = summarize(run, deadlines=[1], quality=[share], on_late="linear:60min")
    assert line.reach[share].value == 40 * 60 * 10**9
    share = math.exp(-2)
    decay = summarize(run, deadlines=[1], quality=[share], on_late="exponential:15min")
    assert decay.reach[share].value == pytest.approx(30 * 60 * 10**9, abs=1)


def test_the_best_a_run_delivers_is_said_where_it_is_not_enough() -> None:
    """Half of the answers are right, so 0.9 is never delivered; the reason says what is."""
    run = make_run([make_round([1, 2], [0, 0], index=r) for r in range(3)], [0, 1])
    found = summarize(run, deadlines=[1], quality=[0.9]).reach[0.9]
    assert found.value is None
    assert found.reason == "no deadline delivers 0.9: the best is 0.5"


def test_rounds_that_agree_bound_the_deadline_exactly() -> None:
    """Where every round is alike, the interval is the deadline itself."""
    run = make_run([make_round([1, 2, 3, 4], [0] * 4, index=r) for r in range(5)], [0] * 4)
    found = summarize(run, deadlines=[1], quality=[0.5]).reach[0.5]
    assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_run_of_failures_delivers_nothing(rounds: int) -> None:
    """Nothing was ever answered: no deadline helps, and nothing breaks."""
    run = make_run([make_round([5, 5], [None, None], index=r) for r in range(rounds)], [0, 0])
    found = summarize(run, deadlines=[9], quality=[0.5]).reach[0.5]
    assert found.value is None
    assert found.reason == "no deadline delivers 0.5: the best is 0"
