"""Two environments against each other: what flips, by how much, what it costs and what it saves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.analysis.answered import Answered
from tailmark.analysis.flips import DeadlineFlips
from tailmark.analysis.margins import Scored
from tailmark.analysis.unlike import flips
from tailmark.quality.base import Floats
from tailmark.stats.estimate import Estimate

_CLOSE = 0.1

Kind = str
"""``fix``, ``break``, ``both_wrong``, ``both_right``, ``missing``; ``flip`` without references."""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A sample that two environments answer otherwise.

    Args:
        sample: Its index.
        id: Its name.
        kind: What the flip is to the reference: see `Kind`; seen from A to B.
        reference: What is right; None where nobody knows, or it is neither a label nor a text.
        a: The answer in A: a label, or in words what else it is; None where it has none.
        b: In B.
        margin_a: A's score of its own label less that of B's; None where A does not tell both.
        margin_b: B's score of its own label less that of A's.
        close: Whether A decided it by less than nine of ten other samples; None likewise.
    """

    sample: int
    id: str
    kind: Kind
    reference: int | str | None
    a: int | str | None
    b: int | str | None
    margin_a: float | None
    margin_b: float | None
    close: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "sample": self.sample,
            "id": self.id,
            "kind": self.kind,
            "reference": self.reference,
            "a": self.a,
            "b": self.b,
            "margin_a": self.margin_a,
            "margin_b": self.margin_b,
            "close": self.close,
        }


@dataclass(frozen=True, kw_only=True)
class PairAt:
    """Two environments at one deadline.

    Args:
        deadline_ns: The deadline.
        label: As it was asked for.
        difference: Quality in B less quality in A; of punctuality without references.
        flips: What one delivers on time and the other does not.
    """

    deadline_ns: int
    label: str
    difference: Estimate
    flips: DeadlineFlips

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "deadline_ns": self.deadline_ns,
            "label": self.label,
            "difference": self.difference.to_dict(),
            "flips": self.flips.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Pair:
    """B against A.

    Args:
        a: The one environment.
        b: The other.
        samples: Asked in both.
        flips: Those answered otherwise.
        counts: Of them, by kind.
        p_value: McNemar's exact test of samples that only B has right against those that only A
            has, where no answer is wrong; None without references.
        p_adjusted: The same, adjusted for all pairs (Holm).
        quality: Without a deadline, B less A, for samples like these; None without references.
        rankings: How far the best few agree, by measure: ``kendall``, ``rbo``, ``jaccard``; None
            where answers are no ranked lists.
        numeric: How far the models' own numbers differ, by output; None where they were not kept.
        boxes: How far boxes agree; None where answers are none.
        latency_ratio: B's latency as a multiple of A's; None where one was only asked.
        at: By deadline, ascending; empty likewise.
    """

    a: str
    b: str
    samples: int
    flips: tuple[Flip, ...]
    counts: Mapping[str, int]
    p_value: float | None
    p_adjusted: float | None
    quality: Estimate | None
    rankings: Mapping[str, float] | None
    numeric: Mapping[str, Mapping[str, Any]] | None
    boxes: Mapping[str, Any] | None
    latency_ratio: Estimate | None
    at: tuple[PairAt, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "a": self.a,
            "b": self.b,
            "samples": self.samples,
            "differ": len(self.flips),
            "counts": dict(self.counts),
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
            "quality": self.quality.to_dict() if self.quality else None,
            "rankings": dict(self.rankings) if self.rankings else None,
            "numeric": {k: dict(v) for k, v in self.numeric.items()} if self.numeric else None,
            "boxes": dict(self.boxes) if self.boxes else None,
            "latency_ratio": self.latency_ratio.to_dict() if self.latency_ratio else None,
            "at": [one.to_dict() for one in self.at],
            "flips": [one.to_dict() for one in self.flips],
        }


def flips_between(
    a: Answered,
    b: Answered,
    *,
    ids: Sequence[str],
    worth: tuple[Floats | None, Floats | None],
    scores: tuple[Scored | None, Scored | None],
    references: Any,
) -> tuple[Flip, ...]:
    """Every sample that two environments answer otherwise.

    Args:
        a: What A answered.
        b: What B did.
        ids: Names of the samples.
        worth: What A's, and B's, answer to each sample is worth, shape (samples,); None without
            references.
        scores: The best few of A and B; None where answers are none.
        references: What is right; told where it is one label or text a sample.
    """
    right = [None] * len(ids)
    if (
        isinstance(references, np.ndarray)
        and references.ndim == 1
        and references.dtype.kind in "iuU"
    ):
        right = references.tolist()
    one, other = scores
    close = _close(one)
    return tuple(
        Flip(
            sample=sample,
            id=ids[sample],
            kind=_kind(sample, a, b, worth),
            reference=right[sample],
            a=a.told(sample),
            b=b.told(sample),
            margin_a=_margin(one, sample, a, b),
            margin_b=_margin(other, sample, b, a),
            close=bool(close[sample]) if close is not None else None,
        )
        for sample in np.flatnonzero(flips(a, b)).tolist()
    )


def _kind(
    sample: int, a: Answered, b: Answered, worth: tuple[Floats | None, Floats | None]
) -> Kind:
    if not (a.there[sample] and b.there[sample]):
        return "missing"
    before, after = worth
    if before is None or after is None:
        return "flip"
    if after[sample] != before[sample]:
        return "fix" if after[sample] > before[sample] else "break"
    return "both_right" if after[sample] >= 0.5 else "both_wrong"


def _margin(scores: Scored | None, sample: int, won: Answered, lost: Answered) -> float | None:
    """None where the scores do not tell both, or not by how much."""
    if scores is None or won.label is None or lost.label is None:
        return None
    if not (won.there[sample] and lost.there[sample]):
        return None
    best = scores.of(sample, int(won.label[sample]))
    other = scores.of(sample, int(lost.label[sample]))
    if best is None or other is None or not math.isfinite(best - other):
        return None
    return best - other


def _close(scores: Scored | None) -> Any:
    """Which samples A decided by less than nine of ten others; of equals none, if they are many."""
    if scores is None:
        return None
    margins = scores.decided_by(range(len(scores.labels)))
    known = np.sort(margins[~np.isnan(margins)])
    if not known.size:
        return None
    return np.searchsorted(known, margins, side="right") <= _CLOSE * known.size
