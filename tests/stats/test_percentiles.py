"""Latency percentiles over the rounds of a run: LoadGen's value, an interval, or why none."""

import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.simulated import spread_out
from tailmark.records.model import NEVER, Int64s
from tailmark.stats.dependence import inflation
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import Floats, bearing_rounds, pooled_percentile
from tailmark.stats.quantiles import latency_percentile
from tailmark.stats.rounds import mean_interval

PERCENTS = st.sampled_from([1, 10, 50, 90, 95, 99, 99.9])
SEEDS = st.integers(0, 10**6)


@st.composite
def ragged_rounds(draw: st.DrawFn) -> list[Int64s]:
    """Rounds of several lengths: ties or none, slow rounds, queries without an answer."""
    rng = np.random.default_rng(draw(SEEDS))
    rounds = draw(st.integers(2, 14))
    distinct = draw(st.sampled_from([3, 20, 1000]))
    slower = draw(st.sampled_from([0, 0, 1])) * distinct * rng.exponential(size=rounds)
    unanswered = draw(st.sampled_from([0.0, 0.0, 0.02, 0.3]))
    shortest = draw(st.sampled_from([1, 20, 40]))
    found = []
    for k in range(rounds):
        one = rng.integers(1, distinct + 1, rng.integers(shortest, 41)) + int(slower[k])
        found.append(np.sort(np.where(rng.random(len(one)) < unanswered, NEVER, one)))
    return found


def percentile(
    rounds: list[Int64s], percent: float, *, confidence: float = 0.95
) -> tuple[Estimate, Int64s]:
    """What is said of some rounds, and all their latencies."""
    ordered = np.sort(np.concatenate(rounds))
    return pooled_percentile(rounds, ordered, percent, confidence=confidence), ordered


def alike(rounds: int, queries: int) -> list[Int64s]:
    """Rounds that each have the latencies 1000 to 2000, evenly, displaced a little by round."""
    even = np.linspace(1000, 2000, queries)
    return [(even + displaced).astype(np.int64) for displaced in spread_out(rounds)]


@given(rounds=ragged_rounds(), percent=PERCENTS)
def test_the_value_is_loadgen_s(rounds: list[Int64s], percent: float) -> None:
    """``sorted[floor(n p)]`` over all queries, in exact arithmetic; none if that has no answer."""
    found, _ = percentile(rounds, percent)
    every = sorted(int(ns) for one in rounds for ns in one)
    expected = every[int(len(every) * Fraction(str(percent)) / 100)]
    assert found.value == (None if expected == NEVER else expected)
    assert found.n == len(rounds)


@given(rounds=ragged_rounds(), percent=PERCENTS)
def test_the_ends_are_latencies_around_the_value(rounds: list[Int64s], percent: float) -> None:
    """Both ends are there, or neither and a reason; they were measured, the value between."""
    found, ordered = percentile(rounds, percent)
    assert (found.low is None) == (found.high is None) == (found.reason is not None)
    if found.value is None or found.low is None or found.high is None:
        return
    measured = {float(ns) for ns in ordered[ordered != NEVER]}
    assert {found.low, found.value, found.high} <= measured
    assert found.low <= found.value <= found.high


def later_shares(rounds: list[Int64s], latencies: list[int]) -> Floats:
    """Each round's share of queries later than each latency, shape (latencies, rounds).

    Linearised: a round's surplus over the pooled share counts by queries, not by rounds.
    """
    counts = np.array([[np.count_nonzero(one > ns) for one in rounds] for ns in latencies])
    sizes = np.array([len(one) for one in rounds])
    pooled = counts.sum(axis=1, keepdims=True) / sizes.sum()
    return np.asarray(pooled + (counts - sizes * pooled) / sizes.mean())


@given(
    rounds=ragged_rounds(),
    percent=st.sampled_from([25, 50, 75, 90]),
    confidence=st.sampled_from([0.8, 0.95]),
)
def test_the_ends_are_those_of_testing_every_latency(
    rounds: list[Int64s], percent: float, confidence: float
) -> None:
    """The interval goes from the first latency that may be the percentile to the last one.

    A latency may be it if less than the percentile's share of later queries is plausible there, and
    the one before it leaves more. Each end is where that changes; and where it changes once only,
    as the search assumes, testing latency after latency finds the very same ends.
    """
    found, ordered = percentile(rounds, percent, confidence=confidence)
    if found.value is None or found.low is None or found.high is None:
        return
    latencies = [int(ns) for ns in np.unique(ordered)]
    at = latencies.index(int(found.value))
    if len(latencies) == 1:
        return
    shares = later_shares(rounds, latencies)
    around = latency_percentile(ordered, 100 - min(3 * (100 - percent), 50))
    worth = [inflation(shares[k]) for k in (at, latencies.index(around))]
    lows, highs = mean_interval(
        shares, confidence, freedom=bearing_rounds(shares[at]), inflated=float(max(worth))
    )
    share = 1 - percent / 100 - 1e-12
    reached, passed = list(lows <= share), list(highs < share)
    first, last = (latencies.index(int(ns)) for ns in (found.low, found.high))
    assert reached[first]
    assert first == 0 or not reached[first - 1]
    assert passed[last]
    assert last == at or not passed[last - 1]
    if sorted(reached[: at + 1]) == reached[: at + 1]:
        assert first == reached.index(True)
    if sorted(passed[at:]) == passed[at:]:
        assert last == at + passed[at:].index(True)


@given(
    rounds=ragged_rounds(), percent=PERCENTS, factor=st.integers(1, 999), shift=st.integers(0, 999)
)
def test_a_percentile_knows_no_unit(
    rounds: list[Int64s], percent: float, factor: int, shift: int
) -> None:
    """Latencies times a whole number, and later by one, have the value and ends so changed."""

    def changed(ns: float | None) -> float | None:
        return None if ns is None else ns * factor + shift

    plain, _ = percentile(rounds, percent)
    after = [np.where(one == NEVER, NEVER, one * factor + shift) for one in rounds]
    scaled, _ = percentile(after, percent)
    told = (changed(plain.value), changed(plain.low), changed(plain.high), plain.reason)
    assert (scaled.value, scaled.low, scaled.high, scaled.reason) == told


@pytest.mark.parametrize("percent", [1, 50, 60, 70, 90, 99, 99.9])
def test_rounds_of_one_latency_have_an_interval_of_no_width(percent: float) -> None:
    """Nothing varies, nothing is uncertain."""
    found, _ = percentile([np.full(k, 7) for k in (3, 1, 20)], percent)
    assert (found.low, found.value, found.high, found.reason) == (7, 7, 7, None)


@pytest.mark.parametrize("percent", [10, 20, 30, 40, 50, 55, 60, 70, 80])
def test_rounds_that_differ_only_in_length_do_not_widen_a_percentile(percent: float) -> None:
    """Each round has the same shares of the same latencies, so their lengths tell nothing.

    Also where a share is a tie in one arithmetic and not in the other.
    """
    found, _ = percentile(
        [np.repeat(np.arange(1, 11), times) for times in (1, 7, 2, 30, 4, 4, 4, 4)], percent
    )
    assert found.low == found.value == found.high


def test_a_percentile_counts_rounds_and_not_queries() -> None:
    """Queries of one round that share a fate make its interval wide, however many they are."""
    effect = np.random.default_rng(5).normal(size=30)
    few, many = (
        percentile([np.full(queries, round(1e6 + 1e5 * e)) for e in effect], 50)[0]
        for queries in (2, 2000)
    )
    assert few.low is not None
    assert (few.low, few.high) == (many.low, many.high)


@given(seed=SEEDS, percent=st.sampled_from([50, 90, 99]))
def test_independent_queries_have_their_binomial_interval(seed: int, percent: float) -> None:
    """Without round effects the interval is about as wide as the one that counts queries.

    The share of later queries is then binomial. Rounds bear the same, within a factor of three:
    their spread is itself estimated, and of the hundred queries of a round few are late.
    """
    latency = np.random.default_rng(seed).integers(0, 10**9, (100, 100))
    found, _ = percentile(list(np.sort(latency, axis=1)), percent)
    assert found.low is not None
    assert found.high is not None
    share = percent / 100
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / latency.size) * 10**9
    assert 1 / 3 < (found.high - found.low) / expected < 3


def test_more_confidence_is_a_wider_interval() -> None:
    """Of the same rounds, a higher confidence has ends further out."""
    rng = np.random.default_rng(6)
    by_round = [np.sort(rng.integers(0, 10**6, 50)) for _ in range(40)]
    ends = [percentile(by_round, 50, confidence=c)[0] for c in (0.8, 0.95, 0.99)]
    lows, highs = [e.low or 0 for e in ends], [e.high or 0 for e in ends]
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs)
    assert lows[0] > lows[-1] > 0
    assert highs[0] < highs[-1]


def burdened(rounds: int, slow: int, queries: int = 100) -> list[Int64s]:
    """Rounds alike, but that in some, evenly among them, all queries take ten times as long."""
    every = alike(rounds, queries)
    for k in np.linspace(1, rounds - 2, slow).astype(int):
        every[k] = every[k] * 10
    return every


REFUSALS: dict[str, tuple[list[Int64s], float, str]] = {
    "one round": (alike(1, 100), 50, r"an interval needs 2 rounds or more, have 1"),
    "late in few of few rounds": (
        burdened(30, 2),
        99,
        r"p99 lies in few rounds \(its neighbourhood in 2.0 of 30\), so it needs 100 rounds",
    ),
    "few queries, late in few rounds": (
        [
            np.append(np.arange(100 * k, 100 * k + 8), 2 * [10_000 + k if k < 5 else 50])
            for k in range(30)
        ],
        99,
        r"p99 rests on 4\.0 of 30 rounds, too few to bound: measure more",
    ),
    "nothing later": (
        [np.append(np.arange(1, 90), np.full(20, 1000)) for _ in range(12)],
        90,
        r"so many queries share the longest latency that p90 has no upper end",
    ),
    "rounds unlike": (
        [np.full(10, 10**k) for k in range(6)],
        50,
        r"p50 varies too much between rounds to bound from 6: measure more",
    ),
    "answers too few for an end": (
        [np.append(np.arange(1, 90), np.full(lost, NEVER)) for lost in 3 * (0, 0, 30, 0)],
        90,
        r"p90 has no upper end: too many queries have no answer",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_where_rounds_cannot_bear_an_interval_there_is_none(case: str) -> None:
    """The value stands, and the reason says what is missing."""
    rounds, percent, reason = REFUSALS[case]
    found, _ = percentile(rounds, percent)
    assert found.value is not None
    assert found.low is found.high is None
    assert found.reason is not None
    assert re.match(reason, found.reason)


ENOUGH: dict[str, Callable[[], Estimate]] = {
    "three rounds": lambda: percentile(alike(3, 100), 50)[0],
    "late in all rounds": lambda: percentile(alike(30, 100), 99)[0],
    "late in several of many rounds": lambda: percentile(burdened(200, 20), 99)[0],
    "answers enough for an end": lambda: percentile(
        [np.append(np.arange(1, 98), np.full(lost, NEVER)) for lost in 4 * (2, 4, 3)], 90
    )[0],
}


@pytest.mark.parametrize("case", ENOUGH)
def test_where_rounds_bear_an_interval_there_is_one(case: str) -> None:
    """The counterparts of the refusals are bounded, and are no tighter than the value."""
    found = ENOUGH[case]()
    assert found.reason is None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.high


@pytest.mark.parametrize("percent", [90, 99, 99.9])
def test_a_percentile_among_the_unanswered_has_no_value(percent: float) -> None:
    """A query without an answer is later than every latency: the percentile then is none."""
    found, _ = percentile([np.append(np.arange(1, 90), [NEVER] * 11)] * 40, percent)
    assert found.value is found.low is found.high is None
    assert found.reason == f"{100 - percent:g} % of the queries or more have no answer"


def test_a_percentile_says_how_it_was_bounded() -> None:
    """By tests over rounds; and what dependence left of them."""
    rng = np.random.default_rng(2)
    apart = [np.sort(rng.integers(0, 10**6, 100)) for _ in range(40)]
    assert percentile(alike(40, 100), 50)[0].method == "inverted t tests over rounds"
    drifting = [one + 50_000 * k for k, one in enumerate(apart)]
    method = percentile(drifting, 50)[0].method
    assert method.startswith("inverted t tests over rounds, worth ")
    assert method.endswith(" independent ones")


@pytest.mark.parametrize(
    ("shares", "expected"), [([1, 1, 1, 1], 4), ([0, 0, 5], 1), ([0.0], 0), ([1, 3], 1.6)]
)
def test_bearing_rounds_are_as_many_as_would_share_evenly(
    shares: list[float], expected: float
) -> None:
    """All if each has as much, one if one has it all, between them by their squares."""
    assert bearing_rounds(np.array(shares)) == pytest.approx(expected)
