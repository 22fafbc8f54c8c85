"""Detections that were matched elsewhere: which found an object is known, their boxes are not.

Average precision here is that of YOLOv5 and what descends from it (``ap_per_class``, after Padilla
et al., A Survey on Performance Metrics for Object-Detection Algorithms, 2020): the best precision
from each recall on, joined by straight lines and integrated by trapezoids at 101 recalls. COCO
reads steps at the same recalls, so the two differ a little on the same matches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Arrivals, Floats, SetGrader, column, score_answers
from tailmark.quality.reading import rows_of
from tailmark.quality.score import Addressed
from tailmark.records.model import NEVER, Int32s, Int64s
from tailmark.records.ragged import Ragged

Bools = npt.NDArray[np.bool_]

Kind = Literal["ap50", "recall"]

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where the precision is read."""

_WAY_OUT = "import results that hold it"
_COLUMNS = {
    "found": ("b", "true or false for each detection"),
    "scores": ("f", "the scores of detections"),
    "categories": ("iu", "the categories of detections"),
}


@dataclass(frozen=True)
class Matched:
    """A number that sums matches up, the mean over the categories that have objects.

    Args:
        kind: ``ap50``, or ``recall``: the share of the objects that are found, whatever the score.

    Raises:
        InputError: Another kind.
    """

    kind: Kind

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.kind not in get_args(Kind):
            raise InputError(f"kind {self.kind!r} of matches: give {', '.join(get_args(Kind))}")

    @property
    def name(self) -> str:
        """``matched_ap50``."""
        return f"matched_{self.kind}"

    def prepare(self, outputs: Any, references: Any) -> SetGrader:
        """See `Metric.prepare`.

        Args:
            outputs: By column, a row an output: ``scores`` and ``categories`` of its detections,
                and ``found``: whether each found an object of its category at an IoU of 0.5 (where
                it is told for several, at the first). Where a column ``sample`` says which sample
                each answers, none is taken for an answer to another.
            references: The categories of each sample's objects.
        """
        found, scores, category = (self._read(outputs, name) for name in _COLUMNS)
        for other in (scores, category):
            if not np.array_equal(other.starts, found.starts):
                raise MetricError(
                    f"{self.name} has {len(found.values)} detections that were matched and the "
                    f"scores or categories of {len(other.values)}: give those of each"
                )
        if not np.isfinite(scores.values).all():
            raise MetricError(f"{self.name} found scores that are not finite: give numbers")
        objects = rows_of(references, "iu", self.name, "references", "the categories of objects")
        categories, index = np.unique(objects.values, return_inverse=True)
        known = np.isin(category.values, categories)
        place = np.searchsorted(categories, category.values)
        matches = _Matches(
            found=found.values.astype(np.bool_) & known,
            score=scores.values,
            category=np.where(known, place, len(categories)),
            starts=found.starts,
            objects=Ragged(index.astype(np.int64), objects.starts),
            categories=len(categories),
        )
        return _MatchedGrader(self.kind, matches, Addressed.of(outputs, self.name))

    def _read(self, outputs: Any, name: str) -> Ragged:
        held = column(outputs, name, self.name, "outputs", _WAY_OUT)
        if isinstance(held, Ragged) and held.values.ndim > 1:
            held = Ragged(held.values[:, 0], held.starts)
        kinds, wanted = _COLUMNS[name]
        return rows_of(held, kinds, self.name, "outputs", wanted)


@dataclass(frozen=True, kw_only=True)
class _Matches:
    """What became of the detections of all outputs.

    Args:
        found: Whether each found an object, shape (detections,).
        score: Likewise.
        category: Index of its category; the number of categories where no sample has objects of it.
        starts: Where each output's begin, and the end of the last.
        objects: Indices of the categories of each sample's objects.
        categories: How many there are.
    """

    found: Bools
    score: Floats
    category: Int64s
    starts: Int64s
    objects: Ragged
    categories: int

    def of(self, outputs: Int32s) -> Ragged:
        """Which detections these outputs have."""
        return Ragged(np.arange(len(self.score)), self.starts).take(outputs)

    def ranked(self, samples: Int32s, outputs: Int32s) -> list[tuple[Int64s, Bools]]:
        """Of each category's detections, the highest score first: the answer, and whether it found.

        Equal scores are in the order of their samples.

        Args:
            samples: What each answer is to, shape (answers,).
            outputs: Likewise, the answers.
        """
        detections = self.of(outputs)
        answer = np.repeat(np.arange(len(outputs)), detections.lengths)
        score, category = self.score[detections.values], self.category[detections.values]
        order = np.lexsort((samples[answer], -score, category))
        ends = np.searchsorted(category[order], np.arange(self.categories + 1))
        by_category = [order[begin:end] for begin, end in pairwise(ends.tolist())]
        return [(answer[some], self.found[detections.values[some]]) for some in by_category]


@dataclass(frozen=True)
class _MatchedGrader:
    kind: Kind
    matches: _Matches
    addressed: Addressed

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """The share of each sample's objects that are found; of none, all."""
        self.addressed.check(samples, outputs)
        return score_answers(samples, outputs, self._share)

    def _share(self, samples: Int32s, outputs: Int32s) -> Floats:
        objects = self.matches.objects.lengths[samples]
        detections = self.matches.of(outputs)
        hits = np.concatenate([[0], np.cumsum(self.matches.found[detections.values])])
        found = np.diff(hits[detections.starts])
        share = np.divide(found, objects, out=np.ones(len(samples)), where=objects > 0)
        return np.minimum(share, 1.0)

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """See `SetGrader.by_deadline`."""
        samples = arrivals.sample[arrivals.row]
        self.addressed.check(samples, arrivals.output)
        ranked = self.matches.ranked(samples, arrivals.output)
        objects = self.matches.objects.take(arrivals.sample)
        row = np.repeat(np.arange(len(arrivals.sample)), objects.lengths)
        counts = np.ones(len(arrivals.sample), dtype=np.bool_)
        found = np.empty(len(deadlines_ns))
        for k, there in enumerate(_there(arrivals, deadlines_ns)):
            if arrivals.left_out:
                counts[:] = False
                counts[arrivals.row[there]] = True
            of_each = np.bincount(objects.values[counts[row]], minlength=self.matches.categories)
            found[k] = self._mean([hits[there[answer]] for answer, hits in ranked], of_each)
        return found

    def _mean(self, found: list[Bools], objects: Int64s) -> float:
        """Over the categories that have objects."""
        worth = average_precision if self.kind == "ap50" else recall_of
        several = [worth(*one) for one in zip(found, objects.tolist(), strict=True) if one[1]]
        return sum(several) / len(several) if several else np.nan


def _there(arrivals: Arrivals, deadlines_ns: Int64s) -> Iterator[Bools]:
    """Which answers are there at each deadline, and are not yet replaced; shape (answers,)."""
    since, until = arrivals.at_ns, arrivals.until(arrivals.at_ns, NEVER)
    for deadline in deadlines_ns:
        yield (since <= deadline) & (deadline < until)


def average_precision(found: Bools, objects: int) -> float:
    """Of one category.

    Args:
        found: Whether each detection found an object, the highest score first.
        objects: How many there are to be found, above 0.
    """
    if not len(found):
        return 0.0
    hits = np.cumsum(found)
    recall = np.concatenate([[0.0], hits / objects, [1.0]])
    precision = np.concatenate([[1.0], hits / np.arange(1, len(hits) + 1), [0.0]])
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.trapezoid(np.interp(RECALLS, recall, best), RECALLS))


def recall_of(found: Bools, objects: int) -> float:
    """Of one category; the arguments are those of `average_precision`."""
    return min(1.0, float(found.sum() / objects))


ap50 = Matched("ap50")
recall = Matched("recall")
