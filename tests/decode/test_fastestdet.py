"""What FastestDet's head encodes is decoded: a box written into its grid comes back."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode.placing import stretched
from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.fastestdet import FastestDet
from tailmark.errors import SystemSetupError

COLUMNS, ROWS = 6, 4
WIDTH, HEIGHT = 96, 64
IMAGE = (120, 40)
DECLARED = stretched(WIDTH, HEIGHT, IMAGE)
RECIPE = FastestDet(labels=(7, 8, 9))


def nothing() -> npt.NDArray[np.float32]:
    """An output that finds nothing."""
    return np.zeros((1, 5 + 3, ROWS, COLUMNS), dtype=np.float32)


@given(
    st.integers(0, COLUMNS - 1),
    st.integers(0, ROWS - 1),
    st.tuples(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9)),
    st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)),
    st.floats(0.2, 1),
    st.lists(st.floats(0.2, 1), min_size=3, max_size=3),
)
def test_a_box_written_into_the_grid_comes_back(
    column: int,
    row: int,
    beside: tuple[float, float],
    share: tuple[float, float],
    probability: float,
    scores: list[float],
) -> None:
    """A centre up to a cell away, and shares of the whole; cut off at the image's edges."""
    raw = nothing()
    logits = [math.log(one / (1 - one)) for one in share]
    raw[0, :, row, column] = [probability, *map(math.atanh, beside), *logits, *scores]
    decode, warnings = RECIPE.bind(nothing(), DECLARED)
    boxes, confidence, categories = decode(raw, 0)
    assert warnings == []

    centre = (column + beside[0]) / COLUMNS * IMAGE[0], (row + beside[1]) / ROWS * IMAGE[1]
    sides = share[0] * IMAGE[0], share[1] * IMAGE[1]
    low = [max(0.0, c - s / 2) for c, s in zip(centre, sides, strict=True)]
    high = [min(e, c + s / 2) for c, s, e in zip(centre, sides, IMAGE, strict=True)]
    want = [*low, *(max(0.0, b - a) for a, b in zip(low, high, strict=True))]
    assert boxes[0, 2:].tolist() == pytest.approx(want[2:], abs=1e-3)
    if min(want[2:]) > 0:
        assert boxes[0, :2].tolist() == pytest.approx(want[:2], abs=1e-3)
    assert confidence[0] == pytest.approx(probability**0.6 * max(scores) ** 0.4, rel=1e-5)
    assert categories.tolist() == [7 + int(np.argmax(np.array(scores, np.float32)))]


def test_what_is_not_above_the_threshold_is_no_box() -> None:
    """The score counts, not the object alone."""
    raw = nothing()
    raw[0, [0, 5], 1, 1] = 0.5
    decode, _ = dataclasses.replace(RECIPE, score_threshold=0.51).bind(raw, DECLARED)
    assert [len(part) for part in decode(raw, 0)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("recipe", "raw", "declared", "says"),
    [
        (RECIPE, np.zeros((1, 5, 4, 6)), DECLARED, "not FastestDet's of shape"),
        (RECIPE, np.zeros((1, 8, 24)), DECLARED, r"shape \(1, 8, 24\) is not FastestDet's"),
        (RECIPE, nothing() * np.nan, DECLARED, "output has NaN: choose one with system.output"),
        (RECIPE, nothing() - 1, DECLARED, "score is from -1 to 0 and a probability"),
        (FastestDet(), nothing(), DECLARED, "names 80 classes and the model has 3"),
        (RECIPE, nothing(), Declared(), "does not say where its images lie"),
        (dataclasses.replace(RECIPE, iou_threshold=2.0), nothing(), DECLARED, "threshold is 2.0"),
    ],
)
def test_what_does_not_fit_is_refused_before_timing(
    recipe: FastestDet, raw: Any, declared: Declared, says: str
) -> None:
    """With what is there and what is allowed."""
    with pytest.raises(SystemSetupError, match=says):
        recipe.bind(raw, declared)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw[:, :, :3], r"shape \(8, 3, 6\), not \(8, 4, 6\)"),
        (lambda raw: raw[0], "not FastestDet's"),
        (lambda raw: raw + np.inf, "infinity"),
        (lambda raw: raw - 1, "a probability below zero"),
    ],
)
def test_a_later_output_that_is_no_answer_is_a_bad_one(change: Any, says: str) -> None:
    """Such a query fails."""
    decode, _ = RECIPE.bind(nothing(), DECLARED)
    with pytest.raises(BadOutputError, match=says):
        decode(change(nothing()), 0)
