"""Samples that come again: a cache is found, and nothing that makes times vary is taken for one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from analysis.handmade import make_round, make_run
from tailmark.analysis.caching import LIMIT, Caching, caching
from tailmark.analysis.compliance import of_times
from tailmark.records.model import Run

FRESH, AGAIN, ROUNDS = 10, 3, 20
Floats = npt.NDArray[np.float64]
Law = Callable[[np.random.Generator, tuple[int, int, int]], Floats]


def repeated(times: Floats, *, unanswered: tuple[int, ...] = ()) -> Run:
    """Times of shape (rounds, samples, 1 + again), the first of each when the sample was new.

    Round 0 sends sample 0, as `tailmark.mlperf.repeats` does.
    """
    _, fresh, each = times.shape
    rounds = [make_round([5] * 3, [0] * 3, sample=[0] * 3)]
    for r, one in enumerate(times, 1):
        own = np.repeat(1 + (r - 1) * fresh + np.arange(fresh), each)
        spent = np.maximum(one.reshape(-1) * 1e6, 1).astype(np.int64).tolist()
        answers = [None if r in unanswered else 0 for _ in own]
        rounds.append(make_round(spent, answers, index=r, sample=own.tolist()))
    return make_run(rounds, None, samples=1 + times.shape[0] * fresh)


def lognormal(random: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """A tenth up or down."""
    return np.exp(0.1 * random.standard_normal(shape))


def uneven(random: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """Samples of their own lengths, over two orders of magnitude."""
    each: Floats = np.exp(1.5 * random.standard_normal((*shape[:2], 1)))
    return lognormal(random, shape) * each


def stalling(random: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """One in thirty takes twenty times as long."""
    return lognormal(random, shape) * np.where(random.random(shape) < 1 / 30, 20, 1)


def exponential(random: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """As restless as a queue."""
    return random.exponential(size=shape)


def slow_rounds(random: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """Rounds that share a pace, half as fast or twice."""
    return lognormal(random, shape) * np.exp(0.4 * random.standard_normal((shape[0], 1, 1)))


LAWS: tuple[Law, ...] = (lognormal, uneven, stalling, exponential, slow_rounds)


def outcome(seen: Caching) -> str:
    """By TEST04's limit."""
    return of_times("", seen).outcome


@pytest.mark.parametrize("law", LAWS)
def test_without_a_cache_it_fails_rarely(law: Law) -> None:
    """Not more often than 999 in 1,000 counts at 2.5 %, whatever the law of the times."""
    random = np.random.default_rng(3)
    trials = 60
    outcomes = [
        outcome(caching(repeated(law(random, (ROUNDS, FRESH, 1 + AGAIN))))) for _ in range(trials)
    ]
    assert outcomes.count("fail") <= binom.ppf(0.999, trials, 0.025)
    if law is not exponential:
        assert outcomes.count("pass") >= 0.75 * trials


@pytest.mark.parametrize("law", LAWS)
def test_a_cache_is_found_under_every_law(law: Law) -> None:
    """Repeats in a fifth of the time."""
    random = np.random.default_rng(4)
    for _ in range(10):
        times = law(random, (ROUNDS, FRESH, 1 + AGAIN))
        times[:, :, 1:] /= 5
        assert outcome(caching(repeated(times))) == "fail"


def test_the_ratio_is_that_of_the_times() -> None:
    """A tenth faster is 1 / 1.1, the limit itself."""
    times = np.ones((ROUNDS, FRESH, 1 + AGAIN))
    times[:, :, 1:] = 0.8
    seen = caching(repeated(times))
    assert seen.ratio.value == pytest.approx(0.8, rel=1e-4)
    assert (seen.first_ns, seen.again_ns) == (1e6, 8e5)
    assert (seen.samples, seen.repeats) == (ROUNDS * FRESH, ROUNDS * FRESH * AGAIN)
    assert pytest.approx(1 / 1.1) == LIMIT


def test_between_the_two_it_is_undecided() -> None:
    """And about how many samples would decide is said, and whether there are as many."""
    random = np.random.default_rng(5)
    times = exponential(random, (ROUNDS, FRESH, 1 + AGAIN))
    times[:, :, 1:] *= 0.95
    seen = caching(repeated(times))
    assert outcome(seen) == "undecided"
    assert seen.samples_to_decide is not None
    assert seen.samples_to_decide > ROUNDS * FRESH
    assert "the workload has 201, each new only once" in (of_times("", seen).mend or "")
    more = replace(seen, workload=10**9)
    assert "times as many --rounds" in (of_times("", more).mend or "")


def test_a_sample_that_was_sent_before_is_not_new() -> None:
    """It says nothing of a cache, which may have it already."""
    times = np.ones((2, FRESH, 1 + AGAIN))
    run = repeated(times)
    again = run.stored[2]
    sent = make_round([10**6] * len(again), [0] * len(again), index=3, sample=again.sample.tolist())
    seen = caching(make_run([*(run.stored[i] for i in range(3)), sent], None, samples=30))
    assert (seen.samples, seen.ratio.n) == (2 * FRESH, 2)


def test_samples_without_an_answer_are_left_out() -> None:
    """Where none is left there is no ratio, and no verdict."""
    times = np.ones((3, FRESH, 1 + AGAIN))
    assert caching(repeated(times, unanswered=(1,))).ratio.n == 2
    nothing = caching(repeated(times, unanswered=(1, 2, 3)))
    assert nothing.ratio.value is None
    assert nothing.first_ns is None
    assert outcome(nothing) == "undecided"
    assert "no sample was answered" in of_times("", nothing).says


def test_one_round_bears_no_verdict() -> None:
    """It says what would help."""
    seen = caching(repeated(np.ones((1, FRESH, 1 + AGAIN))))
    assert outcome(seen) == "undecided"
    assert "needs 2 rounds" in (of_times("", seen).mend or "")
