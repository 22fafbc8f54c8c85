"""Precision and recall of one category at every deadline: counted, not sorted again.

A detection has one place in the ranking, at whichever deadlines it is there. So the rank of each
that finds an object follows from how many before it are there: a table of places by deadlines,
summed along both. The rules are those of ``COCOeval.accumulate`` in pycocotools.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.quality.base import Floats
from tailmark.quality.detection.boxes import begins
from tailmark.quality.detection.ranking import Ranking
from tailmark.quality.detection.shown import Shown
from tailmark.records.model import Int64s

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads the precision."""

_CELLS = 1 << 17
"""Places × thresholds × deadlines that are counted at once: they stay in the cache."""


def recall(ranking: Ranking, shown: Shown, objects: Int64s) -> Floats:
    """The share of the objects that are found, whatever the score; the mean over thresholds.

    Args:
        ranking: Of one category.
        shown: When the answers are there.
        objects: How many are to be found at each deadline, shape (deadlines,).

    Returns:
        Shape (deadlines,); 0 where there are no objects.
    """
    share: Floats = _found(ranking, shown).mean(axis=0) / np.maximum(objects, 1)
    return share


def average_precision(ranking: Ranking, shown: Shown, objects: Int64s) -> Floats:
    """The precision at 101 recalls, each time the best from there on; the mean over thresholds.

    Args:
        ranking: Of one category.
        shown: When the answers are there.
        objects: How many are to be found at each deadline, shape (deadlines,).

    Returns:
        Shape (deadlines,); 0 where there are no objects.
    """
    changes = shown.changes(ranking.answer) | begins(objects)
    total = _total(ranking, shown.only(changes), objects[changes])
    mean: Floats = total[np.cumsum(changes) - 1] / (len(RECALLS) * len(ranking.first))
    return mean


def _total(ranking: Ranking, shown: Shown, objects: Int64s) -> Floats:
    """The sum of the precisions that are read, at all thresholds; shape (deadlines,).

    From what is found last to what is found first, a precision being the best from there on.
    """
    places = len(ranking.at)
    there = _ended(shown.at_each(ranking.at).astype(np.int32), 0)
    count = shown.counted(ranking.answer, ranking.before, places).cumsum(axis=0)
    count = _ended(count.astype(np.float64), np.inf)
    out = shown.at_each(ranking.ignored).cumsum(axis=0, dtype=np.float64)
    out = np.concatenate([np.zeros((1, shown.deadlines)), out])
    readings, shift = _readings(objects)
    rank = _found(ranking, shown).astype(np.int32)
    best, total = np.zeros(rank.shape), np.zeros(rank.shape)
    at_once = max(1, _CELLS // rank.size)
    for begin in reversed(range(0, len(ranking.found), at_once)):
        rows = slice(begin, begin + at_once)
        some = slice(np.flatnonzero(ranking.found[begin] < places)[-1] + 1)
        found = ranking.found[rows, some]
        new = there.take(found, axis=0)
        ranks = new.copy()
        rank[some] -= new.sum(axis=0, dtype=np.int32)
        _run(np.add, ranks, rank[some])
        precision = count.take(found, axis=0)
        if len(ranking.ignored):
            precision -= out.take(ranking.passed[rows, some], axis=0)
            precision += out.take(ranking.first[some], axis=0)
        if precision[0].min() < 1:  # none is there yet, of which none is found
            np.maximum(precision, 1, out=precision)
        np.divide(ranks, precision, out=precision)
        best[some] = _run(np.maximum, precision[::-1], best[some])
        ranks *= new
        if len(readings) > 1:
            ranks += shift
        total[some] += np.einsum("ptd,ptd->td", readings.take(ranks), precision)
    read: Floats = total.sum(axis=0)
    return read


def _readings(objects: Int64s) -> tuple[Floats, Int64s]:
    """How often the precision is read where the k-th object is found.

    It is read at the first k with k / objects ≥ recall, as floating-point numbers compare; not
    at all at k = 0.

    Args:
        objects: How many are to be found at each deadline, shape (deadlines,).

    Returns:
        A row for k from 0 on for each number of objects there is, and where each deadline's row
        begins in all of them together.
    """
    several, which = np.unique(objects, return_inverse=True)
    count = np.maximum(several, 1)[:, None]
    first = np.ceil(RECALLS * count).astype(np.int64)
    first -= (first - 1) / count >= RECALLS
    first += first / count < RECALLS
    readings = np.zeros((len(several), count.max() + 1))
    np.add.at(readings, (np.arange(len(several))[:, None], np.maximum(first, 1)), 1.0)
    return readings, (which * readings.shape[1]).astype(np.int32)


def _found(ranking: Ranking, shown: Shown) -> Int64s:
    """How many objects are found at each threshold; shape (thresholds, deadlines)."""
    row, threshold = np.nonzero(ranking.found < len(ranking.at))
    answers = ranking.at[ranking.found[row, threshold]]
    return shown.counted(answers, threshold, len(ranking.first))


def _ended(rows: npt.NDArray[Any], value: float) -> npt.NDArray[Any]:
    """The rows, and after them one of nothing but this value."""
    return np.append(rows, np.full_like(rows, value, shape=(1, rows.shape[1])), axis=0)


def _run(ufunc: np.ufunc, rows: npt.NDArray[Any], last: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``ufunc.accumulate`` along the first axis, in place, beginning with ``last``.

    Rows are long, so that a call for each is several times faster than accumulate.
    """
    for row in rows:
        ufunc(last, row, out=row)
        last = row
    return last
