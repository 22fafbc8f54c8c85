"""Law: the loss split puts every sample in exactly one place."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from analysis.handmade import DEADLINES, hand_runs, labels, make_round, make_run, told
from tailmark.analysis.grading import LOSSES, Grades, grade, prepare_grader
from tailmark.records.model import Int64s, Run, Status


def _grades(run: Run, deadlines: Int64s = DEADLINES) -> Grades:
    return grade(run, prepare_grader(run, "top1"), deadlines, time="inference")


def _place(run: Run, r: int, j: int, deadline: int) -> str:
    """Where row j of round r ends up, by the words of the definition."""
    one = run.stored[r]
    assert run.references.values is not None
    spent = told(one)[j]
    right = labels(one)[j] == run.references.values[one.sample[j]]
    if one.status[j] != Status.ok or spent is None:
        return "failed"
    if spent <= deadline:
        return "delivered" if right else "wrong_in_time"
    if not right:
        return "wrong_and_late"
    since_issue = told(one, at="issued")[j]
    since_start = told(one, at="started")[j] if one.started_ns is not None else since_issue
    if since_issue is not None and since_issue <= deadline:
        return "right_late_by_harness"
    if since_start is not None and since_start <= deadline:
        return "right_late_in_queue"
    return "right_late_in_compute"


@given(run=hand_runs())
def test_each_part_counts_the_rows_that_end_there(run: Run) -> None:
    """At every deadline each share is a count of rows by the definition's own words."""
    loss = _grades(run).loss
    assert loss is not None
    for r in range(len(run)):
        rows = len(run.stored[r])
        for d, deadline in enumerate(DEADLINES.tolist()):
            counts = Counter(_place(run, r, j, deadline) for j in range(rows))
            expected = [counts[name] / rows for name in LOSSES]
            assert loss[r, d].tolist() == pytest.approx(expected, abs=1e-12)


@given(run=hand_runs())
def test_the_parts_sum_to_one(run: Run) -> None:
    """Nothing is lost and nothing counted twice, at any deadline."""
    loss = _grades(run).loss
    assert loss is not None
    np.testing.assert_allclose(loss.sum(axis=2), 1.0, atol=1e-12)
    assert (loss >= 0).all()


@given(run=hand_runs())
def test_what_is_delivered_is_the_quality(run: Run) -> None:
    """Under ``fail`` the first part is the quality itself."""
    grades = _grades(run)
    assert grades.loss is not None
    assert grades.quality is not None
    np.testing.assert_allclose(grades.loss[:, :, 0], grades.quality, atol=1e-12)


def test_the_three_ways_of_being_late_are_told_apart() -> None:
    """Four right answers 10 late: the generator slept, a queue was long, the model was slow."""
    one = make_round(
        [12, 12, 12, 1],
        [0, 0, 0, 0],
        scheduled=[0, 0, 0, 0],
        issued=[11, 0, 0, 0],
        started=[11, 11, 0, 0],
    )
    loss = _grades(make_run([one], [0, 0, 0, 0]), np.array([2])).loss
    assert loss is not None
    split = dict(zip(LOSSES, loss[0, 0].tolist(), strict=True))
    assert split == {
        "delivered": 0.25,
        "wrong_in_time": 0,
        "right_late_in_queue": 0.25,
        "right_late_in_compute": 0.25,
        "right_late_by_harness": 0.25,
        "wrong_and_late": 0,
        "failed": 0,
    }
