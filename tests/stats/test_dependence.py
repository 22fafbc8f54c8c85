"""What rounds are worth, and whether they change.

Simulated counts are held to a stated rate: they must not leave the 0.1 % quantile of the binomial
law that the rate gives them, so each such test fails a sound method once in a thousand seeds, and
the seeds are fixed.
"""

import math
from collections.abc import Callable
from statistics import NormalDist, fmean, median, stdev

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu

from stats.simulated import autoregressive, spread_out
from tailmark.stats.dependence import Floats, drift, inflation, lag_one, warm_up

TRIALS = 400

LAWS: dict[str, Callable[[np.random.Generator, int, int], Floats]] = {
    "independent": lambda rng, runs, rounds: rng.standard_normal((runs, rounds)),
    "AR(1) 0.3": lambda rng, runs, rounds: autoregressive(rng, runs, rounds, 0.3),
    "AR(1) 0.5": lambda rng, runs, rounds: autoregressive(rng, runs, rounds, 0.5),
    "Pareto 2.5": lambda rng, runs, rounds: rng.pareto(2.5, (runs, rounds)),
}

DRIFT_ALARMS = {
    ("independent", 20): 0.02,
    ("independent", 30): 0.02,
    ("independent", 100): 0.01,
    ("AR(1) 0.3", 20): 0.06,
    ("AR(1) 0.3", 30): 0.04,
    ("AR(1) 0.3", 100): 0.02,
    ("AR(1) 0.5", 20): 0.10,
    ("AR(1) 0.5", 30): 0.06,
    ("AR(1) 0.5", 100): 0.03,
    ("Pareto 2.5", 20): 0.02,
    ("Pareto 2.5", 30): 0.02,
    ("Pareto 2.5", 100): 0.01,
}
"""How often drift may be seen where there is none; dependence in few rounds looks like it."""

WARM_UP_ALARMS = 0.015

SEEDS = st.integers(0, 10**6)


def at_most(rate: float) -> int:
    """The most hits in all trials that do not refute the rate."""
    return int(binom.ppf(0.999, TRIALS, rate))


def at_least(rate: float) -> int:
    """The fewest."""
    return int(binom.ppf(0.001, TRIALS, rate))


def varied(seed: int, rounds: int) -> Floats:
    """Some rounds: dependent or not, and with a change or without."""
    rng = np.random.default_rng(seed)
    rho = rng.choice([0.0, 0.3, 0.8])
    series: Floats = autoregressive(rng, 1, rounds, rho)[0]
    series[: rng.integers(1, rounds)] += rng.choice([0.0, 1.0, 4.0])
    return series


# What a round is worth


@pytest.mark.parametrize("rounds", [8, 9, 100])
def test_alternating_rounds_are_worth_no_more_than_themselves(rounds: int) -> None:
    """Up and down by turns, the mean is better known than by chance; no interval narrows by it."""
    assert inflation(np.resize([0.0, 1.0], rounds)) == 1


@pytest.mark.parametrize("rounds", range(1, 8))
def test_dependence_is_not_looked_for_in_a_few_rounds(rounds: int) -> None:
    """Below eight rounds each counts in full, even where they rise steadily."""
    assert inflation(np.arange(float(rounds))) == 1


@pytest.mark.parametrize("value", [0.0, 0.1 + 0.2, -1e9 / 3])
@pytest.mark.parametrize("rounds", [8, 1000])
def test_rounds_that_agree_do_not_depend_on_each_other(value: float, rounds: int) -> None:
    """Nor do they where their mean differs from them by rounding."""
    same = np.full(rounds, value)
    assert lag_one(same) == 0
    assert inflation(same) == 1


@given(seed=SEEDS, rounds=st.integers(8, 60))
def test_inflation_is_the_double_sum_of_autocorrelations(seed: int, rounds: int) -> None:
    """The mean's variance, in units of one round's over n, written out for every two rounds."""
    series = varied(seed, rounds)
    mean = fmean(series)
    off = [x - mean for x in series]
    measured = sum(off[k] * off[k + 1] for k in range(rounds - 1)) / sum(x * x for x in off)
    assert lag_one(series) == pytest.approx(measured)
    rho = min(max(measured + (1 + 4 * measured) / rounds, 0.0), 0.9)
    written_out = sum(rho ** abs(i - j) for i in range(rounds) for j in range(rounds)) / rounds
    assert inflation(series) == pytest.approx(written_out)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5])
def test_inflation_is_what_dependence_does_to_the_mean(rho: float) -> None:
    """Simulated means of AR(1) rounds vary as much as it says, within 10 %.

    The variance of 4,000 means is known to 2.2 %, so that 10 % is over four times its error; the
    rest is for what 100 rounds do not tell of their own autocorrelation.
    """
    runs, rounds = 4000, 100
    series = autoregressive(np.random.default_rng(11), runs, rounds, rho)
    happened = rounds * series.mean(axis=1).var()
    assert np.median(inflation(series)) == pytest.approx(happened, rel=0.1)


@given(seed=SEEDS, rounds=st.integers(8, 40))
def test_inflation_of_many_series_is_each_one_s(seed: int, rounds: int) -> None:
    """Series side by side know nothing of each other."""
    table = np.stack([varied(seed + k, rounds) for k in range(6)])
    together = inflation(table.reshape(2, 3, rounds))
    assert together.shape == (2, 3)
    assert together.ravel() == pytest.approx([float(inflation(row)) for row in table])


@given(seed=SEEDS, rounds=st.integers(8, 40), power=st.integers(-20, 20), shift=st.integers(-9, 9))
def test_inflation_knows_no_unit(seed: int, rounds: int, power: int, shift: int) -> None:
    """Scaled, shifted, negated or reversed, rounds are worth the same."""
    series = varied(seed, rounds)
    expected = pytest.approx(float(inflation(series)))
    assert inflation(series * 2.0**power) == expected
    assert inflation(series + shift) == expected
    assert inflation(-series) == expected
    assert inflation(series[::-1]) == expected


# Drift


def scores_of(series: Floats) -> list[float]:
    """Normal scores of the ranks, ties sharing theirs."""
    n = len(series)
    ranks = [sum(y < x for y in series) + (sum(y == x for y in series) + 1) / 2 for x in series]
    return [NormalDist().inv_cdf((rank - 0.5) / n) for rank in ranks]


def heights(series: Floats) -> dict[int, float]:
    """How far the scores before each round that may be the first after a change sum up."""
    n, scores = len(series), scores_of(series)
    edge = max(2, math.ceil(0.05 * n))
    return {k: abs(sum(scores[:k]) - k * fmean(scores)) for k in range(edge, n - edge + 1)}


def slow_drift(series: Floats) -> tuple[int, float]:
    """Where the level changes most, and p, by the definitions and with nothing but sums.

    Where two rounds tie, either would do, and the series is left out.
    """
    n, height, scores = len(series), heights(series), scores_of(series)
    second, largest = sorted(height.values())[-2:]
    assume(largest - second > 1e-9)
    at = max(height, key=lambda k: height[k])
    rest = [x - fmean(scores[:at]) for x in scores[:at]]
    rest += [x - fmean(scores[at:]) for x in scores[at:]]
    spread = stdev(rest) * math.sqrt((n - 1) / (n - 2))
    x = largest / (spread * math.sqrt(n * float(inflation(np.array(rest)))))
    kolmogorov = 2 * sum((-1) ** (j - 1) * math.exp(-2 * (j * x) ** 2) for j in range(1, 100))
    return at, kolmogorov


@given(seed=SEEDS, rounds=st.integers(16, 40))
def test_drift_is_where_the_cumulative_sum_is_largest(seed: int, rounds: int) -> None:
    """The slow definition finds the same round and the same p; medians tell the two levels."""
    series = varied(seed, rounds)
    at, p = slow_drift(series)
    found = drift(series, alarm=1.0)
    assert found is not None
    assert found.at == at
    assert found.p == pytest.approx(p, abs=1e-9)
    assert found.before == pytest.approx(median(series[:at]))
    assert found.after == pytest.approx(median(series[at:]))


@given(seed=SEEDS, rounds=st.integers(16, 40))
def test_drift_is_told_only_below_its_alarm(seed: int, rounds: int) -> None:
    """What p would be reached by chance too often is not told."""
    series = varied(seed, rounds)
    found = drift(series, alarm=1.0)
    assert found is not None
    assert drift(series, alarm=found.p * 0.99) is None
    assert drift(series, alarm=found.p) == found
    assert (drift(series) is None) == (found.p > 0.005)


@pytest.mark.parametrize("rounds", [20, 30, 100])
@pytest.mark.parametrize("law", LAWS)
def test_drift_is_seldom_seen_where_there_is_none(law: str, rounds: int) -> None:
    """False alarms stay at the stated rates, however the rounds depend and whatever their tails."""
    runs = LAWS[law](np.random.default_rng([1, rounds]), TRIALS, rounds)
    alarms = sum(drift(series) is not None for series in runs)
    assert alarms <= at_most(DRIFT_ALARMS[law, rounds])


@pytest.mark.parametrize(("rounds", "power"), [(30, 0.85), (100, 1.0)])
def test_a_slow_decline_is_seen(rounds: int, power: float) -> None:
    """Rounds that grow by 1 % each and vary by 5 %: told, and placed in the middle third or so.

    A decline has no round of its own; the two halves are what differs most.
    """
    rng = np.random.default_rng([2, rounds])
    runs = (1 + 0.01 * np.arange(rounds)) * (1 + 0.05 * rng.standard_normal((TRIALS, rounds)))
    found = [change for change in map(drift, runs) if change]
    assert len(found) >= at_least(power)
    assert all(change.before < change.after for change in found)
    places = np.array([change.at / rounds for change in found])
    assert np.mean((places > 0.3) & (places < 0.7)) > 0.95


@pytest.mark.parametrize(("rounds", "power", "off"), [(30, 0.7, 3), (100, 1.0, 3)])
def test_a_step_is_seen_and_found(rounds: int, power: float, off: int) -> None:
    """The last quarter lies two standard deviations higher: mostly told, and where it begins."""
    rng = np.random.default_rng([3, rounds])
    begins = 3 * rounds // 4
    runs = rng.standard_normal((TRIALS, rounds)) + 2 * (np.arange(rounds) >= begins)
    found = [change for change in map(drift, runs) if change]
    assert len(found) >= at_least(power)
    assert np.median([abs(change.at - begins) for change in found]) <= off


def test_one_wild_round_is_no_drift() -> None:
    """A single outlier, however far, moves ranks only: no level has changed."""
    for at in (0, 10, 39):
        series = spread_out(40)
        series[at] = 1e12
        assert drift(series) is None


def test_two_levels_without_noise_are_a_change() -> None:
    """Where nothing varies but the level, the change is certain."""
    found = drift(np.repeat([1.0, 2.0], 20))
    assert found is not None
    assert (found.at, found.before, found.after, found.p) == (20, 1, 2, 0)


@given(seed=SEEDS, rounds=st.integers(16, 40))
def test_drift_reads_the_same_backwards(seed: int, rounds: int) -> None:
    """Reversed rounds change at the mirrored round, from the later level to the earlier."""
    series = varied(seed, rounds)
    at, p = slow_drift(series)
    there, back = drift(series, alarm=1.0), drift(series[::-1], alarm=1.0)
    assert there is not None
    assert back is not None
    assert there.p == pytest.approx(p, abs=1e-9)
    assert back.p == pytest.approx(p, abs=1e-9)
    assert (there.at, back.at) == (at, rounds - at)
    assert (back.before, back.after) == (there.after, there.before)


# A slow start


@given(seed=SEEDS, rounds=st.integers(16, 40))
def test_a_slow_start_is_a_rank_sum_test(seed: int, rounds: int) -> None:
    """Of independent rounds, scipy's Mann-Whitney test at each start gives the same p.

    The rounds after a start are put where they show no dependence.
    """
    values = np.sort(np.random.default_rng(seed).standard_normal(rounds))
    series = values[spread_out(rounds).astype(int) - 1]
    tried = [k for k in (1, 2, 3, 5, 8, 13) if k <= rounds / 4]
    series[: tried[-1]] += 0.5
    ps = {
        k: len(tried)
        * mannwhitneyu(
            series[:k], series[k:], alternative="greater", use_continuity=False, method="asymptotic"
        ).pvalue
        for k in tried
    }
    found = warm_up(series, alarm=math.inf)
    assert found is not None
    assert found.p == pytest.approx(min(ps.values()))
    assert found.p == pytest.approx(ps[found.at])
    assert found.before == pytest.approx(median(series[: found.at]))
    assert found.after == pytest.approx(median(series[found.at :]))


@pytest.mark.parametrize("rounds", [20, 30, 100])
@pytest.mark.parametrize("law", LAWS)
def test_a_slow_start_is_seldom_seen_where_there_is_none(law: str, rounds: int) -> None:
    """False alarms stay at 1.5 %, however the rounds depend and whatever their tails."""
    runs = LAWS[law](np.random.default_rng([4, rounds]), TRIALS, rounds)
    assert sum(warm_up(series) is not None for series in runs) <= at_most(WARM_UP_ALARMS)


@pytest.mark.parametrize("rounds", [30, 100])
def test_a_slow_start_is_seen_and_ends_where_it_ends(rounds: int) -> None:
    """Five rounds, three standard deviations slower: told in 85 % of runs, mostly as five."""
    rng = np.random.default_rng([5, rounds])
    runs = rng.standard_normal((TRIALS, rounds)) + 3 * (np.arange(rounds) < 5)
    found = [change for change in map(warm_up, runs) if change]
    assert len(found) >= at_least(0.85)
    assert np.mean([change.at == 5 for change in found]) > 0.75
    assert all(change.before > change.after for change in found)


def test_a_single_slow_first_round_is_told() -> None:
    """Ranks cannot tell it; its height can, and a slow round elsewhere is none."""
    series = np.random.default_rng(3).normal(10.0, 0.1, size=40)
    series[0] = 12.0
    found = warm_up(series)
    assert found is not None
    assert (found.at, found.before) == (1, 12.0)
    assert warm_up(series[::-1].copy()) is None
    assert warm_up(series[:20]) is None  # the highest of 20 is the first too often by chance


def test_a_quick_start_is_no_warm_up() -> None:
    """Only a start that is slower than the rest settles."""
    series = spread_out(40)
    series[:8] -= 100
    assert warm_up(series) is None
    assert drift(series) is not None


# Both


@pytest.mark.parametrize("seen", [drift, warm_up])
@pytest.mark.parametrize("value", [0.0, 0.1 + 0.2, 7.0])
def test_rounds_that_agree_have_no_change(seen: Callable[[Floats], object], value: float) -> None:
    """Where nothing varies, or by rounding alone, nothing changes."""
    assert seen(np.full(100, value)) is None
    noise = np.repeat([1.0, 1.0 + 2.0**-50], 50)
    assert seen(noise) is None
    assert seen(noise[::-1]) is None


@pytest.mark.parametrize("seen", [drift, warm_up])
@pytest.mark.parametrize("rounds", [1, 2, 15])
def test_a_few_rounds_show_no_change(seen: Callable[[Floats], object], rounds: int) -> None:
    """Fewer than sixteen are not judged, even where they fall steadily."""
    assert seen(-np.arange(float(rounds))) is None


@given(seed=SEEDS, rounds=st.integers(16, 40), power=st.integers(-20, 20))
def test_changes_know_no_unit(seed: int, rounds: int, power: int) -> None:
    """In another unit, or on a bent scale, the same round changes with the same p.

    But for a first round that is the highest of all: how high it towers is seen by height alone.
    """
    series = np.exp(varied(seed, rounds))
    for seen in (drift, warm_up):
        plain = seen(series, 1.0)
        scaled = seen(series * 2.0**power, 1.0)
        bent = seen(np.sqrt(series), 1.0)
        told = [c and (c.at, c.p) for c in (plain, scaled, bent)]
        assert told[0] == told[1]
        if seen is drift or series.argmax() > 0:
            assert told[1] == told[2]
