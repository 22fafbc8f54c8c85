"""Law: IoU at a deadline is that of all pixels, and a map that is not there is wrong everywhere."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, jaccard_score

from quality.masked import DEADLINES, AnyRound, rounds
from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError
from tailmark.quality.segmentation import IoU, MeanAccuracy, MeanIoU, PixelAccuracy
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

IGNORE = 9
NOTHING = -7
"""Stands for no answer in the oracle: no class, and right nowhere."""

PIXELS = [4, 0, 6]
"""Of each sample: maps may differ in size."""

Maps = list[list[int]]


def pixels(
    references: Maps, outputs: Maps, pairs: list[tuple[int, int | None]]
) -> tuple[list[int], list[int]]:
    """Of every pixel that counts, its class and what it is answered to be."""
    true, answered = [], []
    for sample, output in pairs:
        found = [NOTHING] * PIXELS[sample] if output is None else outputs[output]
        for a, b in zip(references[sample], found, strict=True):
            if a != IGNORE:
                true.append(a)
                answered.append(b)
    return true, answered


def iou_of(label: int, true: list[int], answered: list[int]) -> float:
    """Intersection over union, pixel by pixel; NaN where there is no such pixel."""
    both = list(zip(true, answered, strict=True))
    union = sum(label in pair for pair in both)
    return sum(pair == (label, label) for pair in both) / union if union else math.nan


def slow(metric: Any, classes: list[int], true: list[int], answered: list[int]) -> float:
    """By definition."""
    if not true:
        return math.nan
    if isinstance(metric, PixelAccuracy):
        return float(np.mean(np.array(true) == np.array(answered)))
    if isinstance(metric, IoU):
        return iou_of(metric.label, true, answered)
    if isinstance(metric, MeanAccuracy):
        kept = [answered[k] for k in range(len(true))]
        shares = [
            np.mean([b == label for a, b in zip(true, kept, strict=True) if a == label])
            for label in set(true)
        ]
        return float(np.mean(shares))
    found = [iou_of(label, true, answered) for label in classes]
    known = [one for one in found if not math.isnan(one)]
    return float(np.mean(known)) if known else math.nan


@st.composite
def maps(draw: st.DrawFn) -> tuple[Maps, Maps, list[list[int]]]:
    """References, two outputs for each, and which output fits which sample."""
    outputs: Maps = []
    fitting: list[list[int]] = []
    references = [
        draw(st.lists(st.sampled_from([0, 1, 2, IGNORE]), min_size=n, max_size=n)) for n in PIXELS
    ]
    for n in PIXELS:
        label = st.sampled_from([-1, 0, 1, 2, 3, 4, IGNORE])
        fitting.append([len(outputs), len(outputs) + 1])
        outputs += [draw(st.lists(label, min_size=n, max_size=n)) for _ in range(2)]
    return references, outputs, fitting


KINDS = ["mean_iou", "mean_iou of 4", "iou", "pixel_accuracy", "mean_accuracy"]


def metric_of(kind: str, label: int) -> Any:
    """The metric, ignoring what the oracle ignores."""
    known: dict[str, Any] = {
        "mean_iou": MeanIoU(ignore=IGNORE),
        "mean_iou of 4": MeanIoU(classes=4, ignore=IGNORE),
        "iou": IoU(label, ignore=IGNORE),
        "pixel_accuracy": PixelAccuracy(ignore=IGNORE),
        "mean_accuracy": MeanAccuracy(ignore=IGNORE),
    }
    return known[kind]


@settings(max_examples=200)
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_all_pixels_are_graded_together(data: st.DataObject, kind: str) -> None:
    """Answers may replace each other, come late or never, and name what is no class."""
    references, outputs, fitting = data.draw(maps())
    known = sorted({label for one in references for label in one} - {IGNORE})
    if not known:
        return
    metric = metric_of(kind, known[0])
    one: AnyRound = data.draw(rounds(len(references), fitting))
    grader = metric.prepare(Ragged.of(outputs, np.int16), Ragged.of(references, np.uint8))
    found = grader.by_deadline(one.arrivals, np.array(DEADLINES, dtype=np.int64))
    classes = list(range(4)) if kind == "mean_iou of 4" else known
    told = [pixels(references, outputs, one.there(deadline)) for deadline in DEADLINES]
    expected = [slow(metric, classes, *both) for both in told]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@settings(max_examples=100)
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_over_images_each_is_graded_by_itself(data: st.DataObject, kind: str) -> None:
    """What an image has not and was not answered is found whole there."""
    references, outputs, fitting = data.draw(maps())
    known = sorted({label for one in references for label in one} - {IGNORE})
    if not known:
        return
    summed = metric_of(kind, known[0])
    metric = type(summed)(**{**summed.__dict__, "over": "images"})
    grader = metric.prepare(Ragged.of(outputs, np.int16), Ragged.of(references, np.uint8))
    assert not hasattr(grader, "by_deadline")
    one: AnyRound = data.draw(rounds(len(references), fitting))
    pairs = one.there(10)
    sample = np.array([sample for sample, _ in pairs], dtype=np.int32)
    output = np.array([-1 if o is None else o for _, o in pairs], dtype=np.int32)
    classes = list(range(4)) if kind == "mean_iou of 4" else known
    expected = []
    for pair in pairs:
        value = slow(metric, classes, *pixels(references, outputs, [pair]))
        expected.append(0 if pair[1] is None else 1 if math.isnan(value) else value)
    for _ in range(2):  # the second time from memory
        np.testing.assert_allclose(grader.scores(sample, output), expected, rtol=0, atol=1e-14)


def test_values_are_those_of_scikit_learn() -> None:
    """Jaccard, macro-averaged over the classes of the references; and balanced accuracy."""
    random = np.random.default_rng(0)
    true, answered = random.integers(0, 5, (2, 7, 12, 10))
    late = np.arange(7)[None] * 10
    masked = answered.copy()
    masked[4:] = NOTHING
    flat = true.ravel(), masked.ravel()
    at: Any = {"deadlines_ns": [35]}
    found = {
        one.name: quality_at_deadlines(late, answered, true, metric=one, **at)[0, 0]
        for one in (MeanIoU(), IoU(3), PixelAccuracy(), MeanAccuracy())
    }
    mean = jaccard_score(*flat, labels=range(5), average="macro")
    assert found["mean_iou"] == pytest.approx(mean, abs=1e-15)
    of_three = jaccard_score(*flat, labels=[3], average="macro")
    assert found["iou:3"] == pytest.approx(of_three, abs=1e-15)
    assert found["pixel_accuracy"] == pytest.approx((true == masked).mean(), abs=1e-15)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        balanced = balanced_accuracy_score(*flat)
    assert found["mean_accuracy"] == pytest.approx(balanced, abs=1e-15)


def test_a_lane_s_accuracy_is_the_mean_of_sensitivity_and_specificity() -> None:
    """Of a mask of lane or no lane: what lane detection is reported by."""
    lane = np.array([[[1, 1, 0, 0, 0, 0]]]) == 1
    answered = np.array([[[1, 0, 0, 0, 1, 0]]]) == 1
    at: Any = {"deadlines_ns": [0], "metric": MeanAccuracy("lane")}
    found = quality_at_deadlines([[0]], {"lane": answered}, {"lane": lane}, **at)
    assert found[0, 0] == (1 / 2 + 3 / 4) / 2


METRICS: list[Any] = [MeanIoU(), MeanIoU(classes=7), IoU(1), PixelAccuracy(), MeanAccuracy()]


@pytest.mark.parametrize("over", ["set", "images"])
@pytest.mark.parametrize("metric", METRICS, ids=lambda one: one.name)
def test_segmentation_owes_its_seam_nothing(metric: Any, over: Any) -> None:
    """Arrays and flattened maps pass the conformance check that plug-ins run."""
    true, answered = np.random.default_rng(1).integers(0, 3, (2, 6, 4, 5))
    one = type(metric)(**{**metric.__dict__, "over": over})
    check_metric(one, answered, true)
    check_metric(one, Ragged.of(list(answered.reshape(6, -1))), true.astype(np.uint64))


def test_a_set_where_everything_is_ignored_says_nothing() -> None:
    """There is nothing to grade, and nothing is wrong with an answer."""
    true = np.array([[[0, 1]], [[255, 255]]], dtype=np.uint8)
    grader: Any = MeanIoU().prepare(true, true)
    nothing = AnyRound([1], [(0, 1, 1)], left_out=False).arrivals
    assert np.isnan(grader.by_deadline(nothing, np.array([0, 1]))).all()
    assert grader.scores(np.array([1, 0]), np.array([0, 0])).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("metric", "outputs", "references", "says"),
    [
        (MeanIoU(), np.zeros((1, 2, 2)), np.zeros((1, 2, 2), int), "cannot read outputs of float"),
        (
            MeanIoU(),
            np.zeros((1, 2), int),
            np.zeros((1, 2)),
            r"references of float64 and shape \(1",
        ),
        (
            IoU(4),
            np.zeros((1, 2), int),
            np.array([[0, 255]]),
            "finds no pixel of 4 in the refer.*0",
        ),
        (MeanIoU(classes=2), [[0, 0]], [[0, 2]], "a reference of label 2: give labels from 0 to 1"),
        (MeanIoU(), [[0, 0]], [[0, -1]], "a reference of label -1: give labels from 0 to 65535"),
        (MeanIoU("road"), {"mask": [[0]]}, [[0]], "'road' and the outputs have mask: name another"),
    ],
)
def test_what_are_no_maps_is_refused(metric: Any, outputs: Any, references: Any, says: str) -> None:
    """The refusal names what was given and what to give."""
    with pytest.raises(MetricError, match=says) as error:
        metric.prepare(outputs, references)
    assert "\n" not in str(error.value)


def test_a_map_of_another_size_is_refused() -> None:
    """Which sample it answers is known when it is graded."""
    grader: Any = PixelAccuracy().prepare([[0, 1, 1]], [[0, 1]])
    with pytest.raises(MetricError, match="answer of 3 pixels for sample 0 of 2: give maps of one"):
        grader.scores(np.array([0]), np.array([0]))


def test_settings_that_mean_nothing_are_refused() -> None:
    """Each says what may be given."""
    with pytest.raises(InputError, match="over is 'pixels': give set or images"):
        PixelAccuracy(over="pixels")  # type: ignore[arg-type] # on purpose
    with pytest.raises(InputError, match="classes is 0: give 1 to 65,536"):
        MeanIoU(classes=0)


def test_names_say_what_differs_from_the_defaults() -> None:
    """They are what choose reads."""
    road: Any = IoU(1, column="road")
    assert road.name == "iou:label=1,column=road"
    assert MeanIoU("road", over="images").name == "mean_iou:column=road,over=images"
    assert [MeanIoU("road").name, IoU(1).name] == ["mean_iou:road", "iou:1"]
