"""What others judged, an answer's worth or which boxes found an object, is graded under masks."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.masked import DEADLINES, AnyRound, rounds
from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError
from tailmark.quality.matched import Matched, ap50, recall
from tailmark.quality.score import Score
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

Detections = list[tuple[float, int, bool]]
"""Of an output: score, category, and whether it found an object."""

DETECTION = st.tuples(st.sampled_from([0.25, 0.5, 0.75]), st.integers(0, 3), st.booleans())
OBJECTS = st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=4)


def columns(outputs: list[Detections]) -> dict[str, Ragged]:
    """As a run has them; of several thresholds the first counts."""
    return {
        "found": Ragged.of([[[d[2], not d[2]] for d in one] for one in outputs], np.bool_, 2),
        "scores": Ragged.of([[d[0] for d in one] for one in outputs], np.float64),
        "categories": Ragged.of([[d[1] for d in one] for one in outputs], np.int32),
    }


def slow(
    metric: Matched,
    objects: list[list[int]],
    outputs: list[Detections],
    one: AnyRound,
    deadline: int,
) -> float:
    """Category by category, detection by detection."""
    there = sorted(one.there(deadline), key=lambda pair: pair[0])
    wanted = [kind for sample, _ in there for kind in objects[sample]]
    seen = [d for _, output in there if output is not None for d in outputs[output]]
    seen.sort(key=lambda d: -d[0])  # equal scores stay in the order of their samples
    several = []
    for kind in sorted(set(wanted)):
        hits = [hit for _, category, hit in seen if category == kind]
        count = wanted.count(kind)
        several.append(area_under(hits, count) if metric == ap50 else min(1, sum(hits) / count))
    return sum(several) / len(several) if several else math.nan


def area_under(hits: list[bool], objects: int) -> float:
    """Precision, the best from each recall on, with straight lines between, by trapezoids."""
    if not hits:
        return 0.0
    points = [(0.0, 1.0)]
    points += [(sum(hits[:n]) / objects, sum(hits[:n]) / n) for n in range(1, len(hits) + 1)]
    points.append((1.0, 0.0))
    best = [max(precision for _, precision in points[k:]) for k in range(len(points))]
    heights = np.interp(np.linspace(0, 1, 101), [share for share, _ in points], best)
    return float(sum((low + high) / 200 for low, high in pairwise(heights)))


@settings(max_examples=200)
@given(data=st.data(), objects=OBJECTS, metric=st.sampled_from([ap50, recall]))
def test_matches_are_summed_up_over_the_answers_that_are_there(
    data: st.DataObject, objects: list[list[int]], metric: Matched
) -> None:
    """Late answers lose their detections and keep their objects, or are left out with them."""
    outputs = data.draw(st.lists(st.lists(DETECTION, max_size=4), min_size=1, max_size=5))
    one = data.draw(rounds(len(objects), len(outputs)))
    grader = metric.prepare(columns(outputs), Ragged.of(objects, np.int32))
    found = grader.by_deadline(one.arrivals, np.array(DEADLINES, dtype=np.int64))
    expected = [slow(metric, objects, outputs, one, deadline) for deadline in DEADLINES]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@given(
    worth=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    data=st.data(),
)
def test_a_score_is_what_was_found_elsewhere(worth: list[float], data: st.DataObject) -> None:
    """Its mean, where what is late is worth nothing."""
    moment = st.integers(0, 5)
    late = data.draw(st.lists(moment, min_size=len(worth), max_size=len(worth)))
    found = quality_at_deadlines(
        np.array([late]),
        {"iou": np.array(worth)},
        np.zeros(len(worth)),
        metric=Score("iou"),
        deadlines_ns=range(7),
    )
    for deadline in range(7):
        there = [one for one, at in zip(worth, late, strict=True) if at <= deadline]
        assert found[0, deadline] == pytest.approx(sum(there) / len(worth), abs=1e-12)


def test_the_metrics_owe_their_seams_nothing() -> None:
    """They pass the conformance checks that plug-ins run."""
    check_metric(Score("iou"), {"iou": np.array([0.0, 0.25, 1.0])}, np.zeros(3))
    outputs = columns([[(0.5, 0, True), (0.25, 1, False)], [], [(0.75, 1, True)]])
    for metric in (ap50, recall):
        check_metric(metric, outputs, Ragged.of([[0, 0], [1], [1, 1]], np.int32))


def test_they_are_called_by_what_they_tell() -> None:
    """In files, commands and reports."""
    names = [metric.name for metric in (ap50, recall, Score("lane_iou"))]
    assert names == ["matched_ap50", "matched_recall", "score:lane_iou"]


@pytest.mark.parametrize("metric", [ap50, recall, Score("iou")], ids=lambda one: one.name)
def test_nothing_is_taken_for_an_answer_to_another_sample(metric: Any) -> None:
    """Where it is known what each answers: what it is worth there, nobody has judged."""
    outputs = {
        **columns([[(0.5, 0, True)], [(0.25, 0, True)]]),
        "iou": np.array([0.5, 1.0]),
        "sample": np.array([0, 1], dtype=np.int32),
    }
    given: dict[str, Any] = {"metric": metric, "deadlines_ns": [5], "issue_order": [0, 1]}
    arguments = np.array([[1, 9]]), outputs, Ragged.of([[0], [0]], np.int32)
    assert quality_at_deadlines(*arguments, **given)[0, 0] > 0
    with pytest.raises(MetricError, match="give on_late another policy than stale"):
        quality_at_deadlines(*arguments, on_late="stale", **given)


FOUND: dict[str, Any] = columns([[(0.5, 0, True)]])
HERE = Ragged.of([[0]], np.int32)


@pytest.mark.parametrize(
    ("metric", "outputs", "says"),
    [
        (Score("iou"), {"labels": np.zeros(2)}, "grades the column 'iou' and the outputs have lab"),
        (Score("iou"), {"iou": np.zeros((2, 2))}, r"cannot read float64 of shape \(2, 2\)"),
        (Score("iou"), {"iou": np.array(["a"])}, "cannot read <U1 of shape"),
        (Score("iou"), {"iou": np.array([0.5, 1.5])}, "found 1.5: a score is from 0 to 1"),
        (Score("iou"), {"iou": np.array([np.nan])}, "found nan: a score is from 0 to 1"),
        (ap50, {}, "grades the column 'found' and the outputs have nothing"),
        (ap50, {**FOUND, "found": np.array([[1.0]])}, "give true or false for each detection"),
        (ap50, {**FOUND, "categories": np.array([[0.5]])}, "give the categories of detections"),
        (ap50, {**FOUND, "scores": np.array([[0.5, 0.5]])}, "has 1 detections that were matched"),
        (ap50, {**FOUND, "scores": np.array([[np.inf]])}, "scores that are not finite"),
    ],
)
def test_what_was_judged_otherwise_is_one_sentence(
    metric: Any, outputs: dict[str, Any], says: str
) -> None:
    """What there is, and what there should be."""
    with pytest.raises(MetricError, match=says) as refused:
        metric.prepare(outputs, HERE)
    assert "\n" not in str(refused.value)


def test_another_sum_of_matches_is_refused() -> None:
    """There are two."""
    wrong: Any = "map"
    with pytest.raises(InputError, match="kind 'map' of matches: give ap50, recall"):
        Matched(wrong)
