"""Gates judge the interval: pass, fail or undecided."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.handmade import make_round, make_run, with_experiment
from tailmark import judge, summarize
from tailmark.errors import InputError
from tailmark.quality.requirement import (
    LatencyRequirement,
    Required,
    Requirement,
    parse_requirement,
)
from tailmark.records.model import NEVER, Run, Status
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
        ({"quality": ">= 50% of 0.5", "at": "1s"}, Requirement(quality=0.25, at="1s")),
        (
            {"quality": ">=99.5 % of ideal", "at": "1s", "of": "tail"},
            Requirement(quality=0.995, at="1s", of="tail", of_ideal=True),
        ),
        ({"latency": "p99.9<=15ms"}, LatencyRequirement(percent=99.9, bound_ns=15_000_000)),
    ],
)
def test_requirements_are_read_as_people_write_them(
    given_: dict[str, Any], expected: Required
) -> None:
    """``{quality: ">= 0.75", at: 5ms, of: tail}``."""
    assert parse_requirement(given_) == (expected,)


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
        ({"quality": ">= 101% of ideal", "at": "5ms"}, "require.quality is '>= 101% of ideal'"),
        ({"quality": ">= 0% of 0.9", "at": "5ms"}, "require.quality is '>= 0% of 0.9'"),
        ({"quality": ">= 99% of best", "at": "5ms"}, "'>= 99% of ideal'"),
        ({"quality": ">= 99% of 76.46", "at": "5ms"}, "'>= 99% of 0.7646'"),
        ({"quality": [], "at": "5ms"}, "require.quality is an empty list"),
        ({"latency": []}, "require.latency is an empty list"),
        ({"latency": "p99 <= 15"}, "'15' has no unit"),
        ({"latency": "99 <= 15ms"}, "require.latency is '99 <= 15ms'"),
        ({"latency": "p99 >= 15ms"}, "write a percentile, as 'p99 <= 15ms'"),
        ({"latency": "p100 <= 15ms"}, "'p100' is not a percentile"),
        ({"latency": "p99 <= 15ms", "at": "5ms"}, "require has no 'quality'"),
    ],
)
def test_a_requirement_that_cannot_be_judged_is_refused(given_: dict[str, Any], says: str) -> None:
    """Before anything is measured: the value, what is allowed, the way out."""
    with pytest.raises(InputError, match=says):
        parse_requirement(given_)


def _slow(share_late: list[float], *, queries: int = 400, late: int = 50) -> Run:
    """Rounds of which such a share takes so long (50), the rest 1 to 9 by turns."""
    made = []
    for r, share in enumerate(share_late):
        n = round(share * queries)
        latency = [1 + j % 9 for j in range(queries - n)] + [late + j % 9 for j in range(n)]
        made.append(make_round(latency, [0] * queries, index=r, sample=[0] * queries))
    return make_run(made, [0])


def _latency_of(run: Run, asked: str) -> str:
    return judge(run, {"latency": asked}).outcome


def test_a_latency_is_judged_by_its_percentile_s_interval() -> None:
    """All of it within the bound passes, all of it beyond fails, anything else is undecided."""
    run = _slow([0.02, 0.03, 0.025, 0.03, 0.02] * 8)
    verdict = judge(run, {"latency": "p99 <= 15ns"})
    e = summarize(run).latency.percentiles[99]
    assert verdict.estimate == e
    assert e.low is not None
    assert e.high is not None
    for bound in range(int(e.low) - 3, int(e.high) + 4):
        said = _latency_of(run, f"p99 <= {bound}ns")
        assert said == ("pass" if e.high <= bound else "fail" if e.low > bound else "undecided")
    assert _latency_of(run, "p90 <= 15ns") == "pass"


def test_a_latency_without_an_interval_fails_only_on_late_queries_enough() -> None:
    """A p99 that was never answered has no interval, but one query in ten without answer fails."""
    lost = [
        make_round(
            [1] * 100,
            [0] * 100,
            index=r,
            sample=[0] * 100,
            status=[Status.shed] * 10 + [Status.ok] * 90,
        )
        for r in range(6)
    ]
    verdict = judge(make_run(lost, [0]), {"latency": "p99 <= 1s"})
    assert verdict.outcome == "fail"
    assert verdict.estimate.value is None
    assert verdict_sentence(verdict).startswith("FAIL – required: a p99 latency of 1 s or less")
    alone = judge(_slow([0.0]), {"latency": "p99 <= 15ns"})
    assert (alone.outcome, alone.rounds_to_decide) == ("undecided", 2)


def test_of_several_parts_all_must_pass() -> None:
    """One that fails decides, whatever the others; else any that is undecided."""
    run = _delivering([15, 16, 17, 15, 16, 17])
    passes, fails = ">= 0.5", ">= 0.95"
    open_ = f">= {judge(run, _require(passes)).estimate.value:.3f}"
    for parts, outcome in (
        ([passes, passes], "pass"),
        ([passes, open_], "undecided"),
        ([open_, fails, passes], "fail"),
    ):
        verdict = judge(run, {"quality": parts, "at": "10ns"})
        each = [judge(run, _require(one)) for one in parts]
        assert verdict.outcome == outcome
        assert list(verdict.parts) == each
        assert verdict.requirement in {one.requirement for one in each if one.outcome == outcome}
        sentence = verdict_sentence(verdict)
        assert sentence.startswith(outcome.upper())
        assert sentence.count("required: ") == len(parts)
    both = judge(run, {"quality": passes, "at": "10ns", "latency": "p50 <= 4ns"})
    assert both.outcome == "fail"
    assert [one.outcome for one in both.parts] == ["pass", "fail"]


def test_a_fraction_of_ideal_is_held_against_each_round_s_own() -> None:
    """Rounds of other samples, each delivering 90 % of its own ideal: their spread says nothing."""
    random = np.random.default_rng(5)
    made = []
    for r in range(12):
        n = int(random.integers(20, 60))
        right = 10 * int(random.integers(1, n // 10 + 1))
        latency = [50] * (right // 10) + [5] * (n - right // 10)
        answers = [0] * right + [1] * (n - right)
        made.append(make_round(latency, answers, index=r, sample=[0] * n))
    run = make_run(made, [0])
    assert judge(run, _require(">= 89% of ideal")).outcome == "pass"
    assert judge(run, _require(">= 91% of ideal")).outcome == "fail"
    ideal = summarize(run, deadlines=["10ns"]).ideal
    assert ideal is not None
    assert ideal.value is not None
    spread = judge(run, _require(f">= {0.89 * ideal.value:.4f}"))
    assert spread.outcome == "undecided"
    assert "(89 % of ideal)" in verdict_sentence(judge(run, _require(">= 89% of ideal")))


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), bound=st.integers(1, 60))
def test_a_longer_bound_is_no_harder(seed: int, bound: int) -> None:
    """What passes one bound passes every longer one; rounds may differ in length."""
    random = np.random.default_rng(seed)
    made = [
        make_round(random.integers(1, 60, n).tolist(), [0] * n, index=r, sample=[0] * n)
        for r, n in enumerate(random.integers(1, 40, 6).tolist())
    ]
    run = make_run(made, [0])
    rank = ["fail", "undecided", "pass"]
    said = [rank.index(_latency_of(run, f"p90 <= {b}ns")) for b in (bound, bound + 5, NEVER // 2)]
    assert said == sorted(said)
