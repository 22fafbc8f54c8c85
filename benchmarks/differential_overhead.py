"""What measuring by turns costs: a differential run's rounds beside the same rounds one by one.

Each repetition measures every environment alone, then all of them by turns, in the same processes'
worth of work: opening is left out of both, since it is the same; what turns add is the settling in
before each round, and whatever changing systems does to the caches.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from tailmark import Digits, OnnxRuntime
from tailmark.bench import Progress
from tailmark.experiment import Experiment
from tailmark.interleaved import run_interleaved
from tailmark.records.store import open_run

GOAL = 0.05
MODEL = Path(str(files("tailmark") / "data" / "digits.onnx"))


def environments(rounds: int) -> dict[str, Experiment]:
    """Three settings of ONNX Runtime."""
    base = OnnxRuntime(model=MODEL)
    systems = {
        "all": base,
        "basic": replace(base, optimization="basic"),
        "disable": replace(base, optimization="disable"),
    }
    return {
        name: Experiment(workload=Digits(), system=system, rounds=rounds, isolate=True)
        for name, system in systems.items()
    }


class Stopwatch:
    """Seconds from the first round's beginning to the last one's end."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.ended = 0.0

    def __call__(self, now: Progress) -> None:
        """Told between rounds."""
        if now.doing.startswith("measuring") and self.began is None:
            self.began = time.perf_counter()
        self.ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        """That were measured."""
        return self.ended - (self.began or self.ended)


def took(experiments: dict[str, Experiment]) -> tuple[float, dict[str, float]]:
    """Seconds of all rounds, and each environment's mean latency in microseconds."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        run_interleaved(experiments, out=Path(folder), design_id="benchmark", progress=watch)
        means = {}
        for name in experiments:
            rounds = [one.latency_ns().mean() for one in open_run(Path(folder) / name).rounds()]
            means[name] = float(statistics.fmean(rounds)) / 1e3
    return watch.seconds, means


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    ratios: list[float] = []
    slower: dict[str, list[float]] = {}
    for _ in range(asked.repeats):
        alone_s = 0.0
        alone: dict[str, float] = {}
        for name, one in environments(asked.rounds).items():
            seconds, means = took({name: one})
            alone_s += seconds
            alone |= means
        together_s, together = took(environments(asked.rounds))
        ratios.append(together_s / alone_s)
        for name, mean in together.items():
            slower.setdefault(name, []).append(mean / alone[name])
        print(f"alone {alone_s:6.2f} s   by turns {together_s:6.2f} s   × {ratios[-1]:.3f}")
    ratio = statistics.median(ratios)
    met = "met" if ratio < 1 + GOAL else "NOT met"
    print(f"\nby turns / alone, median: × {ratio:.3f}   goal < × {1 + GOAL:.2f}: {met}")
    for name, found in slower.items():
        print(f"  latency of {name:8} by turns / alone: × {statistics.median(found):.3f}")


if __name__ == "__main__":
    main()
