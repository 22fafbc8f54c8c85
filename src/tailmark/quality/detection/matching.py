"""Which detections find an object and which are ignored: COCO's greedy matching.

The rules are those of ``COCOeval.evaluateImg`` in pycocotools. Image by image and category by
category, the detections choose in the order of their scores, for each IoU threshold anew. Each
takes the object that it overlaps most of those not taken yet (of equals the later); an ignored one
only where there is no other; a crowd as often as it likes. So it finds its object, or is ignored
with it. A detection that gets none is ignored where its own area is out of range.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tailmark.quality.detection.boxes import (
    Area,
    Bools,
    Detections,
    Objects,
    begins,
    places,
    within,
)
from tailmark.quality.detection.overlap import IOUS, near
from tailmark.records.model import Int64s
from tailmark.records.ragged import Ragged

EVERY = np.uint16((1 << len(IOUS)) - 1)
"""An outcome has a bit for each threshold, the lowest first; this is all of them."""

Bits = npt.NDArray[np.uint16]

_BITS = (1 << np.arange(len(IOUS))).astype(np.uint16)


def match(
    detections: Detections, objects: Objects, area: Area, samples: Int64s, outputs: Int64s
) -> Ragged:
    """What becomes of the detections of each output, as an answer to the sample beside it.

    Args:
        detections: Of all outputs.
        objects: Of all samples.
        area: Of the objects that count.
        samples: Shape (pairs,).
        outputs: Likewise.

    Returns:
        A row a pair, a value a detection: at which thresholds it finds an object, and at which it
        is ignored; uint16 of shape (detections, 2).
    """
    chosen = detections.of(outputs)
    pair = np.repeat(np.arange(len(samples)), chosen.lengths)
    box, category = detections.box[chosen.values], detections.category[chosen.values]
    pairs = near(box, objects.key_of(samples[pair], category), objects)
    ignored = ~objects.counted(area)[pairs.thing]
    # A detection's last choice first, so that of those that are free the last is the best.
    order = np.lexsort((pairs.thing, pairs.iou, ~ignored, pairs.detection))
    detection, thing, ignored = pairs.detection[order], pairs.thing[order], ignored[order]
    first = begins(detection)
    chooses = detection[first]
    turn = places(begins(pair[chooses], category[chooses]))
    taken = _choose(
        turn=turn[np.cumsum(first) - 1],
        first=first,
        thing=np.unique(pair[detection] * len(objects.area) + thing, return_inverse=True)[1],
        reached=pairs.iou[order, None] >= IOUS,
        shared=objects.crowd[thing],
    )
    got, which = taken >= 0, ignored[taken]
    outcomes = np.zeros((len(box), 2), dtype=np.uint16)
    outcomes[chooses, 0] = _bits(got & ~which)
    outcomes[chooses, 1] = _bits(got & which)
    outside = ~within(box[:, 2] * box[:, 3], area)
    outcomes[outside, 1] = EVERY & ~outcomes[outside, 0]
    return Ragged(outcomes, chosen.starts)


def _choose(*, turn: Int64s, first: Bools, thing: Int64s, reached: Bools, shared: Bools) -> Int64s:
    """Let all detections of a turn choose at once: they are of different images or categories.

    Args:
        turn: When each pair's detection chooses, shape (pairs,).
        first: Where the pairs of another detection begin, likewise.
        thing: Which object of the pair it would be, likewise.
        reached: Whether they overlap enough for each threshold, shape (pairs, thresholds).
        shared: Whether others may take it too, shape (pairs,).

    Returns:
        The pair each detection chooses at each threshold, or -1; shape (detections, thresholds).
    """
    taken = np.zeros((thing.max(initial=-1) + 1, reached.shape[1]), dtype=np.bool_)
    choice = np.full((np.count_nonzero(first), reached.shape[1]), -1)
    chooser = np.cumsum(first) - 1
    order = np.argsort(turn, kind="stable")
    bounds = np.searchsorted(turn[order], np.arange(turn.max(initial=-1) + 2))
    for begin, end in pairwise(bounds.tolist()):
        now = order[begin:end]
        free = reached[now] & (~taken[thing[now]] | shared[now, None])
        best = np.maximum.reduceat(np.where(free, now[:, None], -1), np.flatnonzero(first[now]))
        choice[chooser[now[first[now]]]] = best
        row, threshold = np.nonzero(best >= 0)
        taken[thing[best[row, threshold]], threshold] = True
    return choice


def _bits(flags: Bools) -> Bits:
    """A bit a column; shape (rows,)."""
    bits: Bits = np.where(flags, _BITS, np.uint16(0)).sum(axis=1, dtype=np.uint16)
    return bits
