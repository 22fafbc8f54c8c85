"""A run's rounds graded at deadlines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.handmade import (
    CLASSES,
    DEADLINES,
    hand_runs,
    labels,
    make_round,
    make_run,
    plain_runs,
    told,
    with_experiment,
)
from tailmark import quality_at_deadlines
from tailmark.analysis.grading import check_time, grade, lend, longest_streaks, prepare_grader
from tailmark.errors import InputError, MetricError, UnknownNameError
from tailmark.quality.late import Policy, parse_policy
from tailmark.quality.topk import top1
from tailmark.records.model import NEVER, Run


@given(
    run=plain_runs(),
    policy=st.sampled_from(["fail", "drop", "stale", "linear:3ns", "exponential:2ns", "penalty"]),
)
def test_a_run_is_graded_as_its_arrays_are(run: Run, policy: str) -> None:
    """The low-level entry, given a run's latencies and labels by sample, says the same."""
    rounds, samples = len(run), len(run.references)
    latency = np.full((rounds, samples), NEVER)
    outputs = np.full((rounds, samples), -1)
    order = np.empty((rounds, samples), dtype=np.int64)
    for r, one in enumerate(run.rounds()):
        latency[r, one.sample] = one.latency_ns()
        outputs[r, one.sample] = [-1 if a is None else a for a in labels(one)]
        order[r] = one.sample
        # The arrays' clock stands still where no answer came; so must this run's.
        spent = np.where(one.answered, one.completed_ns - one.scheduled_ns, 0)
        one.scheduled_ns[:] = np.cumsum(spent) - spent
        one.completed_ns[:] = np.where(one.answered, one.scheduled_ns + spent, -1)
    assert run.references.values is not None
    arrays = quality_at_deadlines(
        latency,
        outputs,
        run.references.values,
        deadlines_ns=DEADLINES,
        on_late=policy,
        issue_order=order,
    )
    grader = prepare_grader(run, "top1")
    grades = grade(run, grader, DEADLINES, policy=parse_policy(policy), time="inference")
    assert grades.quality is not None
    np.testing.assert_array_equal(grades.quality, arrays)


@given(run=hand_runs())
def test_punctuality_ideal_and_counts_are_plain_counts(run: Run) -> None:
    """On time, ideal quality, queries and duration, each by counting rows."""
    grades = grade(run, prepare_grader(run, "top1"), DEADLINES, time="inference")
    assert grades.ideal is not None
    for r, one in enumerate(run.rounds()):
        spent, n = told(one), len(one)
        for d, deadline in enumerate(DEADLINES.tolist()):
            assert grades.on_time[r, d] == sum(t is not None and t <= deadline for t in spent) / n
        assert run.references.values is not None
        truth = run.references.values[one.sample].tolist()
        assert grades.ideal[r] == sum(a == b for a, b in zip(labels(one), truth, strict=True)) / n
        assert grades.queries[r] == n
        assert grades.duration_ns[r] == one.facts["duration_ns"]
        assert (grades.counted[r] == n).all()


@given(run=hand_runs())
def test_under_drop_the_denominator_is_the_number_on_time(run: Run) -> None:
    """``counted`` is how many rows the quality is a mean of, and where that is none it is NaN."""
    grader = prepare_grader(run, "top1")
    grades = grade(run, grader, DEADLINES, policy=Policy("drop"), time="inference")
    assert grades.quality is not None
    for r, one in enumerate(run.rounds()):
        for d, deadline in enumerate(DEADLINES.tolist()):
            there = sum(t is not None and t <= deadline for t in told(one))
            assert grades.counted[r, d] == pytest.approx(there)
            assert np.isnan(grades.quality[r, d]) == (there == 0)


@given(run=hand_runs(), other=hand_runs())
def test_a_fallback_lends_its_round_of_the_same_number(run: Run, other: Run) -> None:
    """Round r borrows from round r of the lender, counted around; only answers on time.

    What is right is as the borrower has it.
    """
    assert run.references.values is not None
    grader = prepare_grader(run, "top1")
    found = grade(
        run,
        grader,
        DEADLINES,
        policy=Policy("fallback"),
        time="inference",
        fallback=lend(run, other, top1),
    ).quality
    assert found is not None
    for r, one in enumerate(run.rounds()):
        theirs = other.stored[r % len(other)]
        lent = {
            int(s): (t, a)
            for s, t, a in zip(theirs.sample, told(theirs), labels(theirs), strict=True)
        }
        for d, deadline in enumerate(DEADLINES.tolist()):
            worth = 0
            for s, t, a in zip(one.sample.tolist(), told(one), labels(one), strict=True):
                late, answer = lent.get(s, (None, None))
                if t is not None and t <= deadline:
                    worth += a == run.references.values[s]
                elif late is not None and late <= deadline:
                    worth += answer == run.references.values[s]
            assert found[r, d] == pytest.approx(worth / len(one), abs=1e-12)


@given(
    latency=st.lists(st.one_of(st.just(NEVER), st.integers(0, 5)), min_size=0, max_size=30),
)
def test_the_longest_streak_is_the_longest_run_of_late_rows(latency: list[int]) -> None:
    """Walking the rows and counting gives the same."""
    deadlines = np.arange(7)
    found = longest_streaks(np.array(latency, dtype=np.int64), deadlines)
    for deadline, streak in zip(deadlines.tolist(), found.tolist(), strict=True):
        longest = current = 0
        for spent in latency:
            current = current + 1 if spent > deadline else 0
            longest = max(longest, current)
        assert streak == longest


def test_stages_are_deadlines_of_their_own() -> None:
    """With stages measured, a deadline may apply to inference alone; without, only to the whole."""
    one = make_round([10, 20], [0, 0], inference=[3, 4])
    run = with_experiment(make_run([one], [0, 0]), timed="total")
    assert check_time(run, None) == "total"
    grader = prepare_grader(run, "top1")
    for time, expected in (("total", [0.0, 0.5, 1.0]), ("inference", [1.0, 1.0, 1.0])):
        found = grade(run, grader, np.array([5, 10, 20]), time=check_time(run, time)).quality
        assert found is not None
        assert found[0].tolist() == expected


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ("total", "timed 'inference' only, so there is no 'total': measure with timed: total"),
        ("preprocess", "there is no 'preprocess': measure with timed: total"),
        ("wall", "time 'wall' is not measured: inference"),
    ],
)
def test_a_stage_that_was_not_timed_is_refused(time: str, says: str) -> None:
    """The refusal says how to measure it."""
    with pytest.raises(InputError, match=says):
        check_time(make_run([make_round([1], [0])], [0]), time)


def test_an_unknown_metric_or_no_outputs_are_refused() -> None:
    """Neither is graded as if it were top-1."""
    run = make_run([make_round([1], [0])], [0])
    with pytest.raises(UnknownNameError, match="no metric is called 'top2'"):
        prepare_grader(run, "top2")
    bare = Run(
        path=None,
        manifest=run.manifest,
        references=run.references,
        outputs={},
        stored=run.stored,
    )
    with pytest.raises(MetricError, match="kept no outputs, so top1 has nothing to grade"):
        prepare_grader(bare, "top1")
    assert prepare_grader(make_run([make_round([1], [CLASSES - 1])], None), "top1") is None
