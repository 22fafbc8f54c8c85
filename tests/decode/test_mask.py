"""Each pixel gets the label of its best class."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.mask import Mask
from tailmark.errors import SystemSetupError
from tailmark.testing import check_decoder

SIDES = st.integers(1, 5)


def scores_of(channels: st.SearchStrategy[int]) -> st.SearchStrategy[npt.NDArray[Any]]:
    """Of one sample, shape (1, channels, height, width), with many ties."""
    return hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.uint8, np.int64]),
        st.tuples(st.just(1), channels, SIDES, SIDES),
        elements=st.integers(0, 3),
    )


def answer(recipe: Mask, raw: Any) -> npt.NDArray[Any]:
    """The label map."""
    check_decoder(recipe, raw)
    decode, _ = recipe.bind(raw, Declared())
    (mask,) = decode(raw, 0)
    assert mask.dtype == np.uint8
    return mask


@given(scores_of(st.integers(2, 6)))
def test_a_pixel_is_of_its_best_class(raw: npt.NDArray[Any]) -> None:
    """The first of equal ones, wherever the axis of classes is."""
    mask = answer(Mask(), raw)
    plain = raw[0].tolist()
    for y, row in enumerate(mask.tolist()):
        for x, label in enumerate(row):
            scores = [channel[y][x] for channel in plain]
            assert label == scores.index(max(scores))
    assert np.array_equal(answer(Mask(layout="nhwc"), np.moveaxis(raw, 1, -1)), mask)


@given(scores_of(st.just(1)), st.sampled_from([0.0, 0.5, 1.0, 2.5]))
def test_one_channel_is_held_against_the_threshold(raw: npt.NDArray[Any], threshold: float) -> None:
    """What lies above is 1; with an axis for it or without."""
    mask = answer(Mask(threshold=threshold), raw)
    assert mask.tolist() == [[int(one > threshold) for one in row] for row in raw[0, 0].tolist()]
    last = np.moveaxis(raw, 1, -1)
    assert np.array_equal(answer(Mask(threshold=threshold, layout="nhwc"), last), mask)
    assert np.array_equal(answer(Mask(threshold=threshold, layout="nhw"), raw[:, 0]), mask)


@given(hnp.arrays(st.sampled_from([np.int64, np.uint8, np.bool_]), (1, 3, 4)))
def test_labels_are_kept(raw: npt.NDArray[Any]) -> None:
    """Where the model has chosen already."""
    raw = raw % 256 if raw.dtype == np.int64 else raw
    assert answer(Mask(layout="nhw", column="road"), raw).tolist() == raw[0].astype(int).tolist()
    assert Mask(column="road").columns == ("road",)


@pytest.mark.parametrize(
    ("recipe", "raw", "says"),
    [
        (Mask(), np.zeros((1, 1, 2, 2)), r"one channel: set decode\.threshold, 0\.5 of prob"),
        (Mask(threshold=0), np.zeros((1, 2, 2, 2)), "is for one channel and the model has 2"),
        (Mask(), np.zeros((1, 257, 1, 1)), "257 channels and a mask at most 256 labels"),
        (Mask(), np.zeros((1, 2, 2)), r"shape \(1, 2, 2\) is not .* the axes nchw: choose one"),
        (Mask(), np.zeros((2, 2, 2, 2)), r"shape \(2, 2, 2, 2\)"),
        (Mask(), np.zeros((1, 2, 0, 2)), r"shape \(1, 2, 0, 2\)"),
        (Mask(layout="nhw"), np.zeros((1, 2, 2)), r"float64 .* no labels .*: set decode\.thresh"),
        (Mask(layout="nhw"), np.full((1, 2, 2), 256), "from 256 to 256 is no labels from 0 to 255"),
        (Mask(), {"a": np.zeros((1, 2, 2, 2))}, "type object"),
    ],
)
def test_an_output_that_is_read_otherwise_is_refused(recipe: Mask, raw: Any, says: str) -> None:
    """Before anything is timed, with what to set."""
    with pytest.raises(SystemSetupError, match=says):
        recipe.bind(raw, Declared())


def test_masks_of_another_size_than_the_workloads_are_refused() -> None:
    """They could not be compared pixel by pixel."""
    raw = np.zeros((1, 2, 4, 6))
    says = r"masks are 6x4 and the workload's 12x8: set workload\.mask_size: \[6, 4\]"
    for references in (np.zeros((3, 8, 12), np.uint8), {"mask": np.zeros((3, 8, 12), np.uint8)}):
        with pytest.raises(SystemSetupError, match=says):
            Mask().bind(raw, Declared(references=references))
    Mask().bind(raw, Declared(references={"mask": np.zeros((3, 4, 6)), "road": np.zeros(3)}))


def test_another_number_of_classes_is_refused() -> None:
    """19 classes against 20 would shift every label."""
    with pytest.raises(SystemSetupError, match="model has 2 classes and the workload declares 3"):
        Mask().bind(np.zeros((1, 2, 4, 6)), Declared(classes=3))
    Mask(threshold=0.5).bind(np.zeros((1, 1, 4, 6)), Declared(classes=2))


@pytest.mark.parametrize(
    ("later", "says"),
    [
        (np.full((1, 2, 1, 2), np.nan), "NaN"),
        (np.zeros((1, 3, 1, 2)), "has the shape 3x1x2, the first had 2x1x2"),
        (np.zeros((1, 2)), r"shape \(1, 2\)"),
        ([[[[1.0]], [[1.0, 2.0]]]], "ragged"),
    ],
)
def test_a_later_output_of_another_kind_is_a_bad_one(later: Any, says: str) -> None:
    """Such a query fails."""
    decode, _ = Mask().bind(np.zeros((1, 2, 1, 2)), Declared())
    with pytest.raises(BadOutputError, match=says):
        decode(later, 0)
