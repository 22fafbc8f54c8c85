"""Boxes as people have them, made ready to be matched: checked, in float64, sorted.

Knows no matching: only which boxes there are, of what, and in which order COCO looks at them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tailmark.errors import MetricError
from tailmark.quality.base import Floats, column
from tailmark.records.model import Int64s
from tailmark.records.ragged import Ragged

Bools = npt.NDArray[np.bool_]

Area = Literal["all", "small", "medium", "large"]
"""A range of areas that counts."""

AREAS: dict[Area, tuple[float, float]] = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
"""In square pixels, both ends within: ``Params.setDetParams`` of pycocotools."""

MOST = 100
"""No more detections of an image and category are looked at: the largest of COCO's ``maxDets``."""

DETECTED = ("boxes", "scores", "categories")
"""Columns of outputs."""

TRUE = ("boxes", "categories", "crowd", "areas", "ignore")
"""Columns of references; the last three may be missing."""

_KINDS = {"f": "iuf", "i": "iu", "b": "biu"}


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Of all outputs: output by output, category by category, the highest score first.

    Equal scores stay in the order in which they were given.

    Args:
        box: x, y, width and height, shape (detections, 4).
        score: Shape (detections,).
        category: Index of the category, likewise.
        rank: How many of its output and category come before it, likewise; below `MOST`.
        starts: Where each output's begin, and the end of the last; shape (outputs + 1,).
    """

    box: Floats
    score: Floats
    category: Int64s
    rank: Int64s
    starts: Int64s

    def of(self, outputs: npt.NDArray[np.integer[Any]]) -> Ragged:
        """Which detections these outputs have."""
        return Ragged(np.arange(len(self.score)), self.starts).take(outputs)


@dataclass(frozen=True, kw_only=True)
class Objects:
    """The ground truth of all samples: sample by sample, category by category.

    Args:
        box: x, y, width and height, shape (objects, 4).
        category: Index of the category, shape (objects,).
        area: In square pixels, likewise; infinite where the object is to be ignored.
        crowd: Whether it is a crowd, likewise.
        starts: Where each sample's begin, and the end of the last; shape (samples + 1,).
        categories: What each category's index stands for, ascending, shape (categories,).
    """

    box: Floats
    category: Int64s
    area: Floats
    crowd: Bools
    starts: Int64s
    categories: Int64s

    @cached_property
    def key(self) -> Int64s:
        """Each object's sample and category as one number, ascending."""
        sample = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        return self.key_of(sample, self.category)

    def key_of(self, sample: Int64s, category: Int64s) -> Int64s:
        """A sample and a category as one number."""
        return sample * len(self.categories) + category

    def counted(self, area: Area) -> Bools:
        """Which objects are to be found; the others are ignored."""
        return ~self.crowd & within(self.area, area)


def begins(*columns: Int64s) -> Bools:
    """Where a run of equal rows begins."""
    first = np.ones(len(columns[0]), dtype=np.bool_)
    first[1:] = np.any([one[1:] != one[:-1] for one in columns], axis=0)
    return first


def places(first: Bools) -> Int64s:
    """The place of each row in its run, from 0.

    Args:
        first: Where a run begins.
    """
    row = np.arange(len(first))
    return row - np.maximum.accumulate(np.where(first, row, 0))


def within(areas: Floats, area: Area) -> Bools:
    """Which areas lie in the range."""
    low, high = AREAS[area]
    return (areas >= low) & (areas <= high)


def read_objects(references: Any, metric: str) -> Objects:
    """The ground truth.

    Args:
        references: By column, or one mapping a sample: ``boxes``, ``categories``, and where they
            are known ``crowd``, ``areas`` and ``ignore``.
        metric: Who asks.

    Raises:
        MetricError: A column is missing, of another shape or kind, or not finite.
    """
    table = _Table(references, metric, "references", "measure a workload of kind coco")
    boxes = table.read("boxes", "f", 4)
    category = table.read("categories", "i", like=boxes).values
    box = boxes.values
    area = table.read_if_any("areas", "f", like=boxes, default=box[:, 2] * box[:, 3])
    crowd = table.read_if_any("crowd", "b", like=boxes, default=np.zeros(len(box), dtype=np.bool_))
    ignore = table.read_if_any("ignore", "b", like=boxes, default=np.zeros_like(crowd))
    categories, index = np.unique(category, return_inverse=True)
    sample = np.repeat(np.arange(len(boxes)), boxes.lengths)
    order = np.lexsort((index, sample))
    return Objects(
        box=box[order],
        category=index[order],
        area=np.where(ignore, np.inf, area)[order],
        crowd=crowd[order],
        starts=boxes.starts,
        categories=categories,
    )


def read_detections(outputs: Any, categories: Int64s, metric: str) -> Detections:
    """What was detected of these categories, and is looked at.

    Args:
        outputs: By column, or one mapping an output: ``boxes``, ``scores``, ``categories``.
        categories: Those of the ground truth, ascending.
        metric: Who asks.

    Raises:
        MetricError: A column is missing, of another shape or kind, or not finite.
    """
    table = _Table(outputs, metric, "outputs", "measure with a decoder of boxes")
    boxes = table.read("boxes", "f", 4)
    score = table.read("scores", "f", like=boxes).values
    category = table.read("categories", "i", like=boxes).values
    known = np.flatnonzero(np.isin(category, categories))
    index = np.searchsorted(categories, category[known])
    output = np.repeat(np.arange(len(boxes)), boxes.lengths)[known]
    order = np.lexsort((-score[known], index, output))
    known, index, output = known[order], index[order], output[order]
    rank = places(begins(output, index))
    kept = rank < MOST
    return Detections(
        box=boxes.values[known[kept]],
        score=score[known[kept]],
        category=index[kept],
        rank=rank[kept],
        starts=np.searchsorted(output[kept], np.arange(len(boxes) + 1)),
    )


@dataclass(frozen=True)
class _Table:
    """Columns by name, or a mapping for each row."""

    held: Any
    metric: str
    where: str
    way_out: str

    def __post_init__(self) -> None:
        rows = self.held
        if isinstance(rows, Mapping):
            return
        if not isinstance(rows, Sequence) or not all(isinstance(one, Mapping) for one in rows):
            raise MetricError(
                f"{self.metric} cannot read {self.where} of {type(rows).__name__}: give columns "
                "by name, or a list of one mapping a sample"
            )

    def read(self, name: str, kind: str, width: int = 0, *, like: Ragged | None = None) -> Ragged:
        """One column, checked; rows as long as those of ``like``."""
        if isinstance(self.held, Mapping):
            values = column(self.held, name, self.metric, self.where, self.way_out)
        else:
            values = [column(one, name, self.metric, self.where, self.way_out) for one in self.held]
        found = self._checked(values, name, kind, (width,) if width else ())
        if like is None:
            return found
        if len(found) != len(like):
            raise MetricError(
                f"{self.metric} has {self.where} of {len(like)} rows of boxes and {len(found)} of "
                f"{name}: give one of each a sample"
            )
        unlike = np.flatnonzero(found.lengths != like.lengths)
        if len(unlike):
            row = int(unlike[0])
            raise MetricError(
                f"{self.metric} has {like.lengths[row]} boxes and {found.lengths[row]} {name} in "
                f"row {row} of the {self.where}: give one for each box"
            )
        return found

    def read_if_any(
        self, name: str, kind: str, *, like: Ragged, default: npt.NDArray[Any]
    ) -> npt.NDArray[Any]:
        """The values of a column that may be missing, of the default's type."""
        if isinstance(self.held, Mapping):
            return self.read(name, kind, like=like).values if name in self.held else default
        usual = Ragged(default, like.starts)
        rows = [one.get(name, usual[row]) for row, one in enumerate(self.held)]
        return _Table({name: rows}, self.metric, self.where, "").read(name, kind, like=like).values

    def _checked(self, values: Any, name: str, kind: str, inner: tuple[int, ...]) -> Ragged:
        ragged = isinstance(values, Ragged)
        rows = [values.values] if ragged else [self._array(row, name) for row in values]
        for row in rows:
            fits = row.dtype.kind in _KINDS[kind] and row.shape[1:] == inner
            if row.ndim == 0 or (row.size and not fits):
                shape = ", ".join(["n", *map(str, inner)])
                raise MetricError(
                    f"{self.metric} cannot read {name} of {row.dtype} and shape {row.shape} in "
                    f"the {self.where}: give {_WANTED[kind]} of shape ({shape})"
                )
            if kind == "f" and not np.isfinite(row).all():
                raise MetricError(
                    f"{self.metric} found {row[~np.isfinite(row)][0]} among the {name} of the "
                    f"{self.where}: give finite numbers"
                )
        if ragged:
            return Ragged(values.values.astype(_TYPES[kind], copy=False), values.starts)
        return Ragged.of(rows, _TYPES[kind], *inner)

    def _array(self, row: Any, name: str) -> npt.NDArray[Any]:
        try:
            return np.asarray(row)
        except ValueError:
            raise MetricError(
                f"{self.metric} found {name} of rows of different lengths in the {self.where}: "
                "give as many numbers for each"
            ) from None


_TYPES: dict[str, npt.DTypeLike] = {"f": np.float64, "i": np.int64, "b": np.bool_}
_WANTED = {"f": "numbers", "i": "whole numbers", "b": "true or false"}
