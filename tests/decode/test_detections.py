"""Whatever the order and form in which a model gives its boxes, the answer is the same."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode.placing import stretched
from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.detections import Detections
from tailmark.errors import SystemSetupError

WIDTH, HEIGHT = 64, 32
DECLARED = stretched(WIDTH, HEIGHT, image=(100, 50))

CORNERS = np.array([[8.0, 4, 24, 12], [0, 0, 64, 32], [30, 10, 40, 30]])
SCORES = np.array([0.25, 0.875, 0.5])
CATEGORIES = np.array([17, 1, 44])


def answered(recipe: Detections, raw: Any, declared: Declared = DECLARED) -> list[Any]:
    """The answer's columns as lists."""
    decode, _ = recipe.bind(raw, declared)
    return [part.tolist() for part in decode(raw, 0)]


PLAIN = {"boxes": CORNERS, "scores": SCORES, "labels": CATEGORIES}
WANTED = answered(Detections(), PLAIN)


def test_boxes_scores_and_labels_by_name_are_read() -> None:
    """As torchvision's detectors give them; best first, in pixels of the image."""
    across, down = 100 / WIDTH, 50 / HEIGHT
    assert WANTED[0] == [
        [0, 0, 100, 50],
        [30 * across, 10 * down, 10 * across, 20 * down],
        [8 * across, 4 * down, 16 * across, 8 * down],
    ]
    assert WANTED[1:] == [[0.875, 0.5, 0.25], [1, 44, 17]]


def in_form(form: str, corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Corners in another form."""
    low, high = corners[:, :2], corners[:, 2:]
    first = {"xyxy": low, "xywh": low, "cxcywh": (low + high) / 2}[form]
    return np.concatenate([first, high if form == "xyxy" else high - low], axis=1)


@given(
    st.sampled_from(["xyxy", "xywh", "cxcywh"]),
    st.sampled_from(["pixel", "share", "image"]),
    st.permutations(["box", "score", "category", "skip"]),
    st.booleans(),
)
def test_one_array_of_any_order_and_form_says_the_same(
    form: Any, unit: Any, order: Any, batch: bool
) -> None:
    """Declared, not guessed."""
    inputs = np.array([WIDTH, HEIGHT] * 2)
    unit_size = {"pixel": inputs, "share": np.ones(4), "image": np.array([100, 50] * 2)}[unit]
    parts = {
        "box": in_form(form, CORNERS / inputs * unit_size),
        "score": SCORES[:, None],
        "category": CATEGORIES[:, None],
        "skip": np.full((3, 1), 7.0),
    }
    raw = np.concatenate([parts[part] for part in order], axis=1)
    recipe = Detections(format=form, unit=unit, order=tuple(order))
    assert answered(recipe, raw[None] if batch else raw) == WANTED


@pytest.mark.parametrize("wrap", [lambda raw: [raw], lambda raw: {n: raw[n][None] for n in raw}])
def test_a_batch_of_one_is_no_matter(wrap: Any) -> None:
    """A list of one, as torchvision has it, or an axis in front, as ONNX files do."""
    assert answered(Detections(), wrap(PLAIN)) == WANTED


def test_other_names_can_be_given() -> None:
    """An exported model calls them what it likes."""
    raw = {"dets": CORNERS, "p": SCORES, "c": CATEGORIES, "more": np.zeros(9)}
    assert answered(Detections(boxes="dets", scores="p", categories="c"), raw) == WANTED


@given(
    st.sampled_from(["none", "sigmoid", "softmax"]),
    st.sampled_from([None, "first", "last"]),
    st.booleans(),
    st.lists(st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4), min_size=1, max_size=5),
)
def test_the_best_of_several_scores_says_what_a_box_shows(
    activation: Any, background: Any, named: bool, numbers: list[list[float]]
) -> None:
    """As DETR gives them: what is for no object counts in the softmax and is never the class."""
    skipped = {None: [], "first": [0], "last": [3]}[background]
    labels = (70, 80, 90, 60)[: 4 - len(skipped)] if named else None
    recipe = Detections(
        categories=None, activation=activation, background=background, labels=labels, keep=1
    )
    raw = {"boxes": np.tile(CORNERS[:1], (len(numbers), 1)), "scores": np.array(numbers)}
    _, scores, categories = answered(recipe, raw)

    def active(row: list[float]) -> list[float]:
        if activation == "sigmoid":
            return [1 / (1 + np.exp(-x)) for x in row]
        total = sum(np.exp(x) for x in row)
        return row if activation == "none" else [np.exp(x) / total for x in row]

    classes = [i for i in range(4) if i not in skipped]
    best = max(max(active(row)[i] for i in classes) for row in numbers)
    assert scores == [pytest.approx(best, rel=1e-5)]
    names = dict(zip(classes, labels, strict=True)) if labels else {i: i for i in classes}
    shown = {names[i] for row in numbers for i in classes if active(row)[i] >= best * (1 - 1e-5)}
    assert categories[0] in shown


def test_rows_that_only_fill_up_are_no_boxes() -> None:
    """A score of zero, or a category of -1."""
    raw = np.array([[0, 0, 8, 8, 0.0, 3], [0, 0, 8, 8, 0.5, -1], [0, 0, 8, 8, 0.25, 3]])
    assert answered(Detections(), raw)[1:] == [[0.25], [3]]
    assert answered(Detections(labels=(9, 8, 7, 6)), raw)[1:] == [[0.25], [6]]


def test_a_model_may_find_nothing() -> None:
    """Then its arrays are empty, and so is the answer."""
    raw = {name: values[:0] for name, values in PLAIN.items()}
    assert answered(Detections(), raw) == [[], [], []]
    assert answered(Detections(iou_threshold=0.5), np.zeros((1, 0, 6))) == [[], [], []]


def test_boxes_in_pixels_of_the_image_need_no_placements() -> None:
    """A system that does everything itself can answer any workload."""
    boxes, _, _ = answered(Detections(unit="image"), PLAIN, Declared())
    assert boxes[0] == [0, 0, 64, 32]


@pytest.mark.parametrize(
    ("recipe", "raw", "says"),
    [
        (Detections(boxes="bboxes"), PLAIN, r"no output 'bboxes' \(did you mean 'boxes'\?\): it"),
        (Detections(), np.zeros((1, 3, 7)), "rows of 7 numbers and decode.order has 6"),
        (Detections(), np.zeros(6), r"shape \(6,\), not 2 axes after the batch's"),
        (Detections(), np.zeros((2, 3, 6)), r"shape \(2, 3, 6\), not 2 axes"),
        (Detections(), {**PLAIN, "boxes": np.zeros((3, 5))}, "boxes of 5 numbers, not four"),
        (Detections(), {**PLAIN, "scores": np.zeros(2)}, "differ in length: boxes has 3, scores"),
        (Detections(), {**PLAIN, "scores": np.full(3, np.nan)}, "output has NaN: say what"),
        (Detections(order=("box", "score")), PLAIN, "name box, score and category once each"),
        (Detections(background="last"), PLAIN, "set decode.categories: null"),
        (Detections(activation="softmax"), PLAIN, "set decode.categories: null"),
        (Detections(categories=None, background="last"), np.zeros((3, 6)), "leave them out"),
        (
            Detections(categories=None, labels=(1, 2)),
            {"boxes": CORNERS, "scores": np.zeros((3, 3))},
            "names 2 classes and the model has 3",
        ),
        (
            Detections(categories=None, background="last"),
            {"boxes": CORNERS, "scores": np.zeros((3, 1))},
            r"scores of shape \(3, 1\), and no class",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_timing(
    recipe: Detections, raw: Any, says: str
) -> None:
    """With what is there and what is allowed."""
    with pytest.raises(SystemSetupError, match=says):
        recipe.bind(raw, DECLARED)


def test_pixels_of_the_input_need_placements() -> None:
    """Else nobody knows what they are pixels of."""
    with pytest.raises(SystemSetupError, match="does not say where its images lie"):
        Detections().bind(PLAIN, Declared())


@pytest.mark.parametrize(
    ("later", "says"),
    [
        ({**PLAIN, "labels": CATEGORIES + 0.5}, "no whole numbers"),
        ({**PLAIN, "labels": CATEGORIES + 2.0**40}, "no whole numbers of 32 bits"),
        ({"boxes": CORNERS}, "no output 'scores'.*: it has boxes"),
        ({**PLAIN, "boxes": CORNERS + np.nan}, "NaN"),
        (None, "type object"),
    ],
)
def test_a_later_output_that_is_no_answer_is_a_bad_one(later: Any, says: str) -> None:
    """Such a query fails."""
    decode, _ = Detections().bind(PLAIN, DECLARED)
    with pytest.raises(BadOutputError, match=says):
        decode(later, 0)


def test_a_class_without_a_label_is_a_bad_output() -> None:
    """Where labels are declared, they are all there is."""
    decode, _ = Detections(labels=(5, 6)).bind({n: v[:0] for n, v in PLAIN.items()}, DECLARED)
    with pytest.raises(BadOutputError, match="output has class 44, and 2 have labels"):
        decode(PLAIN, 0)
