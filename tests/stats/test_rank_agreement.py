"""Lists of the best few agree as their definitions say: 1 for the same, 0 for nothing in common."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.errors import InputError
from tailmark.stats.rank_agreement import (
    jaccard,
    kendall_distance,
    kendall_tau,
    rank_biased_overlap,
)

MEASURES = {"kendall": kendall_tau, "rbo": rank_biased_overlap, "jaccard": jaccard}
PENALTIES = st.sampled_from([0.0, 0.25, 0.5, 1.0])

List = list[int]


def lists(longest: int = 6) -> st.SearchStrategy[List]:
    """Labels, each once."""
    return st.lists(st.integers(0, 8), max_size=longest, unique=True)


def table(*rows: List, width: int = 6) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Rows of one width."""
    return np.array([[*row, *[-1] * (width - len(row))] for row in rows], dtype=np.int64)


def slow_distance(a: List, b: List, penalty: float) -> float:
    """The four cases of Fagin, Kumar & Sivakumar (2003), section 3.1, pair by pair."""
    total = 0.0
    for i, j in itertools.combinations(sorted({*a, *b}), 2):
        in_a, in_b = ({i, j} & set(a), {i, j} & set(b))
        if len(in_a) == len(in_b) == 2:
            total += (a.index(i) < a.index(j)) != (b.index(i) < b.index(j))
        elif len(in_a) + len(in_b) == 3:
            whole, (only,) = (a, in_b) if len(in_a) == 2 else (b, in_a)
            total += whole.index(only) > whole.index(j if only == i else i)
        elif len(in_a) == 1:
            total += 1
        else:
            total += penalty
    return total


def slow_overlap(a: List, b: List, p: float) -> float:
    """RBO as the infinite sum that it is, the overlap going on beyond each list's end."""
    if not a or not b:
        return float(a == b)
    short, long = sorted((len(a), len(b)))

    def common(depth: int) -> int:
        return len(set(a[:depth]) & set(b[:depth]))

    def agreement(depth: int) -> float:
        if depth <= long:
            gone_on = common(short) * max(0, depth - short) / short
            return (common(depth) + gone_on) / depth
        return (common(long) - common(short)) / long + common(short) / short

    deep = math.ceil(-40 / math.log(p))
    return (1 - p) * math.fsum(p ** (d - 1) * agreement(d) for d in range(1, deep))


@given(a=lists(), b=lists(), penalty=PENALTIES)
def test_the_distance_counts_the_pairs_ordered_otherwise(a: List, b: List, penalty: float) -> None:
    """Pair by pair, by the four cases of the definition, for lists of any two lengths."""
    found = kendall_distance(table(a), table(b, width=7), penalty=penalty)
    assert found == pytest.approx([slow_distance(a, b, penalty)])


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_no_lists_are_further_apart_than_those_with_nothing_in_common(
    k: int, penalty: float
) -> None:
    """Of all lists of k labels: k² + 2 p C(k, 2), which is k(3k − 1) / 2 for a half."""
    first = list(range(k))
    others = list(itertools.permutations(range(2 * k), k))
    distances = kendall_distance([first] * len(others), others, penalty=penalty)
    most = k**2 + 2 * penalty * math.comb(k, 2)
    assert distances.max() == pytest.approx(most)
    apart = np.array([not {*first} & {*other} for other in others])
    assert distances[apart] == pytest.approx(most)
    if penalty == 0.5:
        assert most == k * (3 * k - 1) / 2
    tau = kendall_tau([first] * len(others), others, penalty=penalty)
    assert tau == pytest.approx(1 - distances / most)


@given(a=lists(), b=lists(), p=st.sampled_from([0.5, 0.9, 0.98]))
def test_rank_biased_overlap_is_an_endless_sum(a: List, b: List, p: float) -> None:
    """The closed form is the sum over all depths, the overlap going on as it ends."""
    found = rank_biased_overlap(table(a), table(b), p=p)
    assert found == pytest.approx([slow_overlap(a, b, p)], abs=1e-9)


@given(a=lists(), b=lists())
def test_jaccard_is_of_the_sets(a: List, b: List) -> None:
    """Both over either; two empty lists are the same."""
    either = {*a} | {*b}
    expected = len({*a} & {*b}) / len(either) if either else 1.0
    assert jaccard(table(a), table(b)) == pytest.approx([expected])


@given(rows=st.lists(st.tuples(lists(), lists()), min_size=1, max_size=5), shift=st.integers(1, 99))
@pytest.mark.parametrize("name", MEASURES)
def test_agreement_is_the_same_from_either_side_and_under_other_names(
    name: str, rows: list[tuple[List, List]], shift: int
) -> None:
    """It lies from 0 to 1, row by row, whichever list is first and whatever labels are called."""
    measure = MEASURES[name]
    a, b = (table(*side) for side in zip(*rows, strict=True))
    found = measure(a, b)
    assert ((found >= 0) & (found <= 1)).all()
    assert measure(b, a) == pytest.approx(found)
    renamed = np.append(np.random.default_rng(shift).permutation(1000)[:9] + shift, -1)
    assert measure(renamed[a], renamed[b]) == pytest.approx(found)
    assert np.concatenate([measure(a[k : k + 1], b[k : k + 1]) for k in range(len(a))]) == (
        pytest.approx(found)
    )


@given(a=lists(), order=st.randoms(use_true_random=False))
@pytest.mark.parametrize("name", MEASURES)
def test_the_same_list_agrees_in_full_and_a_foreign_one_not_at_all(
    name: str, a: List, order: random.Random
) -> None:
    """Also where a list is empty: it is like another empty one, and like no other."""
    measure = MEASURES[name]
    assert measure(table(a), table(a)) == pytest.approx([1])
    foreign = [label + 100 for label in a] or [7]
    order.shuffle(foreign)
    assert measure(table(a), table(foreign)) == pytest.approx([0], abs=1e-12)


def test_disjoint_lists_whose_numbers_go_together_score_nothing() -> None:
    """Kendall's tau of the labels' numbers would be 1 here: numbers are names."""
    a, b = [[1, 2, 3, 4, 5]], [[11, 12, 13, 14, 15]]
    assert [float(measure(a, b)[0]) for measure in MEASURES.values()] == [0, 0, 0]


def test_turned_round_lists_agree_on_their_members_alone() -> None:
    """Of five labels turned round all ten pairs are against, of 35 at most."""
    a, b = [[1, 2, 3, 4, 5]], [[5, 4, 3, 2, 1]]
    assert kendall_tau(a, b) == pytest.approx([1 - 10 / 35])
    assert jaccard(a, b) == pytest.approx([1])


def test_a_list_and_its_beginning() -> None:
    """RBO takes the shorter one to go on likewise; the others miss what it does not show."""
    a, b = [[1, 2, 3, 4, 5]], [[1, 2, -1, -1, -1]]
    assert rank_biased_overlap(a, b) == pytest.approx([1])
    assert kendall_tau(a, b) == pytest.approx([1 - 0.5 * 3 / (10 + 0.5 * (10 + 1))])
    assert jaccard(a, b) == pytest.approx([0.4])


@pytest.mark.parametrize("name", MEASURES)
def test_a_gap_and_a_label_named_again_are_no_labels(name: str) -> None:
    """Two classes that a label map calls one, or one that it does not know, shorten the list."""
    measure = MEASURES[name]
    assert measure([[3, -1, 3, 5]], [[3, 5, -1, -1]]) == pytest.approx([1])


def test_long_lists_are_compared_in_parts() -> None:
    """Of lists of a thousand labels only a few samples fit at once, and all are compared."""
    drawn = np.random.default_rng(0)
    a, b = (np.stack([drawn.permutation(1200)[:1000] for _ in range(3)]) for _ in range(2))
    together = kendall_tau(a, b)
    assert together == pytest.approx(
        [float(kendall_tau(x[None], y[None])[0]) for x, y in zip(a, b, strict=True)]
    )


@pytest.mark.parametrize("name", MEASURES)
def test_what_cannot_be_compared_is_refused(name: str) -> None:
    """Lists of other samples, labels that are no rows, and weights that are none."""
    measure = MEASURES[name]
    with pytest.raises(InputError, match="lists of 1 and 2 samples"):
        measure([[1, 2]], [[1, 2], [3, 4]])
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        measure([1, 2], [1, 2])
    with pytest.raises(InputError, match=r"penalty 1\.5"):
        kendall_tau([[1]], [[1]], penalty=1.5)
    with pytest.raises(InputError, match="p 1"):
        rank_biased_overlap([[1]], [[1]], p=1)
