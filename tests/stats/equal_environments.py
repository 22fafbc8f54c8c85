"""Two equal environments measured side by side, whose rounds are disturbed in many ways."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from stats.simulated import autoregressive

Floats = npt.NDArray[np.float64]
Law = Callable[[np.random.Generator, int, int], Floats]

NOISE = 0.03
"""Of a round: sd of the logarithm of its latency."""

_OWN = 0.005
_QUERIES = 20


def common(random: np.random.Generator, trials: int, rounds: int, *, rho: float) -> Floats:
    """Both share what the round does to them, and little is their own."""
    shared = NOISE * autoregressive(random, trials, rounds, rho)
    own: Floats = _OWN * random.standard_normal((2, trials, rounds))
    return shared + own


def separate(random: np.random.Generator, trials: int, rounds: int, *, rho: float) -> Floats:
    """Each has rounds of its own, as if the other was never there."""
    series: Floats = NOISE * autoregressive(random, 2 * trials, rounds, rho)
    return series.reshape(2, trials, rounds)


def mixed(random: np.random.Generator, trials: int, rounds: int) -> Floats:
    """As much of both, and each remembers the round before."""
    shared, own = (law(random, trials, rounds, rho=0.5) for law in (common, separate))
    return shared + own


def heavy(random: np.random.Generator, trials: int, rounds: int) -> Floats:
    """Means of few queries that have a variance, and no third moment."""
    latency = 1 + random.pareto(2.5, (2, trials, rounds, _QUERIES))
    return np.asarray(np.log(latency.mean(axis=-1)), dtype=np.float64)


def stalls(random: np.random.Generator, trials: int, rounds: int) -> Floats:
    """One round in twenty takes up to 60 % longer, of one of them at a time."""
    stalled = (random.random((2, trials, rounds)) < 0.05) * random.uniform(
        0.1, 0.6, (2, trials, rounds)
    )
    steady: Floats = 0.01 * random.standard_normal((2, trials, rounds))
    return steady + stalled


def slots(random: np.random.Generator, trials: int, rounds: int) -> Floats:
    """The machine drifts by a fifth and remembers; who goes first is drawn anew each round."""
    place = NOISE * autoregressive(random, trials, 2 * rounds, 0.7)
    both = (place + np.linspace(0, 0.2, 2 * rounds)).reshape(trials, rounds, 2)
    ordered: Floats = random.permuted(both, axis=2)
    return np.moveaxis(ordered, 2, 0)


LAWS: dict[str, Law] = {
    "common 3 %": partial(common, rho=0.0),
    "common 3 %, AR(1) 0.5": partial(common, rho=0.5),
    "separate 3 %": partial(separate, rho=0.0),
    "separate 3 %, AR(1) 0.3": partial(separate, rho=0.3),
    "separate 3 %, AR(1) 0.5": partial(separate, rho=0.5),
    "both, AR(1) 0.5": mixed,
    "heavy tails": heavy,
    "stalls": stalls,
    "drift, AR(1) 0.7 by turns": slots,
}
"""Logarithms of the latencies of rounds, shape (2, trials, rounds): A's and B's."""
