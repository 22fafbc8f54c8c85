"""What pycocotools says of the answers that are there: slow and obvious, one deadline at a time."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tailmark.quality.base import Arrivals
from tailmark.quality.detection.coco import Coco
from tailmark.quality.jointly import arrivals_of

AREAS = ("all", "small", "medium", "large")
COCOS_MOST = (1, 10, 100)
MOST = (1, 2, 10, 100)
OUT_OF_RANGE = 2e10
"""An area that no range of COCO's has: pycocotools knows no other way to ignore an object."""

Sample = Mapping[str, Any]
Outputs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Game:
    """Answers that come and go.

    Args:
        references: By sample.
        outputs: What may be answered.
        rows: What each row asks.
        answers: Of each row, from when on it has which output; a later one replaces it.
        left_out: Whether a row without an answer is left out.
    """

    references: Sequence[Sample]
    outputs: Outputs
    rows: list[int]
    answers: list[list[tuple[int, int]]]
    left_out: bool = False

    def arrivals(self) -> Arrivals:
        """As a grader is told."""
        flat = [(row, at, output) for row, each in enumerate(self.answers) for at, output in each]
        row, at, output = np.array(flat, dtype=np.int64).reshape(-1, 3).T
        rows = np.array(self.rows, dtype=np.int32)
        return arrivals_of(rows, row, at, output.astype(np.int32), left_out=self.left_out)

    def evaluated(self, deadline: int) -> COCOeval | None:
        """By pycocotools, with an image for each row; None if no row is left."""
        seen = [[output for at, output in each if at <= deadline] for each in self.answers]
        in_order = sorted(range(len(self.rows)), key=lambda row: (self.rows[row], row))
        images = [
            (self.references[self.rows[row]], self.outputs[seen[row][-1]] if seen[row] else None)
            for row in in_order
            if seen[row] or not self.left_out
        ]
        return evaluated(images) if images else None


def evaluated(
    images: Sequence[tuple[Sample, Mapping[str, Any] | None]], most: Sequence[int] = MOST
) -> COCOeval:
    """Each image's objects and detections, in this order, as ``COCOeval`` holds them."""
    objects: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image, (true, answer) in enumerate(images, start=1):
        for index, box in enumerate(true["boxes"]):
            area = true["areas"][index] if "areas" in true else box[2] * box[3]
            ignored = "ignore" in true and true["ignore"][index]
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": image,
                    "category_id": true["categories"][index],
                    "bbox": list(box),
                    "area": OUT_OF_RANGE if ignored else area,
                    "iscrowd": int(true["crowd"][index]) if "crowd" in true else 0,
                }
            )
        if answer is None:
            continue
        for index, box in enumerate(answer["boxes"]):
            detections.append(
                {
                    "id": len(detections) + 1,
                    "image_id": image,
                    "category_id": answer["categories"][index],
                    "bbox": list(box),
                    "area": box[2] * box[3],
                    "score": answer["scores"][index],
                }
            )
    categories = sorted({one["category_id"] for one in objects})
    truth, found = (
        _coco(len(images), categories, annotations) for annotations in (objects, detections)
    )
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.params.maxDets = list(most)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def value(evaluation: COCOeval | None, metric: Coco) -> float:
    """The mean of what is defined, as ``summarize`` takes it; NaN where nothing is."""
    if evaluation is None:
        return float("nan")
    ious = evaluation.params.iouThrs
    threshold = np.ones(len(ious), bool) if metric.iou is None else np.isclose(ious, metric.iou)
    known = np.array(evaluation.params.catIds, dtype=np.int64)
    category = np.isin(known, known if metric.category is None else [metric.category])
    held = evaluation.eval["precision" if metric.kind == "ap" else "recall"]
    chosen = held[..., AREAS.index(metric.area), evaluation.params.maxDets.index(metric.most)]
    chosen = chosen[threshold][..., category]
    defined = chosen[chosen > -1]
    return float(np.mean(defined)) if defined.size else float("nan")


def _coco(images: int, categories: list[int], annotations: list[dict[str, Any]]) -> COCO:
    held = COCO()
    held.dataset = {
        "images": [{"id": image} for image in range(1, images + 1)],
        "categories": [{"id": category} for category in categories],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        held.createIndex()
    return held


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[npt.NDArray[Any]]]:
    """The same by column."""
    return {name: [np.asarray(row[name]) for row in rows] for name in rows[0]}


_UNITS = st.sampled_from([8.0, 24.0, 30.0])
_CATEGORIES = st.sampled_from([1, 1, 1, 1, 2])
_DETECTED = st.sampled_from([1, 1, 1, 1, 2, 9])
_SCORES = st.sampled_from([0.1, 0.5, 0.5, 0.75, 1.0])
_TRUE_AREAS = st.sampled_from([500.0, 500.0, 1024.0, 1025.0, 9216.0, 9217.0, OUT_OF_RANGE])
_SELDOM = st.sampled_from([False, False, True])


@st.composite
def _boxes(draw: st.DrawFn, at_most: int) -> list[list[float]]:
    """Nearly in one place, so that many overlap, and alike; the areas are of every range."""
    corner = st.integers(0, 1)
    size = st.sampled_from([4, 4, 3, 5, 0])
    placed = draw(st.lists(st.tuples(_UNITS, corner, corner, size, size), max_size=at_most))
    return [[unit * x, unit * y, unit * w, unit * h] for unit, x, y, w, h in placed]


@st.composite
def _rows(
    draw: st.DrawFn, at_most: int, columns: Mapping[str, st.SearchStrategy[Any]]
) -> dict[str, list[Any]]:
    boxes = draw(_boxes(at_most))
    return {"boxes": boxes} | {
        name: draw(st.lists(values, min_size=len(boxes), max_size=len(boxes)))
        for name, values in columns.items()
    }


@st.composite
def games(draw: st.DrawFn) -> Game:
    """Samples asked once, twice or not at all; answers of their own and of others."""
    optional = {"crowd": _SELDOM, "areas": _TRUE_AREAS, "ignore": _SELDOM}
    said = draw(st.frozensets(st.sampled_from(sorted(optional))))
    known = {"categories": _CATEGORIES} | {name: optional[name] for name in sorted(said)}
    references = draw(st.lists(_rows(6, known), min_size=1, max_size=3))
    detected = {"scores": _SCORES, "categories": _DETECTED}
    count = len(references) + 1
    outputs = draw(st.lists(_rows(8, detected), min_size=count, max_size=count))
    which = st.integers(0, len(references) - 1)
    rows = draw(st.lists(which, min_size=1, max_size=5))
    moments = st.integers(0, 5)
    answers = []
    for sample in rows:
        usual = st.sampled_from([sample, sample, *range(len(outputs))])
        come = draw(st.lists(st.tuples(moments, usual), max_size=3))
        answers.append(sorted(come, key=lambda one: one[0]))
    return Game(references, outputs, rows, answers, left_out=draw(st.booleans()))


def crowded(seed: int, samples: int = 20, *, left_out: bool = False) -> Game:
    """Many objects close together, each detected several times, at scores that are often equal."""
    random = np.random.default_rng(seed)
    references, outputs = [], []
    for _ in range(samples):
        count = random.integers(0, 9)
        side = random.choice([20.0, 60.0, 130.0], (count, 1)) + random.integers(0, 9, (count, 2))
        boxes = np.hstack([random.integers(0, 60, (count, 2)), side])
        categories = random.choice([1, 1, 2, 3], count)
        references.append(
            {
                "boxes": boxes.tolist(),
                "categories": categories.tolist(),
                "crowd": (random.random(count) < 0.2).tolist(),
                "areas": (boxes[:, 2] * boxes[:, 3] * random.choice([1, 0.6], count)).tolist(),
            }
        )
        again = np.repeat(np.arange(count), random.integers(0, 4, count))
        moved = boxes[again] + random.integers(-8, 9, (len(again), 4)) * random.random()
        confused = random.random(len(again)) < 0.1
        outputs.append(
            {
                "boxes": moved.tolist(),
                "scores": random.choice([0.2, 0.4, 0.5, 0.6, 0.9], len(again)).tolist(),
                "categories": np.where(confused, 4, categories[again]).tolist(),
            }
        )
    rows = random.integers(0, samples, samples + 5).tolist()
    answers = []
    for sample in rows:
        come = np.sort(random.integers(0, 4, random.choice([0, 1, 1, 1, 2])))
        other = random.integers(0, samples, len(come))
        output = np.where(random.random(len(come)) < 0.8, sample, other)
        answers.append(list(zip(come.tolist(), output.tolist(), strict=True)))
    return Game(references, outputs, rows, answers, left_out=left_out)


@st.composite
def metrics(draw: st.DrawFn, categories: Sequence[int] = ()) -> Coco:
    """Any of COCO's numbers, also those without a name of their own."""
    return Coco(
        kind=draw(st.sampled_from(["ap", "ar"])),
        iou=draw(st.sampled_from([None, None, 0.5, 0.6, 0.75, 0.95])),
        area=draw(st.sampled_from(["all", *AREAS])),
        most=draw(st.sampled_from(MOST)),
        category=draw(st.sampled_from([None, None, *categories])),
    )
