"""From the last completion of a million queries to what they say: ours and LoadGen's.

A server test of a system that does nothing, far beyond its rate, so that only bookkeeping is left.
Ours ends with the run on disk and its summary (answers decoded and graded, intervals, warnings), or
with MLPerf's result alone; LoadGen's with its summary file, without a trace and with one. Every
repetition is a fresh process.
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import tailmark

QUERIES = 1_000_000
LIBRARY = 1_024
REPETITIONS = 3
RATE = 1e6

last = 0.0
"""When a query was last answered."""

LABEL = np.array([1])


def answer(batch: Any) -> Any:
    """One label for all."""
    global last  # noqa: PLW0603 - what both harnesses can reach
    del batch
    last = time.perf_counter()
    return LABEL


def ours(conclude: Callable[[tailmark.Run], object]) -> float:
    """Measure, and conclude."""
    labels = np.arange(LIBRARY) % 10
    with tempfile.TemporaryDirectory() as folder:
        run = tailmark.measure(
            tailmark.Arrays(inputs=np.arange(LIBRARY), references=labels, classes=10),
            answer,
            out=Path(folder) / "run",
            scenario=tailmark.Server(target_qps=RATE, queries=QUERIES),
            decode=tailmark.Labels(),
            rounds=1,
            warmup=0,
        )
        conclude(run)
        return time.perf_counter() - last


def loadgen(*, trace: bool) -> float:
    """Test, and wait for its files."""
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.Server
    settings.mode = lg.TestMode.PerformanceOnly
    settings.server_target_qps = RATE
    settings.min_query_count = settings.max_query_count = QUERIES
    settings.min_duration_ms = 0
    logs = lg.LogSettings()
    logs.enable_trace = trace
    response, complete = lg.QuerySampleResponse, lg.QuerySamplesComplete

    def respond(ids: list[int], indices: list[int]) -> None:
        del indices
        answer(None)
        complete([response(ids[0], 0, 0)])

    with tempfile.TemporaryDirectory() as folder:
        output = lg.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        logs.log_output = output
        system = lg.ConstructFastSUT(respond, lambda: None)
        library = lg.ConstructQSL(LIBRARY, LIBRARY, lambda _: None, lambda _: None)
        lg.StartTestWithLogSettings(system, library, settings, logs)
        spent = time.perf_counter() - last
        lg.DestroyQSL(library)
        lg.DestroyFastSUT(system)
    return spent


TASKS: dict[str, Callable[[], float]] = {
    "tailmark, run on disk and summary": lambda: ours(tailmark.summarize),
    "tailmark, run on disk and MLPerf's result": lambda: ours(
        lambda run: tailmark.mlperf_result(run, bound="15ms")
    ),
    "LoadGen, its summary": lambda: loadgen(trace=False),
    "LoadGen, its summary and a trace": lambda: loadgen(trace=True),
}


def main() -> None:
    """Measure and print."""
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise SystemExit("LoadGen is not installed: pip install 'tailmark[loadgen]'")
    found: dict[str, list[float]] = {task: [] for task in TASKS}
    for _ in range(REPETITIONS):
        for task, spent in found.items():
            command = [sys.executable, __file__, task]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            spent.append(float(done.stdout.splitlines()[-1]))
    print(f"{QUERIES:,} queries, last completion to the end; medians of {REPETITIONS}, in turn\n")
    for task, spent in found.items():
        print(f"{task:<44}{median(spent):>8.2f} s  ({min(spent):.2f}–{max(spent):.2f})")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(TASKS[sys.argv[1]]())
    else:
        main()
