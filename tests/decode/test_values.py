"""Numbers are the answer, in the shape of what they are held against."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.values import Values
from tailmark.errors import SystemSetupError
from tailmark.testing import check_decoder

TYPES = {
    "float16": "float32",
    "float32": "float32",
    "float64": "float64",
    "int8": "float64",
    "int64": "float64",
    "uint8": "float64",
}


@given(
    st.sampled_from(sorted(TYPES)),
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
    st.data(),
)
def test_numbers_are_kept(dtype: str, shape: tuple[int, ...], data: st.DataObject) -> None:
    """Without the batch axis, in as many bits as they need."""
    raw: npt.NDArray[Any] = data.draw(
        hnp.arrays(dtype, (1, *shape), elements=st.integers(0, 100).map(int))
    )
    check_decoder(Values(), raw)
    decode, _ = Values().bind(raw, Declared())
    (values,) = decode(raw, 0)
    assert values.shape == shape
    assert values.tolist() == raw[0].tolist()
    assert values.dtype == TYPES[dtype]


@pytest.mark.parametrize(
    ("given_", "references", "shape"),
    [
        ((1, 1), np.zeros(3), ()),
        ((1,), np.zeros(3), ()),
        ((1, 1), np.zeros((3, 1)), (1,)),
        ((1, 2, 2), np.zeros((3, 4)), (4,)),
        ((1, 2), {"speed": np.zeros((3, 2))}, (2,)),
        ((1, 2), {"other": np.zeros(3)}, (2,)),
    ],
)
def test_an_answer_has_the_shape_of_a_reference(
    given_: tuple[int, ...], references: Any, shape: tuple[int, ...]
) -> None:
    """A model of one value may give it with a further axis."""
    recipe = Values(column="speed")
    decode, _ = recipe.bind(np.zeros(given_), Declared(references=references))
    assert recipe.columns == ("speed",)
    assert decode(np.ones(given_), 0)[0].shape == shape


def test_another_number_of_values_than_a_reference_has_is_refused() -> None:
    """Before anything is timed."""
    with pytest.raises(
        SystemSetupError, match=r"gives 2 numbers \(shape \(2,\)\) and a reference "
    ):
        Values().bind(np.zeros((1, 2)), Declared(references=np.zeros(3)))


@pytest.mark.parametrize(
    ("later", "says"),
    [
        (np.array([[np.nan, 1]]), "NaN"),
        (np.array([[np.inf, 1]]), "an infinity"),
        (np.zeros((1, 3)), r"has the shape \(3,\), the first had \(2,\)"),
        (np.zeros((2, 2)), r"shape \(2, 2\) is not numbers of shape \(1, …\)"),
        (np.float64(3), r"shape \(\) is not numbers"),
        ([[1.0], [1.0, 2.0]], "ragged"),
        (np.array([["a", "b"]]), "type <U1"),
    ],
)
def test_an_output_that_is_no_answer_is_a_bad_one(later: Any, says: str) -> None:
    """Such a query fails."""
    decode, _ = Values().bind(np.zeros((1, 2)), Declared())
    with pytest.raises(BadOutputError, match=says):
        decode(later, 0)


@pytest.mark.parametrize("raw", [np.zeros((2, 2)), "3.5", {"a": np.zeros((1, 3))}, None])
def test_a_first_output_that_is_no_numbers_is_refused_before_timing(raw: Any) -> None:
    """The sentence says what to do."""
    with pytest.raises(SystemSetupError, match=r"choose one with system\.output, or decode"):
        Values().bind(raw, Declared())
