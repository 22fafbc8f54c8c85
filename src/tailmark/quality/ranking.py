"""Ranked lists against what is relevant: recommendations, search results.

Each list is worth what it is by itself, and quality is the mean. A list for which nothing is
relevant is worth 0. An item that is listed twice counts at its first place only, and what is listed
behind place k does not count.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Floats, Grader, column, score_answers
from tailmark.quality.by_class import ratio
from tailmark.quality.reading import rows_of
from tailmark.quality.spelling import spelled
from tailmark.records.model import Int32s, Int64s
from tailmark.records.ragged import Ragged

_NONE = -1
_WAY_OUT = "measure with decode: {kind: labels}, or give ranked items"
_WANTED = "the integers of items, a row for each list"


@dataclass(frozen=True)
class Ranking(ABC):
    """A metric of ranked lists.

    Args:
        k: How many places of each list count; None for all.

    Raises:
        InputError: k is less than 1.
    """

    k: int | None = None
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.k is not None and self.k < 1:
            raise InputError(f"k is {self.k!r}: give 1 or more, the places of a list that count")

    @property
    def name(self) -> str:
        """``ndcg@10``."""
        return spelled(self.kind, self)

    def prepare(self, outputs: Any, references: Any) -> Grader:
        """See `Metric.prepare`.

        Args:
            outputs: A run's ``items``, best first: integers of shape (outputs, places), where -1 is
                none, or `Ragged`.
            references: The relevant items of each sample: `Ragged`, integers of shape (samples,) or
                (samples, n), where -1 is none. Or by column ``items`` and ``gains``: how relevant
                each is, from 0; else all are alike.
        """
        return _grader(self, outputs, references)

    @abstractmethod
    def worth(self, found: "Found") -> Floats:
        """Of each list, from 0 to 1; shape (rows,)."""


@dataclass(frozen=True)
class Precision(Ranking):
    """The share of the k best that is relevant: hits ÷ k; of all places, ÷ the list's length."""

    kind = "precision"

    def worth(self, found: "Found") -> Floats:
        """See `Ranking.worth`."""
        places = found.length if self.k is None else np.full(len(found.hits), float(self.k))
        return ratio(found.hits, places, 0.0)


@dataclass(frozen=True)
class Recall(Ranking):
    """The share of what is relevant that is among the k best: hits ÷ relevant."""

    kind = "recall"

    def worth(self, found: "Found") -> Floats:
        """See `Ranking.worth`."""
        return ratio(found.hits, found.relevant, 0.0)


@dataclass(frozen=True)
class Ndcg(Ranking):
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, 2002).

    Each item gains its relevance ÷ log2(1 + its place); quality is that over what the best list of
    k would gain. Gains are linear, as in scikit-learn's ``ndcg_score``.
    """

    kind = "ndcg"

    def worth(self, found: "Found") -> Floats:
        """See `Ranking.worth`."""
        gained = np.bincount(found.row, found.gain * _discount(found.place), len(found.hits))
        return np.minimum(ratio(gained, found.ideal, 0.0), 1.0)


@dataclass(frozen=True)
class ReciprocalRank(Ranking):
    """One over the place of the first relevant item; 0 where none is among the k best."""

    kind = "mrr"

    def worth(self, found: "Found") -> Floats:
        """See `Ranking.worth`."""
        best = np.zeros(len(found.hits))
        np.maximum.at(best, found.row, 1.0 / (found.place + 1))
        return best


@dataclass(frozen=True)
class HitRate(Ranking):
    """Whether anything relevant is among the k best."""

    kind = "hit_rate"

    def worth(self, found: "Found") -> Floats:
        """See `Ranking.worth`."""
        return (found.hits > 0).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Relevant items in some lists, and what there was to find.

    Args:
        row: Which list each is in, shape (found,).
        place: Where in it, from 0; likewise.
        gain: How relevant it is; likewise.
        hits: How many are in each list, shape (rows,).
        length: How many items each has; likewise.
        relevant: How many are relevant for its sample; likewise.
        ideal: Discounted gain of the best list; likewise.
    """

    row: Int64s
    place: Int64s
    gain: Floats
    hits: Floats
    length: Floats
    relevant: Floats
    ideal: Floats


@dataclass(frozen=True, kw_only=True)
class _RankingGrader:
    """Items are numbered, and a sample's relevant ones are keys in ascending order.

    Args:
        metric: What a list is worth.
        listed: Of each output the numbers of its items that count, -1 for what nobody finds
            relevant.
        length: How many items each output has, shape (outputs,).
        items: How many are numbered.
        key: sample × items + item of whatever is relevant, ascending.
        gain: How relevant; likewise.
        relevant: How many are for each sample, shape (samples,).
        ideal: Discounted gain of the best list; likewise.
    """

    metric: Ranking
    listed: Ragged
    length: Floats
    items: int
    key: Int64s
    gain: Floats
    relevant: Floats
    ideal: Floats

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """What each list is worth."""
        return score_answers(
            samples, outputs, lambda asked, given: self.metric.worth(self._found(asked, given))
        )

    def _found(self, samples: Int32s, outputs: Int32s) -> Found:
        listed = self.listed.take(outputs)
        row = np.repeat(np.arange(len(samples)), listed.lengths)
        place = np.arange(len(row)) - listed.starts[row]
        key = samples.astype(np.int64)[row] * self.items + listed.values
        at = np.searchsorted(self.key, key)
        hit = (listed.values >= 0) & (at < len(self.key))
        hit[hit] = self.key[at[hit]] == key[hit]
        return Found(
            row=row[hit],
            place=place[hit],
            gain=self.gain[at[hit]],
            hits=np.bincount(row[hit], minlength=len(samples)).astype(np.float64),
            length=self.length[outputs],
            relevant=self.relevant[samples],
            ideal=self.ideal[samples],
        )


def _discount(place: Int64s) -> Floats:
    found: Floats = 1.0 / np.log2(place + 2.0)
    return found


def _grader(metric: Ranking, outputs: Any, references: Any) -> Grader:
    """Number the items, and know what is relevant."""
    given = column(outputs, "items", metric.name, "outputs", _WAY_OUT)
    listed = rows_of(given, "iu", metric.name, "outputs", _WANTED)
    if metric.k is not None and isinstance(given, np.ndarray) and len(given):
        kept = int(listed.lengths[0])
        if kept < metric.k:
            raise MetricError(
                f"{metric.name} needs the {metric.k} best items and {kept} were kept: measure with "
                "more, or give lists of different lengths as rows"
            )
    right = column(references, "items", metric.name, "references", "give the relevant items")
    true = rows_of(right, "iu", metric.name, "references", _WANTED)
    gains = _gains(references, true, metric.name)

    relevant = np.flatnonzero((true.values != _NONE) & (gains > 0))
    sample = np.repeat(np.arange(len(true)), true.lengths)[relevant]
    numbered, item = np.unique(true.values[relevant], return_inverse=True)
    key, first = np.unique(sample * len(numbered) + item, return_index=True)
    gain, sample = gains[relevant][first], sample[first]
    order = np.lexsort((-gain, sample))  # the best list of each sample
    place = np.arange(len(order)) - np.searchsorted(sample, sample)
    counts = place < (len(place) if metric.k is None else metric.k)
    ideal = np.where(counts, gain[order] * _discount(place), 0.0)
    return _RankingGrader(
        metric=metric,
        listed=_numbered(_first_places(listed, metric.k), numbered),
        length=_lengths(listed),
        items=len(numbered),
        key=key,
        gain=gain,
        relevant=np.bincount(sample, minlength=len(true)).astype(np.float64),
        ideal=np.bincount(sample, ideal, len(true)).astype(np.float64),
    )


def _gains(references: Any, true: Ragged, metric: str) -> Floats:
    """How relevant each item is; 1 where nobody says."""
    if not isinstance(references, Mapping) or "gains" not in references:
        return np.ones(len(true.values))
    gains = rows_of(references["gains"], "iufb", metric, "gains", "a number from 0 for each item")
    if not np.array_equal(gains.starts, true.starts):
        raise MetricError(
            f"{metric} has {len(true.values)} relevant items and {len(gains.values)} gains, or in "
            "other rows: give one gain for each item"
        )
    values = gains.values.astype(np.float64)
    wrong = values[~(np.isfinite(values) & (values >= 0)) & (true.values != _NONE)]
    if len(wrong):
        raise MetricError(f"{metric} found a gain of {wrong[0]}: give finite gains from 0")
    return values


def _lengths(listed: Ragged) -> Floats:
    """How many items each list has."""
    row = np.repeat(np.arange(len(listed)), listed.lengths)
    return np.bincount(row[listed.values != _NONE], minlength=len(listed)).astype(np.float64)


def _first_places(listed: Ragged, k: int | None) -> Ragged:
    """The places of each list that count; an item that comes again is none."""
    row = np.repeat(np.arange(len(listed)), listed.lengths)
    kept = np.arange(len(row)) - listed.starts[row] < (len(row) if k is None else k)
    values, row = listed.values[kept].astype(np.int64), row[kept]
    order = np.lexsort((values, row))  # stable: the first place comes first
    again = (values[order][1:] == values[order][:-1]) & (row[order][1:] == row[order][:-1])
    values[order[1:][again]] = _NONE
    return Ragged(values, np.searchsorted(row, np.arange(len(listed) + 1)))


def _numbered(listed: Ragged, items: npt.NDArray[Any]) -> Ragged:
    """Each item by its number; -1 for what has none."""
    number = np.searchsorted(items, listed.values)
    known = (number < len(items)) & (listed.values != _NONE)
    known[known] = items[number[known]] == listed.values[known]
    return Ragged(np.where(known, number, _NONE), listed.starts)
