"""What is found of a metric of sets agrees with what is known of means, where both can be asked.

`AsSet` hides that a metric is additive: everything that is said then comes by way of sets.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.handmade import (
    DEADLINES,
    drawn_run,
    hand_runs,
    make_round,
    make_run,
    with_experiment,
)
from quality.sets import AsSet, Spoilt
from tailmark import compare, predict, summarize
from tailmark.analysis.forecasting import MODELS
from tailmark.analysis.grading import LOSSES_OF_SETS, grade, lend, prepare_grader
from tailmark.analysis.jackknife import half_widths
from tailmark.errors import InputError
from tailmark.quality.late import Policy, parse_policy
from tailmark.quality.topk import top1
from tailmark.records.model import Run

SET = AsSet(top1)
POLICIES = ["fail", "drop", "stale", "penalty", "linear:3ns", "exponential:2ns"]


def some_run(rounds: int = 30, samples: int = 60, seed: int = 1) -> Run:
    """Rounds that differ a little."""
    return drawn_run(np.random.default_rng(seed), rounds, samples, effect=0.08)


@settings(max_examples=60)
@given(run=hand_runs(), policy=st.sampled_from(POLICIES))
def test_a_run_is_graded_alike(run: Run, policy: str) -> None:
    """Failures, repeats, queues: quality, the ideal, and what is delivered."""
    how = {"policy": parse_policy(policy), "time": "inference"}
    one = grade(run, prepare_grader(run, top1), DEADLINES, **how)  # type: ignore[arg-type]
    other = grade(run, prepare_grader(run, SET), DEADLINES, **how)  # type: ignore[arg-type]
    for a, b in ((one.quality, other.quality), (one.ideal, other.ideal)):
        assert a is not None
        assert b is not None
        np.testing.assert_allclose(b, a, atol=1e-12)
    assert one.delivered is not None
    assert other.delivered is not None
    np.testing.assert_allclose(other.delivered, one.delivered, atol=1e-12)


@settings(max_examples=60)
@given(run=hand_runs())
def test_its_losses_sum_to_one_and_are_what_each_cause_costs(run: Run) -> None:
    """Right answers given back by each cause in turn are those that means count as late by it."""
    one = grade(run, prepare_grader(run, top1), DEADLINES, time="inference").loss
    other = grade(run, prepare_grader(run, SET), DEADLINES, time="inference")
    assert one is not None
    assert other.loss is not None
    assert other.losses == LOSSES_OF_SETS
    np.testing.assert_allclose(other.loss.sum(axis=2), 1, atol=1e-12)
    queue, compute, harness = (other.loss[:, :, k] for k in (2, 3, 4))
    for found, known in ((queue, 2), (compute, 3), (harness, 4)):
        np.testing.assert_allclose(found, one[:, :, known], atol=1e-12)


@settings(max_examples=40)
@given(run=hand_runs(), other=hand_runs())
def test_answers_are_lent_alike(run: Run, other: Run) -> None:
    """By another run, and graded by the borrower's references."""
    how = {"policy": Policy("fallback"), "time": "inference"}
    one, two = (
        grade(run, None, DEADLINES, fallback=lend(run, other, m), **how).quality  # type: ignore[arg-type]
        for m in (top1, SET)
    )
    assert one is not None
    assert two is not None
    np.testing.assert_allclose(two, one, atol=1e-12)


@pytest.mark.parametrize("model", list(MODELS))
def test_predictions_agree(model: str) -> None:
    """Simulated masks foretell what the Poisson-binomial does, to the noise of the simulation."""
    run = some_run()
    one = predict(run, deadline="1.2ms", model=model, metric=top1)
    other = predict(run, deadline="1.2ms", model=model, metric=SET)
    assert one.mean.value == pytest.approx(other.mean.value, abs=0.015)
    assert one.by_chance == pytest.approx(other.by_chance, rel=0.2)
    for level, e in one.quantiles.items():
        assert e.value == pytest.approx(other.quantiles[level].value, abs=0.04)
    assert one.worst.value == pytest.approx(other.worst.value, abs=0.06)


def test_predictions_are_tried_on_rounds_held_out() -> None:
    """Every model, on a metric that is no mean: its forecasts lie where the rounds came."""
    run = drawn_run(np.random.default_rng(5), 60, 80, effect=0.1, correct=0.95)
    found = predict(run, deadline="1.3ms", metric=Spoilt(), holdout=30).holdout
    assert found is not None
    score = found.scores["round-effects"]
    assert score.mean == pytest.approx(found.mean, abs=0.08)
    assert 0.6 <= score.coverage[0.95] <= 1
    assert found.scores["independent"].crps >= 0.5 * score.crps


def test_rounds_differ_by_chance_alike() -> None:
    """Overdispersion of a metric of sets is told, and that of rounds without any effect is one."""
    plain = drawn_run(np.random.default_rng(3), 80, 60, effect=0.0)
    loud = drawn_run(np.random.default_rng(3), 80, 60, effect=0.3)
    for run, least, most in ((plain, 0.8, 1.25), (loud, 2.0, 20.0)):
        told = [
            summarize(run, metric=metric, deadlines=["1.1ms"]).steadiness.overdispersion
            for metric in (top1, SET)
        ]
        assert told[0] is not None
        assert told[1] is not None
        assert least < told[1] < most
        assert told[1] == pytest.approx(told[0], rel=0.25)


def test_the_population_is_in_doubt_alike() -> None:
    """Groups of samples left out tell what samples tell, as well as twenty groups can."""
    run = some_run(20, 200)
    one = summarize(run, metric=top1, deadlines=["1.2ms"], about="population")
    other = summarize(run, metric=SET, deadlines=["1.2ms"], about="population")
    for a, b in ((one.ideal, other.ideal), (one.at[0].mean, other.at[0].mean)):
        assert a is not None
        assert b is not None
        assert a.low is not None
        assert a.high is not None
        assert b.low is not None
        assert b.high is not None
        assert b.high - b.low == pytest.approx(a.high - a.low, rel=0.45)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    """Leaving out one at a time is Student's interval itself."""
    values = np.random.default_rng(0).normal(size=40)
    without = (values.sum() - values) / 39
    spread = values.std(ddof=1) / np.sqrt(40)
    assert half_widths(without[:, None])[0] == pytest.approx(2.0226909 * spread, rel=1e-6)
    assert half_widths(without[:1, None])[0] == np.inf


def test_comparisons_agree() -> None:
    """The difference at the deadline is that of the means; without one, the jackknife's covers."""
    a, b = some_run(seed=1), some_run(seed=1)
    worse = [
        make_round(
            one.latency_ns().tolist(),
            np.where(one.sample < 20, 1, one.output_id).tolist(),
            index=one.index,
            sample=one.sample.tolist(),
        )
        for one in b.rounds()
    ]
    b = make_run(worse, [0] * 60)
    one = compare(a, b, deadlines=["1.2ms"], metric=top1)
    other = compare(a, b, deadlines=["1.2ms"], metric=SET)
    assert other.at[0].differences["mean"].value == pytest.approx(
        one.at[0].differences["mean"].value or 0.0, abs=1e-12
    )
    known, found = one.differences["ideal"], other.differences["ideal"]
    assert found.value == pytest.approx(known.value, abs=1e-12)
    assert found.low is not None
    assert found.high is not None
    assert known.value is not None
    assert found.low < known.value < found.high < 0
    assert other.flips is not None
    assert other.flips.breaks == (one.flips and one.flips.breaks)


@pytest.mark.parametrize("metric", [SET, Spoilt()], ids=["mean", "spoilt"])
def test_the_shortest_deadline_is_the_first_that_delivers(metric: AsSet | Spoilt) -> None:
    """No shorter one does, whatever the metric does in between."""
    run = some_run(8, 30)
    e = summarize(run, metric=metric, quality=[0.15]).reach[0.15]
    assert e.value is not None
    moments = np.unique(np.concatenate([one.latency_ns() for one in run.rounds()]))
    values = grade(run, prepare_grader(run, metric), moments, time="inference").quality
    assert values is not None
    first = moments[np.flatnonzero(values.mean(axis=0) >= 0.15 - 1e-9)[0]]
    assert e.value == first


def test_what_is_not_told_of_sets_is_refused() -> None:
    """The inverse question where worths fade: the mean need not rise."""
    run = with_experiment(some_run(4, 10), rounds=4)
    with pytest.raises(InputError, match="the shortest deadline is not told of a metric of sets"):
        summarize(run, metric=SET, quality=[0.3], on_late="linear:1ms")
