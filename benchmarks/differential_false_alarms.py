"""How often two equal environments are told apart by their latencies, and a slower one is found.

Simulated rounds, disturbed in nine ways; beside the interval of `paired_ratio`, the one that every
other mean over rounds has (skewness corrected, the autocorrelation as measured). Then power: how
often a slow-down is found. Then the real thing: two equal sessions of ONNX Runtime on the packaged
digits, round by round and in random order, measured again and again.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from tailmark import Digits, Estimate, OnnxRuntime
from tailmark.clock import MonotonicClock
from tailmark.stats.ratios import MARGIN, decide_pace, paired_ratio
from tailmark.stats.rounds import mean_by_round
from tailmark.system.base import with_batch_axis

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from stats.equal_environments import LAWS, separate

ROUNDS = (10, 30, 100)
CLAIMED = 0.05
GOAL_ROUNDS = 30
GOAL_POWER = 0.9
GOAL_REAL = 0.10
SETTLING = 2
DIGITS = 40
MODEL = Path(str(files("tailmark") / "data" / "digits.onnx"))

Floats = npt.NDArray[np.float64]
Ratio = Callable[[Floats, Floats], Estimate]

now = MonotonicClock().now_ns


def as_any_mean(a: Floats, b: Floats) -> Estimate:
    """The mean of the logarithm with the interval of all other means."""
    return mean_by_round(np.log(b / a))


def alarm(e: Estimate, equal: float) -> bool:
    """Whether the interval leaves out what is true."""
    return e.low is not None and e.high is not None and not e.low <= equal <= e.high


def half_width(found: Sequence[Estimate]) -> float:
    """The median; what was refused an interval is endlessly wide."""
    wide = [e.high - e.low if e.low is not None and e.high is not None else np.inf for e in found]
    return float(np.median(wide)) / 2


def false_alarms(trials: int) -> None:
    """A row a law: shares of alarms, and how wide the intervals are."""
    most = int(binom.ppf(0.999, trials, CLAIMED))
    print(
        f"{trials:,} trials of two equal environments; alarms at 95 %, and the median half width\n"
        f"{'':26}" + "".join(f"{f'{n} rounds':>18}{'any mean':>10}" for n in ROUNDS)
    )
    met = True
    for name, law in LAWS.items():
        row = f"{name:26}"
        for rounds in ROUNDS:
            a, b = np.exp(law(np.random.default_rng(1), trials, rounds))
            pairs = list(zip(a, b, strict=True))
            ours = [paired_ratio(x, y) for x, y in pairs]
            found = sum(alarm(e, 1.0) for e in ours)
            other = sum(alarm(as_any_mean(x, y), 0.0) for x, y in pairs)
            width = half_width(ours)
            row += f"{found / trials:>9.1%} ±{width:>6.1%} {other / trials:>10.1%}"
            met &= found <= most or rounds < GOAL_ROUNDS
        print(row, flush=True)
    said = "met" if met else "NOT met"
    print(
        f"goal from {GOAL_ROUNDS} rounds on: ≤ {CLAIMED:.0%}, which {most / trials:.1%} refutes at "
        f"one in a thousand: {said}\n"
    )


def power(trials: int) -> None:
    """How often B, slower by so much, is found to be; 3 % of noise in every round of each."""
    slow_downs = (0.01, 0.02, 0.03, 0.05, 0.10)
    print(
        f"{trials:,} trials, 3 % of noise a round of each: B found slower\n{'':26}"
        + "".join(f"{f'by {share:.0%}':>9}" for share in slow_downs)
    )
    goal = 0.0
    for rounds in ROUNDS:
        for rho in (0.0, 0.3, 0.5):
            logs = separate(np.random.default_rng(2), trials, rounds, rho=rho)
            row = f"{f'{rounds} rounds, AR(1) {rho:g}':26}"
            for share in slow_downs:
                ratios = (paired_ratio(x, y) for x, y in zip(*np.exp(logs), strict=True))
                found = sum((e.low or 0) * (1 + share) > 1 for e in ratios) / trials
                row += f"{found:>9.1%}"
                if (rounds, rho, share) == (GOAL_ROUNDS, 0.0, 0.05):
                    goal = found
            print(row, flush=True)
    said = "met" if goal >= GOAL_POWER else "NOT met"
    print(f"goal ≥ {GOAL_POWER:.0%} of 5 % in {GOAL_ROUNDS} rounds, independent: {said}\n")


def side_by_side(
    systems: Sequence[Callable[[Any], Any]], inputs: list[Any], random: np.random.Generator
) -> list[Floats]:
    """Mean latency by round of each, in an order drawn anew each round."""
    means = np.empty((len(systems), GOAL_ROUNDS))
    for r in range(GOAL_ROUNDS):
        order = random.permutation(len(inputs)).tolist()
        for which in random.permutation(len(systems)).tolist():
            predict = systems[which]
            for sample in order[:SETTLING]:
                predict(inputs[sample])
            spent = 0
            for sample in order:
                begin = now()
                predict(inputs[sample])
                spent += now() - begin
            means[which, r] = spent / len(order)
    return list(means)


def real(repetitions: int) -> None:
    """Measure two equal sessions, opened anew each time."""
    samples = Digits().open()
    inputs = [with_batch_axis(samples.prepare(samples.load(i))) for i in range(DIGITS)]
    random = np.random.default_rng(3)
    ratios = []
    for _ in range(repetitions):
        systems = [OnnxRuntime(model=MODEL).open().predict for _ in range(2)]
        ratios.append(paired_ratio(*side_by_side(systems, inputs, random)))
    paces = Counter(decide_pace(e) for e in ratios)
    told = paces["slower"] + paces["faster"]
    width = half_width(ratios)
    largest = max(abs((e.value or 1) - 1) for e in ratios)
    alarms = sum(alarm(e, 1.0) for e in ratios)
    print(
        f"{repetitions} repetitions: two equal sessions, {GOAL_ROUNDS} rounds × {len(inputs)} "
        f"digits of each, in turn\n"
        f"{'intervals without 1':26}{alarms:>9}\n"
        f"{'called slower or faster':26}{told:>9}\n"
        f"{f'the same within {MARGIN:.0%}':26}{paces['same']:>9}\n"
        f"{'cannot tell':26}{paces['cannot tell']:>9}\n"
        f"{'median half width':26}{width:>9.2%}\n"
        f"{'furthest from 1':26}{largest:>9.2%}"
    )
    said = "met" if alarms <= GOAL_REAL * repetitions else "NOT met"
    print(f"goal ≤ {GOAL_REAL:.0%} of the intervals without 1: {said}\n")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--repetitions", type=int, default=100)
    asked = parser.parse_args()
    began = time.monotonic()
    if asked.trials:
        false_alarms(asked.trials)
        power(asked.trials)
    if asked.repetitions:
        real(asked.repetitions)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
