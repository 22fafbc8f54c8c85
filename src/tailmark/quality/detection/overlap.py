"""How much detections and objects overlap, and which come near enough to matter."""

from dataclasses import dataclass

import numpy as np

from tailmark.quality.base import Floats
from tailmark.quality.detection.boxes import Bools, Objects
from tailmark.records.model import Int64s

IOUS = np.linspace(0.5, 0.95, 10)
"""COCO's thresholds, ``Params.setDetParams`` of pycocotools."""


@dataclass(frozen=True, kw_only=True)
class Near:
    """Pairs of a detection and an object that overlap enough for the lowest threshold.

    Args:
        detection: Which, ascending; shape (pairs,).
        thing: Which object, likewise.
        iou: How much they overlap, likewise.
    """

    detection: Int64s
    thing: Int64s
    iou: Floats


def near(box: Floats, key: Int64s, objects: Objects) -> Near:
    """Hold each detection against the objects of its sample and category.

    Args:
        box: Of the detections, shape (detections, 4).
        key: Their sample and category, as the objects have it; likewise.
        objects: The ground truth.
    """
    first = np.searchsorted(objects.key, key)
    count = np.searchsorted(objects.key, key, side="right") - first
    detection = np.repeat(np.arange(len(box)), count)
    thing = np.arange(len(detection)) + np.repeat(first - (np.cumsum(count) - count), count)
    iou = overlap(box[detection], objects.box[thing], objects.crowd[thing])
    enough = iou >= IOUS[0]
    return Near(detection=detection[enough], thing=thing[enough], iou=iou[enough])


def overlap(box: Floats, other: Floats, crowd: Bools) -> Floats:
    """Intersection over union; over the detection alone where the other is a crowd.

    In float64 and in the order of operations of ``bbIou`` in COCO's ``maskApi.c``, so that it is
    equal to the last bit.

    Args:
        box: Of the detections, shape (pairs, 4).
        other: Of the objects, likewise.
        crowd: Whether the object is one, shape (pairs,).
    """
    begin = np.maximum(box[:, :2], other[:, :2])
    end = np.minimum(box[:, 2:] + box[:, :2], other[:, 2:] + other[:, :2])
    width, height = np.maximum(end - begin, 0.0).T
    shared = width * height
    own = box[:, 2] * box[:, 3]
    union = np.where(crowd, own, own + other[:, 2] * other[:, 3] - shared)
    found: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return found
