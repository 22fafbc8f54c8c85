"""Numbers are as far apart as a slow look at each of them says, whatever their type."""

import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tailmark.errors import InputError
from tailmark.stats.numeric_error import FLOOR, numeric_error

Array = npt.NDArray[Any]

HALVES = np.arange(1 << 16, dtype=np.uint16)
"""The bits of all numbers of 16 bits."""


def as_bfloat16(bits: Array) -> npt.NDArray[np.float32]:
    """What bits of a bfloat16 stand for."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def slowly(values: Array, reference: Array) -> dict[str, float]:
    """One number after another, with plain floats."""
    largest = relative = squares = whole = 0.0
    for a, b in zip(
        values.reshape(len(values), -1), reference.reshape(len(values), -1), strict=True
    ):
        pairs = [(float(x), float(y)) for x, y in zip(a, b, strict=True)]
        pairs = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
        top = max((abs(y) for _, y in pairs), default=0.0)
        for x, y in pairs:
            off, base = abs(x - y), max(abs(y), FLOOR * top)
            largest = max(largest, off)
            relative = max(relative, off / base if base else math.inf if off else 0.0)
            squares, whole = squares + off**2, whole + y**2
    l2 = math.sqrt(squares / whole) if whole else math.inf if squares else 0.0
    return {"max_abs": largest, "max_relative": relative, "relative_l2": l2}


ORDINARY = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 1.5, -3.25, 100.0, 1e-3, math.inf, -math.inf, math.nan]
)
TABLES = arrays.arrays(np.float32, (3, 2, 2), elements=ORDINARY.map(np.float32))


@given(values=TABLES, reference=TABLES)
def test_errors_are_those_of_a_slow_look(values: Array, reference: Array) -> None:
    """Sizes are of what is finite on both sides; the rest is counted, each number once."""
    found = numeric_error(values, reference).to_dict()
    for name, expected in slowly(values, reference).items():
        if math.isfinite(expected):
            assert found[name] == pytest.approx(expected)
        else:
            assert found[name] is None
    a, b = values.ravel().tolist(), reference.ravel().tolist()
    pairs = list(zip(a, b, strict=True))
    nan = sum(math.isnan(x) != math.isnan(y) for x, y in pairs)
    infinite = sum(
        x != y and (math.isinf(x) or math.isinf(y)) and not (math.isnan(x) or math.isnan(y))
        for x, y in pairs
    )
    assert (found["nan_mismatches"], found["inf_mismatches"]) == (nan, infinite)
    same = sum(x == y or (math.isnan(x) and math.isnan(y)) for x, y in pairs)
    assert found["differing"] == found["elements"] - same


@given(values=TABLES, reference=TABLES)
def test_differences_do_not_depend_on_the_side_but_relative_ones_do(
    values: Array, reference: Array
) -> None:
    """Absolute errors, ULPs, cosines and counts are symmetric."""
    there, back = numeric_error(values, reference), numeric_error(reference, values)
    assert there.abs_of == pytest.approx(back.abs_of)
    assert there.cosine_of == pytest.approx(back.cosine_of)
    assert there.ulp_of is not None
    assert there.ulp_of == pytest.approx(back.ulp_of)
    assert there.nan_mismatches == back.nan_mismatches
    same = numeric_error(values, values)
    assert (same.max_abs, same.relative_l2, same.differing, same.worst) == (0, 0, 0, None)
    assert same.cosine_of == pytest.approx(1)


def test_ulps_count_the_numbers_between() -> None:
    """Of float16, all 63,488 finite ones in a row: the distance is that of their places."""
    halves = HALVES.view(np.float16)
    halves = halves[np.isfinite(halves)]
    values = np.random.default_rng(0).choice(halves, (500, 1))
    reference = np.random.default_rng(1).choice(halves, (500, 1))
    order = np.unique(halves)  # takes -0 and 0 for one
    apart = np.abs(np.searchsorted(order, values) - np.searchsorted(order, reference))
    found = numeric_error(values, reference)
    assert found.ulp_type == "float16"
    assert found.ulp_of is not None
    assert (found.ulp_of == apart[:, 0]).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_next_number_is_one_ulp_away_and_the_two_zeros_are_one(kind: type) -> None:
    """Across powers of two, from zero, among subnormals and at the end of the range."""
    top = np.finfo(kind).max
    values: Array = np.array([0, 1, 2, -2, np.finfo(kind).smallest_subnormal, -top], dtype=kind)[
        :, None
    ]
    found = numeric_error(np.nextafter(values, kind(9)), values)
    assert found.ulp_of is not None
    assert found.ulp_of.tolist() == [1] * 6
    zeros = numeric_error(np.array([[0.0]], dtype=kind), np.array([[-0.0]], dtype=kind))
    assert zeros.to_dict()["max_ulp"] == 0
    ends = numeric_error(np.array([[top]], dtype=kind), np.array([[-top]], dtype=kind))
    assert ends.to_dict()["max_ulp"] == pytest.approx(2 * int(_steps_to(top)))


def _steps_to(top: Any) -> int:
    """How many numbers there are from zero to this one, by its bits."""
    return int.from_bytes(np.array(top).astype(top.dtype.newbyteorder(">")).tobytes(), "big")


def test_ulps_are_of_the_coarser_type() -> None:
    """A float16 copy of a float32 is no ULP off; a bfloat16 in any form likewise; integers none."""
    exact = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    half = numeric_error(exact.astype(np.float16), exact)
    assert (half.ulp_type, half.to_dict()["max_ulp"]) == ("float16", 0)
    assert half.max_abs > 0
    whole = numeric_error(np.array([[3]]), np.array([[5]]))
    assert (whole.ulp_type, whole.ulp_of, whole.max_abs) == (None, None, 2)
    assert numeric_error(np.array([[True]]), np.array([[1.5]])).max_abs == 0.5


def test_bfloat16_is_read_and_rounded_to_the_nearest() -> None:
    """As nameless bytes of a file; what it is compared with is rounded half to even."""
    finite = np.unique(as_bfloat16(HALVES)[np.isfinite(as_bfloat16(HALVES))])
    random = np.random.default_rng(0)
    exact = np.concatenate(
        [random.standard_normal(200), (finite[30_000:30_040] + finite[30_001:30_041]) / 2]
    ).astype(np.float32)
    above = np.searchsorted(finite, exact)
    low, high = finite[above - 1].astype(np.float64), finite[above].astype(np.float64)
    even = (finite[above].view(np.uint32) >> 16) % 2 == 0
    up = (high - exact < exact - low) | ((high - exact == exact - low) & even)
    nearest = np.where(up, high, low).astype(np.float32)
    stored = (nearest.view(np.uint32) >> 16).astype(np.uint16).view("V2")
    found = numeric_error(stored[:, None], exact[:, None])
    assert (found.ulp_type, found.to_dict()["max_ulp"]) == ("bfloat16", 0)
    assert found.abs_of == pytest.approx(np.abs(nearest.astype(np.float64) - exact))


def test_cosines_know_directions_alone() -> None:
    """Of turned, stretched, opposite and empty vectors; of numbers whose squares overflow too."""
    values = np.array([[1, 0], [2e200, 2e200], [1, 2], [0, 0], [0, 0], [3e-200, 0]])
    reference = np.array([[0, 1], [1e200, 1e200], [-1, -2], [0, 0], [0, 1], [1e-200, 0]])
    assert numeric_error(values, reference).cosine_of == pytest.approx([0, 1, -1, 1, 0, 1])
    assert numeric_error(values, reference).l2_of[1] == pytest.approx(1)


def test_only_the_samples_asked_for_are_compared() -> None:
    """And what is worst is told by the sample's own number."""
    values = np.arange(12.0).reshape(4, 3)
    reference = values.copy()
    reference[0] += 100
    reference[3, 1] += 2
    where = np.array([False, True, False, True])
    found = numeric_error(values, reference, where=where)
    assert found.sample.tolist() == [1, 3]
    assert (found.max_abs, found.worst, found.elements) == (2, 3, 6)
    nothing = numeric_error(values, reference, where=np.zeros(4, dtype=np.bool_)).to_dict()
    assert (nothing["samples"], nothing["max_abs"], nothing["cosine"]) == (0, 0, None)


@pytest.mark.parametrize("shape", [(4,), (4, 0), (0, 3), (2, 1, 3)])
def test_outputs_may_have_any_shape(shape: tuple[int, ...]) -> None:
    """A number a sample, none, or many; without samples too."""
    values = np.ones(shape, dtype=np.float32)
    found = numeric_error(values, values * 2).to_dict()
    assert found["elements"] == values.size
    assert found["max_abs"] == (1 if values.size else 0)


def test_complex_numbers_are_two() -> None:
    """Real and imaginary parts are compared each."""
    found = numeric_error(np.array([[1 + 2j]]), np.array([[1 + 5j]]))
    assert (found.max_abs, found.elements, found.ulp_type) == (3, 2, None)


def test_what_cannot_be_compared_is_refused() -> None:
    """Other shapes, and what is no number."""
    with pytest.raises(InputError, match=r"shapes \(2, 3\) and \(2, 4\)"):
        numeric_error(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(InputError, match="are no numbers"):
        numeric_error(np.array([["a"]]), np.array([["b"]]))


def test_outputs_on_disk_are_read_a_few_samples_at_a_time(tmp_path: Path) -> None:
    """Ten times as many samples need no more memory, and give what all of them at once do."""
    random = np.random.default_rng(0)
    values = random.standard_normal((60, 50_000)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", values + np.float32(0.25) * (values > 3))
    a, b = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "ab")

    def peak(samples: int) -> int:
        tracemalloc.start()
        numeric_error(a[:samples], b[:samples])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(60) < 1.1 * peak(20)
    off = np.abs(values.astype(np.float64) - b)
    found = numeric_error(a, b)
    assert found.abs_of == pytest.approx(off.max(axis=1))
    whole = math.sqrt((off**2).sum() / (np.asarray(b, dtype=np.float64) ** 2).sum())
    assert found.relative_l2 == pytest.approx(whole)
