"""Boxes of two runs agree as a slow look at each image says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.handmade import make_round, make_run
from tailmark.analysis.answered import answered
from tailmark.analysis.matched_boxes import match_boxes, matched_boxes
from tailmark.errors import MetricError
from tailmark.records.model import Run
from tailmark.records.ragged import Ragged

Box = tuple[tuple[float, float, float, float], float, int]
"""x, y, width and height; score; category."""

SEEDS = st.lists(st.integers(0, 10**6), min_size=1, max_size=4)
"""One an image."""


def drawn(seed: int) -> tuple[list[Box], list[Box]]:
    """Boxes of an image by two systems: crowded, most found by both, hardly moved or far."""
    random = np.random.default_rng(seed)
    sides: tuple[list[Box], list[Box]] = ([], [])
    for _ in range(random.integers(0, 8)):
        place = np.concatenate([random.uniform(0, 9, 2), random.uniform(2, 9, 2)])
        kind, score = int(random.integers(1, 3)), random.uniform(0.1, 1)
        moved = random.choice([0.1, 0.5, 1.5])
        for side in sides:
            if random.random() < 0.85:
                here = place + random.uniform(-moved, moved, 4)
                x, y, w, h = here.astype(np.float32).tolist()
                sure = float(np.float32(score + random.uniform(-0.1, 0.1)))
                side.append(((x, y, w, h), sure, kind))
    return sides


def columns(*images: list[Box]) -> dict[str, Ragged]:
    """As runs keep them."""
    return {
        "boxes": Ragged.of([[box for box, _, _ in one] for one in images], np.float32, 4),
        "scores": Ragged.of([[score for _, score, _ in one] for one in images], np.float32),
        "categories": Ragged.of([[kind for *_, kind in one] for one in images], np.int32),
    }


def overlap(a: Box, b: Box) -> float:
    """IoU of two boxes."""
    (x, y, w, h), (x2, y2, w2, h2) = a[0], b[0]
    wide, high = min(x + w, x2 + w2) - max(x, x2), min(y + h, y2 + h2) - max(y, y2)
    shared = max(wide, 0) * max(high, 0)
    return shared / (w * h + w2 * h2 - shared)


def slowly(a: list[Box], b: list[Box], threshold: float) -> list[float]:
    """IoU of the pairs of an image: of those left, always the two that overlap most."""
    left = [[x for x in side if x[1] >= threshold] for side in (a, b)]
    found: list[float] = []
    while True:
        close = [(overlap(x, y), x, y) for x in left[0] for y in left[1] if x[2] == y[2]]
        if not close or max(close)[0] < 0.5:
            return found
        iou, x, y = max(close)
        found.append(iou)
        left[0].remove(x)
        left[1].remove(y)


@given(seeds=SEEDS)
def test_pairs_are_those_of_a_slow_look(seeds: list[int]) -> None:
    """Image by image, of one category each, at the default threshold."""
    images = [drawn(seed) for seed in seeds]
    a, b = (columns(*side) for side in zip(*images, strict=True))
    found = match_boxes(a, b)
    slow = [slowly(one, other, 0.3) for one, other in images]
    assert found.matched.tolist() == [len(ious) for ious in slow]
    means = [np.mean(ious) if ious else np.nan for ious in slow]
    assert found.iou_of == pytest.approx(means, nan_ok=True)
    every = [iou for ious in slow for iou in ious]
    assert found.iou == (pytest.approx(np.mean(every)) if every else None)
    shown = [[sum(x[1] >= 0.3 for x in side) for side in image] for image in images]
    assert (found.matched + found.only_a).tolist() == [one for one, _ in shown]
    assert (found.matched + found.only_b).tolist() == [other for _, other in shown]


@given(seeds=SEEDS)
def test_agreement_is_the_same_from_either_side(seeds: list[int]) -> None:
    """And lies from 0 to 1; a side agrees with itself in full, in whatever order its boxes come."""
    images = [drawn(seed) for seed in seeds]
    a, b = (columns(*side) for side in zip(*images, strict=True))
    there, back = match_boxes(a, b), match_boxes(b, a)
    assert there.agreement_of.tolist() == back.agreement_of.tolist()
    assert there.only_a.tolist() == back.only_b.tolist()
    assert there.iou == (None if back.iou is None else pytest.approx(back.iou))
    assert ((there.agreement_of >= 0) & (there.agreement_of <= 1)).all()
    turned = columns(*(one[::-1] for one, _ in images))
    same = match_boxes(a, turned)
    assert same.agreement == 1
    assert same.iou in (None, pytest.approx(1))


CAT: Box = ((0, 0, 10, 10), 0.9, 1)


@pytest.mark.parametrize(
    ("other", "agreement"),
    [
        (CAT, 1.0),
        (((0, 0, 10, 5), 0.9, 1), 1.0),  # half of it
        (((0, 0, 10, 4), 0.9, 1), 0.0),
        (((0, 0, 10, 10), 0.9, 2), 0.0),
        (((0, 0, 10, 10), 0.2, 1), 0.0),
        (((20, 20, 10, 10), 0.9, 1), 0.0),
    ],
)
def test_a_partner_is_of_the_same_category_and_overlaps_by_half(
    other: Box, agreement: float
) -> None:
    """And is sure enough to be seen."""
    found = match_boxes(columns([CAT]), columns([other]))
    assert found.agreement == agreement
    assert found.to_dict()["unlike"] == (agreement < 1)


def test_images_without_any_box_agree() -> None:
    """Both see nothing; where only one does, they do not."""
    found = match_boxes(columns([], [], [CAT]), columns([], [CAT], []))
    assert found.agreement_of.tolist() == [1, 0, 0]
    assert np.isnan(found.iou_of).all()
    assert found.to_dict() == {
        "images": 3,
        "missing": 0,
        "unlike": 2,
        "boxes": {"a": 1, "b": 1},
        "matched": 0,
        "only_a": 1,
        "only_b": 1,
        "agreement": pytest.approx(1 / 3),
        "iou": None,
        "score_threshold": 0.3,
    }


def test_the_threshold_is_settable() -> None:
    """From the score that is said on."""
    faint: Box = ((0, 0, 10, 10), 0.2, 1)
    assert match_boxes(columns([CAT]), columns([faint]), score_threshold=0.1).agreement == 1
    assert match_boxes(columns([faint]), columns([faint])).to_dict()["boxes"] == {"a": 0, "b": 0}


def run_of(answers: list[int | None], *images: list[Box]) -> Run:
    """A run of two rounds whose samples are first answered by these outputs."""
    again = [None if answer is None else 0 for answer in answers]
    rounds = [
        make_round([5] * len(answers), said, index=k) for k, said in enumerate((answers, again))
    ]
    run = make_run(rounds, [0] * len(answers))
    held: Any = columns(*images)
    return replace(run, outputs=held)


def test_runs_are_compared_by_their_first_answers() -> None:
    """What only one of them answered is told and not compared; labels are no boxes."""
    a = run_of([1, 0, 1, None], [], [CAT])
    b = run_of([0, 1, None, None], [CAT], [])
    found = matched_boxes(answered(a), answered(b))
    assert found is not None
    assert found.sample.tolist() == [0, 1]
    assert found.missing == 1
    assert found.agreement_of.tolist() == [1, 1]
    labels = make_run([make_round([5], [0])], [0])
    assert matched_boxes(answered(labels), answered(labels)) is None
    nothing = run_of([None], [CAT])
    none = matched_boxes(answered(nothing), answered(nothing))
    assert none is not None
    assert (none.agreement, none.iou, none.to_dict()["images"]) == (None, None, 0)


def test_boxes_without_bounds_are_refused() -> None:
    """As every reader of boxes does."""
    broken = columns([CAT])
    broken["boxes"].values[0, 0] = np.nan
    with pytest.raises(MetricError, match="the agreement of boxes found nan"):
        match_boxes(broken, columns([CAT]))
