"""P values of many tests are adjusted by their definitions, and keep what they promise."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, false_discovery_control

from tailmark.errors import InputError
from tailmark.stats.multiplicity import benjamini_hochberg, confidence_each, holm

Adjust = Callable[[Sequence[float | None]], list[float | None]]

P_VALUES = st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.2, 0.5, 1.0]), max_size=8)


def rejected_by_holm(p_values: list[float], level: float) -> set[int]:
    """Step by step, from the smallest: rejected while p ≤ level / (how many are left)."""
    found: set[int] = set()
    for place in sorted(range(len(p_values)), key=p_values.__getitem__):
        if p_values[place] * (len(p_values) - len(found)) > level:
            break
        found.add(place)
    return found


@given(p_values=P_VALUES, level=st.sampled_from([0.005, 0.05, 0.1, 0.3]))
def test_holm_s_adjusted_values_reject_what_his_steps_do(
    p_values: list[float], level: float
) -> None:
    """An adjusted p value is the smallest level at which the stepwise test rejects."""
    adjusted = holm(p_values)
    assert {k for k, p in enumerate(adjusted) if p is not None and p <= level} == rejected_by_holm(
        p_values, level
    )


@given(p_values=P_VALUES)
def test_benjamini_hochberg_s_are_scipy_s(p_values: list[float]) -> None:
    """And never above Holm's, which promises more."""
    adjusted = benjamini_hochberg(p_values)
    if p_values:
        assert adjusted == pytest.approx(false_discovery_control(p_values).tolist())
    for less, more in zip(adjusted, holm(p_values), strict=True):
        assert less is not None
        assert more is not None
        assert less <= more + 1e-12


@given(p_values=P_VALUES, seed=st.integers(0, 99))
@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_tests_that_were_not_made_change_nothing(
    adjust: Adjust, p_values: list[float], seed: int
) -> None:
    """They stay where they are, and the others are adjusted as if they were not there."""
    mixed: list[float | None] = [*p_values, None, None]
    np.random.default_rng(seed).shuffle(mixed)
    found = adjust(mixed)
    made = [p for p in mixed if p is not None]
    assert [p for p in found if p is not None] == adjust(made)
    assert [p is None for p in found] == [p is None for p in mixed]


def test_nan_stays_and_nonsense_is_refused() -> None:
    """NaN is no test that was made; 1.2 is no probability."""
    found = holm([0.01, math.nan, 0.04])
    assert (found[0], found[2]) == pytest.approx((0.02, 0.04))
    assert math.isnan(found[1] or 0)
    assert holm([]) == []
    with pytest.raises(InputError, match=r"p value 1\.2"):
        holm([0.5, 1.2])


def test_holm_raises_any_false_alarm_as_rarely_as_one_test_does() -> None:
    """Twenty true nulls and two false ones: in 95 of 100 families no true one is rejected."""
    random = np.random.default_rng(0)
    families = random.random((1_000, 20))
    alarms = sum(
        min(p for p in holm([*family.tolist(), 1e-6, 1e-5])[:20] if p is not None) <= 0.05
        for family in families
    )
    assert alarms <= binom.ppf(0.999, len(families), 0.05)


def test_intervals_that_hold_together_are_surer_one_by_one() -> None:
    """Bonferroni shares the error, Šidák multiplies the confidence; one alone needs no more."""
    assert confidence_each(10) == pytest.approx(0.995)
    assert confidence_each(10, way="sidak") ** 10 == pytest.approx(0.95)
    assert confidence_each(10, way="sidak") < confidence_each(10)
    assert confidence_each(1) == pytest.approx(0.95)
    with pytest.raises(InputError, match="0 intervals at"):
        confidence_each(0)
    with pytest.raises(InputError, match=r"at 1\.0"):
        confidence_each(3, 1.0)
