"""What a run tells of latencies rarer than it saw."""

import json

import numpy as np
import pytest

import tailmark
from analysis.handmade import make_round, make_run, with_experiment
from stats.latency_laws import UNIT_NS, pareto
from tailmark.analysis.extremes import Extremes, extremes
from tailmark.errors import InputError
from tailmark.records.model import Run, Status

LAW = pareto(0.2)


def tailed(rounds: int = 40, queries: int = 200, *, timed_out: int = 0, seed: int = 0) -> Run:
    """A run with a heavy tail; some queries of its first round were cut off by a timeout."""
    held = []
    for r, latency in enumerate(LAW.rounds(np.random.default_rng(seed), rounds, queries)):
        status = [Status.ok] * queries
        if r == 0:
            status[:timed_out] = [Status.timed_out] * timed_out
        held.append(make_round(latency.tolist(), [0] * queries, index=r, status=status))
    run = make_run(held, None, samples=queries)
    return with_experiment(run, system={"timeout_ns": 10**9})


def by_deadline(found: Extremes, label: str) -> tailmark.Estimate:
    """How often that deadline is missed."""
    (one,) = (one for one in found.late if one.label == label)
    return one.share


def test_the_finding_says_what_it_rests_on() -> None:
    """Threshold, exceedances and rounds can be counted again in the run's own rows."""
    run = tailed()
    found = tailmark.extremes(run)
    latency = np.concatenate([one.latency_ns() for one in run.rounds()])
    assert found.threshold_ns is not None
    assert found.queries == 8000
    assert found.largest_ns == latency.max()
    assert found.exceedances == (latency > found.threshold_ns).sum()
    assert found.percentile == 100 * (latency <= found.threshold_ns).mean()
    assert found.exceeding_rounds == sum(
        bool((one.latency_ns() > found.threshold_ns).any()) for one in run.rounds()
    )
    assert found.exceeding_rounds <= found.clusters <= found.exceedances
    assert 10 <= found.independent <= found.exceedances
    assert found.p_value is not None
    assert found.p_value > 0.05
    assert found.shape.low is not None
    assert found.shape.high is not None
    assert found.shape.low <= 0.2 <= found.shape.high
    assert found.reason is None


def test_levels_go_up_to_the_horizon() -> None:
    """Once in 100, 1,000, … and the horizon itself, each rarer one later."""
    found = extremes(tailed())
    assert list(found.levels) == [100, 1000, 10_000, found.horizon]
    values = [level.value for level in found.levels.values()]
    assert None not in values
    assert values == sorted(values, key=lambda x: x or 0)
    assert found.horizon <= 10 * found.queries
    level = found.levels[found.horizon]
    assert level.low is not None
    assert level.high is not None
    assert level.low <= UNIT_NS * LAW.exceeded_with(1 / found.horizon) <= level.high


def test_a_horizon_asked_for_is_answered_or_refused() -> None:
    """Nearer than what is borne it ends the list; past that the level has a reason instead."""
    near = extremes(tailed(), horizon=20_000)
    assert list(near.levels) == [100, 1000, 10_000, 20_000]
    far = extremes(tailed(), horizon=1e9)
    assert max(far.levels) == 10**9
    refused = far.levels[10**9]
    assert refused.value is None
    assert f"the horizon, once in {far.horizon:,} queries" in str(refused.reason)
    assert far.levels[far.horizon].value is not None


@pytest.mark.parametrize("horizon", [0.0, -5.0, 99.0, float("nan"), float("inf")])
def test_a_horizon_that_is_none_is_refused(horizon: float) -> None:
    """The sentence has the value and what is allowed."""
    with pytest.raises(InputError, match=r"horizon .* is none: say once in how many queries"):
        extremes(tailed(), horizon=horizon)


def test_deadlines_are_the_experiments_own_that_are_rare() -> None:
    """Those past p99; percentiles say nothing of what is beyond them. Those asked for all stand."""
    run = with_experiment(tailed(), quality={"deadlines": ["1.5ms", "p99.9", "20ms"]})
    assert [one.label for one in extremes(run).late] == ["20ms"]
    assert extremes(tailed()).late == ()
    asked = extremes(run, deadlines=["p50", "1.5ms"])
    assert [one.label for one in asked.late] == ["1.5ms", "p50"]
    assert by_deadline(asked, "p50").value == pytest.approx(0.5, abs=0.001)


def test_a_timeout_that_cut_is_as_far_as_is_known() -> None:
    """Below it what was cut counts as late; at it and beyond nothing is told, and why."""
    found = extremes(tailed(timed_out=3), deadlines=["500ms", "1s", "2s"])
    assert found.unanswered == 3
    assert by_deadline(found, "500ms").value == 3 / 8000
    for label in ("1s", "2s"):
        beyond = by_deadline(found, label)
        assert (beyond.value, beyond.low, beyond.high) == (None, None, None)
        assert "3 queries were cut off at the timeout of 1 s" in str(beyond.reason)
    assert found.horizon == 0
    assert "3 of 8,000 queries have no answer" in str(found.reason)


def test_the_document_is_plain_json() -> None:
    """With and without a tail: no NaN, no infinity, every estimate whole."""
    for run in (tailed(), tailed(rounds=3), tailed(timed_out=1)):
        found = extremes(run, deadlines=["2ms", "1s"], horizon=1e8)
        document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert document["format"] == 1
        assert document["horizon"] == found.horizon
        assert [one["once_in"] for one in document["levels"]] == list(found.levels)
        assert {"value", "low", "high", "reason"} <= set(document["late"][0]["late"])
        assert document["tail"]["reason"] == found.reason


def test_a_stage_has_its_own_tail() -> None:
    """Asked for a stage, the run answers from that stage's times alone."""
    random = np.random.default_rng(0)
    held = [
        make_round((2 * latency).tolist(), [0] * 100, index=r, inference=latency.tolist())
        for r, latency in enumerate(LAW.rounds(random, 20, 100))
    ]
    run = with_experiment(make_run(held, None, samples=100), timed="total")
    whole, stage = extremes(run), extremes(run, time="inference")
    assert whole.time == "total"
    assert stage.largest_ns is not None
    assert whole.largest_ns == 2 * stage.largest_ns
    assert whole.levels[100].value == 2 * (stage.levels[100].value or 0)
