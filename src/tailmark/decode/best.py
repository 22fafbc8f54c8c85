"""The best few of many scores, ties in their order."""

from typing import Any

import numpy as np
import numpy.typing as npt


def best_few(scores: npt.NDArray[Any], top: int) -> npt.NDArray[np.intp]:
    """Where the ``top`` highest scores stand, the highest first, equal ones in their order.

    Args:
        scores: Shape (scores,), of any type of number, without NaN.
        top: How many; all of them if there are not so many.
    """
    count = len(scores)
    candidates = np.arange(count)
    if top < count:
        # A stable sort of the few that can be among the best ranks ties in their order.
        floor = np.partition(scores, count - top)[count - top]
        candidates = np.flatnonzero(scores >= floor)
    # Backwards and back again: descending without a minus, which unsigned types lack.
    worst_first = np.argsort(scores[candidates][::-1], kind="stable")
    best: npt.NDArray[np.intp] = candidates[::-1][worst_first[::-1][:top]]
    return best
