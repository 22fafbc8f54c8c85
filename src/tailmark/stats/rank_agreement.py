"""How far two lists of the best few agree: identical ones score 1, disjoint ones 0.

Measures of full rankings, or of the numbers in the lists, do not: correlating class numbers scores
two disjoint lists 1 if both happen to ascend.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Lists = npt.NDArray[np.int64]
"""Items by rank, best first, each once; shape (samples, k)."""


def kendall_tau(a: Lists, b: Lists, *, penalty: float = 0.5) -> Floats:
    """Agreement in the order of pairs: Kendall's distance for top-k lists, turned round.

    Fagin, Kumar & Sivakumar (2003), "Comparing top k lists", K^(p): of each pair of items in
    either list, 1 if the lists order it against each other, as far as they tell: an item that is
    left out ranks behind all that are in. A pair that one list has and the other has none of counts
    ``penalty``. Divided by what disjoint lists have, k² + 2 p k (k − 1) / 2, and taken from 1.

    Args:
        a: The one's items.
        b: The other's, of as many.
        penalty: p; 1/2 is neutral: what chance would make of it.

    Returns:
        Shape (samples,), from 0 to 1.
    """
    k = a.shape[1]
    items = np.concatenate([a, b], axis=1)
    rank_a, rank_b = _ranks(items, a), _ranks(items, b)
    # An item of both lists stands in `items` twice; the second time it does not count.
    counts = np.concatenate([np.ones_like(a, dtype=bool), ~_among(b, a)], axis=1)
    distance = np.zeros(len(a))
    for i in range(2 * k):
        for j in range(i + 1, 2 * k):
            both = counts[:, i] & counts[:, j]
            one = np.sign(rank_a[:, i] - rank_a[:, j])
            other = np.sign(rank_b[:, i] - rank_b[:, j])
            distance += both * (one * other < 0)
            distance += both * (one * other == 0) * penalty
    most = k * k + penalty * k * (k - 1)
    agreement: Floats = 1 - distance / most
    return agreement


def rank_biased_overlap(a: Lists, b: Lists, *, persistence: float = 0.9) -> Floats:
    """Rank-biased overlap, extrapolated from the depth that is known (RBO_ext).

    Webber, Moffat & Zobel (2010), "A similarity measure for indefinite rankings", equation 32 for
    lists of one length: the top counts most.

    Args:
        a: The one's items.
        b: The other's, of as many.
        persistence: p, how likely a reader is to go on to the next rank.

    Returns:
        Shape (samples,), from 0 to 1.
    """
    k = a.shape[1]
    overlap = np.array([_shared(a[:, :d], b[:, :d]) for d in range(1, k + 1)], dtype=np.float64)
    depth = np.arange(1, k + 1)
    weights = persistence**depth / depth
    found: Floats = overlap[-1] / k * persistence**k + (1 - persistence) / persistence * (
        weights @ overlap
    )
    return found


def jaccard(a: Lists, b: Lists) -> Floats:
    """Items of both lists as a share of the items of either; shape (samples,)."""
    shared = _shared(a, b).astype(np.float64)
    found: Floats = shared / (2 * a.shape[1] - shared)
    return found


def _among(items: Lists, others: Lists) -> npt.NDArray[np.bool_]:
    """Which items stand in a list; shape of ``items``."""
    found: npt.NDArray[np.bool_] = (items[:, :, None] == others[:, None, :]).any(axis=2)
    return found


def _shared(a: Lists, b: Lists) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = _among(a, b).sum(axis=1)
    return found


def _ranks(items: Lists, ranked: Lists) -> npt.NDArray[np.int64]:
    """Each item's rank in a list; behind all of them where it is left out."""
    same = items[:, :, None] == ranked[:, None, :]
    found: npt.NDArray[np.int64] = np.where(same.any(2), same.argmax(2), ranked.shape[1])
    return found
