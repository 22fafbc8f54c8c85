"""How samples are chosen: the laws of each order, whatever the scenario."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

import tailmark
from tailmark.scenario.base import Order, Scenario, select, whole_passes
from tailmark.scenario.stream import Stream

SAMPLES = st.integers(1, 60)
COUNTS = st.integers(1, 300)
SEEDS = st.integers(0, 2**32)
ROUNDS = st.integers(0, 1_000)
ORDERS = st.sampled_from(("fixed", "shuffled", "replacement", "equal-issue"))


@given(SAMPLES, COUNTS, SEEDS, ROUNDS)
def test_each_pass_of_a_shuffle_is_a_permutation(
    samples: int, count: int, seed: int, index: int
) -> None:
    """And the last, unfinished one has no sample twice."""
    chosen = select(samples, count, order="shuffled", seed=seed, index=index)
    for start in range(0, count, samples):
        part = chosen[start : start + samples].tolist()
        assert len(set(part)) == len(part)
        assert set(part) <= set(range(samples))


@given(SAMPLES, COUNTS)
def test_a_fixed_order_goes_round_and_round(samples: int, count: int) -> None:
    """In the workload's own order."""
    chosen = select(samples, count, order="fixed", seed=1, index=1)
    assert chosen.tolist() == [k % samples for k in range(count)]


@given(SAMPLES, COUNTS, SEEDS, ROUNDS, ORDERS)
def test_more_queries_begin_with_the_same(
    samples: int, count: int, seed: int, index: int, order: Order
) -> None:
    """A longer round is the shorter one, gone on with."""
    less, more = (
        select(samples, n, order=order, seed=seed, index=index) for n in (count, 2 * count)
    )
    assert np.array_equal(less, more[:count])


def test_with_replacement_each_sample_is_as_likely_as_any() -> None:
    """χ² of 100,000 draws, and of the pairs that follow each other: a right one fails in 1e-6."""
    chosen = select(20, 100_000, order="replacement", seed=7, index=0)
    counts = np.bincount(chosen, minlength=20)
    pairs = np.bincount(chosen[0::2] * 20 + chosen[1::2], minlength=400)
    assert stats.chisquare(counts).pvalue > 1e-6
    assert stats.chisquare(pairs).pvalue > 1e-6


def test_shuffles_favour_no_sample_at_any_place() -> None:
    """χ² of what comes at each place of 20,000 passes: a right one fails in 1e-6."""
    passes = select(6, 6 * 20_000, order="shuffled", seed=3, index=0).reshape(-1, 6)
    for place in passes.T:
        assert stats.chisquare(np.bincount(place, minlength=6)).pvalue > 1e-6
    following = np.bincount(passes[:-1, -1] * 6 + passes[1:, 0], minlength=36)
    assert stats.chisquare(following).pvalue > 1e-6


SCENARIOS: tuple[Scenario, ...] = (
    tailmark.SingleStream(queries=33),
    tailmark.MultiStream(samples_per_query=5, queries=7),
    tailmark.Server(target_qps=1_000, queries=33),
    tailmark.Server(target_qps=1_000, duration="33ms"),
    tailmark.Server(target_qps=1_000, duration="33ms", arrivals="constant"),
    tailmark.Offline(samples=33),
    tailmark.Burst(base_qps=100, burst_qps=9_000, every="10ms", length="2ms", duration="33ms"),
    tailmark.Ramp(from_qps=0, to_qps=2_000, duration="33ms"),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
@given(samples=SAMPLES, seed=SEEDS, index=ROUNDS)
@example(samples=1, seed=0, index=0)
def test_equal_issue_sends_each_sample_equally_often(
    scenario: Scenario, samples: int, seed: int, index: int
) -> None:
    """Whole passes: as many queries as otherwise, and at most one pass more."""
    made = scenario.schedule(samples, order="equal-issue", seed=seed, index=index)
    usual = scenario.schedule(samples, order="shuffled", seed=seed, index=index)
    assert len(set(np.bincount(made.sample, minlength=samples).tolist())) == 1
    assert len(usual) <= len(made) < len(usual) + samples
    assert len(made) == whole_passes(len(usual), samples, "equal-issue")
    if usual.due_ns is not None and made.due_ns is not None:
        assert np.array_equal(made.due_ns[: usual.queries], usual.due_ns)


@pytest.mark.parametrize("order", ["fixed", "shuffled", "equal-issue"])
@pytest.mark.parametrize(
    "scenario",
    [
        tailmark.SingleStream(),
        tailmark.MultiStream(),
        tailmark.Server(target_qps=5),
        tailmark.Server(target_qps=5, arrivals="constant"),
        tailmark.Offline(),
        Stream(fps=30),
    ],
    ids=str,
)
@given(samples=SAMPLES, index=ROUNDS)
def test_a_round_holds_every_sample_once_by_default(
    scenario: Scenario, order: Order, samples: int, index: int
) -> None:
    """Accuracy mode needs no other setting: ``order: fixed`` sends them in the workload's order."""
    made = scenario.schedule(samples, order=order, seed=1, index=index)
    assert sorted(made.sample.tolist()) == list(range(samples))
    if order == "fixed":
        assert made.sample.tolist() == list(range(samples))
