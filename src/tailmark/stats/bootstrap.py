"""Resampling rounds by weights: a statistic that is a product of sums needs no copy of a round.

Draw how often each round counts, multiply, and take the interval from what comes out.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit

from tailmark.stats.estimate import Estimate

Floats = npt.NDArray[np.float64]

REPLICATES = 2_000
FEWEST = 10
"""Below so many rounds, resamples repeat each other too much to tell a spread (simulated)."""


def round_weights(
    rounds: int,
    replicates: int = REPLICATES,
    *,
    seed: int = 0,
    draws: int | None = None,
    block: float = 1.0,
) -> Floats:
    """How often each round is drawn, with replacement.

    Rounds that depend on each other are worth fewer independent ones, and there are two ways to
    resample them: draw only so many (``draws``), or draw neighbours together (``block``).

    Args:
        rounds: How many there are.
        replicates: How many resamples.
        seed: Makes them repeatable.
        draws: How many rounds each resample draws; by default as many as there are.
        block: The mean length of what is drawn together: the stationary bootstrap of Politis &
            Romano (1994), which starts anew at each round with probability 1 / block and goes
            round at the end.

    Returns:
        Shape (replicates, rounds); every row adds up to ``draws``.
    """
    random = np.random.default_rng(seed)
    count = rounds if draws is None else draws
    drawn = random.integers(rounds, size=(replicates, count))
    if block > 1:
        anew = random.random((replicates, count)) < 1 / block
        anew[:, 0] = True
        here = np.arange(count)
        since = np.maximum.accumulate(np.where(anew, here, 0), axis=1)
        drawn = (np.take_along_axis(drawn, since, axis=1) + here - since) % rounds
    cell = drawn + rounds * np.arange(replicates)[:, None]
    counts = np.bincount(cell.ravel(), minlength=replicates * rounds)
    return counts.reshape(replicates, rounds).astype(np.float64)


def bootstrap_interval(
    value: float,
    replicates: Floats,
    *,
    worth: float,
    n: int,
    acceleration: float = 0.0,
    confidence: float = 0.95,
    method: str = "BCa bootstrap over rounds",
) -> Estimate:
    """An interval from resampled values: BCa, its tails widened as Student's t widens the normal's.

    BCa (Efron 1987) corrects for bias and skewness. A resample of n spreads less than a sample by
    the root of (n − 1) / n and knows nothing of the spread's own error; asking for tails further
    out mends both (Hesterberg 2015, "expanded percentiles"). Simulated for shares of flips from 30
    independent rounds with stalls: percentile 90 to 94 %, BCa 93 to 95 %, this 94 to 95 %, where
    95 % is claimed.

    Args:
        value: Of the sample itself.
        replicates: Of the resamples, shape (replicates,).
        worth: How many independent rounds each resample stands for.
        n: How many rounds there are; below `FEWEST` there is no interval.
        acceleration: A sixth of the skewness of ``value``, by the influence of each round.
        confidence: Of the interval.
        method: What to call it.
    """
    if n < FEWEST:
        return Estimate(
            value=value,
            confidence=confidence,
            n=n,
            method=method,
            reason=f"resampling needs {FEWEST} rounds or more, have {n}",
        )
    worth = max(worth, 2.0)
    ordered = np.sort(replicates)
    tail = float(stdtrit(worth - 1, 0.5 + confidence / 2)) * math.sqrt(worth / (worth - 1))
    # Ties count half, or a value that most resamples repeat would look biased; and what differs
    # by a rounding is a tie.
    slack = 1e-12 * max(1.0, abs(value))
    below = sum(np.searchsorted(ordered, value + side) for side in (-slack, slack)) / 2
    edge = 1 / (len(ordered) + 1)
    bias = float(ndtri(np.clip(below / len(ordered), edge, 1 - edge)))
    # Where the correction has no end, the outermost resample is it.
    shares = [ndtr(bias + z / max(1e-9, 1 - acceleration * z)) for z in (bias - tail, bias + tail)]
    low, high = np.quantile(ordered, shares)
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        confidence=confidence,
        n=n,
        method=method,
    )
