"""A number with its uncertainty, as plain data."""

import json
import math

import pytest

from tailmark.stats.estimate import Estimate


def test_plain_data_has_the_documented_keys() -> None:
    """An estimate's document is the seven keys of DESIGN.md."""
    assert set(Estimate(value=1.0).to_dict()) == {
        "value",
        "low",
        "high",
        "confidence",
        "n",
        "method",
        "reason",
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null(value: float) -> None:
    """Strict JSON has no NaN, so an estimate writes null."""
    text = json.dumps(Estimate(value=value, low=value, high=value).to_dict(), allow_nan=False)
    assert json.loads(text)["value"] is None
