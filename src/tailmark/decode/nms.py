"""Non-maximum suppression: of boxes that show the same thing, the best one stays."""

from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating[Any]]
"""x1, y1, x2, y2; shape (boxes, 4)."""

_ROUNDING = 1e-6
"""By how much an IoU of 32-bit numbers may be off."""


def suppress(
    corners: Boxes, iou_threshold: float, groups: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.intp]:
    """Go from the best box to the worst; each one kept removes those that overlap it too much.

    Args:
        corners: Best first.
        iou_threshold: Of intersection over union; what has more is removed.
        groups: Where given, shape (boxes,): a box removes only those of its own group.

    Returns:
        Which are kept, best first.
    """
    better, worse = _overlapping(corners, iou_threshold, groups)
    kept = [True] * len(corners)
    for one, other in zip(better.tolist(), worse.tolist(), strict=True):
        if kept[one]:
            kept[other] = False
    return np.flatnonzero(kept)


def _overlapping(
    corners: Boxes, threshold: float, groups: npt.NDArray[Any] | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Every pair of boxes that overlap too much, in the order of the better one."""
    first, second = _near(corners, threshold)
    if groups is not None:
        alike = groups[first] == groups[second]
        first, second = first[alike], second[alike]
    left, top, right, bottom = np.ascontiguousarray(corners.T)
    width = np.minimum(right[first], right[second]) - np.maximum(left[first], left[second])
    height = np.minimum(bottom[first], bottom[second]) - np.maximum(top[first], top[second])
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    area = (right - left) * (bottom - top)
    union = area[first] + area[second] - intersection
    too_much = intersection > threshold * union
    first, second = first[too_much], second[too_much]
    better = np.minimum(first, second)
    order = np.argsort(better)
    return better[order], np.maximum(first, second)[order]


def _near(corners: Boxes, threshold: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The pairs whose left edges lie close enough, which are few.

    The intersection is no higher than either box, so their IoU is at most its width over the width
    of either. Above ``threshold`` a box therefore begins within the first ``1 - threshold`` of the
    width of the one whose left edge comes before.
    """
    left, right = corners[:, 0].astype(np.float64), corners[:, 2].astype(np.float64)
    by_left = np.argsort(left)
    reach = left + (1 - threshold + _ROUNDING) * np.maximum(right - left, 0)
    after = np.arange(1, len(corners) + 1)
    near = np.searchsorted(left[by_left], reach[by_left], side="right") - after
    first = np.repeat(np.arange(len(corners)), near)
    begins = np.cumsum(near) - near
    second = np.arange(len(first)) + np.repeat(after - begins, near)
    return by_left[first], by_left[second]
