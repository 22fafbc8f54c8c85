"""Intervals from rounds: their ends, and when there are none."""

import math
from collections.abc import Callable
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import bootstrap, skew, ttest_1samp
from scipy.stats import t as student

from stats.simulated import autoregressive, spread_out
from tailmark.stats.dependence import inflation
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import (
    Floats,
    half_width,
    mean_by_round,
    mean_interval,
    rounds_needed,
    tail_mean_by_round,
    tail_quantile,
)

_QUALITIES = st.lists(st.floats(0, 1), min_size=1, max_size=30)
_SEEDS = st.integers(0, 10**6)

_LAWS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "dependent": lambda rng, n: autoregressive(rng, 1, n, 0.7)[0],
    "skewed": lambda rng, n: -rng.pareto(2.5, n),
    "shares": lambda rng, n: rng.binomial(50, 0.97, n) / 50,
}


def drawn(seed: int, rounds: int) -> Floats:
    """Rounds of one of the laws, in some unit and place."""
    rng = np.random.default_rng(seed)
    law = rng.choice(list(_LAWS))
    return _LAWS[law](rng, rounds) * 10.0 ** rng.integers(-3, 4) + rng.normal()


# The mean


@given(values=st.lists(st.integers(0, 100), min_size=2, max_size=7), percent=st.integers(50, 99))
def test_the_mean_of_a_few_rounds_has_student_s_interval(values: list[int], percent: int) -> None:
    """Below eight rounds the ends are those of scipy's one-sample t test, in whatever order."""
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


def hall_s_interval(
    values: Floats, confidence: float, freedom: float, inflated: float
) -> tuple[float, float]:
    """What Hall's (1992) transformation of t leaves between two t quantiles, root by root."""
    worth = len(values) / inflated
    spread = math.sqrt(np.var(values) / (1 - min(1 / worth, 0.9)))
    g1 = float(skew(values, bias=False))

    def transformed(t: float) -> float:
        return t + g1 / 3 * t**2 + g1**2 / 27 * t**3 + g1 / 6 / worth

    reach = student.ppf(0.5 + confidence / 2, max(min(worth - 1, freedom), 1)) / math.sqrt(worth)
    far, near = (
        brentq(lambda t, at=at: transformed(t) - at, -1e4, 1e4, xtol=1e-13)
        for at in (reach, -reach)
    )
    return float(np.mean(values) - spread * far), float(np.mean(values) - spread * near)


@pytest.mark.parametrize("freedom", [math.inf, 5.0])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("rounds", [8, 30, 200])
@pytest.mark.parametrize("law", _LAWS)
def test_the_mean_of_many_rounds_has_hall_s_interval(
    law: str, rounds: int, confidence: float, freedom: float
) -> None:
    """The ends solve Hall's cubic, on as many rounds as the dependent ones are worth."""
    values = _LAWS[law](np.random.default_rng([7, rounds]), rounds)
    expected = hall_s_interval(values, confidence, freedom, float(inflation(values)))
    assert mean_interval(values, confidence, freedom=freedom) == pytest.approx(expected)
    if freedom == math.inf:
        assert mean_interval(values, confidence) == pytest.approx(expected)


@pytest.mark.parametrize("inflated", [1.0, 2.5, 7.0])
def test_the_worth_of_rounds_may_be_told(inflated: float) -> None:
    """What is known better of their dependence takes the place of what they show."""
    values = _LAWS["dependent"](np.random.default_rng(8), 40)
    expected = hall_s_interval(values, 0.95, math.inf, inflated)
    assert mean_interval(values, inflated=inflated) == pytest.approx(expected)


def test_dependent_rounds_have_a_wider_interval_than_the_same_rounds_shuffled() -> None:
    """The order of rounds tells how much they are worth; and the method tells it on."""
    values = np.sort(np.random.default_rng(9).standard_normal(50))
    ranks = spread_out(50).astype(int) - 1
    dependent, apart = mean_by_round(values), mean_by_round(values[ranks])
    assert dependent.value == pytest.approx(apart.value)
    assert half_width(values) > 3 * half_width(values[ranks])
    assert apart.method == "skewness-corrected t over rounds"
    assert dependent.method == "skewness-corrected t over rounds, worth 3 independent ones"


def test_a_long_tail_draws_the_interval_to_its_side() -> None:
    """Hall's ends lie further where the wild rounds are: there the mean may be missing some."""
    values = np.append(spread_out(40), 400.0)
    low, high = mean_interval(values)
    assert high - values.mean() > 2 * (values.mean() - low)


@given(seed=_SEEDS, rounds=st.integers(2, 40))
def test_intervals_of_a_table_are_each_row_s(seed: int, rounds: int) -> None:
    """Series side by side, some still, have the ends that each has alone."""
    rows = [drawn(seed + k, rounds) for k in range(5)]
    table = np.stack([*rows, np.full(rounds, 0.1 + 0.2)]).reshape(2, 3, rounds)
    low, high = mean_interval(table)
    assert low.shape == high.shape == (2, 3)
    alone = np.array([mean_interval(row) for row in table.reshape(6, rounds)])
    assert low.ravel() == pytest.approx(alone[:, 0])
    assert high.ravel() == pytest.approx(alone[:, 1])


@given(
    seed=_SEEDS,
    rounds=st.integers(2, 40),
    scale=st.floats(1e-6, 1e6),
    shift=st.floats(-10, 10),
    confidence=st.sampled_from([0.8, 0.95]),
)
def test_the_mean_s_interval_knows_no_unit(
    seed: int, rounds: int, scale: float, shift: float, confidence: float
) -> None:
    """Scaled and shifted rounds have such ends; negated ones have them on the other side."""
    values = drawn(seed, rounds)
    low, high = mean_interval(values, confidence)
    near = float(abs(low) + abs(high) + abs(shift)) * 1e-9
    scaled = mean_interval((values + shift) * scale, confidence)
    expected = ((low + shift) * scale, (high + shift) * scale)
    assert scaled == pytest.approx(expected, abs=near * scale)
    assert mean_interval(-values, confidence) == pytest.approx((-high, -low), abs=near)
    assert half_width(values, confidence) == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("exponent", [-900, -400, 400])
def test_however_small_the_unit_the_interval_is_the_same(exponent: int) -> None:
    """Also where squares or cubes of the values would be zero or too large."""
    values = np.array([0.0, 3.0, 1.0, 0.0, 0.0, 2.0, 0.0, 9.0])
    ends = np.array(mean_interval(values))
    found = np.array(mean_interval(np.ldexp(values, exponent)))
    assert np.ldexp(found, -exponent).tolist() == ends.tolist()


@given(seed=_SEEDS, rounds=st.integers(2, 60), percent=st.integers(80, 99))
def test_the_mean_lies_in_its_interval(seed: int, rounds: int, percent: int) -> None:
    """However skewed or dependent the rounds."""
    values = drawn(seed, rounds)
    low, high = mean_interval(values, percent / 100)
    assert low <= values.mean() <= high
    assert (low < high) == (np.ptp(values) > 0)


@given(values=_QUALITIES)
def test_the_mean_s_interval_stays_within_its_bounds(values: list[float]) -> None:
    """A mean of shares has no interval that leaves 0 to 1, and the value lies in it."""
    found = mean_by_round(np.array(values), bounds=(0.0, 1.0))
    if found.low is not None and found.high is not None and found.value is not None:
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


# The tail quantile


@pytest.mark.parametrize(("share", "rounds"), [(0.05, 72), (0.01, 368), (0.5, 6), (0.95, 72)])
def test_rounds_needed_are_the_published_ones(share: float, rounds: int) -> None:
    """Two-sided at 95 %: 72 rounds for the 5 % quantile, 368 for the 1 % one."""
    assert rounds_needed(share) == rounds


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_there_is_an_interval_from_the_rounds_needed_on(share: float, confidence: float) -> None:
    """With one independent round fewer there is none, and the reason says how many it takes."""
    needed = rounds_needed(share, confidence)
    enough = tail_quantile(spread_out(needed), share, confidence=confidence)
    assert enough.low is not None
    assert enough.reason is None
    short = tail_quantile(spread_out(needed - 1), share, confidence=confidence)
    assert short.value is not None
    assert short.low is short.high is None
    assert short.reason == (
        f"the {100 * share:g} % quantile needs {needed} rounds for {100 * confidence:g} %, "
        f"have {needed - 1}"
    )


def test_dependent_rounds_are_too_few_where_independent_ones_would_do() -> None:
    """Rounds that come in spells are worth fewer; the reason says so, and how many it takes."""
    found = tail_quantile(np.arange(100.0), 0.05)
    assert found.low is found.high is None
    assert found.method.startswith("order statistics over rounds, worth ")
    assert found.reason is not None
    needs = math.ceil(72 * inflation(np.repeat([1.0, 0.0], [5, 95])))
    assert needs > 300
    assert found.reason == (
        f"the 5 % quantile needs {needs} rounds as dependent as these for 95 %, have 100"
    )


@pytest.mark.parametrize("n", [72, 73, 100, 137, 300, 400])
@pytest.mark.parametrize("share", [0.05, 0.01, 0.3])
def test_order_statistics_are_those_of_a_brute_force_sum(n: int, share: float) -> None:
    """Of independent rounds, each end is the innermost one that the binomial law allows.

    The r-th smallest of n is above the true quantile when fewer than r lie below: a sum of
    binomial probabilities, written out.
    """
    chances = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    fewer_than = [0.0, *accumulate(chances)]
    values = spread_out(n)  # the value is its own rank
    found = tail_quantile(values, share)
    lows = [r for r in range(1, n + 1) if fewer_than[r] <= 0.025]
    highs = [r for r in range(1, n + 1) if fewer_than[r] >= 0.975]
    if not lows or not highs:
        assert found.low is found.high is None
        return
    assert (found.low, found.high) == (max(lows), min(highs))


@given(seed=_SEEDS, rounds=st.integers(72, 400))
def test_dependence_only_widens_a_quantile_s_interval(seed: int, rounds: int) -> None:
    """Against the same rounds told apart, each end lies as far out or further, or is not told."""
    values = autoregressive(np.random.default_rng(seed), 1, rounds, 0.6)[0]
    apart = tail_quantile(np.sort(values)[spread_out(rounds).astype(int) - 1], 0.05)
    found = tail_quantile(values, 0.05)
    assert found.value == apart.value
    if found.low is None or found.high is None:
        return
    assert apart.low is not None
    assert apart.high is not None
    assert found.low <= apart.low
    assert found.high >= apart.high


@given(
    values=st.lists(st.integers(0, 1000), min_size=72, max_size=150),
    bend=st.sampled_from([lambda v: v**3, lambda v: 7 * v + 3, np.sqrt]),
)
def test_a_quantile_follows_any_rising_change_of_scale(
    values: list[int], bend: Callable[[Floats], Floats]
) -> None:
    """Order statistics know ranks only: transformed rounds give the transformed ends."""

    def bent(end: float | None) -> float | None:
        return None if end is None else float(bend(np.array(float(end))))

    plain = tail_quantile(np.array(values, dtype=float), 0.05)
    after = tail_quantile(bend(np.array(values, dtype=float)), 0.05)
    assert after.value == bent(plain.value)
    assert (after.low, after.high) == (bent(plain.low), bent(plain.high))
    assert after.reason == plain.reason


# All of them


_ESTIMATORS: dict[str, Callable[[Floats], Estimate]] = {
    "mean": mean_by_round,
    "quantile": lambda values: tail_quantile(values, 0.05),
    "cvar": lambda values: tail_mean_by_round(values, 0.05),
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
    """The methods say what they are."""
    assert {estimate(np.array([0.1, 0.2])).method for estimate in _ESTIMATORS.values()} == {
        "t over rounds",
        "order statistics over rounds",
        "influence function over rounds",
    }
    assert mean_by_round(spread_out(8)).method == "skewness-corrected t over rounds"


# CVaR


@given(seed=st.integers(0, 10**6), usual=st.sampled_from([0.0, 0.02, 0.98, 1.0]))
def test_a_cvar_of_shares_is_bounded_as_shares_are(seed: int, usual: float) -> None:
    """With bounds given, no end of a CVaR's interval leaves them."""
    random = np.random.default_rng(seed)
    values = np.where(random.uniform(size=400) < 0.9, usual, random.uniform(size=400))
    found = tail_mean_by_round(values, 0.05, bounds=(0.0, 1.0))
    assert found.value is not None
    if found.low is None or found.high is None:
        assert "independent ones" in found.method
        return
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


@pytest.mark.parametrize(("share", "needs"), [(0.05, 200), (0.01, 1000), (0.1, 100)])
def test_a_cvar_needs_ten_rounds_in_its_tail(share: float, needs: int) -> None:
    """Below that, or where they depend, it has a value and says how many bear an interval."""
    worst = f"the worst {100 * share:g} %"
    assert tail_mean_by_round(spread_out(needs), share).low is not None
    short = tail_mean_by_round(spread_out(needs - 1), share)
    assert short.value is not None
    assert short.low is None
    assert short.reason == f"{worst} needs {needs} rounds for an interval, have {needs - 1}"
    dependent = tail_mean_by_round(np.sort(spread_out(needs)), share)
    assert dependent.low is None
    assert dependent.reason is not None
    assert dependent.reason.endswith(f"rounds for an interval, have {needs}")


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("law", ["normal", "skewed"])
def test_a_cvar_s_interval_is_hall_s_of_its_influence(law: str, confidence: float) -> None:
    """Each round's share in the CVaR, by hand; half of the rounds in the tail as freedom."""
    values = _LAWS[law](np.random.default_rng(5), 500)
    ordered = sorted(values)
    edge = ordered[24]
    influence = np.array([edge - max(edge - x, 0) / 0.05 for x in values])
    inflated = float(inflation(influence))
    found = tail_mean_by_round(values, 0.05, confidence=confidence)
    assert found.value == pytest.approx(math.fsum(ordered[:25]) / 25)
    expected = hall_s_interval(influence, confidence, 12.5 / inflated, inflated)
    assert (found.low, found.high) == pytest.approx(expected)


def test_a_cvar_s_interval_is_that_of_a_bootstrap() -> None:
    """The influence function and a bootstrap of the slow definition agree on the ends.

    Both allow for skewness (scipy's by BCa); the t quantile of thirty rounds in the tail makes ours
    the wider one, by less than a fifth of its width at each end.
    """
    values = np.sort(np.random.default_rng(3).normal(size=600))[spread_out(600).astype(int) - 1]

    def slow(sample: Floats, axis: int) -> Floats:
        worst = np.sort(sample, axis=axis)[..., :30]
        return np.asarray(worst.mean(axis=axis))

    found = tail_mean_by_round(values, 0.05)
    assert found.low is not None
    assert found.high is not None
    again = bootstrap(
        (values,), slow, n_resamples=2000, method="BCa", rng=np.random.default_rng(4)
    ).confidence_interval
    wide = again.high - again.low
    assert found.low < again.low + 0.05 * wide
    assert found.high > again.high - 0.05 * wide
    assert found.low == pytest.approx(again.low, abs=0.2 * wide)
    assert found.high == pytest.approx(again.high, abs=0.2 * wide)


def test_more_confidence_is_a_wider_interval() -> None:
    """For every estimator, 99 % reaches further than 95 %, and that further than 80 %."""
    values = np.random.default_rng(6).uniform(size=1000)
    at: list[Callable[[float], Estimate]] = [
        lambda c: mean_by_round(values, confidence=c),
        lambda c: tail_quantile(values, 0.05, confidence=c),
        lambda c: tail_mean_by_round(values, 0.05, confidence=c),
    ]
    for estimate in at:
        for narrow, wide in pairwise(map(estimate, (0.8, 0.95, 0.99))):
            assert wide.low is not None
            assert wide.high is not None
            assert narrow.low is not None
            assert narrow.high is not None
            assert wide.low < narrow.low < narrow.high < wide.high
            assert wide.confidence > narrow.confidence
