"""A fitted tail: what it says beyond the data, and when it refuses."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, genpareto

from stats.latency_laws import LAWS, UNIT_NS, lognormal, max_autoregressive, pareto
from tailmark.records.model import NEVER
from tailmark.stats.estimate import Estimate
from tailmark.stats.extremes.extrapolation import INSIDE, Extrapolation, shape_and_scale
from tailmark.stats.extremes.extremal_index import clusters, extremal_index, waits
from tailmark.stats.extremes.goodness import anderson_darling, fit_p_value
from tailmark.stats.extremes.pareto import Pareto, fit
from tailmark.stats.extremes.rare import share_later
from tailmark.stats.extremes.tail import Tail, find_tail

Int64s = npt.NDArray[np.int64]
EXPONENTIAL, HEAVY = pareto(0.0), pareto(0.3)


def ask(by_round: list[Int64s]) -> Extrapolation:
    """The questions of one run."""
    ordered = np.sort(np.concatenate(by_round))
    return Extrapolation(by_round=by_round, ordered=ordered, tail=find_tail(by_round))


def some_rounds(seed: int = 0, rounds: int = 50, queries: int = 200) -> list[Int64s]:
    """A run with a heavy tail."""
    return HEAVY.rounds(np.random.default_rng(seed), rounds, queries)


def ends(e: Estimate) -> tuple[float, float, float]:
    """The value and its interval, which are there."""
    assert e.value is not None
    assert e.low is not None
    assert e.high is not None
    assert e.low <= e.value <= e.high
    return e.value, e.low, e.high


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.2, 0.6, 1.0])
@pytest.mark.parametrize("count", [50, 500])
def test_the_fit_is_as_likely_as_scipys(shape: float, count: int) -> None:
    """Nothing that scipy's general search finds is more likely, and both find the same law."""
    excess = genpareto.rvs(shape, scale=2.0, size=count, random_state=count)
    found = fit(excess)
    assert found is not None
    theirs, _, scale = genpareto.fit(excess, floc=0)
    assert found.log_likelihood(excess) >= genpareto.logpdf(excess, theirs, 0, scale).sum() - 1e-6
    assert found.log_likelihood(excess) == pytest.approx(
        genpareto.logpdf(excess, found.shape, 0, found.scale).sum()
    )
    assert (found.shape, found.scale) == pytest.approx((theirs, scale), abs=2e-3)


@pytest.mark.parametrize("law", [Pareto(shape=0.3, scale=2.0), Pareto(shape=-0.2, scale=2.0)])
def test_the_derivatives_are_those_of_the_density(law: Pareto) -> None:
    """Scores and slopes agree with differences of the logarithms they are derivatives of."""
    excess, step = np.array([0.5, 3.0]), 1e-6

    def moved(by_scale: float, by_shape: float) -> Pareto:
        return Pareto(shape=law.shape + by_shape, scale=law.scale * math.exp(by_scale))

    for column, way in enumerate([(step, 0.0), (0.0, step)]):
        up, down = moved(*way), moved(-way[0], -way[1])
        density = [
            (up.log_likelihood(one) - down.log_likelihood(one)) / (2 * step)
            for one in np.split(excess, 2)
        ]
        survival = (np.log(up.survival(excess)) - np.log(down.survival(excess))) / (2 * step)
        assert law.scores(excess)[:, column] == pytest.approx(density, rel=1e-4)
        assert law.slopes(law.survival(excess))[:, column] == pytest.approx(survival, rel=1e-4)


def test_a_sharp_end_has_no_fit() -> None:
    """Uniform excesses end too sharply for a likelihood."""
    assert fit(np.random.default_rng(0).random(500)) is None


def test_a_true_law_fails_its_test_as_often_as_claimed() -> None:
    """Independent excesses, and bursts of four equal ones in one round.

    The count of p-values below 5 % lies within the central 99.8 % of what 5 % would give.
    """
    random, trials = np.random.default_rng(3), 200
    for burst in (1, 4):
        failed = 0
        for _ in range(trials):
            excess = np.repeat(genpareto.rvs(0.2, size=150, random_state=random), burst)
            of_round = np.repeat(random.integers(0, 60, 150), burst)
            law = fit(excess)
            failed += law is None or fit_p_value(excess, law, of_round, 60) < 0.05
        assert binom.ppf(0.001, trials, 0.05) <= failed <= binom.ppf(0.999, trials, 0.05)


def test_a_wrong_law_is_found_out() -> None:
    """Gamma excesses, which begin at nothing where a Pareto law is thickest, fail."""
    random = np.random.default_rng(0)
    excess = random.gamma(3, size=400)
    law = fit(excess)
    assert law is not None
    assert fit_p_value(excess, law, random.integers(0, 50, 400), 50) < 1e-4


def test_anderson_darling_is_its_integral() -> None:
    """The formula with sums equals n ∫ (Fn − F)² / (F (1 − F)) dF."""
    excess = np.random.default_rng(1).exponential(size=40)
    law = Pareto(shape=0.1, scale=1.2)
    at = (np.arange(2_000_000) + 0.5) / 2_000_000
    share = np.searchsorted(np.sort(1 - law.survival(excess)), at, side="right") / 40
    integral = 40 * float(np.mean((share - at) ** 2 / (at * (1 - at))))
    assert anderson_darling(excess, law) == pytest.approx(integral, rel=1e-4)


@pytest.mark.parametrize("index", [1.0, 0.5, 0.2])
def test_the_extremal_index_of_a_known_process(index: float) -> None:
    """A max-autoregressive process, in short rounds: within four standard errors of the truth."""
    law, random = max_autoregressive(index, 1.0), np.random.default_rng(0)
    found = []
    for _ in range(20):
        latency = law.draw(random, (100, 400))
        found.append(extremal_index(waits(list(latency > np.quantile(latency, 0.98)))))
    values = np.array(found, dtype=np.float64)
    error = values.std(ddof=1) / math.sqrt(len(values))
    assert abs(values.mean() - index) <= 4 * error + 0.02  # bias goes only as the threshold rises


def test_bursts_are_counted() -> None:
    """Two bursts in one round and one in the next are three clusters; of index 1, all are lone."""
    one, other = np.zeros(1000, dtype=bool), np.zeros(1000, dtype=bool)
    one[[10, 11, 13, 500, 501]] = other[[3, 4]] = True
    assert clusters([one, other], 0.4) == 3
    assert clusters([one, np.zeros(1000, dtype=bool)], 1.0) == 5


def test_an_independent_process_has_no_bursts() -> None:
    """No wait at all gives no index; waits all alike are no bursts."""
    assert extremal_index(np.array([], dtype=np.int64)) is None
    assert extremal_index(np.array([100, 100, 100])) == 1.0


@pytest.mark.parametrize("name", ["log-normal 0.2", "bursts of 3", "queue at 80 % load"])
def test_levels_at_the_horizon_are_covered(name: str) -> None:
    """At least as often as 93 % would, but for one seed in a thousand; refusals are few.

    ``benchmarks/extremes_coverage.py`` has more laws and more trials.
    """
    law, random, trials = LAWS[name], np.random.default_rng(11), 30
    told = covered = 0
    for _ in range(trials):
        asked = ask(law.rounds(random, 50, 200))
        if asked.tail.horizon == 0:
            continue
        _, low, high = ends(asked.once_in(asked.tail.horizon))
        truth = UNIT_NS * law.exceeded_with(1 / asked.tail.horizon)
        told += 1
        covered += low <= truth <= high
    assert told >= trials // 2
    assert covered >= binom.ppf(0.001, told, 0.93)


def test_chances_and_levels_are_one_curve() -> None:
    """P(latency > the level exceeded once in N) is 1/N, and its interval ends there as well."""
    asked = ask(some_rounds())
    n = asked.tail.horizon
    level, low, high = ends(asked.once_in(n))
    assert ends(asked.later_than(round(level)))[0] == pytest.approx(1 / n, rel=1e-4)
    # The plausible curves are bounded by the same likelihood, seen along the other axis.
    assert asked.tail.peaks is not None
    u = asked.tail.threshold_ns or 0
    off = [asked.tail.peaks.deviance(end - u, 1 / n) for end in (low, high)]
    assert off[0] == pytest.approx(off[1], rel=1e-3)


def test_the_profile_is_the_best_of_all_curves_through_a_point() -> None:
    """A slow search over rate and shape finds nothing more likely."""
    peaks = ask(some_rounds(rounds=20)).tail.peaks
    assert peaks is not None
    above = 2 * peaks.law.exceeded_with(0.02)
    probability = peaks.rate / 100
    k, n = len(peaks.excess), peaks.queries

    def likelihood(rate: float, law: Pareto) -> float:
        return k * math.log(rate) + (n - k) * math.log1p(-rate) + law.log_likelihood(peaks.excess)

    best = -math.inf
    for rate in peaks.rate * np.linspace(0.7, 1.4, 71):
        depth = math.log(rate / probability)
        for shape in np.linspace(-0.4, 1.5, 191) + 1e-4:
            scale = shape * above / math.expm1(shape * depth)
            best = max(best, likelihood(rate, Pareto(shape=float(shape), scale=scale)))
    lost = 2 * (likelihood(peaks.rate, peaks.law) - best)
    assert peaks.deviance(above, probability) == pytest.approx(lost, abs=0.02)
    assert peaks.deviance(above, probability) <= lost + 1e-6


@given(st.sampled_from([1, 7, 1000]), st.integers(0, 10**12))
@settings(max_examples=6)
def test_the_unit_and_the_origin_do_not_matter(unit: int, origin: int) -> None:
    """Latencies in another unit, or all longer by a constant, have the same tail in that unit."""
    rounds = some_rounds(rounds=20)
    plain, moved = ask(rounds), ask([unit * one + origin for one in rounds])
    n = plain.tail.horizon
    assert n == moved.tail.horizon
    assert moved.tail.p_value == pytest.approx(plain.tail.p_value, rel=1e-4)
    for once_in in (100, n):
        expected = [unit * x + origin for x in ends(plain.once_in(once_in))]
        assert ends(moved.once_in(once_in)) == pytest.approx(expected, rel=1e-4)
    deadline = int(plain.ordered[-1])
    chances = ends(plain.later_than(deadline))
    assert ends(moved.later_than(unit * deadline + origin)) == pytest.approx(chances, rel=1e-4)
    assert shape_and_scale(moved.tail, 20)["shape"].value == pytest.approx(
        shape_and_scale(plain.tail, 20)["shape"].value, abs=1e-4
    )


def test_inside_the_data_the_data_speak() -> None:
    """Where 20 queries or more are later, the share is counted; the method says so."""
    asked = ask(some_rounds())
    inside, beyond = int(asked.ordered[-INSIDE - 1]), int(asked.ordered[-INSIDE])
    counted, fitted = asked.later_than(inside), asked.later_than(beyond)
    assert counted.value == INSIDE / len(asked.ordered)
    assert counted.method.startswith("Korn-Graubard")
    assert "Pareto" in fitted.method
    assert ends(fitted)[0] == pytest.approx(counted.value, rel=0.5)


def test_past_the_horizon_nothing_is_told() -> None:
    """The reason names the horizon and what would extend it."""
    asked = ask(some_rounds())
    refused = asked.once_in(asked.tail.horizon + 1)
    assert refused.value is None
    assert refused.reason == (
        f"rarer than the horizon, once in {asked.tail.horizon:,} queries, which is as far as 50 "
        "rounds like these reach: it grows with their number"
    )
    rare = asked.later_than(10**15)
    assert rare.value is None
    assert rare.reason == refused.reason


def refused(by_round: list[Int64s]) -> str:
    """Why there is no tail; whatever is asked beyond the data is refused alike."""
    asked = ask(by_round)
    assert asked.tail.horizon == 0
    assert asked.once_in(10**9).value is None
    shape_and_scale(asked.tail, len(by_round))
    return str(asked.tail.reason)


def test_too_little_is_refused() -> None:
    """Too few rounds, queries or independent exceedances: the reason has the number needed."""
    assert refused(some_rounds(rounds=9)) == "a tail needs 10 rounds, have 9"
    few = refused(some_rounds(rounds=10, queries=49))
    assert "needs 50 exceedances, which the slowest tenth of 500 queries has, have 490" in few
    lone = some_rounds(rounds=20)
    lone[7] = lone[7] * 50
    assert "worth" in refused(lone)
    assert "a tail needs 10, which takes about" in refused(lone)


def test_steps_are_refused() -> None:
    """Constant latencies, a coarse clock and a ceiling are no continuous law."""
    assert "in steps" in refused([np.full(200, 5_000_000)] * 20)
    coarse = [one // 1_000_000 * 1_000_000 for one in some_rounds()]
    assert "in steps" in refused(coarse)
    assert "in steps" in refused([np.minimum(one, 1_500_000) for one in some_rounds()])
    fine = [one // 1000 * 1000 for one in some_rounds()]
    assert find_tail(fine).reason is None


def test_a_failed_fit_refuses_everything_beyond_the_data() -> None:
    """Answers, and stalls of nearly one length, are two kinds: the reason has the p-value."""
    random = np.random.default_rng(5)
    rounds = EXPONENTIAL.rounds(random, 60, 500)
    for one in rounds:
        one[random.random(500) < 0.001] = round(random.normal(50e6, 1e5))
    assert "no law of extremes fits the slowest" in refused(rounds)
    asked = ask(rounds)
    assert asked.tail.p_value is not None
    assert asked.tail.p_value < 0.05
    assert f"(p = {asked.tail.p_value:.2g})" in str(asked.tail.reason)
    assert asked.later_than(10**9).reason == asked.tail.reason
    assert ends(asked.once_in(100))


def test_unanswered_queries_are_later_than_any_deadline() -> None:
    """No tail is fitted to survivors; the share of the unanswered is told, however late."""
    rounds = some_rounds()
    rounds[3][5] = rounds[30][17] = NEVER
    asked = ask(rounds)
    assert str(asked.tail.reason).startswith("2 of 10,000 queries have no answer")
    share = asked.later_than(10**15)
    assert ends(share)[0] == 2 / 10_000
    assert share_later(rounds, 10**15) == share
    assert asked.once_in(10_000).value is None
    assert ends(asked.once_in(100))[0] < NEVER


@given(
    st.lists(
        st.lists(st.integers(0, 50), min_size=1, max_size=40).map(
            lambda one: np.array(one, dtype=np.int64)
        ),
        min_size=1,
        max_size=15,
    )
)
@settings(max_examples=60)
def test_anything_is_answered_or_refused(by_round: list[Int64s]) -> None:
    """Rounds of any length, ties and zeros: a value with its interval, or a reason."""
    asked = ask(by_round)
    assert isinstance(asked.tail, Tail)
    for e in (asked.later_than(25), asked.later_than(60), asked.once_in(100), asked.once_in(1e6)):
        assert (e.value is None or e.low is None) == (e.reason is not None)


def test_a_share_that_is_rare_is_covered() -> None:
    """Independent queries, three late in a thousand: 93 % or more but for one seed in 1000."""
    law, random, trials = lognormal(0.2), np.random.default_rng(2), 300
    deadline = round(UNIT_NS * law.exceeded_with(0.003))
    covered = 0
    for _ in range(trials):
        _, low, high = ends(share_later(law.rounds(random, 30, 100), deadline))
        covered += low <= 0.003 <= high
    assert covered >= binom.ppf(0.001, trials, 0.93)


def test_an_end_of_the_tail_is_no_crash() -> None:
    """A short tail ends somewhere; a deadline past it is past the horizon too."""
    asked = ask(LAWS["short tail (shape -0.2)"].rounds(np.random.default_rng(0), 50, 200))
    assert asked.tail.horizon > 0
    assert asked.later_than(10**12).value is None
    ends(asked.once_in(asked.tail.horizon))
    assert EXPONENTIAL.exceeded_with(0.1) == pytest.approx(1 - math.log(0.1))
