"""Outputs that are labels already are taken as they are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.labels import Labels
from tailmark.errors import SystemSetupError


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=5),
    st.integers(-5, 5),
    st.sampled_from(["int8", "int32", "int64", "uint8", "uint64"]),
)
def test_labels_keep_their_order_and_get_the_offset(
    labels: list[int], offset: int, dtype: str
) -> None:
    """Best first, in the workload's numbering, whatever integer they came as."""
    raw = np.array([labels], dtype=dtype)
    decode, _ = Labels(offset=offset).bind(raw, Declared())
    (found,) = decode(raw, 0)
    assert found.tolist() == [label + offset for label in labels]
    assert found.dtype == np.int32


@pytest.mark.parametrize("raw", [np.array([0.5]), np.array([]), np.array(["cat"]), None])
def test_what_is_no_whole_number_is_refused(raw: Any) -> None:
    """Scores are for the other decoder, and the sentence says so."""
    with pytest.raises(SystemSetupError, match=r"use decode: {kind: classes} for scores"):
        Labels().bind(raw, Declared())


@pytest.mark.parametrize(
    ("later", "says"),
    [
        (np.array([[1, 2]]), "2 labels, the first had 1"),
        (np.array([np.nan]), "is no label"),
        (np.array([2**32 + 3]), "beyond"),
    ],
)
def test_a_later_output_of_another_kind_is_a_bad_one(later: Any, says: str) -> None:
    """Such a query fails; a number that wraps around does not become a right answer."""
    decode, _ = Labels().bind(np.array([3]), Declared())
    with pytest.raises(BadOutputError, match=says):
        decode(later, 0)
