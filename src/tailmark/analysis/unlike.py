"""Which samples two runs answer otherwise.

Two runs seldom compute the same bits, so what is another answer depends on what answers are: of
ranked labels or items, another first one; of boxes, one that has no partner in the other answer; of
whole numbers and texts, any other; of a mask or real numbers, more than a thousandth.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.analysis.answered import Answered, Bools, boxes_of, has_boxes, label_of
from tailmark.analysis.matched_boxes import match_boxes
from tailmark.records.model import Column
from tailmark.records.ragged import Ragged

TOLERANCE = 1e-3
"""Numbers are alike that differ by no more than this share of the largest in the answer, and
arrays of whole numbers in which no more than this share of them differ."""


def flips(a: Answered, b: Answered) -> Bools:
    """Samples answered otherwise, or in one of them only, of those sent in both; shape (samples,).

    Raises:
        MetricError: Answers are boxes, and cannot be read.
    """
    found = np.not_equal(a.there, b.there) & a.sent & b.sent
    both = np.flatnonzero(a.there & b.there)
    if both.size:
        found[both] = unlike(a.taken(both), b.taken(both))
    return found


def unlike(a: Mapping[str, Column], b: Mapping[str, Column]) -> Bools:
    """Which rows of two tables of answers are other answers; shape (rows,).

    Raises:
        MetricError: Answers are boxes, and cannot be read.
    """
    rows = len(next(iter(a.values()), ()))
    if a.keys() != b.keys():
        return np.ones(rows, dtype=np.bool_)
    found: Bools = np.zeros(rows, dtype=np.bool_)
    one, other = label_of(a), label_of(b)
    told = False
    if one is not None and other is not None:
        told = True
        found |= np.not_equal(one, other)
    if has_boxes(a) and has_boxes(b):
        told = True
        boxes = match_boxes(boxes_of(a), boxes_of(b))
        found |= np.greater(boxes.only_a + boxes.only_b, 0)
    if not told:
        for name in a:
            found |= _rows_differ(a[name], b[name])
    return found


def _rows_differ(one: Column, other: Column) -> Bools:
    if isinstance(one, Ragged) and isinstance(other, Ragged):
        pairs = zip(one, other, strict=True)
        return np.array([a.shape != b.shape or _differ(a[None], b[None])[0] for a, b in pairs])
    if isinstance(one, Ragged) or isinstance(other, Ragged) or one.shape != other.shape:
        return np.ones(len(one), dtype=np.bool_)
    return _differ(one, other)


def _differ(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Bools:
    """Row by row."""
    one, other = (x.reshape(len(x), -1) for x in (one, other))
    if not one.shape[1]:
        return np.zeros(len(one), dtype=np.bool_)
    equal = np.equal(one, other)
    if not {one.dtype.kind, other.dtype.kind} & set("fc"):
        return np.asarray(equal.mean(axis=1) < 1 - TOLERANCE)
    equal |= np.isnan(one) & np.isnan(other)
    sizes = np.stack([np.where(np.isfinite(x), np.abs(x), 0) for x in (one, other)])
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(equal, 0, np.abs(one - other))
    near = off <= TOLERANCE * sizes.max(axis=(0, 2))[:, None]
    return np.asarray(~near.all(axis=1))
