"""Preprocessing does what a slow, plain reading of its order does, pixel by pixel."""

from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.workload.preprocess import Preprocess

Pixels = npt.NDArray[np.float64]


def resized(pixels: Pixels, width: int, height: int, *, antialias: bool) -> Pixels:
    """Bilinear: a weighted mean for every pixel."""
    across = weights(pixels.shape[1], width, antialias=antialias)
    down = weights(pixels.shape[0], height, antialias=antialias)
    wide: Pixels = np.einsum("yY,xX,YXc->yxc", down, across, pixels)
    return wide


def fitted(pixels: Pixels, how: Preprocess) -> Pixels:
    """Resized to the shortest side, or to both, or into a letterbox."""
    height, width = pixels.shape[:2]
    if isinstance(how.resize, int):
        ratio = how.resize / min(width, height)
        size = (max(how.resize, round(width * ratio)), max(how.resize, round(height * ratio)))
        return resized(pixels, *size, antialias=how.antialias)
    if how.resize is not None:
        return resized(pixels, *how.resize, antialias=how.antialias)
    if how.letterbox is None:
        return pixels
    box = (how.letterbox,) * 2 if isinstance(how.letterbox, int) else how.letterbox
    ratio = min(Fraction(box[0], width), Fraction(box[1], height))
    size = max(1, int(width * ratio)), max(1, int(height * ratio))
    left, top = (box[0] - size[0]) // 2, (box[1] - size[1]) // 2
    if how.align == "top-left":
        left, top = 0, 0
    padded = np.full((box[1], box[0], pixels.shape[2]), float(how.padding))
    small = resized(pixels, *size, antialias=how.antialias)
    padded[top : top + size[1], left : left + size[0]] = small
    return padded


def weights(old: int, new: int, *, antialias: bool) -> Pixels:
    """How much each old pixel counts for each new one: a triangle around its centre."""
    scale = old / new
    reach = max(scale, 1.0) if antialias else 1.0
    table = np.zeros((new, old))
    for i in range(new):
        centre = (i + 0.5) * scale - 0.5
        if not antialias:  # beyond the edge is the edge
            centre = min(max(centre, 0.0), old - 1.0)
        for j in range(old):
            table[i, j] = max(0.0, 1 - abs(j - centre) / reach)
        table[i] /= table[i].sum()
    return table


def expected(pixels: Pixels, how: Preprocess) -> Pixels:
    """Fit, crop, colour, scale, mean, std, layout: one after the other, in words of one line."""
    pixels = fitted(pixels, how)
    if how.crop is not None:
        top, left = (pixels.shape[0] - how.crop) // 2, (pixels.shape[1] - how.crop) // 2
        pixels = pixels[top : top + how.crop, left : left + how.crop]
    if how.color == "bgr":
        pixels = pixels[:, :, [2, 1, 0]]
    pixels = (pixels * how.scale - np.array(how.mean)) / np.array(how.std)
    return pixels if how.layout == "nhwc" else np.moveaxis(pixels, 2, 0)


@st.composite
def cases(draw: st.DrawFn) -> tuple[npt.NDArray[np.uint8], Preprocess]:
    """An image and settings that fit it."""
    color: Literal["rgb", "bgr", "gray"] = draw(st.sampled_from(["rgb", "bgr", "gray"]))
    height, width = draw(st.integers(4, 14)), draw(st.integers(4, 14))
    channels = 1 if color == "gray" else 3
    pixels = draw(hnp.arrays(np.uint8, (height, width, channels)))
    sides = st.integers(3, 20)
    resize = draw(st.none() | sides | st.tuples(sides, sides))
    letterbox, crop = None, None
    if resize is None and draw(st.booleans()):
        letterbox = draw(sides | st.tuples(sides, sides))
    else:
        crop = draw(st.none() | st.integers(1, int(np.min(resize or (height, width)))))
    numbers = st.floats(0.125, 4, width=32)
    several = numbers | st.tuples(*[numbers] * channels)
    return pixels, Preprocess(
        resize=resize,
        antialias=draw(st.booleans()),
        crop=crop,
        letterbox=letterbox,
        align=draw(st.sampled_from(["center", "top-left"])),
        padding=draw(st.integers(0, 255)),
        color=color,
        scale=draw(st.sampled_from([1.0, 1 / 255, 0.5])),
        mean=draw(several),
        std=draw(several),
        layout=draw(st.sampled_from(["nchw", "nhwc"])),
    )


@given(cases())
@settings(max_examples=100)
def test_every_step_comes_in_its_order(case: tuple[npt.NDArray[np.uint8], Preprocess]) -> None:
    """Only the rounding of Pillow's 8-bit resize may differ: by one level."""
    pixels, how = case
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    found = how(image)
    want = expected(pixels.astype(np.float64), how)
    level = how.scale / np.min(how.std)
    allowed = 1e-4 if how.resize is how.letterbox is None else 1.01 * level + 1e-4
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.shape == want.shape
    assert np.abs(found - want).max() <= allowed


def gradient(height: int, width: int) -> Image.Image:
    """Red tells the column, green the row, blue is 7."""
    pixels = np.full((height, width, 3), 7, dtype=np.uint8)
    pixels[:, :, 0] = np.arange(width)
    pixels[:, :, 1] = np.arange(height)[:, None]
    return Image.fromarray(pixels)


def test_the_crop_is_centred_and_its_corner_rounded_down() -> None:
    """Of 8 by 5, a square of 2 begins at column 3 and row 1."""
    found = Preprocess(crop=2, layout="nhwc")(gradient(5, 8))
    assert found[:, :, 0].tolist() == [[3, 4], [3, 4]]
    assert found[:, :, 1].tolist() == [[1, 1], [2, 2]]


def test_resizing_comes_before_cropping() -> None:
    """The other way round the crop would not fit, and would show the middle only."""
    found = Preprocess(resize=10, crop=10, layout="nhwc")(gradient(5, 5))
    assert found[0, 0, 0] == 0
    assert found[0, 9, 0] == 4


def test_mean_and_std_follow_the_order_of_the_channels() -> None:
    """For ``bgr`` the first mean is blue's."""
    found = Preprocess(color="bgr", mean=(7.0, 1.0, 0.0), std=(1.0, 2.0, 4.0))(gradient(5, 5))
    assert found[0].tolist() == np.zeros((5, 5)).tolist()
    assert found[1, 3, 0] == (3 - 1) / 2
    assert found[2, 0, 4] == 4 / 4


@pytest.mark.parametrize(
    ("dtype", "mean", "values"),
    [
        ("float16", 1, [-1, -0.5, 0.5, 1.5, 126.5]),
        ("uint8", 1, [0, 0, 0, 2, 126]),
        ("int8", 1, [-1, 0, 0, 2, 126]),
        ("uint8", -200, [200, 200, 202, 202, 255]),
        ("int8", -1, [1, 2, 2, 4, 127]),
    ],
)
def test_whole_number_types_round_and_stay_in_range(
    dtype: Literal["uint8", "int8", "float16"], mean: float, values: list[float]
) -> None:
    """A value beyond the type is its limit, not what is left after wrapping; halves go to even."""
    image = Image.fromarray(np.array([[0, 1, 3, 5, 255]], dtype=np.uint8))
    found = Preprocess(color="gray", scale=0.5, mean=mean, dtype=dtype)(image)
    assert found.ravel().tolist() == values
    assert found.dtype == dtype


def test_plain_bytes_pass_through_unchanged() -> None:
    """With nothing set but ``uint8``, the pixels are the file's."""
    found = Preprocess(layout="nhwc", dtype="uint8")(gradient(6, 9))
    assert np.array_equal(found, np.asarray(gradient(6, 9)))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_every_mode_of_image_becomes_three_channels(mode: str) -> None:
    """A grey or a palette file in a folder of photographs has the shape of the others."""
    assert Preprocess(crop=4)(gradient(6, 6).convert(mode)).shape == (3, 4, 4)


def test_an_image_smaller_than_the_crop_is_refused() -> None:
    """Padding would be a guess."""
    with pytest.raises(
        WorkloadError, match="an image of 9x6 is smaller than crop 7: add resize: 7"
    ):
        Preprocess(crop=7)(gradient(6, 9))


@pytest.mark.parametrize(
    ("settings_", "says"),
    [
        ({"mean": (1.0, 2.0)}, "mean has 2 values and rgb has 3 channels"),
        ({"color": "gray", "std": (1.0, 2.0, 3.0)}, "std has 3 values and gray has 1 channels"),
        ({"std": (1.0, 0.0, 1.0)}, "std has a zero"),
        ({"std": 0.0}, "std has a zero"),
        ({"crop": 0}, "crop is 0: give 1 pixel or more"),
        ({"resize": -3}, "resize is -3: give 1 pixel or more"),
        ({"resize": (352, 0)}, r"resize is \(352, 0\): give 1 pixel or more"),
        ({"letterbox": 0}, "letterbox is 0: give 1 pixel or more"),
        ({"letterbox": 416, "resize": 256}, "has letterbox and resize, .*: give one of them"),
        ({"letterbox": 416, "crop": 224}, "has letterbox and crop, .*: give one of them"),
        ({"padding": 256}, "padding is 256: give 0 to 255"),
    ],
)
def test_settings_that_cannot_be_carried_out_are_refused(
    settings_: dict[str, Any], says: str
) -> None:
    """Before any image is read."""
    with pytest.raises(WorkloadError, match=says):
        Preprocess(**settings_)
