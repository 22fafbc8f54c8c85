"""What ten rounds foretell of the other ninety: every prediction model on runs that were measured.

Give it run directories, each of some 100 rounds. Every model is fitted to the first ten rounds and
judged by the rest; then to the next ten, judged by all others, and so on, since which ten rounds
one happens to measure decides much. ``--train`` takes another number than ten.
"""

import argparse
import time
from dataclasses import replace
from statistics import fmean, median

from tailmark import open_run, predict
from tailmark.analysis.forecasting import MODELS
from tailmark.analysis.prediction import Prediction, Score
from tailmark.records.model import Run
from tailmark.units import format_duration

TAIL = 0.05
LEVELS = (0.05, 0.5, 0.95)
WINDOWS = 10  # at most

Trials = dict[str, list[Prediction]]


def trials(run: Run, deadline: str, train: int) -> Trials:
    """A prediction from each window of rounds, by model; the other rounds are held out."""
    rounds = list(run.rounds())
    starts = range(0, len(rounds) - train + 1, train)
    if len(starts) > WINDOWS:
        starts = starts[:: -(-len(starts) // WINDOWS)]
    turned = [replace(run, stored=rounds[first:] + rounds[:first]) for first in starts]
    return {
        model: [predict(one, deadline=deadline, model=model, train_rounds=train) for one in turned]
        for model in MODELS
    }


def score(prediction: Prediction) -> Score:
    """How the model that speaks stands to the rounds that came."""
    assert prediction.holdout is not None
    return prediction.holdout.scores[prediction.model]


def held(prediction: Prediction) -> bool:
    """Whether the interval for the 5 % tail held what came."""
    assert prediction.holdout is not None
    told = prediction.quantiles[TAIL]
    assert told.low is not None
    assert told.high is not None
    return told.low - 1e-9 <= prediction.holdout.tail <= told.high + 1e-9


def show(found: Trials) -> None:
    """The first window, and all of them, side by side."""
    some = next(iter(found.values()))
    first = some[0]
    assert first.holdout is not None
    came, spread = first.holdout, first.overdispersion.value
    rounds, deadline = first.trained_on, format_duration(first.deadline_ns)
    print(
        f"\n{first.label} of the first {rounds} rounds, {deadline}; "
        f"of the others the mean is {came.mean:.3f}, the 5 % tail {came.tail:.3f}, the worst "
        f"{came.worst:.3f}"
        + ("" if spread is None else f"; the first spread {spread:.1f} times more than by chance")
    )
    parts = (
        f"from the first {rounds} rounds",
        f"{len(some)} times {rounds} rounds: median and worst error, else means",
    )
    shares = " / ".join(f"{100 * level:g}" for level in LEVELS) + " %"
    columns = f"{shares:>16}{'CRPS':>8}{'JSD':>7}"
    print(f"{'':<14}|{parts[0]:^48}|{parts[1]:^57}")
    print(
        f"{'model':<14}|{'5 % tail':>9}{'error':>8}{columns}|"
        f"{'error of tail':>17}{'held':>8}{columns}"
    )
    for model, predictions in found.items():
        one, scores = score(predictions[0]), [score(p) for p in predictions]
        errors = [abs(s.tail_error) for s in scores]
        alone = " / ".join(f"{100 * one.coverage[level]:.0f}" for level in LEVELS)
        mean = " / ".join(f"{100 * fmean(s.coverage[q] for s in scores):.0f}" for q in LEVELS)
        print(
            f"{model:<14}|{one.tail:>9.3f}{abs(one.tail_error):>8.3f}{alone:>16}{one.crps:>8.4f}"
            f"{one.divergence:>7.2f}|{median(errors):>8.3f} ({max(errors):.3f})"
            f"{100 * fmean(map(held, predictions)):>6.0f} %{mean:>16}"
            f"{fmean(s.crps for s in scores):>8.4f}{fmean(s.divergence for s in scores):>7.2f}"
        )


def main() -> None:
    """Print a table for each run and deadline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--deadlines", nargs="+", default=["p90", "p99"])
    parser.add_argument("--train", type=int, default=10, help="rounds to learn from")
    asked = parser.parse_args()
    began = time.perf_counter()
    for path in asked.runs:
        run = open_run(path)
        print(f"\n{run.name}: {len(run)} rounds")
        for deadline in asked.deadlines:
            show(trials(run, deadline, asked.train))
    print("\nheld: how often the 95 % interval for the tail of the other rounds held it")
    print("x / y / z %: the other rounds at or below the forecast's quantiles of these levels")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
