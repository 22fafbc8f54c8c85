"""What stopping early is worth: the interval at the stop, with and without paying for the peeking.

Simulated rounds are measured until a half-width is reached, at the looks that `tailmark.HalfWidth`
plans. Beside it, the same looks with plain 95 % intervals: what one gets by peeking for nothing.
Then the paper's rule (rJSD) under a steady drift: its series, and where it would have stopped.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from tailmark import HalfWidth, Rjsd
from tailmark.analysis.stopping import CONFIDENCE, estimate
from tailmark.stats.density import fit, rjsd

TRIALS = 2_000
SAMPLES = 500

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def _iid(random: np.random.Generator, rounds: int) -> Floats:
    """Every query is right and on time with 80 %."""
    return random.binomial(SAMPLES, 0.8, rounds) / SAMPLES


def _effects(random: np.random.Generator, rounds: int) -> Floats:
    """Each round has a share of its own."""
    return random.binomial(SAMPLES, np.clip(random.normal(0.8, 0.03, rounds), 0, 1)) / SAMPLES


def _disturbed(random: np.random.Generator, rounds: int, share: float = 0.1) -> Floats:
    """As before, and one round in ten loses up to half of its answers."""
    lost = (random.random(rounds) < share) * random.uniform(0.1, 0.5, rounds)
    return (
        random.binomial(SAMPLES, np.clip(random.normal(0.8, 0.03, rounds) - lost, 0, 1)) / SAMPLES
    )


def _rarely_disturbed(random: np.random.Generator, rounds: int) -> Floats:
    """The same of one round in twenty: few enough to go unseen before an early look."""
    return _disturbed(random, rounds, share=0.05)


class Case(NamedTuple):
    """What is drawn, what of it is asked, how narrow, and the most rounds."""

    draw: Draw
    of: str
    wanted: float
    at_most: int


CASES = {
    "iid": [Case(_iid, "mean", 0.006, 200), Case(_iid, "tail", 0.012, 600)],
    "round effects": [Case(_effects, "mean", 0.012, 200), Case(_effects, "tail", 0.025, 600)],
    "disturbed rounds": [Case(_disturbed, "mean", 0.03, 200), Case(_disturbed, "tail", 0.12, 600)],
    "rarely disturbed": [Case(_rarely_disturbed, "mean", 0.02, 200)],
}


def measured(case: Case, values: Floats, confidence: float) -> tuple[float, float, int, bool]:
    """Stop as the rule does, each look at this confidence: low, high, rounds, if it stopped."""
    rule = HalfWidth(case.wanted, of=case.of)
    e = None
    for due in rule.looks(case.at_most):
        e = estimate(case.of, values[:due], confidence)
        if rule.half(e) <= case.wanted:
            break
    if e is None or e.low is None or e.high is None:
        return -np.inf, np.inf, case.at_most, False
    return e.low, e.high, e.n, rule.half(e) <= case.wanted


def validity(name: str, case: Case) -> None:
    """One line for each way of peeking."""
    random = np.random.default_rng(0)
    drawn = case.draw(random, 4_000_000)
    truth = float(drawn.mean() if case.of == "mean" else np.quantile(drawn, 0.05))
    looks = HalfWidth(case.wanted, of=case.of).looks(case.at_most)
    ways = {"error shared": 1 - (1 - CONFIDENCE) / len(looks), "95 % each": CONFIDENCE}
    found: dict[str, list[tuple[float, float, int, bool]]] = {way: [] for way in ways}
    for _ in range(TRIALS):
        values = case.draw(random, case.at_most)
        for way, confidence in ways.items():
            found[way].append(measured(case, values, confidence))
    for way, ends in found.items():
        held = sum(low <= truth <= high for low, high, _, _ in ends)
        taken = [n for _, _, n, _ in ends]
        stops = np.mean([stop for *_, stop in ends])
        shared = way == "error shared"
        met = held >= binom.ppf(0.001, TRIALS, CONFIDENCE)
        verdict = ("met" if met else "NOT met") if shared else ""
        print(
            f"{name:17} {case.of:5} {way:13} {len(looks)} looks  stopped {stops:6.1%}  "
            f"rounds {np.mean(taken):5.0f} ({min(taken)} to {max(taken)})  "
            f"covered {held / TRIALS:.1%}  {verdict}"
        )


def drifting(per_round: float, rounds: int = 420) -> None:
    """RJSD of a system that gets slower by so much a round, and where thresholds would stop it."""
    random = np.random.default_rng(0)
    slower = 1 + per_round * np.arange(rounds)
    times = 5e6 * slower[:, None] * np.exp(random.normal(0, 0.2, (rounds, SAMPLES)))
    rule = Rjsd(0.02)
    series = {}
    for due in rule.looks(rounds):
        fits = [fit(times[: due - back * rule.every].ravel()) for back in range(rule.window + 1)]
        series[due] = rjsd(fits[0], fits[1:])
    shown = " ".join(f"{due}:{value:.3f}" for due, value in list(series.items())[::4])
    print(f"\n{per_round:+.1%} a round; rJSD by round: {shown}")
    for threshold in (0.2, 0.1, 0.05, 0.02):
        end = next((due for due, value in series.items() if value <= threshold), None)
        what = (
            f"stops after {end} rounds, {slower[end - 1]:.2f}× slower by then" if end else "goes on"
        )
        print(f"  threshold {threshold:<4}  {what}")


def main() -> None:
    """Print everything."""
    print(f"{TRIALS} measurements each; goal: 95 % of the intervals at the stop hold the truth")
    for name, cases in CASES.items():
        for case in cases:
            validity(name, case)
    for per_round in (0.0, 0.001, 0.01):
        drifting(per_round)


if __name__ == "__main__":
    main()
