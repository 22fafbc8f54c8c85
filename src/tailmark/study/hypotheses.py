"""What commonly differs between environments without anybody having said so."""

import numpy as np

from tailmark.analysis.answered import Answered
from tailmark.workload.transformed import Transformation

INPUTS: dict[str, Transformation] = {
    "its channels in reverse order (RGB for BGR)": "reversed-channels",
    "rows for columns (height and width exchanged)": "transposed",
}
"""What may be wrong with an input, in words, by the transformation that mends it."""

_AGREES = 0.8


def shifted_labels(a: Answered, b: Answered) -> int:
    """By how much B's labels are higher than A's, where nearly all are by the same; else 0.

    It has to be so of most labels that A gives, and of two at least.

    Labels below zero are none, so those that a shift would put there do not count.
    """
    if a.label is None or b.label is None:
        return 0
    there = a.there & b.there
    right, off = a.label[there], (b.label - a.label)[there]
    if not off.size:
        return 0
    values, counts = np.unique(off, return_counts=True)
    most = int(counts.argmax())
    shift = int(values[most])
    if not shift or counts[most] < _AGREES * off.size:
        return 0
    # One that answers always the same is off by the same wherever A does.
    shifted = [bool((off[right == label] == shift).mean() > 0.5) for label in np.unique(right)]
    return shift if sum(shifted) > max(1, len(shifted) / 2) else 0
