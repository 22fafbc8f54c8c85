"""A differential run in words: no number where there is none, and causes by their names."""

from dataclasses import replace

import numpy as np
import pytest

from tailmark.analysis.pairs import Pair
from tailmark.report.differential_sentences import axis_words
from tailmark.report.differential_text import error_words
from tailmark.stats.numeric_error import numeric_error

PAIR = Pair(
    a="a",
    b="b",
    samples=2,
    flips=(),
    counts={},
    p_value=None,
    p_adjusted=None,
    quality=None,
    rankings=None,
    numeric=None,
    boxes=None,
    latency_ratio=None,
    at=(),
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([[1.0, 2.0]], "0"),
        ([[1.0, 2.5]], "5.0e-01"),
        ([[np.nan, 2.0]], "1 not finite"),
        ([[np.nan, np.inf]], "2 not finite"),
    ],
)
def test_outputs_that_are_no_numbers_are_no_small_error(
    found: list[list[float]], said: str
) -> None:
    """All of them NaN would else read as an error of 0."""
    error = numeric_error(np.array(found), np.array([[1.0, 2.0]])).to_dict()
    assert error_words(replace(PAIR, numeric={"scores": error})) == said


def test_outputs_that_were_not_kept_have_no_error() -> None:
    """A dash."""
    assert error_words(PAIR) == "–"


def test_steps_that_are_others_altogether_are_named() -> None:
    """And that there are none."""
    two = ["float32", {"kind": "quantize", "mode": "static"}]
    assert axis_words("make", ["dequantize"], []) == "no conversion (for dequantize)"
    assert axis_words("make", [], two) == "the conversions float32, quantize (for none)"
    assert axis_words("make.optimize 2", None, two[1]) == "the conversion optimize 2"
