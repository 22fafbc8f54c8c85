"""Scores become the list that a plain sort gives; a list that is there is kept."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.ranking import Ranking
from tailmark.errors import SystemSetupError
from tailmark.testing import check_decoder

SCORES = hnp.arrays(
    np.float32,
    st.tuples(st.just(1), st.integers(1, 30)),
    elements=st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, 1.0, -np.inf]),
)


@given(SCORES, st.integers(1, 35))
def test_the_best_items_come_first(raw: npt.NDArray[Any], top: int) -> None:
    """By falling score, equal ones in their order; what is excluded is not listed."""
    check_decoder(Ranking(top=top), raw)
    decode, _ = Ranking(top=top).bind(raw, Declared())
    (items,) = decode(raw, 0)
    scores = raw[0].tolist()
    listed = [one for one in range(len(scores)) if scores[one] > -np.inf]
    ranked = sorted(listed, key=lambda one: (-scores[one], one))[:top]
    assert items.tolist() == ranked + [-1] * (top - len(ranked))
    assert items.dtype == np.int32


@given(
    st.lists(st.integers(-1, 2**31 - 1), max_size=12),
    st.integers(1, 15),
    st.sampled_from(["int32", "int64", "uint32"]),
)
def test_a_list_is_kept_in_its_order(items: list[int], top: int, dtype: str) -> None:
    """Cut off, or filled up."""
    if dtype == "uint32":
        items = [one for one in items if one >= 0]
    raw = np.array([items], dtype=dtype)
    check_decoder(Ranking(top=top, ranked=True), raw)
    decode, _ = Ranking(top=top, ranked=True).bind(raw, Declared())
    (found,) = decode(raw, 0)
    assert found.tolist() == (items + [-1] * top)[:top]
    assert found.dtype == np.int32


def test_lists_may_differ_in_length_and_scores_may_not() -> None:
    """A model that scores other items than before means something else by them."""
    decode, _ = Ranking(top=3, ranked=True).bind(np.array([[5]]), Declared())
    assert decode(np.array([[4, 2, 9, 1]]), 1)[0].tolist() == [4, 2, 9]
    decode, _ = Ranking(top=3).bind(np.zeros((1, 5)), Declared())
    with pytest.raises(BadOutputError, match="output has 4 scores, the first had 5"):
        decode(np.zeros((1, 4)), 1)


@pytest.mark.parametrize(
    ("ranked", "later", "says"),
    [
        (False, np.array([[0.5, np.nan]]), "NaN"),
        (False, np.zeros((2, 1)), r"shape \(2, 1\) is not scores"),
        (False, [[1.0], [1.0, 2.0]], "ragged"),
        (True, np.array([[0.5, 1.0]]), "type float64 is not items"),
        (True, np.array([[3, -2]]), "has the item -2"),
        (True, np.array([[2**31]]), "has the item 2147483648"),
        (True, np.array([3, 4]), r"shape \(2,\) is not items"),
    ],
)
def test_an_output_that_is_no_list_is_a_bad_one(ranked: bool, later: Any, says: str) -> None:
    """Such a query fails."""
    first = np.array([[1, 0]]) if ranked else np.array([[1.0, 0.0]])
    decode, _ = Ranking(ranked=ranked).bind(first, Declared())
    with pytest.raises(BadOutputError, match=says):
        decode(later, 0)


@pytest.mark.parametrize("raw", [np.zeros(3), np.array([["a"]]), {"a": np.zeros((1, 3))}, None])
def test_a_first_output_that_is_no_list_is_refused_before_timing(raw: Any) -> None:
    """The sentence says what to do."""
    with pytest.raises(SystemSetupError, match=r"say with decode\.ranked"):
        Ranking().bind(raw, Declared())


def test_keeping_no_item_is_refused() -> None:
    """There would be nothing to grade."""
    with pytest.raises(SystemSetupError, match=r"decode\.top is 0: keep 1 item or more"):
        Ranking(top=0)
