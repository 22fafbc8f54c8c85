"""The detections of several answers in the order of their scores, category by category.

Precision is read only where an object is found. So these places are kept, and of the other
detections which place they come before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np

from tailmark.quality.detection.boxes import Bools, Detections, begins, places
from tailmark.quality.detection.matching import EVERY, Bits
from tailmark.quality.detection.overlap import IOUS
from tailmark.records.model import Int32s, Int64s
from tailmark.records.ragged import Ragged


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One category's detections, the highest score first.

    A *place* is a detection that finds an object at any threshold. Those after the last place
    are left out, and so are those that are ignored at every threshold.

    Args:
        answer: Which answer each detection belongs to, shape (detections,).
        before: The place that each is, or comes before, likewise.
        at: Which answer each place belongs to, shape (places,).
        found: The places where each threshold finds an object, in their order; filled up with the
            number of places. Shape (most found at a threshold, thresholds).
        ignored: Which answers the detections ignored at the first threshold belong to, at the
            second and so on, each in their order; shape (ignored,).
        passed: Where in ``ignored`` those of the threshold end that come before what is found;
            shaped as ``found``.
        first: Where those of each threshold begin, shape (thresholds,).
    """

    answer: Int64s
    before: Int64s
    at: Int64s
    found: Int64s
    ignored: Int64s
    passed: Int64s
    first: Int64s

    def only(self, thresholds: Bools) -> Self:
        """At some of the thresholds."""
        found = self.found[:, thresholds]
        rows = (found < len(self.at)).any(axis=1)
        return replace(
            self,
            found=found[rows],
            passed=self.passed[rows][:, thresholds],
            first=self.first[thresholds],
        )


def rank(
    detections: Detections, outputs: Int32s, outcomes: Ragged, categories: int, most: int
) -> list[Ranking]:
    """Rank the detections of several answers; equal scores stay in the order of the answers.

    Args:
        detections: Of all outputs.
        outputs: Which output each answer is, shape (answers,).
        outcomes: What became of each one's detections, as `match` has it.
        categories: How many there are.
        most: How many detections of an answer and category are looked at.
    """
    chosen = detections.of(outputs)
    found, ignored = outcomes.values.T
    counts = np.flatnonzero((detections.rank[chosen.values] < most) & (ignored != EVERY))
    answer = np.repeat(np.arange(len(outputs)), chosen.lengths)[counts]
    detection = chosen.values[counts]
    category = detections.category[detection]
    order = np.lexsort((-detections.score[detection], category))
    ends = np.searchsorted(category[order], np.arange(categories + 1))
    return list(_each(answer[order], found[counts[order]], ignored[counts[order]], ends))


def _each(answers: Int64s, found: Bits, ignored: Bits, ends: Int64s) -> Iterator[Ranking]:
    for begin, end in pairwise(ends.tolist()):
        place = begin + np.flatnonzero(found[begin:end])
        last = place[-1] + 1 if len(place) else begin
        before = np.repeat(np.arange(len(place)), np.diff(place, prepend=begin - 1))
        out = np.flatnonzero(ignored[begin:last])
        threshold, which = np.nonzero(_flags(ignored[begin:last][out]))
        first = np.searchsorted(threshold, np.arange(len(IOUS) + 1))
        at, where = _columns(_flags(found[place])), before[out[which]]
        passed = [
            start + np.searchsorted(where[start:stop], column, side="right")
            for (start, stop), column in zip(pairwise(first.tolist()), at.T, strict=True)
        ]
        yield Ranking(
            answer=answers[begin:last],
            before=before,
            at=answers[place],
            found=at,
            ignored=answers[begin:last][out[which]],
            passed=np.stack(passed, axis=1),
            first=first[:-1],
        )


def _flags(bits: Bits) -> Bools:
    """Which outcomes have the bit of each threshold; shape (thresholds, outcomes)."""
    return (bits >> np.arange(len(IOUS), dtype=np.uint16)[:, None] & 1).astype(np.bool_)


def _columns(flags: Bools) -> Int64s:
    """Where each row's flags are set, as a column; it is filled up with the length of the rows."""
    row, place = np.nonzero(flags)
    columns = np.full((flags.sum(axis=1).max(initial=0), len(flags)), flags.shape[1])
    columns[places(begins(row)), row] = place
    return columns
