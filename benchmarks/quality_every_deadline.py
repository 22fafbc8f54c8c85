"""Accuracy at every deadline: from one sort a round, and one mask at a time as published code does.

The peers are written from the method's description (arXiv 2212.13925): for each round and each
deadline, mask the answers that came too late, then grade what is left.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tailmark import quality_at_deadlines
from tailmark.stats.rounds import mean_by_round, tail_quantile

REPETITIONS = 13
CLASSES = 1_000
SHARE_RIGHT = 0.75
TAIL = 0.05
GOAL_RATIO = 500
GOAL_SECONDS = 10
GOAL_BYTES = 2e9

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Data(NamedTuple):
    """A simulated experiment."""

    latency_ns: Ints
    outputs: Ints
    references: Ints
    deadlines_ns: Ints


def simulate(samples: int, rounds: int) -> Data:
    """Log-normal latencies around 5 ms; 100 deadlines over their range and four in the tail."""
    random = np.random.default_rng(0)
    latency = np.empty((rounds, samples), dtype=np.int64)
    for row in latency:  # round by round, so that no second copy adds to the peak of memory
        row[:] = random.lognormal(np.log(5e6), 0.2, samples)
    references = random.integers(0, CLASSES, samples)
    right = random.random(samples) < SHARE_RIGHT
    tail = np.quantile(latency[:100], [0.9, 0.95, 0.99, 0.999])
    deadlines = np.concatenate([np.linspace(latency.min(), latency.max(), 100), tail])
    return Data(
        latency, np.where(right, references, references - 1), references, deadlines.astype(np.int64)
    )


def ours(data: Data) -> Floats:
    """One sort a round gives every deadline."""
    return quality_at_deadlines(
        data.latency_ns, data.outputs, data.references, deadlines_ns=data.deadlines_ns
    )


def vectorised(data: Data) -> Floats:
    """One mask at a time in numpy; what is right is known beforehand."""
    right = data.outputs == data.references
    samples = len(right)
    return np.array(
        [
            [
                np.count_nonzero((times <= deadline) & right) / samples
                for deadline in data.deadlines_ns
            ]
            for times in data.latency_ns
        ]
    )


class Lists(NamedTuple):
    """The same data as the published code holds it: one Python object an item."""

    latency_ns: list[list[int]]
    outputs: list[list[int]]
    references: list[int]

    @classmethod
    def of(cls, data: Data) -> "Lists":
        """Each sample's answer is a list of labels, here of one."""
        answers = [[label] for label in data.outputs.tolist()]
        return cls(data.latency_ns.tolist(), answers, data.references.tolist())


def array_mask(lists: Lists, index: int, deadline: int) -> float:
    """One mask as the published code does it: a boolean array, walked item by item."""
    on_time = np.array([spent <= deadline for spent in lists.latency_ns[index]], dtype=bool)
    right = 0
    count = 0
    for reference, answer, there in zip(lists.references, lists.outputs, on_time, strict=True):
        right += there and (reference in answer)
        count += 1
    return float(right / count)


def list_mask(lists: Lists, index: int, deadline: int) -> float:
    """One mask in the plainest Python: no array to walk."""
    on_time = [spent <= deadline for spent in lists.latency_ns[index]]
    right = 0
    for reference, answer, there in zip(lists.references, lists.outputs, on_time, strict=True):
        if there and reference in answer:
            right += 1
    return right / len(lists.references)


def walk(one: Callable[[Lists, int, int], float], lists: Lists, deadlines: list[int]) -> Floats:
    """One mask at a time, over every round and the deadlines given."""
    rounds = range(len(lists.latency_ns))
    return np.array([[one(lists, index, deadline) for deadline in deadlines] for index in rounds])


def checked(call: Callable[[], Floats], expected: Floats) -> float:
    """How many seconds a call takes to give the values expected."""
    begin = time.perf_counter()
    result = call()
    took = time.perf_counter() - begin
    assert np.array_equal(result, expected), "the values differ"
    return took


def compare(samples: int, rounds: int) -> None:
    """Side by side; the slow peers take every 13th deadline in each of 13 repetitions."""
    data = simulate(samples, rounds)
    lists = Lists.of(data)
    whole = {
        "tailmark: quality_at_deadlines": ours,
        "one mask at a time, vectorised numpy": vectorised,
    }
    walks = {
        "one mask at a time, arrays walked item by item": array_mask,
        "one mask at a time, plain Python lists": list_mask,
    }
    names = [*whole, *walks]
    spent: dict[str, list[float]] = {name: [] for name in names}
    exact = ours(data)
    for part in range(REPETITIONS):
        for name, grade in whole.items():
            spent[name].append(checked(partial(grade, data), exact))
        chosen = data.deadlines_ns[part::REPETITIONS].tolist()
        for name, one in walks.items():
            took = checked(partial(walk, one, lists, chosen), exact[:, part::REPETITIONS])
            spent[name].append(took * len(data.deadlines_ns) / len(chosen))
    least = median(spent[names[0]])
    count = rounds * len(data.deadlines_ns)
    print(
        f"accuracy, {samples:,} samples × {rounds:,} rounds × {len(data.deadlines_ns)} deadlines; "
        f"medians of {REPETITIONS}, in turn; all values identical\n"
    )
    print(f"{'':<50}{'seconds':>10}{'µs a mask':>12}{'ratio':>10}")
    for name in names:
        took = median(spent[name])
        print(f"{name:<50}{took:>10.4f}{took / count * 1e6:>12,.1f}{took / least:>9,.1f}×")
    ratio = median(spent[names[2]]) / least
    print(f"\nagainst the published way (arrays walked item by item): {ratio:,.0f}×")
    print(f"goal ≥ {GOAL_RATIO}×: {'met' if ratio >= GOAL_RATIO else 'NOT met'}")
    print("(the two walks: each repetition a 13th of the masks, times 13; together, every mask)")


def whole_curve(samples: int, rounds: int) -> None:
    """The largest shape, with an interval for the mean and the tail at each deadline."""
    data = simulate(samples, rounds)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    quality = ours(data)
    graded = time.perf_counter()
    for at_deadline in quality.T:
        mean_by_round(at_deadline, bounds=(0, 1))
        tail_quantile(at_deadline, TAIL)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    right = data.outputs == data.references
    sorting = time.perf_counter()
    for times in data.latency_ns:
        np.sort(times[right])
    sorting = time.perf_counter() - sorting
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts in bytes there, in KiB here
    print(
        f"{samples:,} samples × {rounds:,} rounds × {len(data.deadlines_ns)} deadlines, "
        "with intervals for mean and 5 % quantile, in a process of its own\n"
    )
    print(f"{'quality of every round at every deadline':<50}{graded - begin:>10.2f} s")
    print(f"{'  for scale: one np.sort (int64) a round, alone':<50}{sorting:>10.2f} s")
    print(f"{'intervals':<50}{done - graded:>10.2f} s")
    total = done - begin
    print(f"{'together':<50}{total:>10.2f} s")
    print(f"goal < {GOAL_SECONDS} s: {'met' if total < GOAL_SECONDS else 'NOT met'}")
    print(f"{'peak memory':<50}{peak * unit / 1e9:>10.2f} GB")
    print(f"{'  of which before grading: Python and the data':<50}{before * unit / 1e9:>10.2f} GB")
    print(f"goal < 2 GB: {'met' if peak * unit < GOAL_BYTES else 'NOT met'}\n")


def main() -> None:
    """Measure and print."""
    if sys.argv[1:]:
        whole_curve(50_000, 1_000)
        return
    # First, because a process's peak of memory begins at what its parent held when it started it.
    subprocess.run([sys.executable, __file__, "whole-curve"], check=True)
    compare(5_000, 100)


if __name__ == "__main__":
    main()
