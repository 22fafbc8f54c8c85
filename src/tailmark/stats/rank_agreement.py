"""How far two lists of the best few agree: 1 for the same list, 0 for lists with nothing in common.

A list is a row of labels, the best first; `NONE` stands where there is none, and a label counts
where it stands first. Lists of a row may differ in length. Knows nothing of scores.
"""

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.records.model import NONE

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_AT_ONCE = 1 << 22
"""Pairs of labels looked at together: some tens of megabytes."""


def kendall_tau(a: npt.ArrayLike, b: npt.ArrayLike, *, penalty: float = 0.5) -> Floats:
    """One less the share of its maximum that Kendall's distance of top-k lists has.

    That maximum, k(3k − 1) / 2 for lists of k labels and the neutral penalty of a half, is the
    distance of lists with nothing in common: k² + 2 p C(k, 2), whatever the penalty p from 0 to 1;
    with k₁ and k₂ labels, k₁ k₂ + p (C(k₁, 2) + C(k₂, 2)).

    Args:
        a: Labels, shape (samples, k).
        b: Likewise; its k may be another.
        penalty: As for `kendall_distance`.

    Returns:
        From 0 to 1, shape (samples,).
    """
    lists = _read(a), _read(b)
    distance = _distance(*lists, penalty)
    one, other = ((labels != NONE).sum(axis=1) for labels in lists)
    most = one * other + penalty * (_pairs(one) + _pairs(other))
    return _unless_empty(1 - distance / np.maximum(most, 1e-300), one, other)


def kendall_distance(a: npt.ArrayLike, b: npt.ArrayLike, *, penalty: float = 0.5) -> Floats:
    """Kendall's distance of top-k lists, K^(p) of Fagin, Kumar & Sivakumar (2003).

    It counts the pairs of labels that the lists order otherwise, taking a label that is not in a
    list to stand below all that are. Of two labels that are in one list only, the other list does
    not know which it would put first: such a pair counts ``penalty``.

    Args:
        a: Labels, shape (samples, k).
        b: Likewise; its k may be another.
        penalty: From 0, the lists agree on what one does not show, to 1; a half is neutral.

    Returns:
        Shape (samples,).

    Raises:
        InputError: The penalty is no share, or the lists are not of the same samples.
    """
    return _distance(_read(a), _read(b), penalty)


def rank_biased_overlap(a: npt.ArrayLike, b: npt.ArrayLike, *, p: float = 0.9) -> Floats:
    """RBO: the mean overlap of the lists down to a depth, deeper ones counting less and less.

    RBO_ext of Webber, Moffat & Zobel (2010), their equation 32: beyond the lists' ends, the overlap
    is taken to go on as it is there. So a list and its own beginning agree in full.

    Args:
        a: Labels, shape (samples, k).
        b: Likewise; its k may be another.
        p: How probable it is that whoever reads a rank reads the next: at .9, the first ten
            ranks have 86 % of the weight.

    Returns:
        From 0 to 1, shape (samples,).

    Raises:
        InputError: ``p`` is not between 0 and 1, or the lists are not of the same samples.
    """
    if not 0 < p < 1:
        raise InputError(f"p {p!r} weights no ranks: give more than 0 and less than 1, as 0.9")
    lists = _read(a), _read(b)
    _check_alike(*lists)
    one, other = ((labels != NONE).sum(axis=1) for labels in lists)
    short, long = np.minimum(one, other), np.maximum(one, other)
    depth = np.arange(1, max(labels.shape[1] for labels in lists) + 1)
    overlap = _overlap(*lists, len(depth))
    ends = np.concatenate([np.zeros((len(one), 1)), overlap], axis=1)
    at_short, at_long = (np.take_along_axis(ends, k[:, None], axis=1)[:, 0] for k in (short, long))
    least = np.maximum(short, 1)
    gone_on = at_short[:, None] * np.maximum(depth - short[:, None], 0) / least[:, None]
    weight = np.where(depth <= long[:, None], p**depth / depth, 0.0)
    seen = (1 - p) / p * ((overlap + gone_on) * weight).sum(axis=1)
    beyond = ((at_long - at_short) / np.maximum(long, 1) + at_short / least) * p**long
    return _unless_empty(seen + beyond, one, other)


def jaccard(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """The share of the labels in either list that are in both, in whatever order.

    Args:
        a: Labels, shape (samples, k).
        b: Likewise; its k may be another.

    Returns:
        From 0 to 1, shape (samples,).

    Raises:
        InputError: The lists are not of the same samples.
    """
    lists = _read(a), _read(b)
    _check_alike(*lists)
    one, other = ((labels != NONE).sum(axis=1) for labels in lists)
    both = (_places(*lists) < lists[1].shape[1]).sum(axis=1)
    return _unless_empty(both / np.maximum(one + other - both, 1), one, other)


def _read(labels: npt.ArrayLike) -> Labels:
    """Labels at the front, `NONE` behind them, each label once."""
    held = np.asarray(labels, dtype=np.int64)
    if held.ndim != 2:
        raise InputError(f"labels have shape {held.shape}: give (samples, k), the best first")
    order = np.argsort(held, axis=1, kind="stable")
    ordered = np.take_along_axis(held, order, axis=1)
    again = np.zeros(held.shape, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    held = np.where(again, NONE, held)
    return np.take_along_axis(held, np.argsort(held == NONE, axis=1, kind="stable"), axis=1)


def _check_alike(a: Labels, b: Labels) -> None:
    if len(a) != len(b):
        raise InputError(f"lists of {len(a)} and {len(b)} samples: give one of each a sample")


def _unless_empty(score: Floats, one: Labels, other: Labels) -> Floats:
    """Two empty lists are the same; an empty one has nothing in common with any other."""
    held = np.where((one == 0) & (other == 0), 1.0, np.clip(score, 0.0, 1.0))
    return np.where((one == 0) != (other == 0), 0.0, held)


def _pairs(count: Labels) -> Labels:
    return count * (count - 1) // 2


def _places(a: Labels, b: Labels) -> Labels:
    """Where each label of A stands in B; B's width where it does not, or where it is none."""
    width = b.shape[1]
    found = np.full(a.shape, width, dtype=np.int64)
    for place in range(width):
        found[(a == b[:, place, None]) & (a != NONE)] = place
    return found


def _overlap(a: Labels, b: Labels, depth: int) -> Floats:
    """How many labels are in both lists down to each depth, shape (samples, depth)."""
    places = _places(a, b)
    last = np.maximum(places, np.arange(a.shape[1]))
    held: Floats = np.zeros((len(a), depth))
    row, column = np.nonzero(places < b.shape[1])
    np.add.at(held, (row, last[row, column]), 1)
    return held.cumsum(axis=1)


def _distance(a: Labels, b: Labels, penalty: float) -> Floats:
    _check_alike(a, b)
    if not 0 <= penalty <= 1:
        raise InputError(f"penalty {penalty!r} is no share: give 0 to 1; 0.5 is neutral")
    width = a.shape[1] + b.shape[1]
    many = max(1, _AT_ONCE // max(1, width**2))
    found: Floats = np.zeros(len(a))
    for start in range(0, len(a), many):
        some = slice(start, start + many)
        found[some] = _distance_of_some(a[some], b[some], penalty)
    return found


def _distance_of_some(a: Labels, b: Labels, penalty: float) -> Floats:
    """Each label of either list once, by its place in both, and all pairs of them."""
    in_b, in_a = _places(a, b), _places(b, a)
    here = np.where(a != NONE, np.arange(a.shape[1]), a.shape[1])
    there = np.where(b != NONE, np.arange(b.shape[1]), b.shape[1])
    rank_a, rank_b = np.concatenate([here, in_a], axis=1), np.concatenate([in_b, there], axis=1)
    known = np.concatenate([a != NONE, (b != NONE) & (in_a == a.shape[1])], axis=1)
    one, other = np.triu_indices(rank_a.shape[1], k=1)
    counts = known[:, one] & known[:, other]
    by_a, by_b = (np.sign(rank[:, one] - rank[:, other]) for rank in (rank_a, rank_b))
    against = counts & (by_a * by_b < 0)
    unknown: Bools = counts & ((by_a == 0) != (by_b == 0))
    total: Floats = against.sum(axis=1) + penalty * unknown.sum(axis=1)
    return total
