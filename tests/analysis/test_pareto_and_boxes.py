"""What nothing beats, and boxes that two runs have in common."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.handmade import make_round, make_run
from tailmark.analysis.matched_boxes import matched_boxes
from tailmark.analysis.pareto import pareto_front
from tailmark.records.model import Run
from tailmark.records.ragged import Ragged
from tailmark.stats.estimate import Estimate

POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=6)


def sure(value: float) -> Estimate:
    """An estimate without doubt."""
    return Estimate(value=value, low=value, high=value)


@given(POINTS)
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    """By definition, one against all others; without doubt, who is beaten in both is so surely."""
    quality = {str(i): sure(q) for i, (q, _) in enumerate(points)}
    time = {str(i): sure(t) for i, (_, t) in enumerate(points)}
    front = pareto_front(quality=quality, time=time)
    for i, (q, t) in enumerate(points):
        beaten = any(p >= q and s <= t and (p > q or s < t) for p, s in points)
        assert (str(i) in front.best) == (not beaten)
        surely = any(p >= q and s <= t and (p > q or s < t) for p, s in points)
        assert (str(i) in front.beaten) == surely
    assert not {*front.best} & {*front.beaten_maybe}


def boxes_of(*images: list[tuple[float, float, int, float]]) -> Run:
    """A run that answers boxes of 10 × 10: x, y, label and score of each, by image."""
    count = len(images)
    run = make_run([make_round([1] * count, range(count))], None, samples=count)
    columns: dict[str, Any] = {
        "boxes": Ragged.of([[(x, y, 10, 10) for x, y, *_ in image] for image in images], float, 4),
        "categories": Ragged.of([[label for *_, label, _ in image] for image in images], np.int64),
        "scores": Ragged.of([[score for *_, score in image] for image in images], np.float32),
    }
    return replace(run, outputs=columns)


def test_boxes_agree_one_to_one_within_their_class() -> None:
    """The better claim takes the nearest; a faint box is no claim; empty images agree."""
    a = boxes_of([(0, 0, 1, 0.9), (50, 50, 1, 0.8), (80, 80, 1, 0.1)], [])
    b = boxes_of([(0, 2, 1, 0.7), (1, 0, 1, 0.6), (50, 50, 2, 0.9)], [])
    found = matched_boxes(a, b)
    assert found is not None
    assert [x.sum() for x in (found.matched, found.only_a, found.only_b)] == [1, 1, 2]
    assert found.iou == pytest.approx(90 / 110)
    assert found.agreement == pytest.approx((2 * 1 / 5 + 1) / 2)
    same = matched_boxes(a, a)
    assert same is not None
    assert (same.agreement, same.iou) == (1, 1)


def test_labels_are_no_boxes() -> None:
    """There is nothing to match."""
    run = make_run([make_round([1], [0])], [0])
    assert matched_boxes(run, run) is None
