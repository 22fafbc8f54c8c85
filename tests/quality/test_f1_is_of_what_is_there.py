"""Law: F1 at a deadline is scikit-learn's of the labels that are there; no answer is no class."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from quality.masked import DEADLINES, AnyRound, rounds
from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError
from tailmark.quality.f1 import F1, AverageF1, accuracy, f1_macro, f1_micro, f1_weighted
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

NEITHER = -7
"""Stands for no answer in the oracle: no reference is labelled so."""

METRICS = [f1_weighted, f1_macro, f1_micro, accuracy]
DIALOGUES = st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=5)


def slow(
    metric: Any, references: list[list[int]], outputs: list[list[int]], one: AnyRound, deadline: int
) -> float:
    """By scikit-learn, utterance by utterance."""
    true, answered = [], []
    for sample, output in one.there(deadline):
        true += references[sample]
        answered += [NEITHER] * len(references[sample]) if output is None else outputs[output]
    if not true:
        return math.nan
    if metric == accuracy:
        return float(np.mean(np.array(true) == np.array(answered)))
    classes = np.unique([label for dialogue in references for label in dialogue])
    if isinstance(metric, F1):
        return float(
            f1_score(true, answered, labels=[metric.label], average="macro", zero_division=0)
        )
    return float(f1_score(true, answered, labels=classes, average=metric.average, zero_division=0))


@settings(max_examples=150)
@given(data=st.data(), kind=st.integers(0, 4))
def test_dialogues_are_graded_as_the_utterances_that_are_there(
    data: st.DataObject, kind: int
) -> None:
    """Answers may replace each other, come late or never, and name what is no class."""
    references = data.draw(DIALOGUES)
    known = {label for dialogue in references for label in dialogue}
    outputs: list[list[int]] = []
    fitting: list[list[int]] = [[] for _ in references]
    for sample, dialogue in enumerate(references):
        for _ in range(2):
            label = st.integers(0, 4)
            fitting[sample].append(len(outputs))
            outputs.append(
                data.draw(st.lists(label, min_size=len(dialogue), max_size=len(dialogue)))
            )
    one = data.draw(rounds(len(references), fitting))
    metric: Any = (METRICS[kind : kind + 1] or [F1(min(known, default=0))])[0]
    if kind == 4 and not known:
        return
    grader = metric.prepare(Ragged.of(outputs, np.int64), Ragged.of(references, np.int32))
    found = grader.by_deadline(one.arrivals, np.array(DEADLINES, dtype=np.int64))
    expected = [slow(metric, references, outputs, one, deadline) for deadline in DEADLINES]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@settings(max_examples=100)
@given(data=st.data(), metric=st.sampled_from(METRICS))
def test_one_label_a_sample_is_a_dialogue_of_one(data: st.DataObject, metric: Any) -> None:
    """Plain arrays are graded alike, any output answering any sample."""
    label = st.integers(-2, 3)
    references = data.draw(st.lists(label, min_size=1, max_size=5))
    outputs = data.draw(st.lists(label, min_size=1, max_size=6))
    one = data.draw(rounds(len(references), len(outputs)))
    grader = metric.prepare(np.array(outputs), np.array(references))
    found = grader.by_deadline(one.arrivals, np.array(DEADLINES, dtype=np.int64))
    right, answers = [[x] for x in references], [[x] for x in outputs]
    expected = [slow(metric, right, answers, one, deadline) for deadline in DEADLINES]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("metric", [*METRICS, F1(1), F1(2)], ids=lambda one: one.name)
def test_f1_owes_its_seam_nothing(metric: Any) -> None:
    """Single labels and dialogues pass the conformance check that plug-ins run."""
    check_metric(metric, np.array([0, 1, 2, 1, 5]), np.array([0, 2, 2, 1, 1]))
    answers = Ragged.of([[0, 1], [2, 1], [1, 1]])
    check_metric(metric, answers, Ragged.of([[0, 2], [2, 1], [1, 2]]))


def test_of_several_labels_the_best_counts() -> None:
    """A run keeps the k best; dialogues of equal length are no such thing."""
    run = {"labels": np.array([[1, 0], [0, 1]])}
    late = np.array([0, 0], dtype=np.int64)[None]
    at: Any = {"metric": accuracy, "deadlines_ns": [0]}
    assert quality_at_deadlines(late, run, np.array([1, 1]), **at)[0, 0] == 0.5
    assert quality_at_deadlines(late, run, [[1, 1], [0, 1]], **at)[0, 0] == 0.75


def test_a_late_dialogue_loses_all_its_utterances() -> None:
    """Accuracy is over utterances: a long dialogue weighs more than a short one."""
    dialogues = [[0, 1, 2], [1]]
    found = quality_at_deadlines(
        np.array([[9, 1]]), dialogues, dialogues, metric=accuracy, deadlines_ns=[0, 1, 9]
    )
    assert found.tolist() == [[0, 0.25, 1]]


def test_an_empty_dialogue_has_nothing_wrong() -> None:
    """By itself it scores 1 if it is answered; among others it counts nothing."""
    rows = Ragged.of([[], [1, 2]], np.int64)
    grader = f1_macro.prepare(rows, rows)
    index = np.arange(2, dtype=np.int32)
    assert grader.scores(index, index).tolist() == [1, 1]
    assert grader.scores(index, np.array([0, -1], dtype=np.int32)).tolist() == [1, 0]
    other = f1_macro.prepare(Ragged.of([[], [1, 1]], np.int64), rows)
    assert other.scores(index, index).tolist() == [1, 0.5]


@pytest.mark.parametrize(
    ("metric", "outputs", "references", "says"),
    [
        (f1_macro, [0.5, 1.0], [0, 1], "f1_macro cannot read outputs of float64: give int"),
        (f1_macro, np.array(["joy"]), [0], r"outputs of <U3 and shape \(1,\)"),
        (f1_micro, [0, 1], [0.0, 1.0], "cannot read references of float64"),
        (accuracy, {"boxes": np.zeros((2, 4))}, [0, 1], "column 'labels' and the outputs have box"),
        (F1(7), [0, 1], [0, 1], "f1:7 finds no 7 in the references: give one of 0, 1"),
        (f1_macro, [[0], "xy"], [0, 1], "cannot read outputs of "),
    ],
)
def test_what_are_no_labels_is_refused(
    metric: Any, outputs: Any, references: Any, says: str
) -> None:
    """The refusal names what was given and what to give."""
    with pytest.raises(MetricError, match=says) as error:
        metric.prepare(outputs, references)
    assert "\n" not in str(error.value)


def test_an_answer_of_another_length_is_refused() -> None:
    """Which sample it answers is known when it is graded."""
    grader = f1_macro.prepare(Ragged.of([[0, 1, 1]]), Ragged.of([[0], [0, 1]]))
    sample, output = np.array([1], dtype=np.int32), np.array([0], dtype=np.int32)
    with pytest.raises(MetricError, match="an answer of 3 labels for sample 1 of 2: give one"):
        grader.scores(sample, output)


def test_another_average_is_refused() -> None:
    """F1 has three."""
    with pytest.raises(InputError, match="average 'samples' of F1: give weighted, macro, micro"):
        AverageF1("samples")  # type: ignore[arg-type] # on purpose


def test_names_are_those_of_the_entry_points() -> None:
    """What a run is told is what it can be asked for."""
    names = [f1_weighted.name, f1_macro.name, f1_micro.name, F1(3).name, accuracy.name]
    assert names == ["f1_weighted", "f1_macro", "f1_micro", "f1:3", "accuracy"]
