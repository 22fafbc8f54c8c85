"""Runs whose references are several columns, or of different lengths, are told alike and apart."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.handmade import make_round, make_run
from tailmark import compare
from tailmark.errors import InputError
from tailmark.records.model import Run
from tailmark.records.ragged import Ragged

BOXES = Ragged.of([[[0, 0, 4, 4]], [[1, 1, 9, 9], [2, 2, 3, 3]]], np.float64, 4)
KINDS = Ragged.of([[1], [1, 2]], np.int64)


def detecting(kinds: Ragged = KINDS) -> Run:
    """Two images, everything found, three rounds."""
    run = make_run([make_round([3, 5], [0, 1], index=r) for r in range(3)], [0, 0])
    outputs: dict[str, Any] = {
        "boxes": BOXES,
        "scores": Ragged.of([[0.9], [0.8, 0.7]], np.float64),
        "categories": KINDS,
    }
    right = {"boxes": BOXES, "categories": kinds}
    return replace(run, outputs=outputs, references=replace(run.references, values=right))


def test_alike_they_are_compared() -> None:
    """A run with itself: nothing differs, at any deadline."""
    found = compare(detecting(), detecting(), metric="ap50", deadlines=[4])
    assert found.at[0].differences["mean"].value == 0
    assert found.differences["ideal"].value == 0
    assert found.flips is not None
    assert found.flips.differ == 0


def test_unlike_they_are_refused_and_it_is_said_how_many_differ() -> None:
    """One image shows another thing."""
    other = detecting(Ragged.of([[1], [1, 1]], np.int64))
    with pytest.raises(InputError, match=r"labels .*1 of them others"):
        compare(detecting(), other, metric="ap50", deadlines=[4])
    labels = replace(other, references=replace(other.references, values=np.array([0, 0])))
    with pytest.raises(InputError, match=r"labels .*others"):
        compare(detecting(), labels, metric="ap50", deadlines=[4])
