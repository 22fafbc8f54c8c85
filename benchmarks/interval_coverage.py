"""What tailmark's 95 % intervals hold: coverage and width by simulation, process by process.

Every process makes rounds of latencies; the estimand is named in the table. A trial in which an
interval is refused is counted apart, and *wrong* is the share of all trials that print an interval
which misses. Takes some minutes: ``--trials 200`` for a quick look, ``--rounds 30`` for one size.
"""

import argparse
import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from tailmark.stats.differences import difference
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.quantiles import lower_quantile, tail_mean
from tailmark.stats.rounds import mean_by_round, tail_mean_by_round, tail_quantile

Floats = npt.NDArray[np.float64]
QUERIES = 100
TRUTH_ROUNDS = 40_000
RIGHT = 0.78
GOAL = 0.93


def autoregressive(rng: np.random.Generator, rounds: int, rho: float) -> Floats:
    """A Gaussian AR(1) series of unit variance, started in its steady state."""
    series = np.empty(rounds)
    series[0] = rng.standard_normal()
    for k in range(1, rounds):
        series[k] = rho * series[k - 1] + math.sqrt(1 - rho**2) * rng.standard_normal()
    return series


def independent(rng: np.random.Generator, rounds: int) -> Floats:
    """Lognormal latencies."""
    return np.exp(0.2 * rng.standard_normal((rounds, QUERIES)))


def factor(rng: np.random.Generator, rounds: int, rho: float = 0.0, spread: float = 0.1) -> Floats:
    """Lognormal latencies with a common factor a round, autocorrelated between rounds by rho."""
    common = spread * autoregressive(rng, rounds, rho)[:, None]
    return np.exp(common + 0.2 * rng.standard_normal((rounds, QUERIES)))


def pareto(rng: np.random.Generator, rounds: int) -> Floats:
    """Heavy tails: finite variance, no third moment."""
    return 1 + rng.pareto(2.5, (rounds, QUERIES))


def queue(rng: np.random.Generator, rounds: int, load: float) -> Floats:
    """A single server, Poisson arrivals; each round starts empty, and that is its estimand."""
    service = rng.lognormal(-0.045, 0.3, (rounds, QUERIES))
    if load == 0:
        return service
    gaps = rng.exponential(1 / load, (rounds, QUERIES))
    waiting = np.zeros((rounds, QUERIES))
    for j in range(1, QUERIES):
        waiting[:, j] = np.maximum(waiting[:, j - 1] + service[:, j - 1] - gaps[:, j], 0)
    return waiting + service


PROCESSES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "independent": independent,
    "round effect": factor,
    "AR(1) 0.3": partial(factor, rho=0.3),
    "AR(1) 0.5": partial(factor, rho=0.5),
    "Pareto 2.5": pareto,
    "queue 0 %": partial(queue, load=0.0),
    "queue 50 %": partial(queue, load=0.5),
    "queue 80 %": partial(queue, load=0.8),
}


@dataclass
class Tally:
    """How the intervals of one estimate did."""

    given: int = 0
    covered: int = 0
    trials: int = 0
    widths: list[float] | None = None

    def add(self, estimate: Estimate, truth: float, scale: float) -> None:
        """Count one trial; the width is told as a share of ``scale``."""
        self.trials += 1
        if estimate.low is None or estimate.high is None:
            return
        self.given += 1
        self.covered += estimate.low <= truth <= estimate.high
        self.widths = [*(self.widths or []), (estimate.high - estimate.low) / scale]


def observed(latency: Floats, right: npt.NDArray[np.bool_], deadline: float) -> dict[str, Estimate]:
    """What tailmark says of one run."""
    whole = np.sort((latency * 1e6).astype(np.int64), axis=1)
    ordered = np.sort(whole.ravel())
    on_time = (latency <= deadline).mean(axis=1)
    quality = ((latency <= deadline) & right).mean(axis=1)
    rows = list(whole)
    said = {f"p{p:g} latency": pooled_percentile(rows, ordered, p) for p in (50, 90, 99)}
    return {
        "mean latency": mean_by_round(whole.mean(axis=1)),
        **said,
        "on time": mean_by_round(on_time, bounds=(0, 1)),
        "mean quality": mean_by_round(quality, bounds=(0, 1)),
        "5 % tail quality": tail_quantile(quality, 0.05),
        "CVaR 5 %": tail_mean_by_round(quality, 0.05, bounds=(0, 1)),
    }


def truths(process: str, deadline: float, right: npt.NDArray[np.bool_]) -> dict[str, float]:
    """The estimands, from very many rounds."""
    rng = np.random.default_rng(99)
    latency = marginal(process, rng)
    quality = ((latency <= deadline) & right).mean(axis=1)
    ordered = np.sort(latency.ravel()) * 1e6
    return {
        "mean latency": float(ordered.mean()),
        **{f"p{p:g} latency": float(ordered[int(len(ordered) * p / 100)]) for p in (50, 90, 99)},
        "on time": float((latency <= deadline).mean()),
        "mean quality": float(quality.mean()),
        "5 % tail quality": lower_quantile(quality, 0.05),
        "CVaR 5 %": tail_mean(quality, 0.05),
    }


def marginal(process: str, rng: np.random.Generator) -> Floats:
    """Rounds of a process's marginal law; dependence between rounds does not change it."""
    if process.startswith("AR(1)"):
        return factor(rng, TRUTH_ROUNDS)
    return PROCESSES[process](rng, TRUTH_ROUNDS)


def cell(process: str, rounds: int, trials: int) -> dict[str, Tally]:
    """Many runs of one process and size; each is also compared with the run before it."""
    rng = np.random.default_rng([rounds, list(PROCESSES).index(process)])
    latency = marginal(process, np.random.default_rng(7))
    deadline = float(np.quantile(latency, 0.9))
    right = np.random.default_rng(8).random(QUERIES) < RIGHT
    truth = truths(process, deadline, right)
    tallies = {name: Tally() for name in truth}
    compared = ("p99 latency", "mean quality", "5 % tail quality")
    tallies |= {f"{name}, difference": Tally() for name in compared}
    before: dict[str, Estimate] | None = None
    for _ in range(trials):
        said = observed(PROCESSES[process](rng, rounds), right, deadline)
        for name, estimate in said.items():
            tallies[name].add(estimate, truth[name], truth[name])
        if before:
            for name in compared:
                between = difference(before[name], said[name])
                tallies[f"{name}, difference"].add(between, 0.0, truth[name])
        before = said
    return tallies


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--rounds", type=int, nargs="*", default=[10, 30, 100, 300])
    parser.add_argument("--processes", nargs="*", default=list(PROCESSES))
    asked = parser.parse_args()
    error = 1.96 * math.sqrt(0.95 * 0.05 / asked.trials)
    print(f"{asked.trials} trials a cell: Monte-Carlo error ±{100 * error:.1f} points\n")
    print("| process | estimate | rounds | covers | wrong | refused | width / value |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    jobs = [(p, n) for p in asked.processes for n in asked.rounds]
    below = 0
    with ProcessPoolExecutor() as pool:
        found = pool.map(cell, *zip(*jobs, strict=True), [asked.trials] * len(jobs))
        for (process, rounds), tallies in zip(jobs, found, strict=True):
            for name, tally in tallies.items():
                refused = 1 - tally.given / tally.trials
                if not tally.given:
                    print(f"| {process} | {name} | {rounds} | – | – | 100 % | – |", flush=True)
                    continue
                covers = tally.covered / tally.given
                wrong = (tally.given - tally.covered) / tally.trials
                short = rounds >= 30 and wrong > 1 - GOAL + error
                below += short
                print(
                    f"| {process} | {name} | {rounds} | {100 * covers:.1f} % | "
                    f"{100 * wrong:.1f} % | {100 * refused:.0f} % | "
                    f"{np.median(tally.widths or [math.nan]):.3f} |{' ←' if short else ''}",
                    flush=True,
                )
    print(f"\ncells of 30 rounds or more below {100 * GOAL:.0f} % beyond the error: {below}")


if __name__ == "__main__":
    main()
