"""How often the intervals of ``tailmark extremes`` cover, law by law; and what else would.

Each trial draws a run, lets `find_tail` choose and fit, and asks for the latency exceeded at the
horizon: once in 10 x the queries the data are worth. The truth is exact. Beside it, on the same
exceedances: independence claimed, the likelihood divided by the length of bursts (the extremal
index), and the largest of each burst alone (Ferro & Segers' declustering).
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tailmark.stats.extremes.extrapolation import Extrapolation
from tailmark.stats.extremes.extremal_index import longest_within
from tailmark.stats.extremes.pareto import fit
from tailmark.stats.extremes.profile import Peaks
from tailmark.stats.extremes.tail import Tail, find_tail

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from stats.latency_laws import LAWS, UNIT_NS, Law

PLAIN = 3.841  # the 95 % point of chi-squared with one degree of freedom
GOAL = 0.93
WAYS = ("ours", "independent", "by burst length", "declustered")

Int64s = npt.NDArray[np.int64]


class Trial(NamedTuple):
    """What one run gave: which intervals held the truth, and how wide ours was."""

    covered: tuple[bool, ...]
    width: float


def trial(by_round: list[Int64s], law: Law) -> Trial | None:
    """Ask for the level at the horizon; None if that was refused."""
    ordered = np.sort(np.concatenate(by_round))
    tail = find_tail(by_round)
    if tail.reason or tail.peaks is None or tail.threshold_ns is None:
        return None
    share = 1 / tail.horizon
    truth = UNIT_NS * law.exceeded_with(share)
    level = Extrapolation(by_round=by_round, ordered=ordered, tail=tail).once_in(tail.horizon)
    if level.value is None or level.low is None or level.high is None:
        return None
    above = truth - tail.threshold_ns
    if above <= 0 or share >= tail.peaks.rate:
        return None
    off = tail.peaks.deviance(above, share)
    index = tail.extremal_index or 1.0
    return Trial(
        (
            level.low <= truth <= level.high,
            off <= PLAIN,
            off * index <= PLAIN,
            declustered(by_round, tail, index, above, share) <= PLAIN,
        ),
        level.high / level.low,
    )


def declustered(
    by_round: list[Int64s], tail: Tail, index: float, above: float, share: float
) -> float:
    """The deviance of the truth where only each burst's largest excess is fitted."""
    threshold = tail.threshold_ns or 0
    largest = []
    at = [np.flatnonzero(one > threshold) for one in by_round]
    within = longest_within([one > threshold for one in by_round], index)
    for one, where in zip(by_round, at, strict=True):
        if len(where):
            bursts = np.split(where, np.flatnonzero(np.diff(where) > within) + 1)
            largest += [float(one[burst].max() - threshold) for burst in bursts]
    excess = np.array(largest)
    law = fit(excess)
    if law is None:
        return float("inf")
    # As many queries to a burst as before, so that the rate stays what it was.
    queries = round(len(excess) / (tail.exceedances / sum(map(len, by_round))))
    return Peaks(excess=excess, queries=queries, law=law).deviance(above, share)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--queries", type=int, default=200, help="of a round")
    asked = parser.parse_args()
    began = time.monotonic()
    print(f"{asked.trials} trials of {asked.rounds} rounds x {asked.queries} queries; 95 % claimed")
    print(f"{'law':30}{'told':>6}" + "".join(f"{way:>17}" for way in WAYS) + f"{'width':>8}")
    worst = 1.0
    for name, law in LAWS.items():
        random = np.random.default_rng(7)
        runs = (law.rounds(random, asked.rounds, asked.queries) for _ in range(asked.trials))
        told = [one for one in (trial(run, law) for run in runs) if one]
        if not told:
            print(f"{name:30}{0:6.0%}")
            continue
        shares = np.mean([one.covered for one in told], axis=0)
        worst = min(worst, float(shares[0]))
        width = float(np.median([one.width for one in told]))
        row = "".join(f"{share:17.1%}" for share in shares)
        print(f"{name:30}{len(told) / asked.trials:6.0%}{row}{width:7.2f}x", flush=True)
    said = "met" if worst >= GOAL - 2 * np.sqrt(0.95 * 0.05 / asked.trials) else "NOT met"
    print(f"worst {worst:.1%}; goal {GOAL:.0%} within Monte Carlo error: {said}")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
