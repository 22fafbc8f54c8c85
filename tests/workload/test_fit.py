"""An image's place in the input is where its pixels really are."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.workload.fit import Fit, placements
from tailmark.workload.preprocess import Preprocess

SIDES = st.integers(1, 700)
SIZES = st.tuples(SIDES, SIDES)
ALIGN: Any = st.sampled_from(["center", "top-left"])


@given(SIZES, SIZES, ALIGN)
def test_a_letterbox_holds_the_whole_image_with_its_shape_kept(
    image: tuple[int, int], box: tuple[int, int], align: Literal["center", "top-left"]
) -> None:
    """As large as it fits: it touches two opposite sides, and the other side is rounded down."""
    fit = Fit.letterboxed(image, box, align)
    ratio = min(box[0] / image[0], box[1] / image[1])
    assert fit.size == box
    for side in (0, 1):
        exact = image[side] * ratio
        assert max(1, exact - 1 - 1e-9) <= fit.resized[side] <= max(1, exact + 1e-9)
        free = box[side] - fit.resized[side]
        assert -fit.corner[side] == (free // 2 if align == "center" else 0)
    assert fit.resized[0] == box[0] or fit.resized[1] == box[1]


WAYS = st.one_of(
    st.just(Preprocess()),
    st.builds(Preprocess, resize=st.integers(8, 60), crop=st.none() | st.integers(1, 8)),
    st.builds(Preprocess, resize=st.tuples(st.integers(8, 60), st.integers(8, 60))),
    st.builds(Preprocess, crop=st.integers(1, 20)),
    st.builds(
        Preprocess,
        letterbox=st.integers(8, 60) | st.tuples(st.integers(8, 60), st.integers(8, 60)),
        align=ALIGN,
    ),
)


@given(WAYS, st.integers(20, 90), st.integers(20, 90), st.data())
def test_a_box_of_the_image_is_found_where_the_placement_says(
    how: Preprocess, width: int, height: int, data: st.DataObject
) -> None:
    """There and back again it is the same box, cut off at the image's edges."""
    place = placements([how.fit((width, height))])
    x1, x2 = sorted(data.draw(st.tuples(st.integers(0, width), st.integers(0, width))))
    y1, y2 = sorted(data.draw(st.tuples(st.integers(0, height), st.integers(0, height))))
    image = np.array([[x1, y1, x2, y2]], dtype=np.float64)
    there = (image.reshape(-1, 2, 2) * place.scale[0] + place.shift[0]).reshape(-1, 4)
    assert place.to_image(there, 0).tolist() == [pytest.approx(image[0], abs=1e-9)]
    beyond = there + np.array([-1e4, -1e4, 1e4, 1e4])
    assert place.to_image(beyond, 0).tolist() == [[0, 0, width, height]]


@given(WAYS, st.integers(20, 90), st.integers(20, 90))
def test_the_input_shows_the_image_where_the_placement_says(
    how: Preprocess, width: int, height: int
) -> None:
    """Red tells the column and green the row: what a pixel of the input shows is from there."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, :, 0] = np.arange(width)
    pixels[:, :, 1] = np.arange(height)[:, None]
    found = how(Image.fromarray(pixels)).transpose(1, 2, 0)
    place = placements([how.fit((width, height))])
    assert found.shape[1::-1] == tuple(place.input_size[0])
    rows, columns = np.mgrid[: found.shape[0], : found.shape[1]]
    centres = np.stack([columns, rows], axis=-1) + 0.5
    source = (centres - place.shift[0]) / place.scale[0] - 0.5  # of pixel centres
    inside = ((source > -0.5) & (source < np.array([width, height]) - 0.5)).all(axis=-1)
    shown = np.clip(source, 0, np.array([width, height]) - 1)
    assert np.abs(found[:, :, :2] - shown)[inside].max() <= 1.01
    assert (found[~inside] == how.padding).all()


def test_each_image_has_a_place_of_its_own() -> None:
    """By width and height, in pixels."""
    how = Preprocess(letterbox=(100, 50))
    place = placements([how.fit(size) for size in [(200, 50), (50, 50), (100, 50)]])
    assert place.scale.tolist() == [[0.5, 0.5], [1, 1], [1, 1]]
    assert place.shift.tolist() == [[0, 12], [25, 0], [0, 0]]
    assert place.size.tolist() == [[200, 50], [50, 50], [100, 50]]
    assert place.input_size.tolist() == [[100, 50]] * 3


def test_a_crop_that_is_larger_than_the_image_is_refused() -> None:
    """Before its pixels are looked at."""
    with pytest.raises(WorkloadError, match="an image of 9x6 is smaller than crop 7"):
        Preprocess(crop=7).fit((9, 6))
