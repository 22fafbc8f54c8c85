"""How far the boxes that two runs found in the same images agree, whatever is right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.analysis.answered import SCORE, Answered, boxes_of, has_boxes
from tailmark.quality.detection.boxes import DETECTED, Detections, Objects, read_detections
from tailmark.quality.detection.overlap import near
from tailmark.records.model import Int64s
from tailmark.records.ragged import Ragged

Floats = npt.NDArray[np.float64]

_WHO = "the agreement of boxes"


@dataclass(frozen=True, kw_only=True)
class BoxAgreement:
    """How far two runs' boxes agree, image by image; arrays of shape (images,).

    Args:
        sample: The images that both runs answered.
        matched: Pairs of a box of A and one of B of the same category that overlap by half or more.
        only_a: Boxes of A without such a partner.
        only_b: Boxes of B likewise.
        iou_of: Mean IoU of the image's pairs; NaN where it has none.
        iou: Mean IoU of all pairs; None where there are none.
        missing: Images that only one of the runs answered.
        score_threshold: Boxes of a lower score do not count.
    """

    sample: Int64s
    matched: Int64s
    only_a: Int64s
    only_b: Int64s
    iou_of: Floats
    iou: float | None
    missing: int
    score_threshold: float

    @property
    def agreement_of(self) -> Floats:
        """Of each image, 2 · matched / (boxes of A + boxes of B); 1 where neither has any."""
        boxes = 2 * self.matched + self.only_a + self.only_b
        found: Floats = np.divide(
            2.0 * self.matched, boxes, out=np.ones(len(boxes)), where=boxes > 0
        )
        return found

    @property
    def agreement(self) -> float | None:
        """The mean over images; None where there are none."""
        return float(self.agreement_of.mean()) if len(self.sample) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without that of each image."""
        matched, only_a, only_b = (
            int(count.sum()) for count in (self.matched, self.only_a, self.only_b)
        )
        return {
            "images": len(self.sample),
            "missing": self.missing,
            "unlike": int((self.only_a + self.only_b > 0).sum()),
            "boxes": {"a": matched + only_a, "b": matched + only_b},
            "matched": matched,
            "only_a": only_a,
            "only_b": only_b,
            "agreement": self.agreement,
            "iou": self.iou,
            "score_threshold": self.score_threshold,
        }


def matched_boxes(
    a: Answered, b: Answered, *, score_threshold: float = SCORE
) -> BoxAgreement | None:
    """Compare the boxes of two runs of the same images, by the first answer to each.

    Args:
        a: What the one run answered.
        b: What the other did, to the same samples.
        score_threshold: From which score on a box counts.

    Returns:
        None where the answers are no boxes.

    Raises:
        MetricError: The boxes cannot be read.
    """
    if not (has_boxes(a.outputs) and has_boxes(b.outputs)):
        return None
    sample = np.flatnonzero(a.there & b.there)
    return match_boxes(
        boxes_of(a.taken(sample)),
        boxes_of(b.taken(sample)),
        sample=sample,
        missing=int((a.there != b.there).sum()),
        score_threshold=score_threshold,
    )


def match_boxes(
    a: Mapping[str, Ragged],
    b: Mapping[str, Ragged],
    *,
    sample: Int64s | None = None,
    missing: int = 0,
    score_threshold: float = SCORE,
) -> BoxAgreement:
    """Pair the boxes of two sides, image by image and category by category.

    The two that overlap most are a pair, then the two that do of those left; of equals, those of
    higher scores. So A against B is B against A, which detections that choose in the order of their
    own scores, as against a truth, would not give.

    Args:
        a: ``boxes`` (x, y, width, height), ``scores`` and ``categories``, a row an image.
        b: Likewise.
        sample: Which images they are.
        missing: To be told.
        score_threshold: From which score on a box counts.

    Raises:
        MetricError: The boxes cannot be read.
    """
    known = np.unique(np.concatenate([x["categories"].values for x in (a, b)]).astype(np.int64))
    one, other = (_shown(x, known, score_threshold) for x in (a, b))
    pairs = _pairs(one, other, known)
    images = len(one.starts) - 1
    image = np.repeat(np.arange(images), np.diff(one.starts))[pairs.box_a]
    matched = np.bincount(image, minlength=images)
    total = np.bincount(image, weights=pairs.iou, minlength=images)
    return BoxAgreement(
        sample=np.arange(images) if sample is None else sample,
        matched=matched,
        only_a=np.diff(one.starts) - matched,
        only_b=np.diff(other.starts) - matched,
        iou_of=np.divide(total, matched, out=np.full(images, np.nan), where=matched > 0),
        iou=float(pairs.iou.mean()) if len(pairs.iou) else None,
        missing=missing,
        score_threshold=score_threshold,
    )


def _shown(columns: Mapping[str, Ragged], known: Int64s, score_threshold: float) -> Detections:
    """Boxes from the threshold on, image by image and category by category."""
    scores = columns["scores"]
    kept = np.flatnonzero(scores.values >= score_threshold)
    starts = np.searchsorted(kept, scores.starts)
    some = {name: Ragged(columns[name].values[kept], starts) for name in DETECTED}
    return read_detections(some, known, _WHO)


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Of each pair, which box of A it is and how much it overlaps B's; shape (pairs,)."""

    box_a: Int64s
    iou: Floats


def _pairs(a: Detections, b: Detections, known: Int64s) -> _Pairs:
    objects = Objects(
        box=b.box,
        category=b.category,
        area=b.box[:, 2] * b.box[:, 3],
        crowd=np.zeros(len(b.box), dtype=np.bool_),
        starts=b.starts,
        categories=known,
    )
    image = np.repeat(np.arange(len(a.starts) - 1), np.diff(a.starts))
    close = near(a.box, objects.key_of(image, a.category), objects)
    best_first = np.lexsort((-(a.score[close.detection] + b.score[close.thing]), -close.iou))
    taken_a, taken_b = np.zeros(len(a.box), dtype=np.bool_), np.zeros(len(b.box), dtype=np.bool_)
    chosen = []
    for pair in best_first.tolist():
        box, partner = close.detection[pair], close.thing[pair]
        if not taken_a[box] and not taken_b[partner]:
            taken_a[box] = taken_b[partner] = True
            chosen.append(pair)
    picked = np.array(chosen, dtype=np.int64)
    return _Pairs(box_a=close.detection[picked], iou=close.iou[picked])
