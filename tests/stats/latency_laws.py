"""Laws of latency whose quantiles are known, whatever binds the queries of a round together."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Random = np.random.Generator
Shape = tuple[int, int]

UNIT_NS = 1e6


class Law(NamedTuple):
    """A law of latency in units of 1 ms.

    Args:
        draw: From a generator and (rounds, queries), the latencies.
        exceeded_with: From a probability, the latency exceeded with it.
    """

    draw: Callable[[Random, Shape], Floats]
    exceeded_with: Callable[[float], float]

    def rounds(self, random: Random, rounds: int, queries: int) -> list[Int64s]:
        """A run's latencies in nanoseconds."""
        drawn = UNIT_NS * self.draw(random, (rounds, queries))
        return list(np.rint(drawn).astype(np.int64))


def pareto(shape: float) -> Law:
    """A generalised Pareto law from 1 on: exponential at shape 0."""

    def level(p: float) -> float:
        return 1 - (math.log(p) if shape == 0 else math.expm1(-shape * math.log(p)) / -shape)

    def draw(random: Random, size: Shape) -> Floats:
        depth = random.exponential(size=size)
        return 1 + (depth if shape == 0 else np.expm1(shape * depth) / shape)

    return Law(draw, level)


def lognormal(sigma: float) -> Law:
    """Log-normal around 1."""
    return Law(
        lambda random, size: np.exp(random.normal(0, sigma, size)),
        lambda p: math.exp(sigma * float(norm.isf(p))),
    )


def max_autoregressive(index: float, shape: float) -> Law:
    """Bursts: X = max((1 - index) X', index Z) with Fréchet Z has that extremal index."""

    def draw(random: Random, size: Shape) -> Floats:
        shocks = 1 / random.exponential(size=size)
        found = np.empty(size)
        found[:, 0] = shocks[:, 0]
        for j in range(1, size[1]):
            found[:, j] = np.maximum((1 - index) * found[:, j - 1], index * shocks[:, j])
        return found**shape

    return Law(draw, lambda p: (-1 / math.log1p(-p)) ** shape)


def queue(load: float) -> Law:
    """Times in an M/M/1 queue (Lindley 1952), begun in its steady state."""

    def draw(random: Random, size: Shape) -> Floats:
        rounds, queries = size
        busy = random.random(rounds) < load
        waiting = np.where(busy, random.exponential(1 / (1 - load), rounds), 0.0)
        found = np.empty(size)
        for j in range(queries):
            found[:, j] = waiting + random.exponential(size=rounds)
            waiting = np.maximum(0, found[:, j] - random.exponential(1 / load, rounds))
        return found

    return Law(draw, lambda p: -math.log(p) / (1 - load))


def slow_rounds(sigma: float, memory: float = 0.0) -> Law:
    """Log-normal queries (0.2) in rounds that are slower or faster as a whole.

    Args:
        sigma: Of a round's logarithm.
        memory: Autocorrelation from a round to the next.
    """

    def draw(random: Random, size: Shape) -> Floats:
        rounds, _ = size
        effect = np.empty(rounds)
        effect[0] = random.normal()
        for r in range(1, rounds):
            fresh = math.sqrt(1 - memory**2) * random.normal()
            effect[r] = memory * effect[r - 1] + fresh
        return np.exp(sigma * effect[:, None] + 0.2 * random.normal(size=size))

    return Law(draw, lambda p: math.exp(math.hypot(sigma, 0.2) * float(norm.isf(p))))


def slow_rounds_pareto(sigma: float, shape: float) -> Law:
    """Pareto queries in log-normal rounds; the quantile by summing over rounds."""
    at = np.linspace(-8, 8, 4001)
    weight = norm.pdf(at) / norm.pdf(at).sum()

    def draw(random: Random, size: Shape) -> Floats:
        rounds = np.exp(sigma * random.normal(size=(size[0], 1)))
        return rounds * (1 + random.pareto(1 / shape, size))

    def level(p: float) -> float:
        def over(z: float) -> float:
            beyond = np.minimum(1, (z / np.exp(sigma * at)) ** (-1 / shape))
            return float((weight * beyond).sum()) - p

        return float(brentq(over, 1e-3, 1e9, xtol=1e-12, rtol=1e-12))

    return Law(draw, level)


LAWS = {
    "exponential": pareto(0.0),
    "short tail (shape -0.2)": pareto(-0.2),
    "heavy tail (shape 0.3)": pareto(0.3),
    "log-normal 0.2": lognormal(0.2),
    "log-normal 1": lognormal(1.0),
    "bursts of 3": max_autoregressive(1 / 3, 0.3),
    "queue at 50 % load": queue(0.5),
    "queue at 80 % load": queue(0.8),
    "slow rounds 0.05": slow_rounds(0.05),
    "slow rounds 0.2": slow_rounds(0.2),
    "slow rounds 0.2, AR(1) 0.5": slow_rounds(0.2, 0.5),
    "slow rounds 0.2, Pareto 0.25": slow_rounds_pareto(0.2, 0.25),
}
