"""MLPerf's early stopping: the reference's table, and exact binomial sums."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.stats.early_stopping import (
    discarded,
    estimate,
    more_needed,
    odds,
    passes,
    queries_needed,
)

PERCENTS = st.sampled_from([50, 75, 90, 95, 97, 99, 99.9])
ONE_IN_A_HUNDRED = Fraction(1, 100)


def chance(queries: int, over: int, percent: float) -> Fraction:
    """P(at most so many late), each late with what the percentile leaves: the sum itself."""
    late = 1 - Fraction(str(percent)) / 100
    return sum(
        (comb(queries, k) * late**k * (1 - late) ** (queries - k) for k in range(over + 1)),
        Fraction(0),
    )


@pytest.mark.parametrize(
    ("percent", "fewest"), [(90, 64), (95, 130), (97, 219), (99, 662), (99.9, 6636)]
)
def test_the_fewest_queries_of_an_estimate_are_mlperf_s(percent: float, fewest: int) -> None:
    """The rules' own table: with fewer there is no estimate, with so many there is."""
    assert queries_needed(1, percent) == fewest
    latencies = np.arange(fewest, dtype=np.int64)
    assert estimate(latencies[:-1], percent) is None
    assert estimate(latencies, percent) == fewest - 1


@pytest.mark.parametrize(
    ("over", "fewest"),
    [(0, 459), (1, 662), (2, 838), (10, 2010), (100, 12_571), (1000, 107_569)],
)
def test_a_server_s_fewest_queries_are_mlperf_s(over: int, fewest: int) -> None:
    """At p99, by how many took too long."""
    assert queries_needed(over, 99) == fewest
    assert more_needed(fewest - 1, over, 99) == 1
    assert more_needed(fewest, over, 99) == 0


@given(queries=st.integers(1, 250), over=st.integers(0, 250), percent=PERCENTS)
def test_the_odds_are_the_binomial_sum(queries: int, over: int, percent: float) -> None:
    """By fractions, term after term."""
    if over >= queries:
        assert not passes(queries, over, percent)
        return
    exact = chance(queries, over, percent)
    assert odds(queries - over, over, percent) == pytest.approx(float(exact), rel=1e-9)
    assert passes(queries, over, percent) == (exact < ONE_IN_A_HUNDRED)


@given(over=st.integers(0, 12), percent=st.sampled_from([50, 75, 90, 95]))
def test_the_fewest_queries_are_the_first_that_pass(over: int, percent: float) -> None:
    """Counted up from one, by exact sums."""
    fewest = next(n for n in range(over + 1, 10**4) if chance(n, over, percent) < ONE_IN_A_HUNDRED)
    assert queries_needed(over, percent) == fewest


@given(queries=st.integers(1, 3000), percent=PERCENTS, seed=st.integers(0, 99))
def test_the_estimate_discards_as_many_as_still_pass(
    queries: int, percent: float, seed: int
) -> None:
    """``sorted[n - t]`` with the most t that pass, counted up one by one, as LoadGen does."""
    over = 0
    while passes(queries, over + 1, percent):
        over += 1
    ordered = np.sort(np.random.default_rng(seed).integers(0, 10**6, queries))
    assert discarded(queries, percent) == (over - 1 if over else None)
    assert estimate(ordered, percent) == (ordered[queries - over] if over else None)


def test_more_late_queries_need_more_queries() -> None:
    """Each at least as many more as the percentile says one late query is worth."""
    needs = [queries_needed(t, 99) for t in range(200)]
    assert min(np.diff(needs)) >= 100


@pytest.mark.parametrize("percent", [90.0, 99.0, 99.9])
def test_ten_million_queries_are_told_as_exactly(percent: float) -> None:
    """The edge is where the binomial distribution of another library says it is."""
    from scipy.stats import binom

    n = 10**7
    spared = discarded(n, percent)
    assert spared is not None
    late = 1 - percent / 100
    assert binom.cdf(spared + 1, n, late) < 0.01 <= binom.cdf(spared + 2, n, late)


def test_independent_queries_exceed_the_estimate_rarely_enough() -> None:
    """Simulated: the true p90 lies above the estimate in at most 1 % of runs.

    The pass rule is a binomial bound at 1e-6, so a right program fails once in a million seeds.
    """
    from scipy.stats import binom

    runs, n = 4000, 500
    spared = discarded(n, 90)
    assert spared is not None
    random = np.random.default_rng(1)
    ordered = np.sort(random.random((runs, n)), axis=1)
    missed = int((ordered[:, n - 1 - spared] < 0.9).sum())
    assert missed <= binom.ppf(1 - 1e-6, runs, 0.01)
    one_more = int((ordered[:, n - 2 - spared] < 0.9).sum())
    assert one_more > missed
