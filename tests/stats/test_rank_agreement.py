"""Lists of the best few agree as far as they share items and their order."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.stats.rank_agreement import jaccard, kendall_tau, rank_biased_overlap

LISTS = st.integers(2, 5).flatmap(
    lambda k: st.tuples(
        *[st.permutations(range(8)).map(lambda items: list(items)[:k]) for _ in range(2)]
    ).filter(lambda two: len(two[0]) == len(two[1]))
)
MEASURES = pytest.mark.parametrize("measure", [kendall_tau, rank_biased_overlap, jaccard])


def arrays(*lists: list[int]) -> list[np.ndarray]:
    """Each as a batch of one."""
    return [np.array([one], dtype=np.int64) for one in lists]


def kendall_by_definition(a: list[int], b: list[int], penalty: float) -> float:
    """Fagin, Kumar & Sivakumar's four cases, pair by pair."""
    distance = 0.0
    for i, j in combinations(sorted({*a, *b}), 2):
        in_a, in_b = {i, j} & {*a}, {i, j} & {*b}
        if len(in_a) == 2 and len(in_b) == 2:
            distance += (a.index(i) < a.index(j)) != (b.index(i) < b.index(j))
        elif {len(in_a), len(in_b)} == {1, 2}:
            whole, (one,) = (a, in_b) if len(in_a) == 2 else (b, in_a)
            distance += whole.index(one) > whole.index(({i, j} - {one}).pop())
        elif len(in_a) == 1 and len(in_b) == 1:
            distance += in_a != in_b
        else:
            distance += penalty
    k = len(a)
    return 1 - distance / (k * k + penalty * k * (k - 1))


@given(LISTS)
def test_kendall_is_its_definition(two: tuple[list[int], list[int]]) -> None:
    """At every penalty."""
    for penalty in (0.0, 0.5, 1.0):
        found = kendall_tau(*arrays(*two), penalty=penalty)[0]
        assert found == pytest.approx(kendall_by_definition(*two, penalty), abs=1e-12)


@given(LISTS)
def test_overlap_is_its_definition(two: tuple[list[int], list[int]]) -> None:
    """Agreement at each depth, weighted by how likely a reader gets there, and extrapolated."""
    a, b = two
    k, p = len(a), 0.9
    shares = [len({*a[:d]} & {*b[:d]}) / d for d in range(1, k + 1)]
    endless = [*shares, *([shares[-1]] * 3_000)]
    expected = (1 - p) * sum(share * p**d for d, share in enumerate(endless))
    assert rank_biased_overlap(*arrays(a, b))[0] == pytest.approx(expected, abs=1e-9)


@MEASURES
@given(LISTS)
def test_identical_lists_score_one_and_the_sides_are_alike(
    measure: object, two: tuple[list[int], list[int]]
) -> None:
    """And every value is a share."""
    of = measure
    assert callable(of)
    a, b = arrays(*two)
    assert of(a, a)[0] == pytest.approx(1.0)
    assert of(a, b)[0] == pytest.approx(of(b, a)[0])
    assert -1e-12 <= of(a, b)[0] <= 1 + 1e-12


@MEASURES
def test_disjoint_lists_score_zero(measure: object) -> None:
    """Whatever the items are called: class numbers that ascend in both are no agreement."""
    assert callable(measure)
    for order in permutations(range(4)):
        a, b = arrays(list(order), [item + 10 for item in range(4)])
        assert measure(a, b)[0] == pytest.approx(0.0, abs=1e-12)
