"""Of the boxes found, the best few are told, in pixels of the image and the labels' numbers."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.boxes import (
    Selection,
    check_probabilities,
    floats,
    input_size,
    placed,
    unknown_categories,
)
from tailmark.errors import SystemSetupError
from tailmark.placement import Placements
from tailmark.records.ragged import Ragged

PLACEMENTS = Placements(
    scale=np.array([[0.5, 0.5], [2.0, 4.0]]),
    shift=np.array([[0.0, 8.0], [0.0, 0.0]]),
    size=np.array([[64.0, 32.0], [16.0, 8.0]]),
    input_size=np.array([[32.0, 32.0], [32.0, 32.0]]),
)
ANY = Selection(
    score_threshold=0.0,
    iou_threshold=None,
    class_aware=True,
    keep=100,
    labels=None,
    placements=PLACEMENTS,
)


def answer(
    selection: Selection, boxes: list[tuple[list[float], float, int]], sample: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Of corners, score and class each."""
    corners = np.array([corner for corner, _, _ in boxes], dtype=np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in boxes], dtype=np.float32)
    classes = np.array([kind for _, _, kind in boxes], dtype=np.int64)
    found = selection.answer(corners, scores, classes, sample)
    assert [part.dtype for part in found] == [np.float32, np.float32, np.int32]
    assert found[0].shape == (len(found[1]), 4)
    return found  # type: ignore[return-value]


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])), max_size=30
    ),
    st.sampled_from([0.0, 0.25, 0.6]),
    st.integers(1, 12),
)
def test_the_best_are_kept_as_a_plain_sort_ranks_them(
    found: list[tuple[int, float]], threshold: float, keep: int
) -> None:
    """Those above the threshold, by falling score, equal ones as the model has them, ``keep``."""
    selection = dataclasses.replace(ANY, score_threshold=threshold, keep=keep)
    boxes = [([0.0, 8.0, 1.0 + i, 9.0], score, kind) for i, (kind, score) in enumerate(found)]
    _, scores, categories = answer(selection, boxes)
    ranked = sorted((one for one in found if one[1] > threshold), key=lambda one: -one[1])[:keep]
    assert scores.tolist() == [score for _, score in ranked]
    assert categories.tolist() == [kind for kind, _ in ranked]


def test_boxes_are_told_of_the_image_and_cut_off_at_its_edges() -> None:
    """x, y, width and height; the padding above the image is none of it."""
    boxes, _, _ = answer(ANY, [([2, 10, 6, 12], 0.9, 0), ([-5, 0, 64, 64], 0.8, 0)])
    assert boxes.tolist() == [[4, 4, 8, 4], [0, 0, 64, 32]]
    boxes, _, _ = answer(ANY, [([2, 8, 6, 16], 0.9, 0)], sample=1)
    assert boxes.tolist() == [[1, 2, 2, 2]]


def test_boxes_that_are_told_already_are_left_alone() -> None:
    """Without placements, corners are the image's."""
    boxes, _, _ = answer(dataclasses.replace(ANY, placements=None), [([2, 10, 600, 12], 0.9, 0)])
    assert boxes.tolist() == [[2, 10, 598, 2]]


def test_a_box_turned_inside_out_has_no_size() -> None:
    """It overlaps nothing, and is wrong."""
    boxes, _, _ = answer(ANY, [([6, 12, 2, 10], 0.9, 0)])
    assert boxes.tolist() == [[12, 8, 0, 0]]


def test_boxes_remove_those_of_their_own_class_or_of_any() -> None:
    """As declared."""
    same = [0.0, 8.0, 10.0, 18.0]
    both = [(same, 0.9, 0), (same, 0.8, 1), (same, 0.7, 0)]
    aware = dataclasses.replace(ANY, iou_threshold=0.5)
    assert answer(aware, both)[2].tolist() == [0, 1]
    assert answer(dataclasses.replace(aware, class_aware=False), both)[2].tolist() == [0]


def test_what_no_label_names_takes_nobodys_place() -> None:
    """A class of -1 is no box, however sure."""
    selection = dataclasses.replace(ANY, labels=np.array([-1, 17], dtype=np.int32), keep=1)
    place = [0.0, 8.0, 10.0, 18.0]
    _, scores, categories = answer(selection, [(place, 0.9, 0), (place, 0.5, 1)])
    assert scores.tolist() == [0.5]
    assert categories.tolist() == [17]


def test_no_box_is_an_answer() -> None:
    """An empty one."""
    boxes, scores, categories = answer(dataclasses.replace(ANY, iou_threshold=0.5), [])
    assert boxes.shape == (0, 4)
    assert len(scores) == len(categories) == 0


def test_a_box_without_bounds_or_label_is_a_bad_output() -> None:
    """Such a query fails."""
    with pytest.raises(BadOutputError, match="a box without bounds"):
        answer(ANY, [([0, 0, np.inf, 1], 0.9, 0)])
    selection = dataclasses.replace(ANY, labels=np.array([5], dtype=np.int32))
    with pytest.raises(BadOutputError, match="output has class 1, and 1 have labels"):
        answer(selection, [([0, 0, 1, 1], 0.9, 1)])


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"score_threshold": 1.5}, "score_threshold is 1.5: give a number from 0 to 1"),
        ({"iou_threshold": -0.1}, "iou_threshold is -0.1: give a number from 0 to 1"),
        ({"keep": 0}, "keep is 0: keep 1 box or more"),
    ],
)
def test_settings_that_cannot_be_carried_out_are_refused(
    setting: dict[str, Any], says: str
) -> None:
    """Before anything is timed."""
    with pytest.raises(SystemSetupError, match=says):
        dataclasses.replace(ANY, **setting)


def test_a_workload_that_does_not_say_where_images_lie_is_refused() -> None:
    """The sentence names the way out."""
    with pytest.raises(SystemSetupError, match=r"use workload\.kind: coco"):
        placed(Declared())
    assert placed(Declared(placements=PLACEMENTS)) is PLACEMENTS


def test_inputs_of_several_sizes_are_refused_where_one_is_read() -> None:
    """With the sizes and the two settings that make them one."""
    assert input_size(PLACEMENTS) == (32, 32)
    several = dataclasses.replace(PLACEMENTS, input_size=np.array([[32.0, 32.0], [32.0, 64.0]]))
    with pytest.raises(SystemSetupError, match=r"in 2 sizes \(32x32, 32x64, …\).*letterbox"):
        input_size(several)


def test_categories_that_the_model_does_not_know_are_said() -> None:
    """Some are a warning, all of them a mistake; without boxes there is nothing to hold against."""
    labels = np.array([1, 2, -1], dtype=np.int32)

    def declared(*categories: int) -> Declared:
        return Declared(references={"categories": Ragged.of([categories], np.int64)})

    assert unknown_categories(labels, declared(1, 2, 2)) == []
    assert unknown_categories(labels, Declared(references=np.array([9]))) == []
    [warning] = unknown_categories(labels, declared(1, 7, 8))
    assert "knows 1 of the workload's 3 categories" in warning
    assert "(7, 8)" in warning
    with pytest.raises(SystemSetupError, match=r"categories 7, 8 .*: declare decode\.labels"):
        unknown_categories(labels, declared(7, 8))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (np.array([1.0, np.nan]), "output has NaN"),
        (np.array([1.0, np.inf], np.float16), "output has an infinity"),
        (np.array(["a"]), "type <U1 is not boxes"),
        ([[1.0], [1.0, 2.0]], "ragged"),
        ({"a": 1}, "type object"),
    ],
)
def test_an_output_that_is_no_finite_numbers_is_a_bad_one(raw: object, says: str) -> None:
    """Such a query fails; it is not read as something it is not."""
    with pytest.raises(BadOutputError, match=says):
        floats(raw)


def test_numbers_are_read_as_exactly_as_they_come() -> None:
    """Whole numbers in 64 bits, halves in 32."""
    assert floats(np.array([2**31 - 1])).tolist() == [2**31 - 1]
    assert floats(np.array([0.1], np.float16)).dtype == np.float32
    assert floats(np.array([0.1], np.float64)).dtype == np.float64


def test_scores_that_are_no_probabilities_are_refused() -> None:
    """A model exported without its last activation would be read as nonsense."""
    check_probabilities(np.array([0.0, 1.0 + 1e-6]), "score")
    with pytest.raises(SystemSetupError, match="score is from -3 to 5 and a probability is from"):
        check_probabilities(np.array([-3.0, 5.0]), "score")
