"""What YOLOX's head encodes is decoded: a box written into its grids comes back."""

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
from tailmark.decode.yolox import Yolox
from tailmark.errors import SystemSetupError

WIDTH, HEIGHT = 64, 32
STRIDES = (8, 16, 32)
CELLS = 8 * 4 + 4 * 2 + 2 * 1
IMAGE = (100, 50)
DECLARED = stretched(WIDTH, HEIGHT, IMAGE)
RECIPE = Yolox(labels=(7, 8, 9))

Box = tuple[float, float, float, float]


def cell_of(stride: int, column: int, row: int) -> int:
    """Which row of the output a cell is: grid after grid, each row by row."""
    before = sum((WIDTH // s) * (HEIGHT // s) for s in STRIDES if s < stride)
    return before + row * (WIDTH // stride) + column


def nothing() -> npt.NDArray[np.float32]:
    """An output that finds nothing."""
    return np.zeros((1, CELLS, 5 + 3), dtype=np.float32)


def write(
    raw: npt.NDArray[np.float32], stride: int, box: Box, probability: float, scores: list[float]
) -> None:
    """A box of pixels of the input, into the cell that its centre lies in."""
    x, y, width, height = box
    across, down = (x + width / 2) / stride, (y + height / 2) / stride
    column, row = int(across), int(down)
    place = [across - column, down - row, math.log(width / stride), math.log(height / stride)]
    raw[0, cell_of(stride, column, row)] = [*place, probability, *scores]


@given(
    st.sampled_from(STRIDES),
    st.tuples(st.floats(0, 30), st.floats(0, 10), st.floats(1, 30), st.floats(1, 20)),
    st.floats(0.2, 1),
    st.lists(st.floats(0.2, 1), min_size=3, max_size=3),
)
def test_a_box_written_into_a_grid_comes_back(
    stride: int, box: Box, probability: float, scores: list[float]
) -> None:
    """Wherever it lies, told of an image twice as large or half as large as the input."""
    raw = nothing()
    write(raw, stride, box, probability, scores)
    decode, warnings = RECIPE.bind(nothing(), DECLARED)
    boxes, confidence, categories = decode(raw, 0)
    assert warnings == []
    across, down = IMAGE[0] / WIDTH, IMAGE[1] / HEIGHT
    want = [box[0] * across, box[1] * down, box[2] * across, box[3] * down]
    assert boxes.tolist() == [pytest.approx(want, abs=1e-3)]
    assert confidence.tolist() == [pytest.approx(probability * max(scores), rel=1e-5)]
    assert categories.tolist() == [7 + int(np.argmax(np.array(scores, np.float32)))]


def test_of_two_grids_boxes_of_one_object_the_better_is_kept() -> None:
    """And the better of two objects comes first."""
    raw = nothing()
    write(raw, 8, (4, 4, 20, 20), 0.5, [1, 0, 0])
    write(raw, 32, (4, 4, 20, 19), 0.9, [1, 0, 0])
    write(raw, 16, (36, 4, 20, 20), 0.7, [0, 0, 1])
    decode, _ = RECIPE.bind(raw, DECLARED)
    _, scores, categories = decode(raw, 0)
    assert scores.tolist() == pytest.approx([0.9, 0.7])
    assert categories.tolist() == [7, 9]


def test_what_is_not_above_the_threshold_is_no_box() -> None:
    """Object times class counts, not the object alone."""
    raw = nothing()
    write(raw, 8, (4, 4, 8, 8), 0.5, [0.5, 0, 0])
    decode, _ = dataclasses.replace(RECIPE, score_threshold=0.25).bind(raw, DECLARED)
    assert [len(part) for part in decode(raw, 0)] == [0, 0, 0]


def test_numbers_of_16_bits_are_read() -> None:
    """A model of half precision gives them."""
    raw = nothing()
    write(raw, 16, (8, 8, 16, 16), 0.5, [0, 1, 0])
    decode, _ = RECIPE.bind(raw.astype(np.float16), DECLARED)
    assert decode(raw.astype(np.float16), 0)[2].tolist() == [8]


@pytest.mark.parametrize(
    ("recipe", "raw", "declared", "says"),
    [
        (RECIPE, np.zeros((1, 40, 8)), DECLARED, r"shape \(1, 40, 8\) .* \(1, 42, 5 \+ classes\)"),
        (RECIPE, np.zeros((1, 42, 5)), DECLARED, "not YOLOX's"),
        (RECIPE, np.full((1, 42, 8), np.nan), DECLARED, "output has NaN: set decode.strides"),
        (RECIPE, np.full((1, 42, 8), 3.0), DECLARED, "score is from 0 to 3 and a probability"),
        (Yolox(), nothing(), DECLARED, "names 80 classes and the model has 3"),
        (RECIPE, nothing(), Declared(), "does not say where its images lie"),
        (dataclasses.replace(RECIPE, strides=()), nothing(), DECLARED, "strides is ()"),
        (dataclasses.replace(RECIPE, strides=(8, 0)), nothing(), DECLARED, r"strides is \(8, 0\)"),
        (dataclasses.replace(RECIPE, keep=0), nothing(), DECLARED, "keep is 0"),
    ],
)
def test_what_does_not_fit_is_refused_before_timing(
    recipe: Yolox, raw: Any, declared: Declared, says: str
) -> None:
    """With what is there and what is allowed."""
    with pytest.raises(SystemSetupError, match=says):
        recipe.bind(raw, declared)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw[:, :40], "not YOLOX's"),
        (lambda raw: raw[:, :, :7], "rows of 7, not 8"),
        (lambda raw: raw + np.nan, "NaN"),
        (lambda raw: np.where(np.arange(8) == 2, 2000, raw + 0.5), "a box without bounds"),
    ],
)
def test_a_later_output_that_is_no_answer_is_a_bad_one(change: Any, says: str) -> None:
    """Such a query fails."""
    decode, _ = RECIPE.bind(nothing(), DECLARED)
    with pytest.raises(BadOutputError, match=says):
        decode(change(nothing()), 0)
