"""Rates that vary: exact laws of every schedule, and as many queries as the rate says."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from tailmark.errors import InputError
from tailmark.records.model import Int64s
from tailmark.scenario.base import Scenario
from tailmark.scenario.burst import Burst
from tailmark.scenario.ramp import Ramp

RATES = st.just(0.0) | st.floats(0.1, 1e4)
MS = st.integers(1, 500)
SEEDS = st.integers(0, 2**64)


def due(scenario: Scenario, seed: int = 0, index: int = 0) -> Int64s:
    """When its queries are."""
    made = scenario.schedule(5, order="shuffled", seed=seed, index=index).due_ns
    assert made is not None
    return made


def check_times(times: Int64s, duration_ns: int) -> None:
    """What every round keeps to."""
    assert times[0] == 0
    assert (np.diff(times) >= 0).all()
    assert times[-1] < duration_ns


@given(RATES, st.floats(0.1, 1e4), MS, MS, MS, SEEDS)
def test_bursts_keep_within_their_round_and_silence_is_silent(
    base: float, burst: float, every: int, length: int, duration: int, seed: int
) -> None:
    """With no rate between bursts, nothing but the first query is due there."""
    assume(length < every)
    scenario = Burst(
        base_qps=base,
        burst_qps=burst,
        every=f"{every}ms",
        length=f"{length}ms",
        duration=f"{duration}ms",
    )
    times = due(scenario, seed)
    check_times(times, duration * 10**6)
    if base == 0:
        assert (times % (every * 10**6) <= length * 10**6).all()


@given(RATES, RATES, MS, SEEDS)
def test_a_ramp_keeps_within_its_round(a: float, b: float, duration: int, seed: int) -> None:
    """From nothing, to nothing, level: all are ramps."""
    assume(a or b)
    check_times(due(Ramp(from_qps=a, to_qps=b, duration=f"{duration}ms"), seed), duration * 10**6)


@given(RATES, st.floats(0.1, 1e4), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_burst_is_the_inverse_of_its_integrated_rate(
    base: float, burst: float, shares: list[float]
) -> None:
    """Summed up by hand over each millisecond, the rate comes to the load asked for."""
    scenario = Burst(base_qps=base, burst_qps=burst, every="10ms", length="3ms", duration="45ms")
    rate = np.where(np.arange(45_000) % 10_000 < 3_000, burst, base) / 1e6
    integral = np.concatenate([[0], np.cumsum(rate)])
    load = np.array(shares) * integral[-1]
    found = np.interp(scenario._when(load) * 1e6, np.arange(45_001), integral)
    assert np.allclose(found, load, rtol=1e-6, atol=1e-6 * integral[-1])


@given(RATES, RATES, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_ramp_is_the_inverse_of_its_integrated_rate(
    a: float, b: float, shares: list[float]
) -> None:
    """Of from·t + (to − from)·t²/2T."""
    assume(a or b)
    scenario = Ramp(from_qps=a, to_qps=b, duration="2s")
    load = np.array(sorted(shares)) * (a + b)
    load = load[load > 0]
    when = scenario._when(load)
    assert np.allclose(a * when + (b - a) * when**2 / 4, load, rtol=1e-6)
    assert (np.diff(when) >= 0).all()


def poisson_tail(count: int, expected: float) -> float:
    """How far out a count is, as the smaller tail."""
    law = stats.poisson(expected)
    return float(min(law.cdf(count), law.sf(count - 1)))


def test_bursts_have_as_many_queries_as_their_rate_says() -> None:
    """In bursts, between them, and in the unfinished last one: smaller tails of 5e-7."""
    scenario = Burst(base_qps=50, burst_qps=1_000, every="1s", length="200ms", duration="2100ms")
    times = np.concatenate([due(scenario, index=i)[1:] for i in range(300)]) / 1e9
    place = times % 1
    bursting = place < 0.2
    last = times >= 2
    for chosen, expected in (
        (bursting & ~last, 1_000 * 0.4),
        (~bursting, 50 * 1.6),
        (last, 1_000 * 0.1),
    ):
        assert poisson_tail(int(chosen.sum()), 300 * expected) > 5e-7
    assert stats.kstest(place[bursting & ~last] / 0.2, "uniform").pvalue > 1e-6
    assert stats.kstest((place[~bursting] - 0.2) / 0.8, "uniform").pvalue > 1e-6


@pytest.mark.parametrize(("a", "b"), [(0, 400), (400, 0), (100, 300), (200, 200)])
def test_a_ramp_has_as_many_queries_in_each_tenth_as_its_rate_says(a: int, b: int) -> None:
    """Each tenth's smaller tail is above 5e-8: a right one fails in 1e-6; and rounds differ."""
    scenario = Ramp(from_qps=a, to_qps=b, duration="2s")
    rounds = [due(scenario, index=i)[1:] / 1e9 for i in range(200)]
    counts = np.histogram(np.concatenate(rounds), bins=10, range=(0, 2))[0]
    for tenth, count in enumerate(counts):
        rate = a + (b - a) * (tenth + 0.5) / 10
        assert poisson_tail(int(count), 200 * rate * 0.2) > 5e-8
    sizes = np.array([len(one) for one in rounds])
    assert 5e-7 < stats.chi2(199).cdf(199 * sizes.var(ddof=1) / (a + b)) < 1 - 5e-7


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: burst(base_qps=-1), "scenario.base_qps is -1: give zero or more"),
        (lambda: burst(burst_qps=0), "scenario.burst_qps is 0: give a number above 0"),
        (lambda: burst(length="10s"), "scenario.length is '10s': give less than every"),
        (lambda: burst(every="0s"), "scenario.every is '0s': give more than zero"),
        (lambda: burst(duration="1"), "'1' has no unit"),
        (lambda: burst(duration="9000min", burst_qps=1e6), "would send about 5.4e\\+10"),
        (lambda: ramp(from_qps=-1), "scenario.from_qps is -1"),
        (lambda: ramp(to_qps=float("nan")), "scenario.to_qps is nan"),
        (lambda: ramp(from_qps=0, to_qps=0), "are 0: give one of them above 0"),
        (lambda: ramp(duration="0ms"), "scenario.duration is '0ms'"),
        (lambda: ramp(duration="90000min", to_qps=1e6), "would send about 2.7e\\+12"),
    ],
)
def test_what_nobody_could_send_is_refused(make: object, says: str) -> None:
    """In one sentence, before anything is measured."""
    assert callable(make)
    with pytest.raises(InputError, match=says):
        make()


def test_a_ramp_to_nothing_cannot_complete_a_pass() -> None:
    """Whose queries would never be due."""
    with pytest.raises(InputError, match="give another order, or to_qps above 0"):
        ramp(to_qps=0).schedule(5, order="equal-issue", seed=0, index=0)


def burst(**changed: object) -> Burst:
    """A right one but for the changes."""
    right = {"base_qps": 1, "burst_qps": 9, "every": "10s", "length": "1s", "duration": "60s"}
    return Burst(**(right | changed))  # type: ignore[arg-type]


def ramp(**changed: object) -> Ramp:
    """A right one but for the changes."""
    return Ramp(**({"from_qps": 1, "to_qps": 9, "duration": "60s"} | changed))  # type: ignore[arg-type]
