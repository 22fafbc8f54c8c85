"""How far two runs' boxes agree on the same images."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.quality.detection.overlap import overlap
from tailmark.records.model import NONE, Run
from tailmark.records.ragged import Ragged

SCORE = 0.3
"""Below it a box is no claim: detectors list hundreds of them for what a sweep might use."""

IOU = 0.5


@dataclass(frozen=True, kw_only=True)
class MatchedBoxes:
    """Boxes of both runs' first answers, held against each other.

    Args:
        agreement: The mean over images of 2 · matched / (boxes of A + boxes of B); 1 where both
            have none.
        matched: Boxes that both have: of one class, overlapping by `IOU` or more.
        only_a: That only A has.
        only_b: Likewise.
        mean_iou: How much matched ones overlap; None where there are none.
        images: Compared.
        alike: Of these, images with no box left over in either.
    """

    agreement: float
    matched: int
    only_a: int
    only_b: int
    mean_iou: float | None
    images: int
    alike: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def matched_boxes(a: Run, b: Run, *, score: float = SCORE, iou: float = IOU) -> MatchedBoxes | None:
    """Match boxes by their scores, highest first, each to the nearest one left of its class.

    Args:
        a: The one run.
        b: The other, of the same samples.
        score: Boxes below it do not count.
        iou: How much a pair must overlap.

    Returns:
        None where answers are no boxes.
    """
    sides = _boxes(a), _boxes(b)
    if sides[0] is None or sides[1] is None:
        return None
    shares, ious, left = [], [], [0, 0]
    matched = alike = 0
    first = _first_outputs(a), _first_outputs(b)
    for sample in range(len(a.references)):
        rows = first[0][sample], first[1][sample]
        if NONE in rows:
            continue
        one, other = (
            _of(side, int(row), score) for side, row in zip(sides, rows, strict=True) if side
        )
        found = _match(one, other, iou)
        ious += found
        matched += len(found)
        over = len(one[0]) - len(found), len(other[0]) - len(found)
        left = [left[0] + over[0], left[1] + over[1]]
        total = len(one[0]) + len(other[0])
        shares.append(2 * len(found) / total if total else 1.0)
        alike += over == (0, 0)
    return MatchedBoxes(
        agreement=float(np.mean(shares)) if shares else 1.0,
        matched=matched,
        only_a=left[0],
        only_b=left[1],
        mean_iou=float(np.mean(ious)) if ious else None,
        images=len(shares),
        alike=alike,
    )


_Boxes = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def _boxes(run: Run) -> tuple[Ragged, Ragged, Ragged] | None:
    found = [run.outputs.get(name) for name in ("boxes", "categories", "scores")]
    columns = [column for column in found if isinstance(column, Ragged)]
    if len(columns) != len(found):
        return None
    boxes, labels, scores = columns
    return boxes, labels, scores


def _first_outputs(run: Run) -> npt.NDArray[np.int64]:
    """The output of each sample's first answer; `NONE` where there is none."""
    found = np.full(len(run.references), NONE, dtype=np.int64)
    for one in run.rounds():
        there = np.flatnonzero(one.output_id >= 0)[::-1]  # backwards: the first one stays
        new = there[found[one.sample[there]] == NONE]
        found[one.sample[new]] = one.output_id[new]
        if (found != NONE).all():
            break
    return found


def _of(side: tuple[Ragged, Ragged, Ragged], row: int, score: float) -> _Boxes:
    """Boxes and labels of an output, highest score first."""
    boxes, labels, scores = (column[row] for column in side)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= score]
    return boxes[order].astype(np.float64).reshape(-1, 4), labels[order]


def _match(one: _Boxes, other: _Boxes, iou: float) -> list[float]:
    """How much each matched pair overlaps."""
    (boxes, labels), (others, theirs) = one, other
    free = np.ones(len(others), dtype=np.bool_)
    found = []
    for box, label in zip(boxes, labels, strict=True):
        if not free.any():
            break
        crowd = np.zeros(len(others), dtype=np.bool_)
        shared = overlap(np.repeat(box[None], len(others), axis=0), others, crowd)
        shared = np.where(free & (theirs == label), shared, 0.0)
        best = int(shared.argmax())
        if shared[best] >= iou:
            free[best] = False
            found.append(float(shared[best]))
    return found
