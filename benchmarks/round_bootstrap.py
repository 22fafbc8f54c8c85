"""A bootstrap over rounds by weights: 50,000 samples, 1,000 rounds, the whole curve, 2,000 times.

What a resample of rounds gives is a product: how often each round is drawn, times what each round
counts. Beside it the naive way, which copies the rounds drawn and grades them again.
"""

import resource
import sys
import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tailmark import quality_at_deadlines
from tailmark.stats.bootstrap import REPLICATES, bootstrap_interval, round_weights
from tailmark.stats.estimate import Estimate
from tailmark.stats.quantiles import latency_percentile, lower_quantile

SAMPLES, ROUNDS = 50_000, 1_000
DEADLINES = 200
SHARE_RIGHT = 0.75
TAIL = 0.05
PERCENTS = (50, 90, 99)
COARSE, FINE = 512, 1_024
NAIVE = 2  # replicates of the naive way, each several seconds
GOAL_SECONDS = 10
GOAL_BYTES = 2e9

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Data(NamedTuple):
    """A simulated experiment."""

    latency_ns: Ints
    outputs: Ints
    references: Ints


class Statistics(NamedTuple):
    """At each deadline, or each percentile; shape (resamples, …)."""

    quality: Floats
    on_time: Floats
    tail: Floats
    percentiles: Floats


class Rounds(NamedTuple):
    """What the data come down to, each of shape (rounds, …): all that the resamples need."""

    quality: Floats
    on_time: Floats
    done: list[Ints]
    grids: list[Ints]


def simulate() -> Data:
    """Log-normal latencies around 5 ms, with a factor of 5 % that a round shares."""
    random = np.random.default_rng(0)
    latency = np.empty((ROUNDS, SAMPLES), dtype=np.int64)
    for row in latency:  # round by round, so that no second copy adds to the peak of memory
        row[:] = random.lognormal(np.log(5e6) + 0.05 * random.standard_normal(), 0.2, SAMPLES)
    references = random.integers(0, 1_000, SAMPLES)
    right = random.random(SAMPLES) < SHARE_RIGHT
    return Data(latency, np.where(right, references, references - 1), references)


def counts_by_round(latency_ns: Ints, grids: list[Ints]) -> list[Ints]:
    """How many of each round are done by each point of each grid: each (rounds, points)."""
    found = [np.empty((len(latency_ns), len(grid)), dtype=np.int64) for grid in grids]
    for r, times in enumerate(latency_ns):
        ordered = np.sort(times)
        for counts, grid in zip(found, grids, strict=True):
            counts[r] = np.searchsorted(ordered, grid, side="right")
    return found


def where_to_look(latency_ns: Ints) -> tuple[Ints, list[Ints]]:
    """Deadlines at quantiles, and points close together around each percentile.

    Every 20th query of each round is enough to know where to look: each grid reaches over what the
    resamples could give, by eight standard errors.
    """
    some = latency_ns[:, ::20]
    ordered = np.sort(some.ravel())
    rows = np.linspace(0, len(ordered) - 1, DEADLINES).astype(np.int64)
    coarse = ordered[np.linspace(0, len(ordered) - 1, COARSE).astype(np.int64)]
    shares = counts_by_round(some, [coarse])[0] / some.shape[1]
    error = 8 * shares.std(axis=0) / np.sqrt(ROUNDS)
    pooled = shares.mean(axis=0)
    fine = []
    for percent in PERCENTS:
        near = np.flatnonzero(np.abs(pooled - percent / 100) <= error)
        first, last = max(near[0] - 1, 0), min(near[-1] + 1, COARSE - 1)
        fine.append(np.linspace(coarse[first], coarse[last], FINE).astype(np.int64))
    return ordered[rows], fine


def graded(data: Data, deadlines: Ints, grids: list[Ints]) -> Rounds:
    """The whole curve, round by round: a sort and a sum for quality, a sort for the rest."""
    quality = quality_at_deadlines(
        data.latency_ns, data.outputs, data.references, deadlines_ns=deadlines
    )
    on_time, *done = counts_by_round(data.latency_ns, [deadlines, *grids])
    return Rounds(quality, on_time / SAMPLES, done, grids)


def weighted_tail(quality: Floats, weights: Floats) -> Floats:
    """The lower quantile of each resample at each deadline, shape (replicates, deadlines).

    The rounds in order, and how many were drawn up to each: only the lowest rounds are looked at,
    and more of them where those were drawn too rarely.
    """
    wanted = TAIL * ROUNDS - 1e-9
    drawn = np.ascontiguousarray(weights.T)
    found = np.empty((len(weights), quality.shape[1]))
    for k, column in enumerate(quality.T):
        order = np.argsort(column)
        lowest = round(2 * TAIL * ROUNDS)
        up_to = np.cumsum(drawn[order[:lowest]], axis=0)
        while up_to[-1].min() < wanted:
            lowest *= 2
            up_to = np.cumsum(drawn[order[:lowest]], axis=0)
        found[:, k] = column[order[(up_to < wanted).sum(axis=0)]]
    return found


def weighted_percentiles(rounds: Rounds, weights: Floats) -> Floats:
    """Latency percentiles of each resample, to a step of the grid."""
    found = []
    for percent, done, grid in zip(PERCENTS, rounds.done, rounds.grids, strict=True):
        before = ROUNDS * SAMPLES * percent // 100
        rows = (weights @ done.astype(np.float64) <= before).sum(axis=1)
        found.append(grid[rows].astype(np.float64))
    return np.stack(found, axis=1)


def resampled(rounds: Rounds, weights: Floats) -> Statistics:
    """Every statistic of every resample; each row of the weights is one."""
    return Statistics(
        quality=weights @ rounds.quality / ROUNDS,
        on_time=weights @ rounds.on_time / ROUNDS,
        tail=weighted_tail(rounds.quality, weights),
        percentiles=weighted_percentiles(rounds, weights),
    )


def naive(data: Data, deadlines: Ints, drawn: Floats) -> Statistics:
    """One resample: its rounds copied, graded as fast as we can, and sorted together."""
    rows = np.repeat(np.arange(ROUNDS), drawn.astype(np.int64))
    copied = data._replace(latency_ns=data.latency_ns[rows])
    rounds = graded(copied, deadlines, [])
    ordered = np.sort(copied.latency_ns, axis=None)
    return Statistics(
        quality=rounds.quality.mean(axis=0)[None],
        on_time=rounds.on_time.mean(axis=0)[None],
        tail=np.array([[lower_quantile(column, TAIL) for column in rounds.quality.T]]),
        percentiles=np.array([[latency_percentile(ordered, p) for p in PERCENTS]], dtype=float),
    )


def same(fast: Statistics, slow: Statistics, grids: list[Ints]) -> bool:
    """Whether one resample is the same both ways: latencies to a step of the grid."""
    shares = zip(fast[:3], slow[:3], strict=True)
    steps = np.array([grid[1] - grid[0] + 1 for grid in grids])
    off = fast.percentiles - slow.percentiles
    return all(np.allclose(a, b, rtol=0, atol=1e-12) for a, b in shares) and bool(
        ((off >= 0) & (off <= steps)).all()
    )


def intervals(measured: Statistics, replicates: Statistics) -> list[list[Estimate]]:
    """An interval for every statistic at every deadline."""
    return [
        [
            bootstrap_interval(float(value), drawn, worth=ROUNDS, n=ROUNDS)
            for value, drawn in zip(values[0], columns.T, strict=True)
        ]
        for values, columns in zip(measured, replicates, strict=True)
    ]


def peak_bytes() -> int:
    """The peak of this process's memory so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts in bytes there, in KiB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def show(name: str, found: Estimate, unit: float) -> None:
    """One interval, as an example."""
    low, high = (float(end or 0) * unit for end in (found.low, found.high))
    print(f"  {name:<48}{float(found.value or 0) * unit:>10.4f} ({low:.4f} to {high:.4f})")


def main() -> None:
    """Measure and print."""
    data = simulate()
    before = peak_bytes()
    computing = -time.process_time()
    moments = [time.perf_counter()]
    deadlines, grids = where_to_look(data.latency_ns)
    moments.append(time.perf_counter())
    rounds = graded(data, deadlines, grids)
    moments.append(time.perf_counter())
    weights = round_weights(ROUNDS)
    replicates = resampled(rounds, weights)
    moments.append(time.perf_counter())
    found = intervals(resampled(rounds, np.ones((1, ROUNDS))), replicates)
    moments.append(time.perf_counter())
    computing += time.process_time()
    peak = peak_bytes()
    print(
        f"{SAMPLES:,} samples × {ROUNDS:,} rounds, {DEADLINES} deadlines at quantiles; "
        f"{REPLICATES:,} resamples of rounds\n"
    )
    parts = ("deadlines and grids", "the whole curve, round by round", "resamples", "intervals")
    for part, seconds in zip(parts, np.diff(moments), strict=True):
        print(f"{part:<50}{seconds:>10.2f} s")
    total = moments[-1] - moments[0]
    print(f"{'together':<50}{total:>10.2f} s")
    print(f"{'  of which on a processor, all threads added':<50}{computing:>10.2f} s")
    print(f"goal < {GOAL_SECONDS} s: {'met' if total < GOAL_SECONDS else 'NOT met'}")
    print(f"{'peak memory':<50}{peak / 1e9:>10.2f} GB")
    print(f"{'  of which before grading: Python and the data':<50}{before / 1e9:>10.2f} GB")
    print(f"goal < {GOAL_BYTES / 1e9:g} GB: {'met' if peak < GOAL_BYTES else 'NOT met'}\n")

    at = int(np.searchsorted(deadlines, np.quantile(data.latency_ns[:, ::50], 0.9)))
    print(f"at {deadlines[at] / 1e6:.3f} ms, with 95 % intervals")
    for name, column in zip(
        ("mean quality", "on time", "5 % tail of quality"), found, strict=False
    ):
        show(name, column[at], 1)
    for percent, one in zip(PERCENTS, found[3], strict=True):
        show(f"p{percent} latency in ms", one, 1e-6)

    begin = time.perf_counter()
    slow = [naive(data, deadlines, drawn) for drawn in weights[:NAIVE]]
    each = (time.perf_counter() - begin) / NAIVE
    alike = all(
        same(Statistics(*(part[k : k + 1] for part in replicates)), one, grids)
        for k, one in enumerate(slow)
    )
    assert alike, "the values differ"
    ratio = each * REPLICATES / (moments[3] - moments[2])
    print(f"\n{'rounds copied and graded again, each resample':<50}{each:>10.2f} s")
    print(f"{f'  {REPLICATES:,} of them':<50}{each * REPLICATES / 60:>10.0f} min")
    print(f"that over resamples by weights: {ratio:,.0f}× ({NAIVE} done both ways: identical)")


if __name__ == "__main__":
    main()
