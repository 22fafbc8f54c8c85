"""What a run delivers at its deadlines, and the document that says so."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.handmade import (
    CLASSES,
    hand_runs,
    labels,
    make_round,
    make_run,
    plain_runs,
    told,
    with_experiment,
)
from tailmark import summarize
from tailmark.analysis.grading import LOSSES
from tailmark.errors import InputError, UnknownNameError
from tailmark.quality.late import SOFT
from tailmark.records.model import Run, Status
from tailmark.report.text import markdown
from tailmark.stats.quantiles import latency_percentile

ESTIMATE = {"value", "low", "high", "confidence", "n", "method", "reason"}


def _quick(rounds: int = 4) -> Run:
    """Three samples, one answered wrongly, latencies 10, 20 and 30 plus the round's number."""
    made = [
        make_round([10 + r, 20 + r, 30 + r], [0, 1, 0], index=r, duration_ns=1000)
        for r in range(rounds)
    ]
    return make_run(made, [0, 1, 2])


def test_the_document_has_the_documented_keys() -> None:
    """`summarize --json` is DESIGN.md's document, and says no word that is not documented."""
    document = summarize(_quick(), deadlines=["p90"], quality=[0.5]).to_dict()
    assert set(document) == {
        "format",
        "run",
        "load",
        "complete",
        "rounds",
        "samples",
        "queries",
        "status",
        "latency",
        "lateness",
        "generator_limited",
        "cold_start",
        "quality",
        "on_time",
        "about",
        "estimand",
        "steadiness",
        "environment",
        "system",
        "stopping",
        "reported",
        "warnings",
    }
    assert document["format"] == 1
    assert set(document["status"]) == {"ok", "failed", "timed_out", "lost", "shed"}
    latency = document["latency"]
    assert set(latency) == {
        "time",
        "mean",
        "min_ns",
        "max_ns",
        "percentiles",
        "answered",
        "variance_shares",
    }
    assert list(latency["percentiles"]) == ["50", "90", "95", "97", "99", "99.9"]
    assert set(latency["variance_shares"]) == {"sample", "round", "rest"}
    assert set(document["lateness"]) == {"p50_ns", "p99_ns", "max_ns"}
    assert set(document["cold_start"]) == {"open_ns", "first_query_ns", "first_query_medians"}
    quality = document["quality"]
    assert set(quality) == {"metric", "ideal", "on_late", "at", "also", "reach"}
    assert set(quality["reach"][0]) == {"quality", "deadline_ns"}
    at = quality["at"][0]
    assert set(at) == {
        "deadline_ns",
        "label",
        "on_time",
        "goodput_per_s",
        "longest_late_streak",
        "mean",
        "hard",
        "tail",
        "cvar",
        "worst",
        "rounds",
        "loss",
        "counted",
    }
    assert set(at["tail"]) == set(at["cvar"]) == {"0.05", "0.01"}
    assert tuple(at["loss"]) == LOSSES
    for estimate in (
        latency["mean"],
        *latency["percentiles"].values(),
        quality["ideal"],
        quality["reach"][0]["deadline_ns"],
        at["on_time"],
        at["goodput_per_s"],
        at["mean"],
        *at["tail"].values(),
        *at["cvar"].values(),
    ):
        assert set(estimate) == ESTIMATE
    assert document["on_time"] == []


def test_without_references_quality_is_null() -> None:
    """Punctuality is told, quality is not guessed, and a warning says why."""
    made = [make_round([10, 20], [0, 1], index=r, duration_ns=1000) for r in range(3)]
    summary = summarize(make_run(made, None), deadlines=["15ns"])
    document = summary.to_dict()
    assert document["quality"] is None
    assert [at["on_time"]["value"] for at in document["on_time"]] == [0.5]
    assert set(document["on_time"][0]) == {
        "deadline_ns",
        "label",
        "on_time",
        "goodput_per_s",
        "longest_late_streak",
    }
    assert "the run has no references, so only punctuality is told" in document["warnings"]
    with pytest.raises(InputError, match="no references, so no deadline delivers a quality"):
        summarize(make_run(made, None), quality=[0.5])


def _plain(value: Any) -> None:
    if isinstance(value, dict):
        for key, one in value.items():
            assert isinstance(key, str)
            _plain(one)
    elif isinstance(value, list):
        for one in value:
            _plain(one)
    else:
        assert value is None or type(value) in (str, int, float, bool)


@given(
    run=hand_runs(),
    policy=st.sampled_from(
        ["fail", "drop", "stale", "fallback", "linear:3ns", "exponential:2ns", "penalty"]
    ),
    deadline=st.integers(0, 12),
    quality=st.sampled_from([(), (0.3, 0.9)]),
    graded=st.booleans(),
)
def test_every_run_has_a_document_that_strict_json_can_carry(
    run: Run, policy: str, deadline: int, quality: tuple[float, ...], graded: bool
) -> None:
    """Failures, repeats, one round, nothing on time: never NaN, and it comes back as it was."""
    if not graded:
        run = make_run(list(run.rounds()), None, samples=len(run.references))
        policy, quality = "fail", ()
    summary = summarize(run, deadlines=[deadline], on_late=policy, quality=quality, fallback=run)
    document = summary.to_dict()
    _plain(document)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert "nan" not in markdown(summary).lower()


@given(run=hand_runs(), deadline=st.integers(0, 12))
def test_no_interval_leaves_what_its_quantity_can_be(run: Run, deadline: int) -> None:
    """Shares stay within 0 and 1, times and rates above 0, and the value within its interval."""
    summary = summarize(run, deadlines=[deadline])
    (at,) = summary.at
    assert at.mean is not None
    assert at.tail is not None
    assert at.cvar is not None
    assert summary.ideal is not None
    shares = [at.on_time, at.mean, summary.ideal, *at.tail.values(), *at.cvar.values()]
    rest = [at.goodput_per_s, summary.latency.mean, *summary.latency.percentiles.values()]
    for e, most in [*((e, 1.0) for e in shares), *((e, math.inf) for e in rest)]:
        assert (e.low is None) == (e.high is None)
        if e.low is None or e.high is None:
            assert e.reason
        else:
            assert e.value is not None
            assert 0 <= e.low <= e.value * (1 + 1e-12)
            assert e.value * (1 - 1e-12) <= e.high <= most


@given(run=hand_runs())
def test_counts_are_those_of_the_rows(run: Run) -> None:
    """Queries, statuses, answers and the ends of the distribution, each by walking the rows."""
    summary = summarize(run, deadlines=[5])
    rows = [(one.status[j], told(one)[j]) for one in run.rounds() for j in range(len(one))]
    assert summary.queries == len(rows)
    for status in Status:
        assert summary.status[status.name] == sum(s == status for s, _ in rows)
    answered = sorted(t for _, t in rows if t is not None)
    assert summary.latency.answered == len(answered)
    assert summary.latency.min_ns == (answered[0] if answered else None)
    assert summary.latency.max_ns == (answered[-1] if answered else None)
    lateness = sorted(
        int(one.issued_ns[j] - one.scheduled_ns[j]) for one in run.rounds() for j in range(len(one))
    )
    assert summary.latency.lateness_ns == {
        "p50_ns": lateness[len(lateness) // 2],
        "p99_ns": lateness[99 * len(lateness) // 100],
        "max_ns": lateness[-1],
    }
    for r, one in enumerate(run.rounds()):
        good = sum(t is not None and t <= 5 for t in told(one))
        rounds = summary.at[0].rounds
        assert rounds is not None
        assert rounds[r] <= good / len(one) + 1e-12
    means = [
        sum(t is not None and t <= 5 for t in told(one)) / (one.facts["duration_ns"] / 1e9)
        for one in run.rounds()
    ]
    assert summary.at[0].goodput_per_s.value == pytest.approx(sum(means) / len(means))
    assert summary.at[0].longest_late_streak == max(_streak(told(one), 5) for one in run.rounds())


def _streak(latency: list[int | None], deadline: int) -> int:
    marks = "".join("x" if t is None or t > deadline else " " for t in latency)
    return max(map(len, marks.split(" ")))


@given(run=plain_runs(), deadlines=st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_deadlines_stand_ascending_and_the_first_asked_is_known(
    run: Run, deadlines: list[int]
) -> None:
    """However they were asked for; the headline speaks of the first one asked for."""
    summary = summarize(run, deadlines=[f"{d}ns" for d in deadlines])
    assert [at.deadline_ns for at in summary.at] == sorted(set(deadlines))
    assert summary.at[summary.first].deadline_ns == deadlines[0]


def test_a_percentile_is_resolved_once_over_the_whole_run() -> None:
    """``p50`` is the run's own median in nanoseconds, the same deadline for every round."""
    run = _quick()
    pooled = np.sort(np.concatenate([one.latency_ns() for one in run.rounds()]))
    summary = summarize(run, deadlines=["p50", "p90"])
    assert [at.label for at in summary.at] == ["p50", "p90"]
    assert [at.deadline_ns for at in summary.at] == [
        latency_percentile(pooled, 50),
        latency_percentile(pooled, 90),
    ]
    fixed = summarize(run, deadlines=[at.deadline_ns for at in summary.at])
    assert [at.rounds for at in fixed.at] == [at.rounds for at in summary.at]


def test_numpy_s_integers_are_nanoseconds_too() -> None:
    """A deadline taken from an array asks the same as the plain number."""
    asked: Any = np.array([25, 30])
    at, _ = summarize(_quick(), deadlines=list(asked)).at
    assert (at.deadline_ns, type(at.deadline_ns)) == (25, int)


def test_two_names_of_one_deadline_are_one() -> None:
    """A percentile that comes to a deadline also asked for is one with it, under both names."""
    run = make_run([make_round([10, 10], [0, 0])], [0, 0])
    assert [at.label for at in summarize(run, deadlines=["p50", "10ns"]).at] == ["p50, 10ns"]
    assert [at.label for at in summarize(run, deadlines=["10ns", "p50"]).at] == ["10ns, p50"]


def test_an_unanswered_percentile_is_refused() -> None:
    """No time by which 99 % were answered exists where half never were."""
    run = make_run([make_round([10, 10], [0, None])], [0, 0])
    with pytest.raises(InputError, match="the deadline p99 cannot be had: too many queries"):
        summarize(run, deadlines=["p99"])
    assert summarize(run, deadlines=["p40"]).at[0].deadline_ns == 10


def test_a_declared_percentile_that_was_never_answered_is_left_out_and_said() -> None:
    """What was measured is told all the same: an overloaded system has no p99."""
    run = make_run([make_round([10, 10], [0, None])], [0, 0])
    declared = with_experiment(run, quality={"deadlines": ["p99", "p40", "10ns"]})
    found = summarize(declared)
    assert [one.label for one in found.at] == ["p40, 10ns"]
    assert any("nothing is told of the deadline p99" in one for one in found.warnings)
    assert not any(
        "nothing is told" in one for one in summarize(declared, deadlines=["5ns"]).warnings
    )


def test_what_the_experiment_declares_is_the_default() -> None:
    """Deadlines, metric and late policy come from the run where nobody says otherwise."""
    run = with_experiment(
        _quick(), quality={"metric": "top1", "deadlines": ["25ns", "p50"], "on_late": "drop"}
    )
    summary = summarize(run)
    assert (summary.metric, summary.on_late) == ("top1", "drop")
    assert {at.label for at in summary.at} == {"25ns", "p50"}
    assert summarize(run, on_late="fail", deadlines=["9ns"]).on_late == "fail"
    assert [at.label for at in summarize(_quick(9)).at] == ["p90", "p95", "p99"]


def test_a_partial_run_says_so() -> None:
    """How many rounds are there, of how many."""
    run = with_experiment(
        replace(_quick(), manifest=replace(_quick().manifest, status="partial")), rounds=9
    )
    summary = summarize(run)
    assert not summary.complete
    assert "the run is partial: 4 of 9 rounds are there" in summary.warnings


def test_samples_never_sent_are_said() -> None:
    """A workload of three of which two were asked is not graded as if it were two in silence."""
    run = make_run([make_round([1, 1], [0, 1], sample=[0, 1])], [0, 1, 2])
    assert "1 of 3 samples were never sent" in summarize(run, deadlines=[5]).warnings


@pytest.mark.parametrize(("order", "warned"), [("shuffled", True), ("fixed", False)])
def test_stale_answers_of_a_shuffled_order_are_warned_of(order: str, warned: bool) -> None:
    """A stale answer means something only for samples in their natural order."""
    run = with_experiment(_quick(), workload={"kind": "handmade", "order": order})
    said = any("the order was shuffled" in w for w in summarize(run, on_late="stale").warnings)
    assert said == warned
    assert not any("shuffled" in w for w in summarize(run, on_late="fail").warnings)


def test_unanswered_queries_are_counted_in_a_warning() -> None:
    """Failed and timed-out queries are told even where the measurement told nothing."""
    run = make_run(
        [
            make_round(
                [1, 9, 9], [0, None, None], status=[Status.ok, Status.failed, Status.timed_out]
            )
        ],
        [0, 1, 2],
    )
    summary = summarize(run, deadlines=[5])
    assert "2 of 3 queries have no answer" in summary.warnings
    assert (summary.status["failed"], summary.status["timed_out"]) == (1, 1)


def test_one_round_is_told_without_intervals() -> None:
    """Every value is there, no interval is, and each says why."""
    (at,) = summarize(_quick(1), deadlines=["25ns"]).at
    assert at.mean is not None
    assert at.tail is not None
    assert at.cvar is not None
    for e in (at.on_time, at.goodput_per_s, at.mean, *at.tail.values(), *at.cvar.values()):
        assert e.value is not None
        assert e.low is e.high is None
        assert e.reason


def test_under_drop_a_round_with_nothing_on_time_has_no_quality() -> None:
    """Its mean, tail and worst are undefined and say so; the loss split belongs to ``fail``."""
    made = [make_round([10, 10], [0, 0]), make_round([90, 90], [0, 0], index=1)]
    summary = summarize(make_run(made, [0, 0]), deadlines=[50], on_late="drop")
    (at,) = summary.at
    assert at.mean is not None
    assert at.mean.value is None
    assert at.mean.reason == "in some round no answer was on time to be graded"
    assert at.worst is None
    assert at.loss is None
    assert at.to_dict()["rounds"] == [1.0, None]
    assert at.counted == 1.0


@given(run=hand_runs(), deadline=st.integers(0, 12), policy=st.sampled_from(list(SOFT)))
def test_a_soft_policy_is_told_beside_the_hard_step(run: Run, deadline: int, policy: str) -> None:
    """As an estimate of its own, the one that ``fail`` gives; and no other policy has it."""
    policy = policy if policy == "penalty" else f"{policy}:3ns"
    (soft,) = summarize(run, deadlines=[deadline], on_late=policy).at
    (hard,) = summarize(run, deadlines=[deadline]).at
    assert soft.hard is not None
    assert hard.mean is not None
    assert soft.hard.to_dict() == pytest.approx(hard.mean.to_dict())
    assert soft.to_dict()["hard"] == soft.hard.to_dict()
    assert (soft.loss, soft.on_time) == (None, hard.on_time)
    assert hard.hard is hard.to_dict()["hard"] is None
    for other in ("drop", "stale"):
        assert summarize(run, deadlines=[deadline], on_late=other).at[0].hard is None


def test_the_cold_start_is_told_in_medians() -> None:
    """A first query of 60 against a median of 20 took three medians."""
    run = make_run(
        [make_round([10, 20, 30], [0, 1, 2])],
        [0, 1, 2],
        cold_start={"open_ns": 1000, "first_query_ns": 60},
    )
    cold = summarize(run, deadlines=[5]).latency.cold_start
    assert cold == {"open_ns": 1000, "first_query_ns": 60, "first_query_medians": 3.0}


def test_a_round_that_took_no_time_has_no_rate() -> None:
    """On a clock that stood still, answers per second are undefined rather than infinite."""
    one = make_round([0, 0], [0, 0])
    still = replace(one, facts={"duration_ns": 0})
    (at,) = summarize(make_run([still, replace(still, index=1)], [0, 0]), deadlines=[5]).at
    assert at.goodput_per_s.value is None
    assert at.goodput_per_s.reason == "some round took no time"


def test_a_fallback_run_is_asked_for_and_must_fit() -> None:
    """Without one, with other samples, or without references, the policy is refused."""
    run = _quick()
    with pytest.raises(InputError, match=r"'fallback' needs the run .*: give --fallback RUN"):
        summarize(run, on_late="fallback")
    other = make_run([make_round([1, 1], [0, 0])], [0, 0])
    with pytest.raises(InputError, match="its samples are others; measure both on one workload"):
        summarize(run, on_late="fallback", fallback=other)
    mute = make_run(list(run.rounds()), None)
    with pytest.raises(InputError, match="has no references, so its answers cannot be graded"):
        summarize(run, on_late="fallback", fallback=mute)
    fast = make_run([make_round([1, 1, 1], [0, 1, CLASSES - 1])], [0, 1, 2])
    (at,) = summarize(run, on_late="fallback", fallback=fast, deadlines=[15]).at
    assert at.rounds == (1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"deadlines": ["5"]}, InputError, "'5' has no unit: write 5ms or 5s"),
        ({"deadlines": ["-5ms"]}, InputError, "'-5ms' is below zero"),
        ({"deadlines": [-5]}, InputError, "deadline -5 ns is below zero"),
        ({"deadlines": [5.0]}, InputError, "'5.0' has no unit"),
        ({"deadlines": [None]}, InputError, "'None' is not a deadline"),
        ({"deadlines": ["p100"]}, InputError, "'p100' is not a percentile: write p50, p99"),
        ({"deadlines": ["5 parsecs"]}, InputError, "unknown unit 'parsecs'"),
        ({"deadlines": ["soon"]}, InputError, "'soon' is not a deadline"),
        ({"metric": "top"}, UnknownNameError, "no metric is called 'top'"),
        ({"on_late": "late"}, InputError, "'late' is no late policy"),
        ({"on_late": "linear"}, InputError, "write linear:5ms"),
        ({"sweep": 1}, InputError, "sweep is 1: give a whole number of deadlines from 2 to 1,000"),
        ({"sweep": 0}, InputError, "sweep is 0: give a whole number"),
        ({"sweep": -20}, InputError, "sweep is -20: give a whole number"),
        ({"sweep": 2.5}, InputError, "sweep is 2.5: give a whole number"),
        ({"sweep": "20"}, InputError, "sweep is '20': give a whole number"),
        ({"sweep": True}, InputError, "sweep is True: give a whole number"),
        ({"sweep": 1001}, InputError, "sweep is 1001: give a whole number"),
        ({"time": "total"}, InputError, "measure with timed: total"),
        (
            {"quality": [1.5]},
            InputError,
            "quality 1.5 cannot be asked for: give a share from 0 to 1",
        ),
        ({"quality": [0]}, InputError, "quality 0 cannot be asked for"),
        ({"quality": [math.nan]}, InputError, "quality nan cannot be asked for"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    asked: dict[str, Any], error: type[Exception], says: str
) -> None:
    """Each refusal is one sentence with the value and the way out."""
    with pytest.raises(error, match=says):
        summarize(_quick(), **asked)


@given(run=plain_runs(failures=False), deadline=st.integers(0, 12))
def test_each_round_is_its_own_count(run: Run, deadline: int) -> None:
    """``rounds`` holds each round's share of right answers on time, and the rest follows of it."""
    (at,) = summarize(run, deadlines=[deadline]).at
    assert run.references.values is not None
    truth = run.references.values
    counted = tuple(
        sum(
            t is not None and t <= deadline and a == truth[s]
            for t, a, s in zip(told(one), labels(one), one.sample, strict=True)
        )
        / len(one)
        for one in run.rounds()
    )
    assert at.rounds == counted
    assert at.worst == min(counted)
    assert at.mean is not None
    assert at.mean.value == pytest.approx(sum(counted) / len(counted))
    assert at.tail is not None
    assert at.tail[0.05].value == min(counted)  # fewer than 20 rounds: the worst one
