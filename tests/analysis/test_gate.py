"""Gates judge the interval: pass, fail or undecided."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.handmade import make_round, make_run, with_experiment
from tailmark import judge, summarize
from tailmark.errors import InputError
from tailmark.quality.requirement import Requirement, parse_requirement
from tailmark.records.model import Run
from tailmark.report.sentences import verdict_sentence

SAMPLES = 20


def _delivering(right_on_time: list[int]) -> Run:
    """Rounds of twenty samples of which so many are answered in time (5), the rest at 50."""
    made = [
        make_round([5] * n + [50] * (SAMPLES - n), [0] * SAMPLES, index=r)
        for r, n in enumerate(right_on_time)
    ]
    return make_run(made, [0] * SAMPLES)


def _require(quality: str, of: str = "mean") -> dict[str, Any]:
    return {"quality": quality, "at": "10ns", "of": of}


@settings(max_examples=60)
@given(
    rounds=st.lists(st.integers(0, SAMPLES), min_size=1, max_size=12),
    wanted=st.integers(0, 100),
)
def test_the_outcome_is_where_the_whole_interval_lies(rounds: list[int], wanted: int) -> None:
    """All of it at or above passes, all of it below fails, anything else is undecided."""
    run, target = _delivering(rounds), wanted / 100
    verdict = judge(run, _require(f">= {target:.2f}"))
    mean = summarize(run, deadlines=["10ns"]).at[0].mean
    assert mean is not None
    assert verdict.estimate == mean
    if mean.low is None or mean.high is None:
        assert verdict.outcome == "undecided"
        assert verdict.rounds_to_decide == 2
    elif mean.low >= target:
        assert verdict.outcome == "pass"
    elif mean.high < target:
        assert verdict.outcome == "fail"
    else:
        assert verdict.outcome == "undecided"
    if verdict.outcome != "undecided":
        assert verdict.rounds_to_decide is None
    assert verdict_sentence(verdict).startswith(verdict.outcome.upper())


def test_a_tail_is_undecided_until_it_has_an_interval() -> None:
    """The 5 % quantile of 71 perfect rounds decides nothing; that of 72 passes."""
    few = judge(_delivering([SAMPLES] * 71), _require(">= 0.9", "tail"))
    assert (few.outcome, few.rounds_to_decide) == ("undecided", 72)
    assert judge(_delivering([SAMPLES] * 72), _require(">= 0.9", "tail")).outcome == "pass"
    assert judge(_delivering([0] * 72), _require(">= 0.9", "tail")).outcome == "fail"


def test_a_mean_may_pass_where_its_tail_fails() -> None:
    """One round in five at a tenth: good on average, bad in the worst twentieth."""
    run = _delivering(([SAMPLES] * 4 + [2]) * 40)
    assert judge(run, _require(">= 0.75", "mean")).outcome == "pass"
    assert judge(run, _require(">= 0.75", "tail")).outcome == "fail"


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), wanted=st.floats(0.55, 0.95))
def test_the_rounds_said_to_decide_would_decide(seed: int, wanted: float) -> None:
    """A run of that many rounds with the same mean and spread has an interval off the target."""
    random = np.random.default_rng(seed)
    rounds = random.integers(10, SAMPLES + 1, size=12).tolist()
    verdict = judge(_delivering(rounds), _require(f">= {wanted:.3f}"))
    assume(verdict.outcome == "undecided")
    e = verdict.estimate
    assert e.value is not None
    if verdict.rounds_to_decide is None:
        assert e.value == pytest.approx(round(wanted, 3))
        return
    assert verdict.rounds_to_decide > len(rounds)
    assume(verdict.rounds_to_decide < 2000)
    more = -(-verdict.rounds_to_decide // len(rounds))
    assert judge(_delivering(rounds * more), _require(f">= {wanted:.3f}")).outcome != "undecided"


def test_the_run_s_own_requirement_is_the_default() -> None:
    """What it was measured with is what it is held against; without one, there is no verdict."""
    run = _delivering([SAMPLES] * 5)
    with pytest.raises(InputError, match="was measured without require: give one"):
        judge(run)
    kept = with_experiment(run, require=_require(">= 0.5"))
    assert judge(kept).outcome == "pass"
    assert judge(kept, Requirement(quality=1.0, at="1ns")).outcome == "fail"


def test_a_requirement_holds_under_the_declared_late_policy() -> None:
    """Answers 40 ns late that fade over 80 are worth half: what fails as a hard step may pass."""
    run = _delivering([SAMPLES // 2] * 5)
    assert judge(run, _require(">= 0.7")).outcome == "fail"
    soft = with_experiment(run, quality={"on_late": "linear:80ns"})
    verdict = judge(soft, _require(">= 0.7"))
    assert verdict.outcome == "pass"
    assert verdict.estimate.value == pytest.approx(0.75)
    assert judge(soft, _require(">= 0.8")).outcome == "fail"


def test_without_references_no_quality_can_be_required() -> None:
    """Punctuality is not taken for quality."""
    run = make_run([make_round([1], [0])], None)
    with pytest.raises(InputError, match="no references, so a required quality cannot be judged"):
        judge(run, _require(">= 0.5"))


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"quality": ">= 0.75", "at": "5ms"}, Requirement(quality=0.75, at="5ms", of="mean")),
        (
            {"quality": ">=1", "at": "p99", "of": "tail"},
            Requirement(quality=1, at="p99", of="tail"),
        ),
        ({"quality": " >= .5 ", "at": "1s"}, Requirement(quality=0.5, at="1s", of="mean")),
    ],
)
def test_requirements_are_read_as_people_write_them(
    given_: dict[str, Any], expected: Requirement
) -> None:
    """``{quality: ">= 0.75", at: 5ms, of: tail}``."""
    assert parse_requirement(given_) == expected


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"at": "5ms"}, "require has no 'quality'"),
        ({"quality": ">= 0.5"}, "require has no 'at'"),
        (
            {"quality": ">= 0.5", "at": "5ms", "off": "tail"},
            r"no setting 'off' \(did you mean 'of'",
        ),
        ({"quality": 0.75, "at": "5ms"}, "require.quality is 0.75: write '>= ' and a share"),
        ({"quality": "> 0.75", "at": "5ms"}, "require.quality is '> 0.75': write '>= '"),
        ({"quality": ">= 1.5", "at": "5ms"}, "require.quality is '>= 1.5'"),
        ({"quality": ">= 75 %", "at": "5ms"}, "require.quality is '>= 75 %'"),
        (
            {"quality": ">= 0.5", "at": "5ms", "of": "median"},
            "require.of is 'median'.*mean or tail",
        ),
        ({"quality": ">= 0.5", "at": "5"}, "'5' has no unit: write 5ms or 5s"),
        ({"quality": ">= 0.5", "at": 5}, "'5' has no unit"),
        ({"quality": ">= 0.5", "at": "p100"}, "'p100' is not a percentile"),
        ({"quality": ">= 0.5", "at": "-5ms"}, "below zero"),
    ],
)
def test_a_requirement_that_cannot_be_judged_is_refused(given_: dict[str, Any], says: str) -> None:
    """Before anything is measured: the value, what is allowed, the way out."""
    with pytest.raises(InputError, match=says):
        parse_requirement(given_)
