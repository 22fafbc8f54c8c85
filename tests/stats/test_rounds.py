"""Intervals from rounds: their ends, and when there are none."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, ttest_1samp

from tailmark.records.model import NEVER
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import (
    Floats,
    half_width,
    mean_by_round,
    pooled_percentile,
    rounds_needed,
    tail_mean_by_round,
    tail_quantile,
)

_QUALITIES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(values=st.lists(st.integers(0, 100), min_size=2, max_size=30), percent=st.integers(50, 99))
def test_the_mean_has_student_s_interval(values: list[int], percent: int) -> None:
    """The ends are those of scipy's one-sample t test."""
    shares = np.array(values) / 100
    found = mean_by_round(shares, confidence=percent / 100)
    assert found.value == pytest.approx(shares.mean())
    assert found.low is not None
    assert found.high is not None
    if np.ptp(shares) == 0:
        assert found.low == found.high == found.value
        return
    expected = ttest_1samp(shares, 0).confidence_interval(percent / 100)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@given(values=_QUALITIES)
def test_the_mean_s_interval_stays_within_its_bounds(values: list[float]) -> None:
    """A mean of shares has no interval that leaves 0 to 1, and the value lies in it."""
    found = mean_by_round(np.array(values), bounds=(0.0, 1.0))
    if found.low is not None and found.high is not None and found.value is not None:
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


@pytest.mark.parametrize(("share", "rounds"), [(0.05, 72), (0.01, 368), (0.5, 6), (0.95, 72)])
def test_rounds_needed_are_the_published_ones(share: float, rounds: int) -> None:
    """Two-sided at 95 %: 72 rounds for the 5 % quantile, 368 for the 1 % one."""
    assert rounds_needed(share) == rounds


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_there_is_an_interval_from_the_rounds_needed_on(share: float, confidence: float) -> None:
    """With one round fewer there is none, and the reason says how many it takes."""
    needed = rounds_needed(share, confidence)
    enough = tail_quantile(np.arange(needed, dtype=float), share, confidence=confidence)
    assert enough.low is not None
    assert enough.reason is None
    short = tail_quantile(np.arange(needed - 1, dtype=float), share, confidence=confidence)
    assert short.value is not None
    assert short.low is short.high is None
    assert short.reason is not None
    assert f"needs {needed} rounds" in short.reason
    assert f"have {needed - 1}" in short.reason


@pytest.mark.parametrize("n", [72, 73, 100, 137, 300, 400])
@pytest.mark.parametrize("share", [0.05, 0.01, 0.3])
def test_order_statistics_are_those_of_a_brute_force_sum(n: int, share: float) -> None:
    """Each end is the innermost order statistic that the binomial law allows it to be.

    The r-th smallest of n is above the true quantile when fewer than r lie below: a sum of
    binomial probabilities, written out.
    """

    def fewer_than(r: int) -> float:
        return math.fsum(
            math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(min(r, n + 1))
        )

    values = np.arange(1, n + 1, dtype=float)  # the value is its own rank
    found = tail_quantile(values, share)
    lows = [r for r in range(1, n + 1) if fewer_than(r) <= 0.025]
    highs = [r for r in range(1, n + 1) if fewer_than(r) >= 0.975]
    if not lows or not highs:
        assert found.low is found.high is None
        return
    assert (found.low, found.high) == (max(lows), min(highs))


@given(values=st.lists(st.floats(0, 1), min_size=72, max_size=120), data=st.data())
def test_a_quantile_follows_any_rising_change_of_scale(
    values: list[float], data: st.DataObject
) -> None:
    """Order statistics know ranks only: transformed rounds give the transformed ends."""
    power = data.draw(st.sampled_from([1, 2, 3]))
    plain = tail_quantile(np.array(values), 0.05)
    bent = tail_quantile(np.array(values) ** power, 0.05)
    assert plain.value is not None
    assert plain.low is not None
    assert plain.high is not None
    ends = [plain.value**power, plain.low**power, plain.high**power]
    assert [bent.value, bent.low, bent.high] == pytest.approx(ends)


_ESTIMATORS: dict[str, Callable[[Floats], Estimate]] = {
    "mean": mean_by_round,
    "quantile": lambda values: tail_quantile(values, 0.05),
    "cvar": lambda values: tail_mean_by_round(values, 0.05),
    "percentile": lambda values: pooled_percentile(
        [np.array([round(1000 * v)]) for v in values],
        np.sort(np.rint(1000 * values)).astype(int),
        50,
    ),
}


@pytest.mark.parametrize("name", list(_ESTIMATORS))
def test_one_round_has_a_value_and_a_reason_but_no_interval(name: str) -> None:
    """One round tells what it was; how sure that is, it cannot tell, and says so."""
    found = _ESTIMATORS[name](np.array([0.5]))
    assert found.value is not None
    assert found.low is found.high is None
    assert found.reason
    assert found.n == 1


@pytest.mark.parametrize("name", list(_ESTIMATORS))
def test_rounds_that_agree_have_an_interval_of_no_width(name: str) -> None:
    """Where every round gave the same, the interval is that value, and nothing is NaN."""
    found = _ESTIMATORS[name](np.full(1000, 0.1 + 0.2))
    assert found.value is not None
    assert found.low == pytest.approx(found.value)
    assert found.high == pytest.approx(found.value)
    assert half_width(np.full(7, 0.1 + 0.2)) == 0


@pytest.mark.parametrize("name", ["mean", "quantile", "cvar"])
@pytest.mark.parametrize("values", [[], [0.5, np.nan], [np.nan] * 300])
def test_what_is_undefined_has_no_value_and_a_reason(name: str, values: list[float]) -> None:
    """A round without a value, or no round at all, leaves nothing to estimate; that is said."""
    found = _ESTIMATORS[name](np.array(values))
    assert found.value is found.low is found.high is None
    assert found.reason
    assert found.n == len(values)


@given(values=_QUALITIES)
def test_no_plain_data_holds_nan(values: list[float]) -> None:
    """Whatever the rounds, ``to_dict`` holds finite numbers, text and None."""
    for estimate in _ESTIMATORS.values():
        for held in estimate(np.array(values)).to_dict().values():
            assert held is None or isinstance(held, str | int) or math.isfinite(held)


def test_every_estimate_names_its_method() -> None:
    """The four methods say what they are."""
    methods = {estimate(np.array([0.1, 0.2])).method for estimate in _ESTIMATORS.values()}
    assert methods == {
        "t over rounds",
        "order statistics over rounds",
        "influence function over rounds",
        "Woodruff over rounds",
    }


@given(seed=st.integers(0, 10**6), usual=st.sampled_from([0.0, 0.02, 0.98, 1.0]))
def test_a_cvar_of_shares_is_bounded_as_shares_are(seed: int, usual: float) -> None:
    """With bounds given, no end of a CVaR's interval leaves them."""
    random = np.random.default_rng(seed)
    values = np.where(random.uniform(size=200) < 0.9, usual, random.uniform(size=200))
    found = tail_mean_by_round(values, 0.05, bounds=(0.0, 1.0))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


@pytest.mark.parametrize(("share", "needs"), [(0.05, 200), (0.01, 1000), (0.1, 100)])
def test_a_cvar_needs_ten_rounds_in_its_tail(share: float, needs: int) -> None:
    """Below that it has a value and says how many rounds bear an interval."""
    random = np.random.default_rng(0)
    assert tail_mean_by_round(random.normal(size=needs), share).low is not None
    short = tail_mean_by_round(random.normal(size=needs - 1), share)
    assert short.value is not None
    assert short.low is None
    assert (
        short.reason
        == f"the worst {100 * share:g} % needs {needs} rounds for an interval, have {needs - 1}"
    )


def test_a_cvar_s_interval_is_as_wide_as_a_bootstrap_s() -> None:
    """The influence function and a bootstrap of the slow definition agree on the spread."""
    values = np.random.default_rng(3).normal(size=600)

    def slow(sample: Floats, axis: int) -> Floats:
        worst = np.sort(sample, axis=axis)[..., :30]
        return np.asarray(worst.mean(axis=axis))

    found = tail_mean_by_round(values, 0.05)
    assert found.low is not None
    assert found.high is not None
    again = bootstrap(
        (values,), slow, n_resamples=2000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert found.high - found.low == pytest.approx(again.high - again.low, rel=0.1)


def test_a_percentile_counts_rounds_and_not_queries() -> None:
    """Queries of one round that share a fate make its interval wide, however many they are."""
    random = np.random.default_rng(5)
    effect = random.normal(size=30)
    few = [np.array([round(1e6 + 1e5 * e)] * 2) for e in effect]
    many = [np.array([round(1e6 + 1e5 * e)] * 2000) for e in effect]
    narrow, wide = (
        pooled_percentile(rounds, np.sort(np.concatenate(rounds)), 50) for rounds in (few, many)
    )
    assert narrow.low == wide.low
    assert narrow.high == wide.high


def test_rounds_that_differ_only_in_length_do_not_widen_a_percentile() -> None:
    """Each round has the same shares of the same latencies, so their lengths tell nothing."""
    rounds = [np.tile(np.arange(1, 11), times) for times in (1, 7, 2, 30)]
    found = pooled_percentile(rounds, np.sort(np.concatenate(rounds)), 50)
    assert (found.low, found.value, found.high) == (6.0, 6.0, 6.0)


@given(
    rounds=st.lists(
        st.lists(st.one_of(st.just(NEVER), st.integers(0, 100)), min_size=1, max_size=20),
        min_size=1,
        max_size=8,
    ),
    percent=st.sampled_from([1, 50, 90, 99, 99.9]),
)
def test_a_percentile_s_ends_are_latencies_around_it(
    rounds: list[list[int]], percent: float
) -> None:
    """Both ends are there or neither; they are measured latencies, with the value between."""
    by_round = [np.array(one, dtype=np.int64) for one in rounds]
    ordered = np.sort(np.concatenate(by_round))
    found = pooled_percentile(by_round, ordered, percent)
    measured = {float(ns) for ns in ordered[ordered != NEVER]}
    if found.value is None:
        assert found.reason
        assert "have no answer" in found.reason
        return
    assert found.value in measured
    assert (found.low is None) == (found.high is None)
    if found.low is None or found.high is None:
        assert found.reason
        return
    assert {found.low, found.high} <= measured
    assert found.low <= found.value <= found.high


def test_more_confidence_is_a_wider_interval() -> None:
    """For every estimator, 99 % reaches at least as far as 95 %, and that as far as 80 %."""
    values = np.random.default_rng(6).uniform(size=400)
    by_round = [np.rint(1e6 * values[k : k + 10]).astype(np.int64) for k in range(0, 400, 10)]
    ordered = np.sort(np.concatenate(by_round))
    at: list[Callable[[float], Estimate]] = [
        lambda c: mean_by_round(values, confidence=c),
        lambda c: tail_quantile(values, 0.05, confidence=c),
        lambda c: tail_mean_by_round(values, 0.05, confidence=c),
        lambda c: pooled_percentile(by_round, ordered, 50, confidence=c),
    ]
    for estimate in at:
        for narrow, wide in pairwise(map(estimate, (0.8, 0.95, 0.99))):
            assert wide.low is not None
            assert wide.high is not None
            assert narrow.low is not None
            assert narrow.high is not None
            assert wide.low <= narrow.low <= narrow.high <= wide.high
            assert wide.confidence > narrow.confidence
