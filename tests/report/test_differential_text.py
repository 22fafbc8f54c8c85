"""A differential run's tables say no number where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from tailmark.analysis.pairs import Pair
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
