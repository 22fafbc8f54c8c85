"""Top-k accuracy."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.oracle import best
from tailmark.errors import MetricError
from tailmark.quality.topk import TopK, top1, top5
from tailmark.testing import check_metric


@settings(max_examples=200)
@given(data=st.data(), k=st.integers(1, 6))
def test_scores_rank_as_a_stable_sort_does(data: st.DataObject, k: int) -> None:
    """Equal scores rank in class order; the k best are those of a plain sort."""
    classes = data.draw(st.integers(k, 6))
    score = st.sampled_from([-1.0, -0.0, 0.0, 0.25, 1.0, float("inf"), float("-inf")])
    row = st.lists(score, min_size=classes, max_size=classes)
    scores = data.draw(st.lists(row, min_size=1, max_size=5))
    label = st.integers(0, classes - 1)
    references = data.draw(st.lists(label, min_size=len(scores), max_size=len(scores)))
    rows = np.arange(len(scores), dtype=np.int32)
    found = TopK(k).prepare(np.array(scores), np.array(references)).scores(rows, rows)
    expected = [float(label in best(row, k)) for row, label in zip(scores, references, strict=True)]
    assert found.tolist() == expected


def test_more_tries_than_classes_are_refused() -> None:
    """Five tries at three classes are always right, and say nothing."""
    with pytest.raises(MetricError, match="top5 of 3 classes is always right"):
        top5.prepare(np.zeros((2, 3)), np.array([0, 1]))


def test_a_tie_for_the_last_place_goes_to_the_lower_class() -> None:
    """With three equal scores, top-1 tries class 0 only and top-2 classes 0 and 1."""
    scores, references = np.ones((3, 3)), np.array([0, 1, 2])
    rows = np.arange(3, dtype=np.int32)
    assert TopK(1).prepare(scores, references).scores(rows, rows).tolist() == [1, 0, 0]
    assert TopK(2).prepare(scores, references).scores(rows, rows).tolist() == [1, 1, 0]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_labels_may_be_of_any_integer_type(dtype: str) -> None:
    """Labels and references are compared as numbers, whatever their types."""
    rows = np.arange(3, dtype=np.int32)
    grader = top1.prepare(np.array([1, 2, 3], dtype=dtype), np.array([1, 2, 4]))
    assert grader.scores(rows, rows).tolist() == [1, 1, 0]


def test_a_run_is_graded_by_its_labels_column() -> None:
    """Of a run's outputs by column, ``labels`` counts, best first."""
    outputs = {"labels": np.array([[3, 1, 2, 0, 4]]), "scores": np.zeros((1, 5))}
    row = np.zeros(2, dtype=np.int32)
    samples = np.arange(2, dtype=np.int32)
    references = np.array([3, 4])
    assert top1.prepare(outputs, references).scores(samples, row).tolist() == [1, 0]
    assert top5.prepare(outputs, references).scores(samples, row).tolist() == [1, 1]


def test_a_class_that_no_label_names_is_never_right() -> None:
    """A prediction of -1, a model's background class, is wrong for every sample."""
    rows = np.arange(3, dtype=np.int32)
    grader = top1.prepare(np.full(3, -1), np.array([0, 1, 2]))
    assert not grader.scores(rows, rows).any()


@pytest.mark.parametrize(
    ("metric", "outputs"),
    [
        (top1, np.array([0, 1, 2, 3])),
        (top1, np.array([[0, 1], [1, 0], [2, 1], [3, 1]])),
        (top1, np.eye(4)),
        (top5, np.tile(np.arange(10.0), (4, 1))),
        (TopK(2), np.eye(4, dtype=np.float32)),
    ],
)
def test_topk_owes_its_seam_nothing(metric: TopK, outputs: Any) -> None:
    """Every form of output passes the conformance check that plug-ins run."""
    check_metric(metric, outputs, np.array([0, 1, 2, 0]))


@pytest.mark.parametrize(
    ("metric", "outputs", "references", "says"),
    [
        (top1, [0, 1], [0.0, 1.0], "top1 grades against integer labels .* not float64"),
        (top1, [0, 1], [[0], [1]], r"not int64 of shape \(2, 1\)"),
        (top1, ["cat", "dog"], [0, 1], r"cannot read outputs of <U3 and shape \(2,\): give"),
        (top1, [0.2, 0.7], [0, 1], r"float64 and shape \(2,\): give labels \(outputs,\)"),
        (top1, np.zeros((2, 2, 2)), [0, 1], r"shape \(2, 2, 2\): give labels"),
        (top1, [True, False], [0, 1], "cannot read outputs of bool"),
        (
            top5,
            [0, 1],
            [0, 1],
            "top5 needs the 5 best answers and each output is one label: use top1",
        ),
        (
            top5,
            [[0, 1], [1, 0]],
            [0, 1],
            "5 best answers and 2 were kept: measure with decode.top: 5",
        ),
        (top1, {"boxes": np.zeros((2, 4))}, [0, 1], "'labels' and the run's outputs have boxes"),
        (top1, {}, [0, 1], "outputs have nothing: measure with decode"),
    ],
)
def test_what_cannot_be_graded_is_refused(
    metric: TopK, outputs: Any, references: Any, says: str
) -> None:
    """The refusal names what was given and what to give."""
    given_outputs = outputs if isinstance(outputs, dict) else np.array(outputs)
    with pytest.raises(MetricError, match=says) as error:
        metric.prepare(given_outputs, np.array(references))
    assert "\n" not in str(error.value)


def test_names_are_the_field_s_own() -> None:
    """Top-k is called ``topk`` in files, on the command line and in reports."""
    assert [top1.name, top5.name, TopK(3).name] == ["top1", "top5", "top3"]
    assert re.fullmatch(r"top\d", top1.name)
