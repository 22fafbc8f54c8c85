"""A schedule is a pure function of samples, seed and round."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tailmark
from tailmark.errors import InputError
from tailmark.scenario.single_stream import SingleStream
from tailmark.testing import check_scenario

SEEDS = st.integers(0, 2**32)
ROUNDS = st.integers(0, 10_000)


def test_it_keeps_the_scenario_contract() -> None:
    """Known samples, the same each time, and a shuffle that shuffles."""
    check_scenario(SingleStream())
    check_scenario(SingleStream(queries=70))


@given(st.integers(1, 500), SEEDS, ROUNDS)
def test_every_sample_is_sent_once_a_round(samples: int, seed: int, index: int) -> None:
    """A shuffled round is a permutation, a fixed one the workload's own order."""
    one = SingleStream()
    shuffled = one.schedule(samples, order="shuffled", seed=seed, index=index)
    fixed = one.schedule(samples, order="fixed", seed=seed, index=index)
    assert sorted(shuffled.sample.tolist()) == fixed.sample.tolist() == list(range(samples))


@given(SEEDS, ROUNDS, st.tuples(st.booleans(), st.booleans()).filter(any))
def test_another_seed_or_another_round_is_another_order(
    seed: int, index: int, change: tuple[bool, bool]
) -> None:
    """Of 50 samples no two orders are alike by chance in the age of the universe."""
    one = SingleStream()
    here = one.schedule(50, order="shuffled", seed=seed, index=index)
    there = one.schedule(50, order="shuffled", seed=seed + change[0], index=index + change[1])
    assert not np.array_equal(here.sample, there.sample)


@given(st.integers(1, 100), st.integers(1, 300))
def test_a_round_of_so_many_queries_has_so_many(samples: int, queries: int) -> None:
    """One sample each, when the last is answered."""
    made = SingleStream(queries=queries).schedule(samples, order="shuffled", seed=0, index=0)
    assert len(made) == made.queries == queries
    assert made.due_ns is None
    assert not made.together


@pytest.mark.parametrize("queries", [0, -1, 10**9])
def test_a_round_of_nothing_or_of_too_much_is_refused(queries: int) -> None:
    """Before anything is measured."""
    with pytest.raises(InputError, match=f"scenario.queries is {queries}: "):
        tailmark.SingleStream(queries=queries)
