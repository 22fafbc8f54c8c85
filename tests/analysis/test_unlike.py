"""What is another answer, by what answers are."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from analysis.handmade import make_round, make_run
from tailmark.analysis.answered import Answered, answered
from tailmark.analysis.unlike import flips, unlike
from tailmark.records.model import NONE, Column
from tailmark.records.ragged import Ragged


def given(output: list[int], **columns: Column) -> Answered:
    """Answers of a run, by hand."""
    sent = np.ones(len(output), dtype=np.bool_)
    return Answered(output=np.array(output, dtype=np.int64), sent=sent, outputs=columns)


def labels(*rows: list[int]) -> npt.NDArray[np.int32]:
    """Ranked labels."""
    return np.array(rows, dtype=np.int32)


def test_of_ranked_labels_the_first_counts() -> None:
    """What comes after it does not, nor the scores."""
    a = given([0, 1], labels=labels([3, 1], [2, 0]), scores=np.array([[0.9, 0.1], [0.6, 0.4]]))
    b = given([1, 0], labels=labels([1, 2], [3, 2]), scores=np.array([[0.5, 0.2], [0.7, 0.3]]))
    assert flips(a, b).tolist() == [False, True]
    assert (a.told(0), b.told(1)) == (3, 1)


def test_a_label_below_zero_is_an_answer() -> None:
    """A background, or no choice: other than none, and other than another label."""
    a = given([0, 0, 0, 1], labels=labels([-1], [4]))
    b = given([0, NONE, 1, NONE], labels=labels([-1], [4]))
    assert flips(a, b).tolist() == [False, True, True, True]
    assert (a.told(1), b.told(1)) == (-1, None)


def test_what_was_not_sent_is_not_compared() -> None:
    """Under load, not every sample is sent in every run."""
    a = given([0, 0, NONE], labels=labels([3]))
    b = replace(given([NONE, NONE, 0], labels=labels([3])), sent=np.array([True, False, True]))
    assert flips(a, b).tolist() == [True, False, True]


def test_items_are_told_by_the_first() -> None:
    """As a ranking names it."""
    one, other = {"items": labels([7, 8], [7, 8])}, {"items": labels([7, 9], [8, 7])}
    assert unlike(one, other).tolist() == [False, True]


def test_texts_are_other_if_a_letter_is() -> None:
    """However wide their columns are."""
    a = given([0, 1], answers=np.array(["yes", "no"]))
    b = given([0, 1], answers=np.array(["yes", "not\n at all"]))
    assert flips(a, b).tolist() == [False, True]
    assert b.told(1) == "not at all"


def test_real_numbers_are_other_beyond_a_thousandth() -> None:
    """Of the largest in the answer; what is not finite is like itself only."""
    one = np.array([[100.0, 0.0], [100.0, 0.0], [np.nan, 1], [np.inf, 1], [np.inf, 1]])
    other = np.array([[100.0, 0.09], [100.0, 0.11], [np.nan, 1], [np.inf, 1], [-np.inf, 1]])
    assert unlike({"values": one}, {"values": other}).tolist() == [False, True, False, False, True]
    assert unlike({"values": one[:1]}, {"values": one[:1, :1]}).tolist() == [True]
    assert given([0], values=np.array([[0.5, 2]])).told(0) == "0.5 2"


def test_masks_are_other_beyond_a_thousandth_of_their_pixels() -> None:
    """One pixel at an edge is rounding."""
    one = np.zeros((3, 50, 50), dtype=np.uint8)
    other = one.copy()
    other[1, 0, :2], other[2, 0, :3] = 1, 1
    assert unlike({"labels": one}, {"labels": other}).tolist() == [False, False, True]
    assert given([0], labels=one).told(0) == "uint8 of shape (50, 50)"


def test_dialogues_are_other_if_one_of_their_labels_is() -> None:
    """And are told by their labels."""
    one = given([0, 1, 2], labels=Ragged.of([[1, 2, 3], [4], []], np.int64))
    other = given([0, 1, 2], labels=Ragged.of([[1, 2, 0], [4], [1]], np.int64))
    assert flips(one, other).tolist() == [True, False, True]
    assert one.told(0) == "1 2 3"
    assert one.label is None


def test_boxes_are_other_without_a_partner() -> None:
    """Of the same category, where it is; a faint one is none."""

    def boxes(*rows: list[tuple[float, float, int]]) -> dict[str, Any]:
        return {
            "boxes": Ragged.of([[[x, 0, 4, 4] for x, _, _ in row] for row in rows], np.float64, 4),
            "scores": Ragged.of([[score for _, score, _ in row] for row in rows], np.float64),
            "categories": Ragged.of([[kind for _, _, kind in row] for row in rows], np.int64),
        }

    one = boxes([(0, 0.9, 1)], [(0, 0.9, 1)], [(0, 0.9, 1)], [(0, 0.9, 1)])
    other = boxes([(0.1, 0.8, 1)], [(3, 0.9, 1)], [(0, 0.9, 2)], [(0, 0.9, 1), (9, 0.2, 1)])
    everything = list(range(4))
    a, b = given(everything, **one), given(everything, **other)
    assert flips(a, b).tolist() == [False, True, True, False]
    assert (a.told(0), b.told(3)) == ("1 box", "1 box")


def test_tables_of_other_columns_hold_other_answers() -> None:
    """There is nothing to compare them by."""
    assert unlike({"values": np.zeros(2)}, {"answers": np.array(["", ""])}).tolist() == [True, True]


@pytest.mark.parametrize("wide", [True, False])
def test_long_answers_are_cut(wide: bool) -> None:
    """A table has little room."""
    column = np.zeros((1, 20)) if wide else np.array(["word " * 40])
    said = given([0], values=column).told(0)
    assert isinstance(said, str)
    assert len(said) <= 60


def test_the_first_answer_is_the_one_compared() -> None:
    """A sample that failed in the first round is answered in the second."""
    rounds = [
        make_round([1, 1], [2, None], index=0),
        make_round([1, 1], [0, 1], index=1),
    ]
    run = make_run(rounds, [2, 1])
    assert answered(run).output.tolist() == [2, 1]
    assert answered(make_run(rounds[:1], [2, 1])).told(1) is None
