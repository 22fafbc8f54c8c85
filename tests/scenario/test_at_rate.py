"""A scenario that has a rate can be had at any other, and keeps all else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark import Burst, MultiStream, Offline, Ramp, Replay, Server, SingleStream
from tailmark.errors import InputError
from tailmark.scenario.base import Paced
from tailmark.testing import check_scenario

RATES = st.floats(0.5, 5_000)
BURST = Burst(base_qps=10, burst_qps=90, every="2s", length="500ms", duration="60s")


def average(scenario: Paced, rounds: int = 1) -> float:
    """Queries a second over some rounds, from the first to the last."""
    queries, seconds = 0, 0.0
    for index in range(rounds):
        due = scenario.schedule(50, order="shuffled", seed=3, index=index).due_ns
        assert due is not None
        queries += len(due) - 1
        seconds += int(due[-1]) / 1e9
    return queries / seconds


@given(qps=RATES)
def test_a_server_sends_as_many(qps: float) -> None:
    """And is otherwise the same."""
    server = Server(target_qps=7, queries=20_000, arrivals="constant")
    there = server.at_rate(qps)
    assert there == replace(server, target_qps=qps)
    assert average(there) == pytest.approx(qps, rel=1e-3)


@given(qps=st.floats(20, 2_000))
def test_bursts_rise_with_what_is_between_them(qps: float) -> None:
    """The average over a round is the rate, and bursts stand out as much as before."""
    there = BURST.at_rate(qps)
    assert there.burst_qps / there.base_qps == pytest.approx(9)
    assert there.every == BURST.every
    # 60 s have 30 periods: within 5 sd of a Poisson count.
    assert average(there) == pytest.approx(qps, abs=5 * np.sqrt(qps * 60) / 60 + 1)


@given(qps=RATES)
def test_a_trace_is_replayed_at_a_rate(
    qps: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All of it, in a time that gives it this rate on average; whatever scale it was at."""
    file = tmp_path_factory.mktemp("trace") / "trace.csv"
    file.write_text("time_s\n" + "\n".join(f"{x:g}" for x in (0, 1, 1.5, 4, 10)))
    for scale in (1.0, 30.0):
        there = Replay(trace=file, scale=scale).at_rate(qps)
        assert average(there) == pytest.approx(qps, rel=1e-6)


def test_a_trace_of_one_moment_has_no_rate(tmp_path: Path) -> None:
    """Nothing makes it slower."""
    file = tmp_path / "trace.csv"
    file.write_text("time_s\n5\n5\n")
    with pytest.raises(InputError, match=r"arrives at one moment, so it has no rate"):
        Replay(trace=file).at_rate(3)


def test_who_has_a_rate_says_so() -> None:
    """Closed loops, everything at once, and a rate that changes all the time have none."""
    assert isinstance(Server(target_qps=1), Paced)
    assert isinstance(BURST, Paced)
    others = (SingleStream(), MultiStream(), Offline(), Ramp(from_qps=1, to_qps=2, duration="9s"))
    assert not any(isinstance(one, Paced) for one in others)
    check_scenario(BURST.at_rate(40))
    with pytest.raises(InputError, match=r"scenario\.target_qps is 0"):
        Server(target_qps=1).at_rate(0)


@given(
    qps=st.floats(1, 1_000),
    samples=st.integers(1, 10_000),
    seconds=st.integers(1, 60),
    queries=st.none() | st.integers(1, 100_000),
    duration=st.none() | st.integers(1, 600),
)
def test_rounds_are_shortened_where_they_are_longer(
    qps: float, samples: int, seconds: int, queries: int | None, duration: int | None
) -> None:
    """To the time given, at the same rate; others stay as they are."""
    server = Server(
        target_qps=qps, queries=queries, duration=None if duration is None else f"{duration}s"
    )
    asked = queries or (samples if duration is None else 1)
    short = server.shortened(samples, seconds * 10**9)
    if max(asked / qps, duration or 0) <= seconds:
        assert short is None
    else:
        assert short is not None
        assert (short.duration_ns, short.queries) == (seconds * 10**9, None)
        assert short.target_qps == qps
