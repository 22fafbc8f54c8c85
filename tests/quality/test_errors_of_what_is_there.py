"""Law: an error at a deadline is scikit-learn's, where no answer errs by the penalty."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from quality.masked import DEADLINES, rounds
from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError
from tailmark.quality.regression import MeanAbsoluteError, RootMeanSquaredError
from tailmark.testing import check_metric

PENALTY = 4.0
NUMBERS = st.floats(-20, 20, allow_nan=False)


def bounded(reference: float, answer: float | None) -> float:
    """What is judged in an answer's place: no answer, no number and no error beyond the penalty."""
    if answer is None or math.isnan(answer) or abs(answer - reference) > PENALTY:
        return reference + PENALTY
    return answer


@settings(max_examples=150)
@given(data=st.data(), wide=st.booleans())
def test_the_root_mean_squared_error_is_that_of_what_is_there(
    data: st.DataObject, *, wide: bool
) -> None:
    """Answers may replace each other, come late or never, and be no number."""
    d = 2 if wide else 1
    row = st.lists(NUMBERS, min_size=d, max_size=d)
    other = st.lists(NUMBERS | st.sampled_from([math.nan, math.inf]), min_size=d, max_size=d)
    references = data.draw(st.lists(row, min_size=1, max_size=4))
    outputs = data.draw(st.lists(other, min_size=1, max_size=5))
    one = data.draw(rounds(len(references), len(outputs)))
    metric = RootMeanSquaredError(PENALTY)
    told = [np.array(rows) if wide else np.array(rows)[:, 0] for rows in (outputs, references)]
    found = metric.prepare(*told).by_deadline(one.arrivals, np.array(DEADLINES))
    for value, deadline in zip(found.tolist(), DEADLINES, strict=True):
        true, answered = [], []
        for sample, output in one.there(deadline):
            for j, reference in enumerate(references[sample]):
                true.append(reference)
                answered.append(bounded(reference, None if output is None else outputs[output][j]))
        if not true:
            assert math.isnan(value)
            continue
        # Differences of squares near 0 are roots near 1e-8.
        expected = root_mean_squared_error(true, answered)
        assert metric.error(value) == pytest.approx(expected, abs=1e-6)
        assert metric.error(value) ** 2 == pytest.approx(expected**2, abs=1e-12)


@settings(max_examples=100)
@given(data=st.data(), metric=st.sampled_from([MeanAbsoluteError, RootMeanSquaredError]))
def test_arrays_are_graded_alike(data: st.DataObject, metric: Any) -> None:
    """Of both errors, with the answers on time."""
    count = data.draw(st.integers(1, 5))
    several = st.lists(NUMBERS, min_size=count, max_size=count)
    references, outputs = data.draw(several), data.draw(several)
    late = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    one = metric(PENALTY)
    found = quality_at_deadlines(
        [late], outputs, references, metric=one, deadlines_ns=list(range(4))
    )[0]
    sklearn = mean_absolute_error if metric is MeanAbsoluteError else root_mean_squared_error
    for deadline in range(4):
        pairs = zip(references, outputs, late, strict=True)
        answered = [bounded(r, a if at <= deadline else None) for r, a, at in pairs]
        expected = sklearn(references, answered)
        assert one.error(float(found[deadline])) == pytest.approx(expected, abs=1e-6)


def test_a_small_error_is_seen_beside_a_large_penalty() -> None:
    """What the penalty squared is worth leaves no rounding once answers are there."""
    metric = RootMeanSquaredError(1e6)
    references = np.arange(1000.0)
    found = quality_at_deadlines(
        np.ones((1, 1000)), references + 1e-3, references, metric=metric, deadlines_ns=[1]
    )
    assert metric.error(float(found[0, 0])) == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize("metric", [MeanAbsoluteError(3), RootMeanSquaredError(3)])
def test_errors_owe_their_seam_nothing(metric: Any) -> None:
    """Numbers, several numbers and whole numbers pass the check that plug-ins run."""
    answers, true = np.random.default_rng(0).normal(size=(2, 6))
    check_metric(metric, answers, true)
    check_metric(metric, {"values": answers.reshape(3, 2)}, true.reshape(3, 2))
    check_metric(metric, np.array([1, 2]), np.array([1, 7]))


@pytest.mark.parametrize("kind", [MeanAbsoluteError, RootMeanSquaredError])
def test_a_wrong_answer_is_never_worse_than_none(kind: Any) -> None:
    """However wrong, and beyond all numbers."""
    grader = kind(2).prepare(np.array([-1.7e308, math.nan, -math.inf, 0.0]), np.array([1.7e308, 0]))
    rows = np.array([0, 1, 1, 1], dtype=np.int32)
    assert grader.scores(rows, np.arange(4, dtype=np.int32)).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("penalty", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("kind", [MeanAbsoluteError, RootMeanSquaredError])
def test_a_penalty_is_a_number_above_zero(kind: Any, penalty: float) -> None:
    """Else quality would mean nothing."""
    with pytest.raises(InputError, match=f"penalty is {penalty}: give the error that no answer"):
        kind(penalty)


@pytest.mark.parametrize(
    ("outputs", "references", "says"),
    [
        (["a"], [1.0], r"mae:2 cannot read outputs of <U1 and shape \(1,\): give numbers"),
        ([1.0], [math.nan], "found nan among the references: give finite numbers"),
        ([[1.0, 2.0]], [1.0], "outputs of 2 numbers and references of 1: give as many"),
        ([[1.0], [1.0, 2.0]], [1.0], "cannot read outputs of object"),
        ({"labels": [1]}, [1.0], "column 'values' and the outputs have labels"),
    ],
)
def test_what_are_no_numbers_is_refused(outputs: Any, references: Any, says: str) -> None:
    """The refusal names what was given and what to give."""
    with pytest.raises(MetricError, match=says):
        MeanAbsoluteError(2).prepare(outputs, references)


def test_names_say_the_penalty() -> None:
    """There is no default: what nothing counts as must be said."""
    assert [MeanAbsoluteError(5).name, RootMeanSquaredError(0.25).name] == ["mae:5", "rmse:0.25"]
