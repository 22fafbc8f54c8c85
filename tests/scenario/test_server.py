"""Queries that arrive at a rate: laws of their times, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tailmark.errors import InputError
from tailmark.records.model import Int64s
from tailmark.scenario.arrivals import waits
from tailmark.scenario.base import Scenario
from tailmark.scenario.server import Arrivals, Server

RATES = st.floats(0.1, 1e6)
ARRIVALS = st.sampled_from(("poisson", "constant"))


def due(scenario: Scenario, samples: int = 7, seed: int = 0, index: int = 0) -> Int64s:
    """When its queries are."""
    made = scenario.schedule(samples, order="shuffled", seed=seed, index=index).due_ns
    assert made is not None
    return made


@given(
    RATES,
    st.none() | st.integers(1, 200),
    st.none() | st.integers(1, 10**9),
    ARRIVALS,
    st.integers(0, 2**64),
)
def test_the_first_is_due_at_0_and_the_last_when_count_and_duration_are_reached(
    qps: float, queries: int | None, ns: int | None, arrivals: Arrivals, seed: int
) -> None:
    """And no query earlier than that, LoadGen's rule."""
    ns = None if ns is None else min(ns, int(2_000 / qps * 1e9) + 1)
    scenario = Server(
        target_qps=qps,
        queries=queries,
        duration=None if ns is None else f"{ns}ns",
        arrivals=arrivals,
    )
    times = due(scenario, seed=seed)
    asked = queries or (1 if ns else 7)
    assert times[0] == 0
    assert (np.diff(times) >= 0).all()
    assert len(times) >= asked
    assert times[-1] >= (ns or 0)
    if len(times) > asked:
        assert ns is not None
        assert times[-2] < ns


@given(st.integers(1, 10**6), st.integers(2, 1000))
def test_constant_arrivals_have_equal_gaps(qps: int, queries: int) -> None:
    """To the nanosecond they are rounded to."""
    times = due(Server(target_qps=qps, queries=queries, arrivals="constant"))
    assert times.tolist() == [round(k * 10**9 / qps) for k in range(queries)]


def test_gaps_are_exponential_and_independent() -> None:
    """Kolmogorov-Smirnov, and the correlation of neighbours: a right one fails in 1e-6."""
    times = due(Server(target_qps=2_000, queries=100_001))
    gaps = np.diff(times) / 1e9 * 2_000
    assert stats.kstest(gaps, "expon").pvalue > 1e-6
    assert stats.pearsonr(gaps[:-1], gaps[1:]).pvalue > 1e-6


def test_as_many_come_in_a_round_as_the_rate_says() -> None:
    """Queries due within 500 rounds of 100 ms are Poisson: two tails of 5e-7, and their spread."""
    server = Server(target_qps=400, duration="100ms")
    within = np.array([len(due(server, index=i)) - 2 for i in range(500)])  # the first, the last
    law = stats.poisson(400 * 0.1 * 500)
    assert min(law.cdf(within.sum()), law.sf(within.sum() - 1)) > 5e-7
    spread = stats.chi2(499)
    assert 5e-7 < spread.cdf(within.var(ddof=1) / 40 * 499) < 1 - 5e-7


@given(st.integers(0, 2**40), st.integers(0, 1000), st.booleans())
def test_another_round_has_other_times(seed: int, index: int, given_seed: bool) -> None:
    """By (seed, round), or by the schedule's seed alone; nothing else."""
    server = Server(target_qps=10, schedule_seed=5 if given_seed else None)
    here = due(server, seed=seed, index=index)
    assert np.array_equal(here, due(server, seed=seed, index=index))
    assert not np.array_equal(here, due(server, seed=seed, index=index + 1))
    assert np.array_equal(here, due(server, seed=seed + 1, index=index)) == given_seed


@given(st.integers(0, 2**40), st.integers(0, 1000))
def test_a_rounds_seed_gives_the_same_schedule_to_anyone(seed: int, index: int) -> None:
    """LoadGen with it as its seed sends what this round does."""
    ours = Server(target_qps=10)
    theirs = Server(target_qps=10, schedule_seed=ours.round_seed(seed, index))
    assert np.array_equal(due(ours, seed=seed, index=index), due(theirs))


@given(st.integers(0, 2**64), st.integers(1, 300))
def test_waits_are_loadgens_to_the_last_bit(seed: int, count: int) -> None:
    """One by one: two words of the Mersenne Twister, and the C library's logarithm."""
    words = np.random.RandomState(seed % 2**32)
    drawn = next(waits(seed, count))
    assert len(drawn) >= count
    for wait in drawn.tolist():
        low, high = (int.from_bytes(words.bytes(4), "little") for _ in range(2))
        u = (float(low) + float(high) * 2.0**32) / 2.0**64
        assert wait == -math.log(1 - u)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"target_qps": 0}, "scenario.target_qps is 0: give a number above 0"),
        ({"target_qps": float("nan")}, "scenario.target_qps is nan"),
        ({"target_qps": float("inf")}, "scenario.target_qps is inf"),
        ({"target_qps": 1, "queries": 0}, "scenario.queries is 0"),
        ({"target_qps": 1, "duration": "0s"}, "scenario.duration is '0s': give more than zero"),
        ({"target_qps": 1, "duration": "60"}, "'60' has no unit"),
        ({"target_qps": 1, "arrivals": "uniform"}, "scenario.arrivals is 'uniform': poisson or"),
        ({"target_qps": 1, "schedule_seed": -1}, "scenario.schedule_seed is -1"),
        (
            {"target_qps": 1, "schedule_seed": 1, "arrivals": "constant"},
            "leave it out of constant",
        ),
        ({"target_qps": 1e6, "duration": "1000min"}, "would send about 6e\\+10 queries"),
        ({"target_qps": 1e-3, "queries": 10**8}, "would last about 3.17e\\+03 years"),
        ({"target_qps": 1e-12, "duration": "1s", "queries": 2}, "years"),
    ],
)
def test_what_nobody_could_send_is_refused(settings: dict[str, object], says: str) -> None:
    """In one sentence, before anything is measured."""
    with pytest.raises(InputError, match=says):
        Server(**settings)  # type: ignore[arg-type]


def test_a_workload_too_large_for_the_rate_is_refused_when_it_is_known() -> None:
    """Every sample once would take centuries."""
    server = Server(target_qps=1e-6)
    with pytest.raises(InputError, match="years"):
        server.schedule(10_000, order="fixed", seed=0, index=0)
