"""What measuring by turns costs: rounds by turns beside the same, one system after the other.

All systems are open all the time, each in a process of its own, as in a differential run. A
repetition measures some rounds of one system after the other, and as many by turns; whatever else
the machine does falls on both alike. Turns add what settles in before each round, and what another
system leaves in the caches.
"""

import argparse
import random
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from tailmark import Digits, OnnxRuntime
from tailmark.bench import Bench, begin, manifest_of, opened
from tailmark.clock import MonotonicClock
from tailmark.drive.driver import set_up_kept
from tailmark.drive.flight import InFlight
from tailmark.experiment import Experiment
from tailmark.machine import audit
from tailmark.records.logbook import Logbook
from tailmark.records.store import RunWriter
from tailmark.stats.ratios import paired_ratio

GOAL = 1.05
ROUNDS = 2
MODEL = Path(str(files("tailmark") / "data" / "digits.onnx"))


def benches(stack: ExitStack, folder: Path) -> list[Bench]:
    """Three settings of ONNX Runtime, open and warm."""
    base = OnnxRuntime(model=MODEL)
    machine = audit(full=False, isolated=True)
    found = []
    for level in ("all", "basic", "disable"):
        system = replace(base, optimization=level)
        experiment = Experiment(workload=Digits(), system=system, rounds=10**6, isolate=True)
        samples = experiment.workload.open()
        writer = stack.enter_context(RunWriter(folder / level, resume=False))
        decode = experiment.decode
        log = Logbook(writer, manifest_of(experiment, samples), decode.columns, decode.ragged)
        flight = InFlight(samples.ids)
        driver = stack.enter_context(opened(experiment, samples, flight, MonotonicClock()))
        begin(log, samples, driver.opened, machine)
        bench = Bench(experiment=experiment, samples=samples, log=log, driver=driver, flight=flight)
        bench.warm_up(experiment.warmup)
        found.append(bench)
    return found


def alone(systems: list[Bench]) -> float:
    """Seconds of some rounds of one system after the other."""
    began = time.perf_counter()
    for bench in systems:
        for _ in range(ROUNDS):
            bench.measure_round()
    return time.perf_counter() - began


def by_turns(systems: list[Bench]) -> float:
    """Seconds of as many by turns."""
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for bench in random.sample(systems, len(systems)):
            bench.settle()
            bench.measure_round()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    repeats = parser.parse_args().repeats
    spent: dict[str, list[float]] = {"alone": [], "by turns": []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        systems = benches(stack, Path(folder))
        stack.enter_context(set_up_kept())
        for repeat in range(repeats):
            ways = [("alone", alone), ("by turns", by_turns)]
            for name, way in ways if repeat % 2 else ways[::-1]:
                spent[name].append(way(systems))
    for name, seconds in spent.items():
        print(f"{name:9} {np.median(seconds):6.2f} s for {ROUNDS} rounds of {len(systems)} systems")
    ratio = paired_ratio(*(np.array(seconds) for seconds in spent.values()))
    interval = f"({ratio.low:.3f} to {ratio.high:.3f})" if ratio.low and ratio.high else ""
    met = "met" if (ratio.value or GOAL) < GOAL else "NOT met"
    print(f"by turns / alone: × {ratio.value:.3f} {interval}   goal < × {GOAL}: {met}")


if __name__ == "__main__":
    main()
