"""Two runs compared: differences B − A, verdicts, and what may be compared at all."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.handmade import (
    DEADLINES,
    make_round,
    make_run,
    plain_runs,
    with_experiment,
)
from analysis.twins import APART, BESIDE, stalling, steady, twins
from tailmark.analysis.comparison import Comparison, compare
from tailmark.analysis.summary import summarize
from tailmark.errors import InputError
from tailmark.records.model import Run
from tailmark.stats.estimate import Estimate

_TURNED = {"better": "worse", "worse": "better"}
_DEADLINES = st.sampled_from(DEADLINES.tolist())


def ends(e: Estimate, sign: int = 1) -> tuple[float | None, ...]:
    """Value, low and high; seen from the other side if ``sign`` is −1."""
    whole = (e.value, e.low, e.high) if sign > 0 else (e.value, e.high, e.low)
    return tuple(None if x is None else sign * x for x in whole)


@settings(max_examples=40)
@given(run=plain_runs(), deadline=_DEADLINES)
def test_a_run_is_equivalent_to_itself(run: Run, deadline: int) -> None:
    """Nothing differs, nothing flips, and only one round leaves the verdict open."""
    found = compare(run, run, deadlines=[deadline])
    at = found.at[0]
    assert found.standing.verdict == ("equivalent" if len(run) > 1 else "cannot tell")
    for e in [*found.differences.values(), *at.differences.values()]:
        assert e.value in (0, None)
        assert (e.low, e.high) in ((0, 0), (None, None)) or e is found.differences["ideal"]
    assert at.flips.lost.value == at.flips.gained.value == 0
    assert found.flips is not None
    assert (found.flips.differ, found.flips.p_value) == (0, 1)
    assert found.unlike == ()
    assert found.paired_by == "round"


@settings(max_examples=40)
@given(runs=twins(), deadline=_DEADLINES, policy=st.sampled_from(["fail", "drop", "stale"]))
def test_exchanging_the_runs_turns_everything_round(
    runs: tuple[Run, Run], deadline: int, policy: str
) -> None:
    """``compare(b, a)`` is ``compare(a, b)`` seen from the other side."""
    a, b = runs
    there = compare(a, b, deadlines=[deadline], on_late=policy)
    back = compare(b, a, deadlines=[deadline], on_late=policy)
    for one, other in (
        (there.differences, back.differences),
        (there.at[0].differences, back.at[0].differences),
    ):
        assert one.keys() == other.keys()
        for name, e in one.items():
            assert ends(e) == pytest.approx(ends(other[name], -1), abs=1e-9), name
    for name, standing in there.at[0].standings.items():
        turned = back.at[0].standings[name]
        assert standing.verdict == _TURNED.get(turned.verdict, turned.verdict)
        needed = (standing.rounds_to_tell or 0, turned.rounds_to_tell or 0)
        assert needed[0] == pytest.approx(needed[1], abs=1, rel=1e-6)
    lost, gained = back.at[0].flips.gained, back.at[0].flips.lost
    assert ends(there.at[0].flips.lost) == pytest.approx(ends(lost), abs=1e-9)
    assert ends(there.at[0].flips.gained) == pytest.approx(ends(gained), abs=1e-9)


@settings(max_examples=40)
@given(runs=twins(repeats=True), deadline=_DEADLINES)
def test_the_document_is_strict_json(runs: tuple[Run, Run], deadline: int) -> None:
    """Whatever the runs, plain data holds finite numbers, text and null."""
    document = compare(*runs, deadlines=[deadline]).to_dict()
    again = json.loads(json.dumps(document, allow_nan=False))
    assert {"format", "verdict", "differences", "flips", "unlike"} <= again.keys()
    assert again["at"][0]["deadline_ns"] == deadline


@settings(max_examples=40)
@given(runs=twins(), deadline=_DEADLINES)
def test_values_are_those_of_the_summaries(runs: tuple[Run, Run], deadline: int) -> None:
    """Differences are of what ``summarize`` says of each run, rounds that do not pair aside."""
    a, b = runs
    found = compare(a, b, deadlines=[deadline])
    if found.paired_by == "round" and len(a) != len(b):
        return
    one, other = (summarize(run, deadlines=[deadline]) for run in runs)
    pairs = {
        "on_time": (one.at[0].on_time, other.at[0].on_time),
        "mean": (one.at[0].mean, other.at[0].mean),
        "tail_0.05": ((one.at[0].tail or {})[0.05], (other.at[0].tail or {})[0.05]),
        "cvar_0.01": ((one.at[0].cvar or {})[0.01], (other.at[0].cvar or {})[0.01]),
    }
    for name, (e, f) in pairs.items():
        assert e is not None
        assert f is not None
        assert found.at[0].differences[name].value == pytest.approx(
            (f.value or 0) - (e.value or 0), abs=1e-9
        )
    for percent, e in one.latency.percentiles.items():
        f = other.latency.percentiles[percent]
        expected = None if e.value is None or f.value is None else f.value - e.value
        assert found.differences[f"latency_p{percent:g}"].value == expected
    ideal = found.differences["ideal"].value
    assert one.ideal is not None
    assert other.ideal is not None
    assert ideal == pytest.approx((other.ideal.value or 0) - (one.ideal.value or 0), abs=1e-9)


RIGHT = [1] * 20


def sometimes_late(late: list[int], design: str) -> Run:
    """Rounds of twenty right answers; so many of each come after 10 ns."""
    return steady([[20] * n + [5] * (20 - n) for n in late], [1] * 20, design, RIGHT)


@pytest.mark.parametrize(
    ("late", "verdict"),
    [
        ([0, 1] * 20, "better"),
        ([12, 11] * 20, "worse"),
        ([6, 5] * 20, "equivalent"),
        ([0, 14, 2, 12] * 10, "cannot tell"),
    ],
)
def test_the_verdict_is_of_quality_at_the_deadline(late: list[int], verdict: str) -> None:
    """A's rounds have five or six of twenty late."""
    found = compare(
        sometimes_late([5, 6] * 20, APART[0]),
        sometimes_late(late, APART[1]),
        deadlines=[10],
        margin=0.02,
    )
    assert found.standing.verdict == verdict
    assert found.paired_by == "sample"
    assert (found.standing.rounds_to_tell is None) == (verdict != "cannot tell")
    if found.standing.rounds_to_tell:
        assert found.standing.rounds_to_tell > 40


def test_the_verdict_is_of_the_deadline_asked_for_first() -> None:
    """Deadlines come ascending, whatever the order they were asked for in."""
    a, b = sometimes_late([5, 6] * 20, APART[0]), sometimes_late([0, 1] * 20, APART[1])
    late, early = (compare(a, b, deadlines=order) for order in ([30, 10], [10, 30]))
    for found in (late, early):
        assert [at.standing.verdict for at in found.at] == ["better", "equivalent"]
    assert late.standing.verdict == "equivalent"
    assert early.standing.verdict == "better"


def test_percentiles_are_a_s() -> None:
    """``p50`` is what half of A's latencies are within, and B is graded at that."""
    a = steady([[5, 5, 9, 9]] * 3, [1] * 4, APART[0], [1] * 4)
    b = steady([[7, 7, 7, 30]] * 3, [1] * 4, APART[1], [1] * 4)
    (at,) = compare(a, b, deadlines=["p50"]).at
    assert at.a.deadline_ns == at.b.deadline_ns == 9
    assert at.a.label == "p50"
    assert at.b.on_time.value == 0.75
    (turned,) = compare(b, a, deadlines=["p50"]).at
    assert turned.a.deadline_ns == 7


def test_rounds_of_one_design_pair() -> None:
    """Slow rounds are slow for both: the paired interval leaves far less doubt than the other."""
    random = np.random.default_rng(1)
    a = stalling(random, 40, 30, design=BESIDE[0], effect=2.0)
    later = [replace(one, completed_ns=one.completed_ns + 3) for one in a.rounds()]
    b = replace(a, stored=later)
    apart = replace(b, manifest=replace(b.manifest, design_id=APART[1]))
    beside, other = compare(a, b, deadlines=[100]), compare(a, apart, deadlines=[100])
    assert beside.paired_by == "round"
    assert other.paired_by == "sample"
    for name in ("mean", "on_time"):
        assert width(beside.at[0].differences[name]) < 0.5 * width(other.at[0].differences[name])
    for name in ("latency_mean", "latency_p50"):
        assert width(beside.differences[name]) < 0.5 * width(other.differences[name])
    assert beside.at[0].differences["mean"].method.endswith("paired")


def width(e: Estimate) -> float:
    """Of the interval."""
    assert e.low is not None
    assert e.high is not None
    return e.high - e.low


def test_rounds_that_only_one_run_has_do_not_pair() -> None:
    """Paired means are over the rounds both have, and a warning says so."""
    a, b = (sometimes_late([late] * n, BESIDE[0]) for late, n in ((2, 30), (4, 20)))
    found = compare(a, b, deadlines=[10])
    assert found.at[0].differences["mean"].n == 20
    assert any("30 and 20: means and flips are over the first 20" in w for w in found.warnings)


def test_the_verdict_seldom_invents_a_difference() -> None:
    """Of runs of one system, under a round effect, at most 7 % are told apart.

    The complement of the design's goal; the count must not exceed what that would give in all but
    one of a thousand.
    """
    random, trials = np.random.default_rng(3), 40
    verdicts = []
    for _ in range(trials):
        a, b = (stalling(random, 12, 20, design=design, effect=1.0) for design in APART)
        verdicts.append(compare(a, b, deadlines=[100], margin=0.0).standing.verdict)
    told = sum(verdict != "cannot tell" for verdict in verdicts)
    assert told <= binom.ppf(0.999, trials, 0.07)


def test_without_references_punctuality_is_compared() -> None:
    """The verdict is of the share on time, and there is no ideal quality."""
    a = make_run([make_round([5, 5, 20], [0, 0, 0])] * 12, None)
    b = make_run([make_round([5, 20, 20], [0, 0, 1])] * 12, None)
    found = compare(a, b, deadlines=[10])
    assert found.at[0].asked == "on_time"
    assert found.standing.verdict == "worse"
    assert "ideal" not in found.differences
    assert found.at[0].flips.lost.value == pytest.approx(1 / 3)
    assert found.flips is not None
    assert (found.flips.differ, found.flips.fixes) == (1, None)


def test_tails_say_how_many_rounds_bear_an_interval() -> None:
    """Seventy-two rounds for the 5 % quantile, 200 for the mean below it; one round is too few."""
    a, b = (sometimes_late([late] * 3, design) for late, design in zip((1, 2), APART, strict=True))
    at = compare(a, b, deadlines=[10]).at[0]
    assert at.standings["tail_0.05"].rounds_to_tell == 72
    assert at.standings["cvar_0.05"].rounds_to_tell == 200
    single = compare(sometimes_late([1], APART[0]), sometimes_late([2], APART[1]), deadlines=[10])
    assert single.standing.verdict == "cannot tell"
    assert single.standing.rounds_to_tell == 2


def otherwise(run: Run, **changes: Any) -> Run:
    """The same run, had something else been true of it."""
    return replace(run, manifest=replace(run.manifest, **changes))


ORDINARY = with_experiment(sometimes_late([1, 2] * 6, APART[0]), scenario={"kind": "single-stream"})

UNLIKE: dict[str, tuple[Callable[[], Run], str]] = {
    "timed": (lambda: with_experiment(ORDINARY, timed="total"), "timed (inference / total)"),
    "scenario": (
        lambda: with_experiment(ORDINARY, scenario={"kind": "server", "target_qps": 5}),
        "scenario (single-stream / server, 5 queries/s)",
    ),
    "order": (
        lambda: with_experiment(ORDINARY, workload={"kind": "handmade", "order": "shuffled"}),
        "order (fixed / shuffled)",
    ),
    "labels": (
        lambda: replace(
            ORDINARY,
            references=replace(ORDINARY.references, values=np.array([0, *RIGHT[1:]])),
        ),
        "labels (20 labels / 1 of them others)",
    ),
    "contents": (
        lambda: otherwise(ORDINARY, hashes={"samples": "f" * 64}),
        "contents (000000000000 / ffffffffffff)",
    ),
}


def ordinary() -> Run:
    """With hashes, as a measured run has them."""
    return otherwise(ORDINARY, hashes={"samples": "0" * 64})


@pytest.mark.parametrize("name", list(UNLIKE))
def test_unlike_runs_are_refused_unless_it_is_allowed(name: str) -> None:
    """What differs is named with both values, and so is the way out."""
    make, says = UNLIKE[name]
    with pytest.raises(InputError) as refused:
        compare(ordinary(), make(), deadlines=[10])
    said = str(refused.value)
    assert says in said
    assert said.endswith(f"compare them all the same with --allow {name}")
    found = compare(ordinary(), make(), deadlines=[10], allow=[name])
    (barring,) = [one for one in found.unlike if one.bars]
    assert barring.name == name
    assert any(f"though {name} differs" in warning for warning in found.warnings)


def test_everything_that_differs_is_named_at_once() -> None:
    """One refusal tells all there is to allow."""
    b = with_experiment(UNLIKE["order"][0](), timed="total", scenario={"kind": "offline"})
    with pytest.raises(InputError, match=r"--allow timed,scenario,order$"):
        compare(ordinary(), b)
    with pytest.raises(InputError, match=r"--allow scenario,order$"):
        compare(ordinary(), b, allow=["timed"])


def test_other_samples_are_always_refused() -> None:
    """Nothing pairs them, so allowing them does not help."""
    b = make_run([make_round([1], [1])], [1])
    for allow in ([], ["samples"]):
        with pytest.raises(InputError, match=r"were asked other samples \(20 from 's0' on / 1"):
            compare(ordinary(), b, allow=allow)


def test_labels_that_one_run_lacks_leave_punctuality() -> None:
    """Allowed, the comparison is of what both runs tell."""
    bare = replace(ordinary(), references=replace(ORDINARY.references, values=None))
    found = compare(ordinary(), bare, deadlines=[10], allow=["labels"])
    assert found.at[0].asked == "on_time"
    assert found.to_dict()["metric"] is None
    assert "labels" in {one.name for one in found.unlike}


def test_a_stage_that_both_runs_tell_compares_runs_timed_otherwise() -> None:
    """One run timed the whole and told its stages; the other timed inference alone."""
    whole = [make_round([9, 9], [1, 1], index=r, inference=[4, 5]) for r in range(3)]
    a = with_experiment(make_run(whole, [1, 1]), timed="total")
    b = make_run([make_round([5, 5], [1, 1], index=r) for r in range(3)], [1, 1])
    with pytest.raises(InputError, match=r"timed \(total / inference\)"):
        compare(a, b, deadlines=[5])
    assert compare(a, b, deadlines=[5], time="inference").differences["latency_mean"].value == 0.5


def test_what_a_run_does_not_tell_bars_nothing() -> None:
    """An imported run may know neither its scenario nor its samples' contents; both are listed."""
    b = with_experiment(ORDINARY, scenario=None)
    found = compare(ordinary(), b, deadlines=[10])
    told = {one.name: (one.b, one.bars) for one in found.unlike}
    assert told == {"scenario": (None, False), "contents": (None, False)}


def test_what_else_differs_is_listed() -> None:
    """Systems, processors, packages and rounds bar nothing: they are often what is compared."""
    b = otherwise(
        with_experiment(sometimes_late([1] * 5, APART[0]), system={"threads": 2}),
        environment={"processor": {"model": "slide rule"}, "packages": {"numpy": "3"}},
    )
    found = compare(ORDINARY, b, deadlines=[10])
    names = {one.name: (one.a, one.b) for one in found.unlike}
    assert names["system.threads"] == (None, 2)
    assert names["processor.model"] == ("abacus", "slide rule")
    assert names["packages.numpy"] == (None, "3")
    assert names["rounds"] == (12, 5)
    assert not any(one.bars for one in found.unlike)


QUESTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "margin below zero": ({"margin": -0.1}, "margin -0.1 is no share"),
    "margin nan": ({"margin": math.nan}, "margin nan is no share"),
    "margin in per cent": ({"margin": 5}, "margin 5 is no share"),
    "unknown name": ({"allow": ["ordr"]}, "'ordr' cannot be allowed (did you mean 'order'?)"),
    "no lender": ({"on_late": "fallback"}, "needs the run that lends its answers"),
    "no such stage": ({"time": "total"}, "measure with timed: total"),
}


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_a_question_that_has_no_answer_is_refused(name: str) -> None:
    """One sentence says which, and what could be asked."""
    options, says = QUESTIONS[name]
    with pytest.raises(InputError) as refused:
        compare(ORDINARY, ORDINARY, **options)
    assert says in str(refused.value)


def test_one_run_may_lend_its_answers_to_both() -> None:
    """Under ``fallback`` what is late is worth what the lender had in time."""
    a, b = sometimes_late([4] * 12, APART[0]), sometimes_late([8] * 12, APART[1])
    lender = steady([[1] * 20] * 12, [1] * 20, APART[0], RIGHT)
    found: Comparison = compare(a, b, deadlines=[10], on_late="fallback", fallback=lender)
    assert found.standing.verdict == "equivalent"
    assert found.at[0].differences["on_time"].value == pytest.approx(-0.2)
