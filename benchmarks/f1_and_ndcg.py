"""F1 and NDCG at every deadline, beside scikit-learn's one mask at a time.

At each deadline of each round scikit-learn is given what is there: for F1 the labels, where a late
one is no class; for NDCG the scores of the ranked items, where a late list is worth 0. Only its own
call is timed, on a sample of the masks; the values must agree on those.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score, ndcg_score

from tailmark import quality_at_deadlines
from tailmark.quality.f1 import f1_weighted
from tailmark.quality.ranking import Ndcg

SAMPLES, ROUNDS, DEADLINES = 5_000, 100, 104
CLASSES, ITEMS, K = 7, 100, 20
REPETITIONS, MASKS = 7, 5
SHARE_RIGHT = 0.7
TOLERANCE = 1e-12
GOAL_RATIO = 1_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Grade = Callable[[], Floats]
"""Quality of every round at every deadline."""

OneMask = Callable[[npt.NDArray[np.bool_]], tuple[float, float]]
"""From who is on time, shape (samples,), to the quality and the seconds of scikit-learn's call."""


def simulate(random: np.random.Generator) -> tuple[Ints, Ints]:
    """Log-normal latencies around 5 ms; 100 deadlines over their range and four in the tail."""
    latency = random.lognormal(np.log(5e6), 0.2, (ROUNDS, SAMPLES)).astype(np.int64)
    tail = np.quantile(latency, [0.9, 0.95, 0.99, 0.999])
    deadlines = np.concatenate([np.linspace(latency.min(), latency.max(), DEADLINES - 4), tail])
    return latency, deadlines.astype(np.int64)


def timed(call: Callable[..., Any], *given: Any, **settings: Any) -> tuple[Any, float]:
    """What a call gives, and its seconds."""
    begin = time.perf_counter()
    found = call(*given, **settings)
    return found, time.perf_counter() - begin


def of_labels(latency: Ints, deadlines: Ints, random: np.random.Generator) -> tuple[Grade, OneMask]:
    """Weighted F1 of seven classes, the emotions of a dialogue."""
    references = random.integers(0, CLASSES, SAMPLES)
    guess = random.integers(0, CLASSES, SAMPLES)
    labels = np.where(random.random(SAMPLES) < SHARE_RIGHT, references, guess)
    settings = {"labels": np.arange(CLASSES), "average": "weighted", "zero_division": 0}

    def ours() -> Floats:
        return quality_at_deadlines(
            latency, labels, references, metric=f1_weighted, deadlines_ns=deadlines
        )

    def one_mask(on_time: npt.NDArray[np.bool_]) -> tuple[float, float]:
        return timed(f1_score, references, np.where(on_time, labels, -1), **settings)

    return ours, one_mask


def of_lists(latency: Ints, deadlines: Ints, random: np.random.Generator) -> tuple[Grade, OneMask]:
    """NDCG of the 20 best of 100 items; scikit-learn is told that there are no ties, to be fast."""
    relevant = random.random((SAMPLES, ITEMS)) < 0.1
    relevant[:, 0] = True
    scores = random.random((SAMPLES, ITEMS)) + relevant * 0.3
    lists = np.argsort(-scores, axis=1)[:, :K]
    references = np.where(relevant, np.arange(ITEMS), -1)

    def ours() -> Floats:
        return quality_at_deadlines(
            latency, {"items": lists}, references, metric=Ndcg(K), deadlines_ns=deadlines
        )

    def one_mask(on_time: npt.NDArray[np.bool_]) -> tuple[float, float]:
        # A late list is worth 0: scikit-learn sees the lists on time, and the mean is over all.
        there = relevant[on_time], scores[on_time]
        mean, took = timed(ndcg_score, *there, k=K, ignore_ties=True)
        return float(mean) * len(there[0]) / SAMPLES, took

    return ours, one_mask


def compare(name: str, latency: Ints, deadlines: Ints, ours: Grade, one_mask: OneMask) -> None:
    """Side by side, a repetition of one, some masks of the other, and again."""
    random = np.random.default_rng(1)
    spent: list[float] = []
    each: list[float] = []
    for _ in range(REPETITIONS):
        quality, took = timed(ours)
        spent.append(took)
        for _ in range(MASKS):
            r, d = int(random.integers(ROUNDS)), int(random.integers(DEADLINES))
            on_time = latency[r] <= deadlines[d]
            if not on_time.any():
                continue
            value, took = one_mask(on_time)
            assert abs(quality[r, d] - value) < TOLERANCE, "the values differ"
            each.append(took)
    mine = median(spent) / (ROUNDS * DEADLINES)
    ratio = median(each) / mine
    print(
        f"{name:<24}{median(spent):>10.3f}{mine * 1e6:>14,.2f}{median(each) * 1e6:>16,.0f}", end=""
    )
    print(
        f"{ratio:>12,.0f}×   goal ≥ {GOAL_RATIO:,}×: {'met' if ratio >= GOAL_RATIO else 'NOT met'}"
    )


def main() -> None:
    """Measure and print."""
    random = np.random.default_rng(0)
    latency, deadlines = simulate(random)
    print(
        f"{SAMPLES:,} samples × {ROUNDS} rounds × {DEADLINES} deadlines; medians of {REPETITIONS} "
        f"runs and of {REPETITIONS * MASKS} masks, in turn; values agree to {TOLERANCE:.0e}\n"
    )
    print(f"{'':<24}{'seconds':>10}{'µs a mask':>14}{'sklearn, µs':>16}{'ratio':>13}")
    compare("weighted F1", latency, deadlines, *of_labels(latency, deadlines, random))
    compare(f"NDCG@{K}", latency, deadlines, *of_lists(latency, deadlines, random))


if __name__ == "__main__":
    main()
