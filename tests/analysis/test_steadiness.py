"""Whether a run's rounds repeat one thing is told, and what does not is warned of."""

import math

import numpy as np
import pytest
from hypothesis import given
from scipy.stats import binom

from analysis.handmade import Answer, drawn_run, hand_runs, make_round, make_run
from tailmark import predict, summarize
from tailmark.analysis.steadiness import Steadiness
from tailmark.records.model import Run, Status
from tailmark.stats.dependence import inflation, lag_one

SEEDS = range(5)


def steadiness(run: Run, deadline: str | int = "1.2ms", on_late: str | None = None) -> Steadiness:
    """What a summary says of it."""
    return summarize(run, deadlines=[deadline], on_late=on_late).steadiness


# Drift and warm-up


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_slows_by_one_percent_a_round_is_warned_of(seed: int) -> None:
    """Which the paper's rJSD takes for convergence: told, in latency, from the middle on."""
    random = np.random.default_rng([1, seed])
    run = drawn_run(random, 60, 50, pace=1.01 ** np.arange(60), effect=0.03)
    found = steadiness(run)
    assert found.drift is not None
    assert 15 <= found.drift.at <= 45
    assert found.drift.before < found.drift.after
    (said,) = found.warnings
    assert said.startswith(f"drift: from round {found.drift.at + 1} on the median latency is 1.")
    assert said in summarize(run).warnings


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_start_is_warned_of(seed: int) -> None:
    """Where it ends; and it is not told a second time as a drift."""
    random = np.random.default_rng([2, seed])
    pace = np.where(np.arange(60) < 5, 1.6, 1.0)
    found = steadiness(drawn_run(random, 60, 50, pace=pace, effect=0.03))
    assert found.warm_up is not None
    assert found.warm_up.at == 5
    assert found.drift is None
    (said,) = found.warnings
    assert said.startswith("warm-up: the first 5 rounds are slower than the rest (median 1.")
    assert said.endswith("measure with a longer warmup")


def test_steady_runs_are_seldom_warned_of() -> None:
    """Drift, warm-up and drift of quality together: 5 % of 60 runs, or bad luck of 1 in 1,000."""
    random = np.random.default_rng(3)
    runs = [drawn_run(random, 30, 30, effect=0.05) for _ in range(60)]
    alarms = sum(bool(steadiness(run).warnings) for run in runs)
    assert alarms <= binom.ppf(0.999, len(runs), 0.05)


def test_quality_may_drift_where_the_median_does_not() -> None:
    """More stalls from the middle on: the median stays, what is delivered falls: that is told."""
    stalls = [(7 * r) % 3 + (10 if r >= 16 else 0) for r in range(32)]
    rounds = [
        make_round([10] * 21 + [20] * (19 - n) + [1000] * n, [0] * 40, index=r)
        for r, n in enumerate(stalls)
    ]
    found = steadiness(make_run(rounds, [0] * 40), 100)
    assert found.drift is None
    assert found.quality_drift is not None
    assert found.quality_drift.at == 16
    (said,) = found.warnings
    assert said.startswith("drift: from round 17 on 72.5 % are delivered, before 97.5 %")


def test_rounds_keep_their_numbers_where_some_have_no_answer() -> None:
    """Four rounds without any median do not move the round that a change is told at."""

    def answers(r: int) -> list[Answer]:
        return [None if 3 <= r < 7 else 0] * 12

    rounds = [
        make_round(
            [(10 if r < 25 else 20) + (7 * r) % 5] * 12,
            answers(r),
            index=r,
            status=[Status.lost if 3 <= r < 7 else Status.ok] * 12,
        )
        for r in range(40)
    ]
    found = steadiness(make_run(rounds, [0] * 12), 100)
    assert found.drift is not None
    assert found.drift.at == 25


# Dependence


def test_rounds_are_worth_what_their_dependence_leaves() -> None:
    """As the statistics have it, on the qualities at the first deadline asked for."""
    pace = np.exp(0.1 * np.cumsum(np.random.default_rng(4).standard_normal(40)))
    run = drawn_run(np.random.default_rng(5), 40, 50, pace=pace)
    (at,) = summarize(run, deadlines=["1.2ms"]).at
    found, values = steadiness(run), np.array(at.rounds)
    assert found.autocorrelation == pytest.approx(float(lag_one(values)))
    assert found.effective_rounds == pytest.approx(40 / float(inflation(values)))
    assert found.effective_rounds < 20


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.8])
def test_dependence_within_rounds_is_that_of_the_process(memory: float) -> None:
    """The rank correlation of a Gaussian AR(1) process, 6/π · asin of half its own.

    A mean over 20 rounds of 200 queries has a standard error of 0.015.
    """
    run = drawn_run(np.random.default_rng(6), 20, 200, memory=memory, effect=0.1)
    expected = 6 / math.pi * math.asin(memory / 2)
    assert steadiness(run).within == pytest.approx(expected, abs=0.05)


def test_constant_latencies_do_not_depend_on_each_other() -> None:
    """Ties share their rank: a system that always takes the same time shows no dependence."""
    rounds = [make_round([10] * 30, [0] * 30, index=r) for r in range(4)]
    assert steadiness(make_run(rounds, [0] * 30), 20).within == 0


def test_few_queries_and_single_answers_say_nothing_of_it() -> None:
    """Nine in a round are too few; and of one round, a sample's mean is the answer itself."""
    short = [make_round(list(range(1, 10)), [0] * 9, index=r) for r in range(5)]
    assert steadiness(make_run(short, [0] * 9), 5).within is None
    once = make_run([make_round(list(range(1, 31)), [0] * 30)], [0] * 30)
    assert steadiness(once, 5).within is None


# Overdispersion


def test_overdispersion_is_about_one_for_independent_rounds() -> None:
    """The mean over 20 runs of 40 rounds; each has a standard error of 11 %."""
    random = np.random.default_rng(7)
    found = [steadiness(drawn_run(random, 40, 50)).overdispersion for _ in range(20)]
    assert np.mean([x for x in found if x]) == pytest.approx(1, abs=0.1)


def test_overdispersion_is_well_above_one_where_rounds_share_a_factor() -> None:
    """And the same as `predict` says, with its interval."""
    run = drawn_run(np.random.default_rng(8), 60, 200, effect=0.2)
    found = steadiness(run).overdispersion
    assert found is not None
    assert found > 2
    told = predict(run, deadline="1.2ms", model="bootstrap").overdispersion
    assert told.value == pytest.approx(found)


@pytest.mark.parametrize("policy", ["drop", "linear:1ms", "penalty"])
def test_overdispersion_knows_no_late_policy(policy: str) -> None:
    """It is told of late answers as wrong, whatever else they count as."""
    run = drawn_run(np.random.default_rng(9), 20, 50, effect=0.1)
    assert steadiness(run, on_late=policy).overdispersion == steadiness(run).overdispersion


@given(hand_runs())
def test_any_run_has_its_steadiness(run: Run) -> None:
    """One round, no answers, repeats: finite, or null; never more rounds than there are."""
    found = steadiness(run, 5).to_dict()
    assert set(found) == {
        "rounds",
        "autocorrelation",
        "effective_rounds",
        "autocorrelation_within",
        "overdispersion",
        "drift",
        "warm_up",
        "quality_drift",
    }
    assert 0 < found["effective_rounds"] <= found["rounds"] == len(run)
    assert found["drift"] is found["warm_up"] is found["quality_drift"] is None
    for key in ("autocorrelation", "autocorrelation_within", "overdispersion"):
        assert found[key] is None or math.isfinite(found[key])
    bare = make_run(list(run.rounds()), None, samples=len(run.references))
    assert steadiness(bare, 5).rounds == len(run)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_start_and_a_later_drift_do_not_hide_each_other(seed: int) -> None:
    """Each is told though both are there."""
    random = np.random.default_rng([9, seed])
    rounds = np.arange(100)
    pace = np.where(rounds < 6, 1.5, np.where(rounds >= 60, 1.2, 1.0))
    found = steadiness(drawn_run(random, 100, 50, pace=pace, effect=0.03))
    assert found.warm_up is not None
    assert 3 <= found.warm_up.at <= 8
    assert found.drift is not None
    assert 57 <= found.drift.at <= 63
