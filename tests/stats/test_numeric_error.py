"""How far numbers are from others, by each measure's definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tailmark.stats.multiplicity import holm
from tailmark.stats.numeric_error import numeric_error

ONE = arrays(np.float32, (3, 4), elements=st.floats(-1e3, 1e3, width=32))


@given(ONE, ONE)
def test_every_measure_is_its_definition(found: np.ndarray, reference: np.ndarray) -> None:
    """Sample by sample, in float64."""
    error = numeric_error(found, reference)
    off = np.abs(found.astype(float) - reference.astype(float))
    assert error.max_abs == off.max()
    assert error.mean_abs == pytest.approx(off.mean())
    norm = float((reference.astype(float) ** 2).sum())
    if norm:
        assert error.relative_l2 == pytest.approx(float(np.sqrt((off**2).sum() / norm)))
    assert -1 <= error.cosine <= 1
    assert error.not_finite == 0


@given(st.floats(-1e6, 1e6, width=32), st.integers(0, 50))
def test_places_apart_are_counted(start: float, steps: int) -> None:
    """Also across zero, from either side."""
    one = np.float32(start)
    other = one
    for _ in range(steps):
        other = np.nextafter(other, np.float32(np.inf))
    error = numeric_error(np.array([[one]]), np.array([[other]]))
    assert error.max_ulp == steps


def test_the_coarser_type_is_counted_in() -> None:
    """A float16 a place off a float32 is one place of float16 away."""
    half = np.array([[1.0]], dtype=np.float16)
    single = np.array([[np.nextafter(np.float16(1), np.float16(2))]], dtype=np.float32)
    assert numeric_error(half, single).max_ulp == 1


def test_what_is_not_finite_is_counted_apart() -> None:
    """A NaN where there is a number is an error, the same infinity in both is none."""
    a = np.array([[np.nan, np.inf, 1.0, np.nan]])
    b = np.array([[1.0, np.inf, 1.0, np.nan]])
    error = numeric_error(a, b)
    assert (error.not_finite, error.max_abs) == (1, 0)


def test_only_samples_that_count_do() -> None:
    """And zero vectors are like each other alone."""
    a, b = np.zeros((3, 2)), np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert numeric_error(a, b, where=np.array([True, False, True])).cosine == 1
    assert numeric_error(a, b).cosine == 0


@given(st.lists(st.none() | st.floats(0, 1), max_size=8))
def test_holm_is_its_definition(p_values: list[float | None]) -> None:
    """Rank by rank, the number of tests that are left times the value, never falling."""
    held = sorted(p for p in p_values if p is not None)
    expected = {
        p: max(min(1.0, (len(held) - i) * q) for i, q in enumerate(held) if q <= p) for p in held
    }
    assert holm(p_values) == [None if p is None else expected[p] for p in p_values]
