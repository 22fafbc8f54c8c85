"""Ratios of latencies: equal environments are seldom told apart, and unlike ones are."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, ttest_1samp, ttest_rel

from stats.equal_environments import LAWS, Floats, separate
from tailmark.stats.differences import difference
from tailmark.stats.estimate import Estimate
from tailmark.stats.multiplicity import confidence_each
from tailmark.stats.ratios import decide_pace, paired_ratio, unpaired_ratio

TRIALS = 1_000
ROUNDS = 30
LATENCIES = st.lists(st.floats(1e3, 1e9), min_size=2, max_size=30)


def tells_apart(e: Estimate) -> bool:
    """Whether there is an interval, and it leaves out that the two are equal."""
    return e.low is not None and e.high is not None and not e.low <= 1 <= e.high


def seldom(alarms: int, trials: int) -> bool:
    """No more than 5 %, but for what one simulation in a thousand has by chance."""
    return alarms <= int(binom.ppf(0.999, trials, 0.05))


@pytest.mark.parametrize("law", LAWS)
def test_equal_environments_are_told_apart_in_5_of_100_trials_at_most(law: str) -> None:
    """Thirty rounds of each, disturbed together or apart, for a while, by stalls or by drift."""
    logs = LAWS[law](np.random.default_rng(6), TRIALS, ROUNDS)
    a, b = 1e6 * np.exp(logs)
    assert seldom(sum(tells_apart(paired_ratio(x, y)) for x, y in zip(a, b, strict=True)), TRIALS)


def test_a_slow_down_of_5_percent_is_found_in_30_rounds() -> None:
    """Under 3 % of noise in each round of each, in nine trials of ten or more."""
    logs = separate(np.random.default_rng(7), 500, ROUNDS, rho=0.0)
    found = [
        decide_pace(paired_ratio(np.exp(a), 1.05 * np.exp(b))) for a, b in zip(*logs, strict=True)
    ]
    assert found.count("slower") >= 0.9 * len(found)
    assert "faster" not in found


def test_nine_pairs_at_once_raise_any_false_alarm_as_rarely() -> None:
    """Ten equal environments against the first, each pair at the confidence that nine need."""
    random = np.random.default_rng(8)
    each, families = confidence_each(9), 300
    alarms = 0
    for _ in range(families):
        first, *others = 0.03 * random.standard_normal((10, ROUNDS))
        ratios = [paired_ratio(np.exp(first), np.exp(x), confidence=each) for x in others]
        alarms += any(map(tells_apart, ratios))
    assert seldom(alarms, families)


def test_rounds_measured_apart_are_told_apart_as_seldom() -> None:
    """Each of the two has rounds, and a number of them, of its own."""
    random = np.random.default_rng(9)
    pairs = ((random.normal(0, 0.05, 30), random.normal(0, 0.02, 50)) for _ in range(1_000))
    alarms = sum(tells_apart(unpaired_ratio(np.exp(a), np.exp(b))) for a, b in pairs)
    assert seldom(alarms, 1_000)


@given(values=st.lists(st.integers(1, 100), min_size=2, max_size=7))
def test_a_few_rounds_have_student_s_interval_of_the_logarithm(values: list[int]) -> None:
    """Below eight rounds dependence cannot be told, and the ends are scipy's, turned back."""
    a, b = np.full(len(values), 50.0), np.array(values, dtype=np.float64)
    e = paired_ratio(a, b)
    assert e.value == pytest.approx(math.exp(np.log(b / a).mean()))
    if np.ptp(b) == 0:
        assert (e.low, e.high) == pytest.approx((e.value, e.value))
        return
    expected = ttest_1samp(np.log(b / a), 0).confidence_interval(0.95)
    assert (e.low, e.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))


def test_more_rounds_than_that_have_a_wider_one() -> None:
    """Where dependence may be there, no interval is narrower than Student's."""
    random = np.random.default_rng(0)
    for _ in range(50):
        a, b = np.exp(0.03 * random.standard_normal((2, ROUNDS)))
        e, plain = paired_ratio(a, b), ttest_rel(np.log(b), np.log(a)).confidence_interval(0.95)
        assert e.low is not None
        assert e.high is not None
        assert e.low <= math.exp(plain.low)
        assert e.high >= math.exp(plain.high)


@given(a=LATENCIES, b=LATENCIES, unit=st.sampled_from([1e-9, 1e-3, 1e6]))
def test_a_ratio_turns_round_and_has_no_unit(a: list[float], b: list[float], unit: float) -> None:
    """A / B is one over B / A, ends exchanged; seconds or nanoseconds, it is the same."""
    for ratio in (paired_ratio, unpaired_ratio):
        there = ratio(np.array(a), np.array(b))
        back = ratio(np.array(b) * unit, np.array(a) * unit)
        assert there.n == back.n == min(len(a), len(b))
        for one, other in (
            (there.value, back.value),
            (there.low, back.high),
            (there.high, back.low),
        ):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert math.log(one) == pytest.approx(-math.log(other), abs=1e-6)


def test_rounds_that_drift_apart_are_no_independent_ones() -> None:
    """Of ten that go one way nobody knows where they end: there is no interval, and why is said."""
    e = paired_ratio(np.ones(10), np.exp(np.linspace(0, 1, 10)))
    assert e.value == pytest.approx(math.exp(0.5))
    assert (e.low, e.high, decide_pace(e)) == (None, None, "cannot tell")
    assert e.reason is not None
    assert "10 rounds that depend on each other" in e.reason


def test_apart_the_interval_is_mover_s_on_the_logarithm() -> None:
    """Each run's own interval, opposing ends added in squares."""
    random = np.random.default_rng(1)
    a, b = np.exp(random.normal(0, 0.05, 20)), np.exp(random.normal(0.1, 0.02, 40))
    ones = (np.ones_like(x) for x in (a, b))
    logs = []
    for x, one in zip((a, b), ones, strict=True):
        e = paired_ratio(one, x)
        assert e.value is not None
        assert e.low is not None
        assert e.high is not None
        logs.append(Estimate(value=math.log(e.value), low=math.log(e.low), high=math.log(e.high)))
    expected, found = difference(*logs), unpaired_ratio(a, b)
    for end in ("value", "low", "high"):
        assert math.log(getattr(found, end)) == pytest.approx(getattr(expected, end))


@pytest.mark.parametrize(
    ("low", "high", "pace"),
    [
        (1.03, 1.10, "slower"),
        (1.001, 1.10, "slower"),
        (0.90, 0.97, "faster"),
        (0.99, 1.019, "same"),
        (0.9804, 1.0199, "same"),
        (1.001, 1.01, "same"),
        (0.97, 1.01, "cannot tell"),
        (0.9, 1.1, "cannot tell"),
        (0.0, 0.5, "faster"),
    ],
)
def test_the_pace_is_the_interval_s(low: float, high: float, pace: str) -> None:
    """Within the margin is the same, whatever the sign; else beyond 1 decides; else nothing."""
    assert decide_pace(Estimate(value=1.0, low=low, high=high), 0.02) == pace
    assert decide_pace(Estimate(value=1.0)) == "cannot tell"


@pytest.mark.parametrize("bad", [math.nan, 0.0, -1.0, math.inf])
def test_a_round_without_a_latency_leaves_no_ratio(bad: float) -> None:
    """Nothing is left out in silence; of one round there is no interval, of none no value."""
    a, b = np.array([1.0, bad, 2.0]), np.array([1.0, 2.0, 3.0])
    for ratio in (paired_ratio, unpaired_ratio):
        e = ratio(a, b)
        assert (e.value, e.low) == (None, None)
        assert e.reason == "some round has no latency above 0"
        empty: Floats = np.empty(0)
        assert ratio(empty, empty).value is None
        one = ratio(np.array([2.0]), np.array([3.0]))
        assert one.value == pytest.approx(1.5)
        assert "2 rounds or more" in (one.reason or "")
    assert paired_ratio(b[:1], a).value == pytest.approx(1)
