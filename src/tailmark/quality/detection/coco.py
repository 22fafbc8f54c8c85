"""COCO's average precision and average recall of boxes, with some of the answers missing.

At each deadline the value is that of ``COCOeval`` in pycocotools (``bbox``) for the answers that
are there: the boxes of the others are left out and their objects stay. Every row is an image by
itself. Detections of equal score rank in the order of their samples, and of one sample in the order
of the rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Arrivals, Floats, SetGrader
from tailmark.quality.detection.boxes import MOST, Area, begins
from tailmark.quality.detection.curves import average_precision, recall
from tailmark.quality.detection.evaluation import Evaluation, evaluation_of
from tailmark.quality.detection.overlap import IOUS
from tailmark.quality.detection.ranking import Ranking
from tailmark.quality.detection.shown import Shown
from tailmark.records.model import Int32s, Int64s

Kind = Literal["ap", "ar"]

_AT_ONCE = 256
_SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class Coco:
    """One of the numbers that COCO sums detections up with; the defaults are those of ``ap``.

    Args:
        kind: Average precision or average recall.
        iou: How much a detection must overlap its object: one of COCO's ten thresholds, 0.5 to
            0.95; None for the mean over all of them.
        area: Which objects count by their area in square pixels: ``small`` up to 32², ``medium``
            up to 96², ``large``, or ``all``.
        most: How many detections of an image and category are looked at, the best; up to 100.
        category: The only one that counts; None for the mean over all that have objects.

    Raises:
        InputError: A setting that COCO does not know.
    """

    settable: ClassVar = ("category",)

    kind: Kind = "ap"
    iou: float | None = None
    area: Area = "all"
    most: int = MOST
    category: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.kind not in get_args(Kind):
            raise InputError(f"kind {self.kind!r} is no metric of COCO's: {_listed(Kind)}")
        if self.area not in get_args(Area):
            raise InputError(f"area {self.area!r} is no range of COCO's: {_listed(Area)}")
        if not 1 <= self.most <= MOST:
            raise InputError(f"most {self.most!r} detections of an image: give 1 to {MOST}")
        if self.iou is not None and not np.isclose(IOUS, self.iou, rtol=0, atol=_SAME).any():
            raise InputError(
                f"iou {self.iou!r} is no threshold of COCO's: give 0.5, 0.55 … 0.95, or None for "
                "the mean over all"
            )

    @property
    def name(self) -> str:
        """``ap``, ``ap50``, ``ap_small``, ``ar10``; ``ap50:category=3``."""
        percent = "" if self.iou is None else f"{100 * self.iou:.0f}"
        few = str(self.most) if self.area == "all" else ""
        parts = [self.kind + (percent if self.kind == "ap" else few)]
        if self.area != "all":
            parts.append(self.area)
        if self.most != MOST and (self.kind == "ap" or not few):
            parts.append(f"most{self.most}")
        if percent and self.kind == "ar":
            parts.append(f"iou{percent}")
        name = "_".join(parts)
        return name if self.category is None else f"{name}:category={self.category}"

    def prepare(self, outputs: Any, references: Any) -> SetGrader:
        """See `Metric.prepare`.

        Args:
            outputs: A run's ``boxes`` (x, y, width and height in pixels of the image), ``scores``
                and ``categories``; or a list of one mapping an output, with the same keys.
            references: ``boxes`` and ``categories``, and where they are known ``crowd`` (a box
                around many), ``areas`` (of the objects; else of their boxes) and ``ignore`` (not
                to be found, and no error if it is); or a list of one mapping a sample. pycocotools
                knows no ``ignore`` of boxes; here it is what an area out of every range is there.
        """
        evaluation = evaluation_of(outputs, references, self.name)
        known = evaluation.objects.categories
        if self.category is not None and self.category not in known:
            raise MetricError(
                f"{self.name} finds no object of category {self.category} in the references: give "
                f"one of {', '.join(map(str, known))}"
            )
        return _CocoGrader(self, evaluation)


@dataclass(frozen=True)
class _CocoGrader:
    metric: Coco
    evaluation: Evaluation

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """The share of each sample's objects that are found at an IoU of 0.5; of none, all."""
        worth = np.zeros(len(samples))
        there = np.flatnonzero(outputs >= 0)
        asked, given = samples[there], outputs[there]
        outcomes = self.evaluation.outcomes(self.metric.area).of(asked, given)
        detected = self.evaluation.detections.category[self.evaluation.detections.of(given).values]
        found = outcomes.values[:, 0] & 1 & np.isin(detected, self._chosen)
        objects = self.evaluation.to_find(self.metric.area).take(asked)
        right = _sums(found, outcomes.starts)
        count = _sums(np.isin(objects.values, self._chosen), objects.starts)
        worth[there] = np.divide(right, count, out=np.ones(len(there)), where=count > 0)
        return worth

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """See `SetGrader.by_deadline`."""
        begins_at = range(0, len(deadlines_ns), _AT_ONCE)
        several = [self._at(arrivals, deadlines_ns[k : k + _AT_ONCE]) for k in begins_at]
        return np.concatenate([np.empty(0), *several])

    def _at(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        shown = Shown.of(arrivals, deadlines_ns)
        objects = self._objects(arrivals, shown)[self._chosen]
        samples = arrivals.sample[arrivals.row]
        order = np.lexsort((arrivals.row, samples))
        rankings = self.evaluation.rankings(
            self.metric.area, self.metric.most, samples[order], arrivals.output[order]
        )
        answers = shown.take(order)
        curve = average_precision if self.metric.kind == "ap" else recall
        total = np.zeros(len(deadlines_ns))
        for index, count in zip(self._chosen, objects, strict=True):
            if count.any():
                total += curve(self._at_iou(rankings[index]), answers, count)
        known = (objects > 0).sum(axis=0)
        nothing = np.full(len(total), np.nan)
        mean: Floats = np.divide(total, known, out=nothing, where=known > 0)
        return mean

    def _objects(self, arrivals: Arrivals, shown: Shown) -> Int64s:
        """How many are to be found of each category; shape (categories, deadlines)."""
        since = np.zeros(len(arrivals.sample), dtype=np.int64)
        if arrivals.left_out:
            first = begins(arrivals.row)
            since[:] = shown.deadlines
            since[arrivals.row[first]] = shown.since[first]
        objects = self.evaluation.to_find(self.metric.area).take(arrivals.sample)
        never = np.full(len(since), shown.deadlines)
        counting = Shown(since=since, until=never, deadlines=shown.deadlines)
        row = np.repeat(np.arange(len(since)), objects.lengths)
        return counting.counted(row, objects.values, len(self.evaluation.objects.categories))

    @cached_property
    def _chosen(self) -> Int64s:
        """Indices of the categories that count."""
        known = self.evaluation.objects.categories
        return np.flatnonzero((self.metric.category is None) | (known == self.metric.category))

    def _at_iou(self, ranking: Ranking) -> Ranking:
        if self.metric.iou is None:
            return ranking
        one = np.isclose(IOUS, self.metric.iou, rtol=0, atol=_SAME)
        return ranking.only(one)


def _sums(flags: npt.NDArray[Any], starts: Int64s) -> Int64s:
    """Of each row."""
    total = np.concatenate([[0], np.cumsum(flags)])
    return np.diff(total[starts])


def _listed(literal: Any) -> str:
    return ", ".join(get_args(literal))


ap = Coco()
ap50 = Coco(iou=0.5)
ap75 = Coco(iou=0.75)
ap_small = Coco(area="small")
ap_medium = Coco(area="medium")
ap_large = Coco(area="large")
ar1 = Coco(kind="ar", most=1)
ar10 = Coco(kind="ar", most=10)
ar100 = Coco(kind="ar")
ar_small = Coco(kind="ar", area="small")
ar_medium = Coco(kind="ar", area="medium")
ar_large = Coco(kind="ar", area="large")
