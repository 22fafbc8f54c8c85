"""Segmentation: label maps against label maps, counted over the pixels of the whole set.

As in Long, Shelhamer and Darrell (CVPR 2015): pixel accuracy, mean accuracy and mean IoU of the
counts summed over all images. Pixels whose reference is ``ignore`` do not count. No answer is an
empty map: it intersects nothing, and its reference's pixels stay in the union. A class that neither
references nor answers have is left out of a mean.

``over="images"`` grades each image by itself and takes the mean, as much code for driving does (the
IoU of a road and of a lane in HybridNets): a class that an image has not and that was not answered
is found whole there. Such a metric is additive. The mean accuracy of a lane mask is the mean of
sensitivity and specificity, which is reported as lane accuracy.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Arrivals, Floats, Grader, SetGrader, column
from tailmark.quality.by_class import ByClass, answered, how_many, known_mean
from tailmark.quality.counted import Counted, Entries
from tailmark.quality.reading import rows_of
from tailmark.quality.remembered import Remembered
from tailmark.quality.spelling import spelled
from tailmark.records.model import Int32s, Int64s
from tailmark.records.ragged import Ragged

Over = Literal["set", "images"]

Value = Callable[[ByClass], Floats]
"""Quality of each of several sets, NaN where there is nothing to grade."""

_IGNORE = 255
_MOST = 65_536
_ROWS = 256
_WANTED = "integer labels of pixels, shape (n, height, width), or a flattened map a row"


@dataclass(frozen=True)
class MeanIoU:
    """The mean over classes of intersection over union.

    Args:
        column: Of outputs and of references that come by column.
        classes: Labels are 0 to one less; None for those of the references, and then a label that
            no reference has only makes its pixel wrong.
        ignore: Label of reference pixels that do not count.
        over: Sum counts over the ``set``, or take the mean of ``images``.

    Raises:
        InputError: No classes, or neither ``set`` nor ``images``.
    """

    column: str = "mask"
    classes: int | None = None
    ignore: int = _IGNORE
    over: Over = "set"

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        _check(self.over)
        if self.classes is not None and not 1 <= self.classes <= _MOST:
            raise InputError(f"classes is {self.classes!r}: give 1 to {_MOST:,}")

    @property
    def name(self) -> str:
        """``mean_iou``."""
        return spelled("mean_iou", self)

    def prepare(self, outputs: Any, references: Any) -> Grader | SetGrader:
        """See `Metric.prepare`.

        Args:
            outputs: A run's column of label maps: integers or booleans of shape (outputs, height,
                width), or `Ragged`, each map in one row.
            references: Likewise; of as many pixels as the answers to it.
        """
        pixels = _Pixels.read(self, outputs, references, self.classes)
        judged = np.ones(pixels.classes, dtype=np.bool_)
        if self.classes is None:
            judged = np.isin(np.arange(pixels.classes), pixels.true.values[:, 0])
        return _grader(pixels, partial(_mean_iou, judged=judged), self.over)


@dataclass(frozen=True)
class IoU:
    """Intersection over union of one class.

    Args:
        label: The class.
        column: As for `MeanIoU`, and so the others.
        ignore: See there.
        over: See there.
    """

    label: int
    column: str = "mask"
    ignore: int = _IGNORE
    over: Over = "set"

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        _check(self.over)

    @property
    def name(self) -> str:
        """``iou:1``."""
        return spelled("iou", self)

    def prepare(self, outputs: Any, references: Any) -> Grader | SetGrader:
        """See `MeanIoU.prepare`."""
        pixels = _Pixels.read(self, outputs, references)
        known = np.unique(pixels.true.values[:, 0])
        if self.label not in known:
            raise MetricError(
                f"{self.name} finds no pixel of {self.label} in the references: give one of "
                f"{', '.join(map(str, known))}"
            )
        return _grader(pixels, partial(_iou, label=self.label), self.over)


@dataclass(frozen=True)
class _Accuracy(ABC):
    """What `PixelAccuracy` and `MeanAccuracy` are set by.

    Args:
        column: As for `MeanIoU`, and so the others.
        ignore: See there.
        over: See there.
    """

    column: str = "mask"
    ignore: int = _IGNORE
    over: Over = "set"
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        _check(self.over)

    @property
    def name(self) -> str:
        """``pixel_accuracy``, ``mean_accuracy``."""
        return spelled(self.kind, self)

    def prepare(self, outputs: Any, references: Any) -> Grader | SetGrader:
        """See `MeanIoU.prepare`."""
        return _grader(_Pixels.read(self, outputs, references), self.value, self.over)

    @abstractmethod
    def value(self, counts: ByClass) -> Floats:
        """The quality of several sets; shape (sets,)."""


@dataclass(frozen=True)
class PixelAccuracy(_Accuracy):
    """The share of pixels that are right."""

    kind = "pixel_accuracy"

    def value(self, counts: ByClass) -> Floats:
        """See `Value`."""
        return counts.accuracy


@dataclass(frozen=True)
class MeanAccuracy(_Accuracy):
    """The mean over classes of the share of each class's pixels that are found."""

    kind = "mean_accuracy"

    def value(self, counts: ByClass) -> Floats:
        """See `Value`."""
        return known_mean(counts.recall)


def _mean_iou(counts: ByClass, judged: npt.NDArray[np.bool_]) -> Floats:
    return known_mean(np.where(judged, counts.iou, np.nan))


def _iou(counts: ByClass, label: int) -> Floats:
    found: Floats = counts.iou[:, label]
    return found


def _check(over: str) -> None:
    if over not in get_args(Over):
        raise InputError(f"over is {over!r}: give {' or '.join(get_args(Over))}")


@dataclass(frozen=True, kw_only=True)
class _Pixels:
    """Label maps, and how many pixels of each class there are.

    Args:
        outputs: A map a row.
        references: Likewise.
        true: Of each sample, the classes it has and how many pixels of each; (classes, 2) a row.
        classes: Labels are 0 to one less.
        ignore: Label of reference pixels that do not count.
        metric: Who asks.
    """

    outputs: Ragged
    references: Ragged
    true: Ragged
    classes: int
    ignore: int
    metric: str

    @classmethod
    def read(
        cls, metric: Any, outputs: Any, references: Any, classes: int | None = None
    ) -> "_Pixels":
        """Check both, and count the references' pixels once."""
        maps = []
        for held, where in ((outputs, "outputs"), (references, "references")):
            found = column(held, metric.column, metric.name, where, "name another by column=NAME")
            maps.append(rows_of(found, "iub", metric.name, where, _WANTED))
        counted = []
        for one in maps[1]:
            labels = one.astype(np.int64)
            kept = labels[labels != metric.ignore]
            wrong = kept[(kept < 0) | (kept >= (classes or _MOST))]
            if len(wrong):
                raise MetricError(
                    f"{metric.name} found a reference of label {wrong[0]}: give labels from 0 to "
                    f"{(classes or _MOST) - 1}, or say which is to be ignored"
                )
            counted.append(_sparse(np.bincount(kept)))
        true = Ragged.of(counted, np.int64, 2)
        return cls(
            outputs=maps[0],
            references=maps[1],
            true=true,
            classes=classes or int(true.values[:, 0].max(initial=0)) + 1,
            ignore=metric.ignore,
            metric=metric.name,
        )

    @property
    def counts(self) -> int:
        """Those of `ByClass`."""
        return how_many(self.classes)

    def absent(self, samples: Int32s) -> Entries:
        """A pixel without an answer is of its class all the same."""
        return _entries(self.true.take(samples))

    def gained(self, samples: Int32s, outputs: Int32s) -> Entries:
        """Pixels are answered to be of a class, and may be right."""
        return _entries(self._pairs(samples, outputs))

    @cached_property
    def _pairs(self) -> Remembered[Ragged]:
        return Remembered(self._compared)

    def _compared(self, samples: Int32s, outputs: Int32s) -> Ragged:
        """What is answered, as entries; (entries, 2) a pair."""
        pairs = zip(samples.tolist(), outputs.tolist(), strict=True)
        return Ragged.of((self._compare(*pair) for pair in pairs), np.int64, 2)

    def _compare(self, sample: int, output: int) -> Int64s:
        true = self.references[sample].astype(np.int64)
        given = self.outputs[output].astype(np.int64)
        if true.shape != given.shape:
            raise MetricError(
                f"{self.metric} has an answer of {len(given):,} pixels for sample {sample} of "
                f"{len(true):,}: give maps of one size"
            )
        counts = true != self.ignore
        true, given = true[counts], given[counts]
        given[(given < 0) | (given > self.classes)] = self.classes
        return _sparse(np.bincount(answered(given, true, self.classes)))


def _sparse(counts: Int64s) -> Int64s:
    """Which counts are not 0, and what they are; shape (entries, 2)."""
    at = np.flatnonzero(counts)
    return np.stack([at, counts[at]], axis=1)


def _entries(rows: Ragged) -> Entries:
    row = np.repeat(np.arange(len(rows)), rows.lengths)
    return Entries(row, rows.values[:, 0], rows.values[:, 1])


def _grader(pixels: _Pixels, value: Value, over: Over) -> Grader | SetGrader:
    return _MaskGrader(pixels, value) if over == "set" else _ByImage(pixels, value)


@dataclass(frozen=True)
class _ByImage:
    pixels: _Pixels
    value: Value

    @cached_property
    def _counted(self) -> Counted:
        return Counted(self.pixels)

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """Each image by itself; an answer where there is nothing to find is right."""
        worth = np.zeros(len(samples))
        for first in range(0, len(samples), _ROWS):
            some = slice(first, first + _ROWS)
            there = first + np.flatnonzero(outputs[some] >= 0)
            counts = ByClass.of(self._counted.by_row(samples[there], outputs[there]))
            worth[there] = np.nan_to_num(self.value(counts), nan=1.0)
        return worth


@dataclass(frozen=True)
class _MaskGrader(_ByImage):
    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """All images together."""
        return self.value(ByClass.of(self._counted.totals(arrivals, deadlines_ns)))
