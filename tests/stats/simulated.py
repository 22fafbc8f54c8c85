"""Rounds of known behaviour, many runs at once, that the statistics are tested on."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Process = Callable[[np.random.Generator, int, int], Floats]

QUERIES = 100
"""In a round."""

_GOLDEN = (math.sqrt(5) - 1) / 2


def spread_out(n: int) -> Floats:
    """The numbers 1 to n, neighbours so far apart that no round resembles the one before it.

    Multiples of the golden ratio are spread evenly however many there are, so whatever lies below
    a threshold is too, and autocorrelations are below 0: the rounds count in full.
    """
    return np.asarray(np.argsort(np.argsort(np.arange(n) * _GOLDEN % 1)) + 1, dtype=np.float64)


def autoregressive(rng: np.random.Generator, runs: int, rounds: int, rho: float) -> Floats:
    """Gaussian AR(1) series of unit variance from their steady state, shape (runs, rounds)."""
    series = rng.standard_normal((runs, rounds))
    series[:, 1:] *= math.sqrt(1 - rho**2)
    for k in range(1, rounds):
        series[:, k] += rho * series[:, k - 1]
    return series


def factor(
    rng: np.random.Generator, runs: int, rounds: int, *, rho: float = 0.0, spread: float = 0.1
) -> Floats:
    """Lognormal latencies with a common factor a round, autocorrelated between rounds by rho."""
    common = spread * autoregressive(rng, runs, rounds, rho)[..., None]
    latency: Floats = np.exp(common + 0.2 * rng.standard_normal((runs, rounds, QUERIES)))
    return latency


def pareto(rng: np.random.Generator, runs: int, rounds: int) -> Floats:
    """Heavy tails: finite variance, no third moment."""
    return 1 + rng.pareto(2.5, (runs, rounds, QUERIES))


def queue(rng: np.random.Generator, runs: int, rounds: int, *, load: float) -> Floats:
    """A single server, Poisson arrivals; each round starts empty, and that is its estimand."""
    service = rng.lognormal(-0.045, 0.3, (runs, rounds, QUERIES))
    if load == 0:
        return service
    gaps = rng.exponential(1 / load, service.shape)
    for j in range(1, QUERIES):
        # Lindley's recursion; what was served before has had its wait added already.
        waited = np.maximum(service[..., j - 1] - gaps[..., j], 0)
        service[..., j] += waited
    return service


PROCESSES: dict[str, Process] = {
    "independent": partial(factor, spread=0.0),
    "round effect": factor,
    "AR(1) 0.3": partial(factor, rho=0.3),
    "AR(1) 0.5": partial(factor, rho=0.5),
    "Pareto 2.5": pareto,
    "queue 0 %": partial(queue, load=0.0),
    "queue 50 %": partial(queue, load=0.5),
    "queue 80 %": partial(queue, load=0.8),
}
"""Latencies of shape (runs, rounds, queries), whose dependence and tails are hard on intervals."""
