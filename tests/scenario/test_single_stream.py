"""A schedule is a pure function of samples, seed and round."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tailmark.scenario.single_stream import SingleStream
from tailmark.testing import check_scenario

SEEDS = st.integers(0, 2**32)
ROUNDS = st.integers(0, 10_000)


def test_it_keeps_the_scenario_contract() -> None:
    """Known samples, the same each time, and a shuffle that shuffles."""
    check_scenario(SingleStream())


@given(st.integers(1, 500), SEEDS, ROUNDS)
def test_every_sample_is_sent_once_a_round(samples: int, seed: int, index: int) -> None:
    """A shuffled round is a permutation, a fixed one the workload's own order."""
    one = SingleStream()
    shuffled = one.schedule(samples, order="shuffled", seed=seed, index=index)
    fixed = one.schedule(samples, order="fixed", seed=seed, index=index)
    assert sorted(shuffled.tolist()) == fixed.tolist() == list(range(samples))


@given(SEEDS, ROUNDS, st.tuples(st.booleans(), st.booleans()).filter(any))
def test_another_seed_or_another_round_is_another_order(
    seed: int, index: int, change: tuple[bool, bool]
) -> None:
    """Of 50 samples no two orders are alike by chance in the age of the universe."""
    one = SingleStream()
    here = one.schedule(50, order="shuffled", seed=seed, index=index)
    there = one.schedule(50, order="shuffled", seed=seed + change[0], index=index + change[1])
    assert not np.array_equal(here, there)
