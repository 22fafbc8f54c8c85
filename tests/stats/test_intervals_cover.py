"""Law: an interval covers the truth as often as it claims.

Each test draws many runs from a known law, asks for an interval, and counts how often the truth
lies in it. The count must not be below the 0.1 % quantile of what a true coverage would give, so
that a sound method fails here once in a thousand seeds, and the seeds are fixed.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, norm

from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import (
    Floats,
    mean_by_round,
    pooled_percentile,
    tail_mean_by_round,
    tail_quantile,
)

TRIALS = 1500
GOAL = 0.93
"""What the design asks of intervals that hold only for many rounds; 95 % is nominal."""

Draw = Callable[[np.random.Generator], Floats]


def covered(estimate: Callable[[np.random.Generator], Estimate], truth: float, seed: int) -> int:
    """In how many of the trials the interval held the truth; a refusal counts as a miss."""
    random, found = np.random.default_rng(seed), 0
    for _ in range(TRIALS):
        e = estimate(random)
        found += e.low is not None and e.high is not None and e.low <= truth <= e.high
    return found


def enough(claimed: float) -> int:
    """The fewest covered trials that the claim is not refuted by."""
    return int(binom.ppf(0.001, TRIALS, claimed))


@pytest.mark.parametrize("rounds", [2, 5, 30])
def test_the_mean_of_normal_rounds(rounds: int) -> None:
    """Student's t is exact for independent normal rounds, however few."""

    def draw(random: np.random.Generator) -> Estimate:
        return mean_by_round(random.normal(0.7, 0.02, size=rounds))

    assert covered(draw, 0.7, seed=rounds) >= enough(0.95)


@pytest.mark.parametrize("rounds", [100, 300])
@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda random, n: random.normal(size=n), norm.ppf(0.05)),
        (lambda random, n: -random.pareto(1.5, size=n), -(0.05 ** (-1 / 1.5) - 1)),
    ],
    ids=["normal", "pareto"],
)
def test_the_worst_twentieth_of_rounds(
    draw: Callable[[np.random.Generator, int], Floats], truth: float, rounds: int
) -> None:
    """Order statistics cover the 5 % quantile of any continuous law, heavy tails too."""
    found = covered(lambda random: tail_quantile(draw(random, rounds), 0.05), truth, seed=rounds)
    assert found >= enough(0.95)


@pytest.mark.parametrize(("percent", "effect"), [(50, 0.2), (90, 0.2), (99, 0.05)])
def test_a_latency_percentile_under_a_round_effect(percent: float, effect: float) -> None:
    """Thirty rounds of 100 queries, log-normal, each round slower or faster as a whole.

    The truth is the quantile over all rounds there could be. An interval that counted the 3,000
    queries as independent would cover half as often.
    """

    def draw(random: np.random.Generator) -> Estimate:
        rounds = random.normal(0, effect, size=(30, 1))
        noise = random.normal(0, 0.2, size=(30, 100))
        latency = np.rint(1e6 * np.exp(rounds + noise)).astype(np.int64)
        return pooled_percentile(list(latency), np.sort(latency, axis=None), percent)

    truth = 1e6 * np.exp(norm.ppf(percent / 100) * np.hypot(effect, 0.2))
    assert covered(draw, truth, seed=int(percent)) >= enough(GOAL)


def _cvar_of_normal(rounds: int) -> int:
    truth = -norm.pdf(norm.ppf(0.05)) / 0.05
    return covered(
        lambda random: tail_mean_by_round(random.normal(size=rounds), 0.05), truth, seed=rounds
    )


@pytest.mark.parametrize("rounds", [200, 300, 1000])
def test_the_mean_below_the_worst_twentieth(rounds: int) -> None:
    """The CVaR's interval reaches the goal wherever it is given: ten rounds in the tail or more."""
    assert _cvar_of_normal(rounds) >= enough(GOAL)
