"""The best few are those that a plain sort puts first."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.decode.best import best_few


@st.composite
def scores(draw: st.DrawFn) -> npt.NDArray[Any]:
    """Of any type, with ties and infinities more often than chance has them."""
    dtype = np.dtype(draw(st.sampled_from(["float16", "float32", "float64", "int8", "uint64"])))
    few: st.SearchStrategy[Any] = st.integers(0, 2)
    own: st.SearchStrategy[Any] = hnp.from_dtype(dtype)
    if dtype.kind == "f":
        own = hnp.from_dtype(dtype, allow_nan=False)
    return draw(hnp.arrays(dtype, st.integers(0, 40), elements=own | few))


@given(scores(), st.integers(1, 45))
def test_they_come_as_a_plain_sort_ranks_them(values: npt.NDArray[Any], top: int) -> None:
    """By falling score, and equal scores in their order."""
    plain = values.tolist()
    ranked = sorted(range(len(plain)), key=lambda place: (-plain[place], place))
    assert best_few(values, top).tolist() == ranked[:top]
