"""Law: at every deadline, COCO's metrics are those of pycocotools on the answers that are there."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.detection.pycoco import (
    COCOS_MOST,
    Game,
    Sample,
    crowded,
    evaluated,
    games,
    metrics,
    value,
)
from tailmark.quality.detection import coco
from tailmark.quality.detection.coco import Coco
from tailmark.quality.detection.curves import RECALLS, _readings

CLOSE = 1e-12

NAMED = [
    coco.ap,
    coco.ap50,
    coco.ap75,
    coco.ap_small,
    coco.ap_medium,
    coco.ap_large,
    coco.ar1,
    coco.ar10,
    coco.ar100,
    coco.ar_small,
    coco.ar_medium,
    coco.ar_large,
]
"""In the order of ``COCOeval.stats``."""


def _check(game: Game, several: list[Coco], deadlines: npt.NDArray[np.int64]) -> None:
    slow = [game.evaluated(deadline) for deadline in deadlines.tolist()]
    for metric in several:
        grader = metric.prepare(game.outputs, game.references)
        fast = grader.by_deadline(game.arrivals(), deadlines)
        expected = [value(evaluation, metric) for evaluation in slow]
        np.testing.assert_allclose(fast, expected, rtol=0, atol=CLOSE, err_msg=metric.name)


@settings(max_examples=80)
@given(game=games(), data=st.data())
def test_with_any_answers_missing_or_replaced(game: Game, data: st.DataObject) -> None:
    """Late, early, by another output, of a sample asked twice: each value is the masked one."""
    known = sorted({one for sample in game.references for one in sample["categories"]})
    chosen = data.draw(st.lists(metrics(known), min_size=4, max_size=8))
    _check(game, chosen, np.arange(-1, 7))


@pytest.mark.parametrize("left_out", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_where_objects_crowd(seed: int, left_out: bool) -> None:
    """Detections that could be of several objects, and equal scores, are told as there."""
    several = [*NAMED, *(replace(one, category=1) for one in (coco.ap, coco.ar1))]
    _check(crowded(seed, left_out=left_out), several, np.arange(-1, 4))


def test_where_there_are_more_detections_than_count() -> None:
    """Of a hundred and fifty detections of a category, a hundred count; of five, one or two."""
    random = np.random.default_rng(3)
    references: list[Sample] = []
    outputs = []
    for count in (150, 5, 101):
        boxes = random.integers(0, 300, (count, 4)).astype(float)
        references.append({"boxes": boxes.tolist(), "categories": [3] * count})
        scores = random.random(count).round(2).tolist()
        outputs.append({"boxes": boxes.tolist(), "scores": scores, "categories": [3] * count})
    rows, answers = [0, 1, 2], [[(0, 0)], [(1, 1)], [(2, 2)]]
    several = [*NAMED, Coco(most=2), Coco(most=1, iou=0.7)]
    _check(Game(references, outputs, rows, answers), several, np.arange(3))


def test_of_objects_overlapped_alike_the_later_is_taken() -> None:
    """So it is the earlier that is left for the next detection, which overlaps only that one."""
    sample = {"boxes": [[0, 0, 10, 10], [4, 0, 10, 10]], "categories": [1, 1]}
    output = {
        "boxes": [[2, 0, 10, 10], [0, 0, 10, 10]],
        "scores": [0.9, 0.8],
        "categories": [1, 1],
    }
    mirrored = output | {"boxes": [[2, 0, 10, 10], [4, 0, 10, 10]]}
    game = Game([sample], [output, mirrored], [0], [[(0, 0), (1, 1)]])
    _check(game, [coco.ap50, coco.ar100], np.arange(2))
    found = coco.ap50.prepare([output, mirrored], [sample])
    assert found.by_deadline(game.arrivals(), np.arange(2)).tolist() != [1.0, 1.0]


@pytest.mark.parametrize("left_out", [False, True])
def test_of_real_objects(data: Path, left_out: bool) -> None:
    """COCO's own annotations, found more or less well: all twelve numbers, at any deadline."""
    references, outputs = _real(data)
    random = np.random.default_rng(5)
    rows = random.permutation(len(references)).tolist()
    moments = random.integers(0, 5, len(rows)).tolist()
    answers = [[(at, row)] for at, row in zip(moments, rows, strict=True)]
    for row in rows[::7]:
        answers[row] = []
    game = Game(references, outputs, rows, answers, left_out=left_out)
    _check(game, NAMED, np.array([-1, 0, 2, 5]))


def test_the_names_are_those_of_cocos_summary(data: Path) -> None:
    """Of all answers, the twelve are what ``summarize`` prints, in its order."""
    references, outputs = _real(data)
    everything = evaluated(list(zip(references, outputs, strict=True)), COCOS_MOST)
    with contextlib.redirect_stdout(io.StringIO()):
        everything.summarize()
    rows = list(range(len(references)))
    arrivals = Game(references, outputs, rows, [[(0, row)] for row in rows]).arrivals()
    found = [
        metric.prepare(outputs, references).by_deadline(arrivals, np.zeros(1, dtype=np.int64))[0]
        for metric in NAMED
    ]
    np.testing.assert_allclose(found, everything.stats, rtol=0, atol=CLOSE)
    assert [metric.name for metric in NAMED] == [
        *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
        *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
    ]


def _real(data: Path) -> tuple[list[Sample], list[Sample]]:
    """The annotations of eighty images, and detections made of them."""
    file = data / "detection" / "coco_tiny_val80" / "instances_val2017.json"
    held = json.loads(file.read_text(encoding="utf-8"))
    random = np.random.default_rng(7)
    references: list[Sample] = []
    outputs: list[Sample] = []
    for image in sorted(one["id"] for one in held["images"]):
        objects = [one for one in held["annotations"] if one["image_id"] == image]
        boxes = np.array([one["bbox"] for one in objects], dtype=float).reshape(-1, 4)
        categories = np.array([one["category_id"] for one in objects], dtype=int)
        references.append(
            {
                "boxes": boxes.tolist(),
                "categories": categories.tolist(),
                "crowd": [bool(one["iscrowd"]) for one in objects],
                "areas": [one["area"] for one in objects],
            }
        )
        seen = np.repeat(np.arange(len(objects)), random.integers(0, 4, len(objects)))
        error = random.normal(0, 0.12, (len(seen), 4)) * np.tile(boxes[seen, 2:], 2)
        confused = random.random(len(seen)) < 0.1
        outputs.append(
            {
                "boxes": (boxes[seen] + error).tolist(),
                "scores": random.random(len(seen)).round(2).tolist(),
                "categories": np.where(confused, 1, categories[seen]).tolist(),
            }
        )
    return references, outputs


def test_precision_is_read_where_the_recall_is_reached() -> None:
    """For any number of objects, at the object where ``searchsorted`` finds each recall."""
    for objects in range(1, 1500):
        recalls = np.arange(1, objects + 1) / objects
        first = np.searchsorted(recalls, RECALLS, side="left")
        readings, row = _readings(np.array([objects]))
        assert row.tolist() == [0]
        assert readings.tolist() == [np.bincount(first + 1, minlength=objects + 1).tolist()]
