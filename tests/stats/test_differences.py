"""Differences, B − A: their intervals mirror, shrink and cover; what they decide follows."""

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm

from tailmark.stats.differences import (
    decide,
    difference,
    difference_over_samples,
    mcnemar,
    mean_difference,
    paired_share_difference,
    rounds_behind,
    rounds_to_tell,
)
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.rounds import Floats, mean_by_round, tail_quantile

_MIRROR = {
    "better": "worse",
    "worse": "better",
    "equivalent": "equivalent",
    "cannot tell": "cannot tell",
}


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    """A value, and mostly an interval around it that need not be symmetric."""
    value = draw(st.floats(-1, 1))
    n = draw(st.integers(2, 100))
    if draw(st.integers(0, 4)) == 0:
        return Estimate(value=value, n=n, method="m", reason="too few")
    down, up = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    return Estimate(value=value, low=value - down, high=value + up, n=n, method="m")


def mirrored(e: Estimate) -> tuple[float | None, ...]:
    """The value and the ends, seen from the other side."""
    return tuple(None if x is None else -x for x in (e.value, e.high, e.low))


@given(a=estimates(), b=estimates(), correlation=st.floats(-1, 1))
def test_a_difference_mirrors(a: Estimate, b: Estimate, correlation: float) -> None:
    """B − A is A − B with its sign turned and its ends exchanged, and holds its value."""
    there = difference(a, b, correlation=correlation)
    back = difference(b, a, correlation=correlation)
    assert (there.value, there.low, there.high) == pytest.approx(mirrored(back))
    assert there.n == back.n == min(a.n, b.n)
    if there.low is not None and there.high is not None and there.value is not None:
        assert there.low <= there.value <= there.high


@given(
    middles=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    halves=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_symmetric_intervals_add_in_squares(
    middles: tuple[float, float], halves: tuple[float, float]
) -> None:
    """Of symmetric intervals MOVER makes what error propagation makes; of equal ones, alike, 0."""
    a, b = (Estimate(value=m, low=m - h, high=m + h) for m, h in zip(middles, halves, strict=True))
    found = difference(a, b)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * math.hypot(*halves))
    same = difference(a, a, correlation=1.0)
    assert (same.low, same.high) == pytest.approx((0, 0), abs=1e-7)


def test_what_has_no_interval_says_whose_reason_it_is() -> None:
    """A difference without an interval passes on why, and names the run if only one lacks it."""
    whole = Estimate(value=0.5, low=0.4, high=0.6, n=9, method="m")
    short = Estimate(value=0.4, n=3, method="m", reason="needs 72 rounds, have 3")
    nothing = Estimate(value=None, n=3, method="m", reason="no answer")
    found = difference(whole, short)
    assert found.value == pytest.approx(-0.1)
    assert found.low is found.high is None
    assert found.reason == "B: needs 72 rounds, have 3"
    assert difference(short, short).reason == "needs 72 rounds, have 3"
    gone = difference(nothing, short)
    assert gone.value is None
    assert gone.reason == "A: no answer; B: needs 72 rounds, have 3"


@given(
    a=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    b=st.lists(st.floats(0, 1), min_size=1, max_size=12),
)
def test_paired_means_are_of_the_rounds_both_have(a: list[float], b: list[float]) -> None:
    """Paired, the difference is the mean of round by round differences; apart, of the means."""
    both = min(len(a), len(b))
    paired = mean_difference(np.array(a), np.array(b), paired=True)
    expected = math.fsum(y - x for x, y in zip(a[:both], b[:both], strict=True)) / both
    assert paired.value == pytest.approx(expected, abs=1e-12)
    assert paired.n == both
    apart = mean_difference(np.array(a), np.array(b), paired=False)
    assert apart.value == pytest.approx(np.mean(b) - np.mean(a), abs=1e-12)


def check_coverage(
    draw: Callable[[np.random.Generator], Estimate], truth: float, *, trials: int, seed: int
) -> None:
    """The interval holds the truth in as many trials as the design's goal of 93 % leaves likely.

    A refusal counts as a miss. A sound interval fails in one seed of a thousand, and the seeds are
    fixed.
    """
    random, found = np.random.default_rng(seed), 0
    for _ in range(trials):
        e = draw(random)
        found += e.low is not None and e.high is not None and e.low <= truth <= e.high
    assert found >= binom.ppf(0.001, trials, 0.93)


@pytest.mark.parametrize("rounds", [30, 100])
@pytest.mark.parametrize("paired", [True, False])
def test_the_difference_of_means_covers(rounds: int, paired: bool) -> None:
    """Paired rounds share a round effect; rounds measured apart have their own, of any size."""

    def draw(random: np.random.Generator) -> Estimate:
        shared = random.normal(0, 0.05, rounds)
        a = 0.70 + shared + random.normal(0, 0.01, rounds)
        if not paired:
            shared = random.normal(0, 0.02, rounds)
        b = 0.71 + shared + random.normal(0, 0.01, rounds)
        return mean_difference(a, b, paired=paired)

    check_coverage(draw, 0.01, trials=400, seed=rounds)


def _percentile(
    random: np.random.Generator, effect: Floats, scale: float, percent: float
) -> tuple[Estimate, Floats]:
    """A latency percentile of log-normal queries, and the share of each round at or below it."""
    spread = random.normal(0, 0.2, (len(effect), 40))
    latency = np.sort(np.rint(scale * 1e6 * np.exp(effect + spread)).astype(np.int64), axis=1)
    e = pooled_percentile(list(latency), np.sort(latency, axis=None), percent)
    return e, np.mean(latency <= (e.value or 0), axis=1)


@pytest.mark.parametrize("rounds", [30, 100])
@pytest.mark.parametrize("paired", [True, False])
def test_the_difference_of_percentiles_covers(rounds: int, paired: bool) -> None:
    """MOVER inherits what each interval took into account, and the correlation of paired rounds.

    Log-normal latencies, each round slower or faster as a whole; B takes a tenth longer.
    """

    def draw(random: np.random.Generator) -> Estimate:
        effect = random.normal(0, 0.1, (rounds, 1))
        a, below = _percentile(random, effect, 1.0, 90)
        if not paired:
            effect = random.normal(0, 0.1, (rounds, 1))
        b, others = _percentile(random, effect, 1.1, 90)
        together = float(np.corrcoef(below, others)[0, 1]) if paired else 0.0
        return difference(a, b, correlation=together)

    truth = 0.1 * 1e6 * math.exp(norm.ppf(0.9) * math.hypot(0.1, 0.2))
    check_coverage(draw, truth, trials=60, seed=rounds)


def test_the_difference_of_tails_covers() -> None:
    """The 5 % tails of two runs of 250 rounds, one of which varies twice as much."""

    def draw(random: np.random.Generator) -> Estimate:
        a, b = (tail_quantile(random.normal(0.7, s, 250), 0.05) for s in (0.02, 0.04))
        return difference(a, b)

    check_coverage(draw, 0.02 * norm.ppf(0.05), trials=400, seed=5)


def _by_hand(fixes: int, breaks: int) -> float:
    """Twice the tail of fair coin tosses, summed; 1 where that is more."""
    n, k = fixes + breaks, min(fixes, breaks)
    return min(1.0, 2 * math.fsum(math.comb(n, j) for j in range(k + 1)) / 2.0**n)


@given(fixes=st.integers(0, 40), breaks=st.integers(0, 40))
def test_mcnemar_is_the_sum_of_coin_tosses(fixes: int, breaks: int) -> None:
    """The exact p-value is a binomial sum, written out; it is the same from either side."""
    assert mcnemar(fixes, breaks) == pytest.approx(_by_hand(fixes, breaks))
    assert mcnemar(fixes, breaks) == mcnemar(breaks, fixes)


def _score(fixes: int, breaks: int, pairs: int, delta: float) -> float:
    """The score statistic by brute force: the likeliest shares under ``delta``, by search."""

    def unlikely(lost: float) -> float:
        gained = lost + delta
        shares = [(fixes, gained), (breaks, lost), (pairs - fixes - breaks, 1 - gained - lost)]
        return -sum(n * math.log(max(p, 1e-300)) for n, p in shares if n)

    low, high = max(0.0, -delta), (1 - delta) / 2
    lost: float = minimize_scalar(
        unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    variance = pairs * (2 * float(lost) + delta - delta**2)
    return (fixes - breaks - pairs * delta) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("fixes", "breaks", "pairs"), [(12, 2, 50), (1, 0, 44), (45, 91, 500), (3, 3, 10), (0, 9, 20)]
)
def test_tango_s_interval_ends_where_the_score_test_rejects(
    fixes: int, breaks: int, pairs: int
) -> None:
    """At each end the score statistic, its nuisance found by search, is the normal quantile."""
    e = paired_share_difference(fixes, breaks, pairs)
    assert e.low is not None
    assert e.high is not None
    assert e.value == pytest.approx((fixes - breaks) / pairs)
    z = norm.ppf(0.975)
    assert _score(fixes, breaks, pairs, e.low) == pytest.approx(z, abs=1e-3)
    assert _score(fixes, breaks, pairs, e.high) == pytest.approx(-z, abs=1e-3)


@given(
    counts=st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60)).filter(
        lambda c: sum(c) > 0
    )
)
def test_tango_s_interval_mirrors_and_never_has_no_width(counts: tuple[int, int, int]) -> None:
    """Exchanging the runs turns it round; even pairs that all agree leave others in doubt."""
    fixes, breaks, rest = counts
    there = paired_share_difference(fixes, breaks, sum(counts))
    back = paired_share_difference(breaks, fixes, fixes + breaks + rest)
    assert (there.value, there.low, there.high) == pytest.approx(mirrored(back), abs=1e-9)
    assert there.low is not None
    assert there.high is not None
    assert there.value is not None
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert there.high - there.low > 1e-3


def test_scores_between_0_and_1_have_student_s_interval() -> None:
    """Where samples are worth parts, the differences have a t interval over samples."""
    a, b = np.array([0.2, 0.5, 1.0, 0.4]), np.array([0.3, 0.9, 1.0, 0.1])
    found, expected = difference_over_samples(a, b), mean_by_round(b - a)
    assert found.value == pytest.approx(expected.value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert "Tango" in difference_over_samples(np.array([0.0, 1.0]), np.array([1.0, 1.0])).method
    assert difference_over_samples(np.array([0.5]), np.array([0.7])).reason is not None
    assert paired_share_difference(0, 0, 0).value is None


@pytest.mark.parametrize(
    ("low", "high", "margin", "verdict"),
    [
        (0.01, 0.03, 0.005, "better"),
        (0.001, 0.03, 0.005, "better"),
        (0.001, 0.004, 0.005, "equivalent"),
        (-0.005, 0.005, 0.005, "equivalent"),
        (-0.0051, 0.005, 0.005, "cannot tell"),
        (0.0, 0.03, 0.005, "cannot tell"),
        (-0.03, -0.001, 0.005, "worse"),
        (0.0, 0.0, 0.0, "equivalent"),
    ],
)
def test_the_verdict_is_the_interval_s(
    low: float, high: float, margin: float, verdict: str
) -> None:
    """Within the margin is equivalent, whatever the sign; else beyond 0 decides; else nothing."""
    e = Estimate(value=(low + high) / 2, low=low, high=high)
    assert decide(e, margin) == verdict
    turned = Estimate(value=-(low + high) / 2, low=-high, high=-low)
    assert decide(turned, margin) == _MIRROR[verdict]


def test_no_interval_decides_nothing() -> None:
    """However far the value lies from 0."""
    e = Estimate(value=0.9, reason="too few rounds")
    assert decide(e, 0.005) == "cannot tell"
    assert rounds_to_tell(e, 0.005, 10) is None


@given(
    value=st.one_of(st.just(0.0), st.floats(-0.02, 0.02)),
    half=st.floats(0.001, 0.1),
    margin=st.sampled_from([0.0, 0.005, 0.01]),
    rounds=st.integers(2, 200),
)
def test_so_many_rounds_would_tell(value: float, half: float, margin: float, rounds: int) -> None:
    """An interval that shrinks with the root tells at that many rounds, and at none between."""

    def after(n: int) -> str:
        narrow = half * math.sqrt(rounds / n)
        return decide(Estimate(value=value, low=value - narrow, high=value + narrow), margin)

    assume(after(rounds) == "cannot tell")
    needed = rounds_to_tell(
        Estimate(value=value, low=value - half, high=value + half), margin, rounds
    )
    if needed is None:
        assert value == pytest.approx(0, abs=1e-5)
        assert margin == 0
        return
    assert needed > rounds
    assert after(needed + 1) != "cannot tell"  # the next, so that no rounding decides the test
    if needed - 1 > rounds:
        assert after(needed - 1) == "cannot tell"


def test_rounds_behind_a_difference_lie_nearer_to_the_wider_run() -> None:
    """Thirty rounds that leave much doubt beside a thousand that leave little are thirty."""
    wide = Estimate(value=0.5, low=0.4, high=0.6, n=30)
    narrow = Estimate(value=0.5, low=0.49, high=0.51, n=1000)
    assert 30 <= rounds_behind(wide, narrow) < 45
    assert rounds_behind(wide, wide) == pytest.approx(30)
    for a, b in product([wide, narrow, Estimate(value=0.5, n=7)], repeat=2):
        assert min(a.n, b.n) - 1e-9 <= rounds_behind(a, b) <= max(a.n, b.n) + 1e-9
