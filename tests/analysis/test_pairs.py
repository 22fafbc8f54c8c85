"""Flips are told with the margin that they were decided by."""

from typing import Any

import numpy as np
import pytest

from tailmark.analysis.answered import Answered
from tailmark.analysis.margins import Scored
from tailmark.analysis.pairs import Flip, flips_between


def told(scores: Any, labels: Any = None) -> tuple[Flip, ...]:
    """All samples flip from label 0, as A has it, to label 1."""
    held = np.asarray(scores, dtype=np.float64)
    count = len(held)
    first = np.zeros((1, 2), dtype=np.int32)
    first[0, 1] = 1
    ranked = np.tile(first[0], (count, 1)) if labels is None else np.asarray(labels)
    everything, sent = np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.bool_)
    return flips_between(
        Answered(output=everything, sent=sent, outputs={"labels": first}),
        Answered(output=everything, sent=sent, outputs={"labels": first[:, ::-1]}),
        ids=[str(sample) for sample in range(count)],
        worth=(None, None),
        scores=(Scored(labels=ranked.astype(np.int64), scores=held), None),
        references=None,
    )


def test_a_tenth_is_decided_by_less_than_the_rest() -> None:
    """One of ten, by rank."""
    found = told([[margin, 0.0] for margin in range(10, 0, -1)])
    assert [one.close for one in found] == [False] * 9 + [True]
    assert [one.margin_a for one in found] == list(range(10, 0, -1))


@pytest.mark.parametrize("low", [0, 5])
def test_margins_that_most_share_are_no_close_calls(low: int) -> None:
    """As where a softmax is saturated; those below them are."""
    found = told([[0.0, 0.0]] * low + [[1.0, 0.0]] * (100 - low))
    assert [one.close for one in found] == [True] * low + [False] * (100 - low)


def test_a_margin_that_is_no_number_is_not_told() -> None:
    """A document could not hold it."""
    found = told([[np.inf, 0.0], [np.inf, np.inf], [2.0, 1.0]])
    assert [one.margin_a for one in found] == [None, None, 1.0]


def test_a_margin_needs_both_labels() -> None:
    """Where the other is not among the best few, it is not known."""
    found = told([[2.0, 1.0], [2.0, 1.0]], labels=[[0, 5], [0, 1]])
    assert [one.margin_a for one in found] == [None, 1.0]
