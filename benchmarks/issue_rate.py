"""How many queries of a null system a second: our single-stream loop and LoadGen's FastSUT.

Every repetition of every kind is a fresh process: LoadGen half applies a second configuration in
one process, and the others get no better start than it has.
"""

import gc
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from tailmark.clock import MonotonicClock
from tailmark.drive.closed_loop import issue
from tailmark.drive.recording import Recording

REPETITIONS = 9
QUERIES = 300_000
SAMPLES = 1_024
GOAL_RATIO = 5
GOAL_BYTES = 64


def null(batch: object) -> None:
    """Answer nothing."""
    del batch


def bare_rate() -> float:
    """The ceiling of any Python loop: two clock reads and a completion callback a query."""
    now = MonotonicClock().now_ns

    def complete(started: int, ended: int) -> None:
        del started, ended

    begin = time.perf_counter()
    for _ in range(QUERIES):
        complete(now(), now())
    return QUERIES / (time.perf_counter() - begin)


def tailmark_rate() -> float:
    """Our loop, with its recording."""
    order, inputs = _workload()
    recording = Recording(QUERIES)
    now = MonotonicClock().now_ns
    begin = time.perf_counter()
    issue(order, inputs, null, recording, now)
    return QUERIES / (time.perf_counter() - begin)


def loadgen_rate() -> float:
    """LoadGen's own figure, its overhead within, its start and its log's end without."""
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.SingleStream
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = QUERIES
    settings.min_duration_ms = 0
    settings.single_stream_expected_latency_ns = 1_000
    logs = lg.LogSettings()
    logs.enable_trace = False

    response, complete = lg.QuerySampleResponse, lg.QuerySamplesComplete

    def answer(ids: list[int], indices: list[int]) -> None:
        del indices
        complete([response(ids[0], 0, 0)])

    with tempfile.TemporaryDirectory() as folder:
        output = lg.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        logs.log_output = output
        system = lg.ConstructFastSUT(answer, lambda: None)
        library = lg.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
        lg.StartTestWithLogSettings(system, library, settings, logs)
        lg.DestroyQSL(library)
        lg.DestroyFastSUT(system)
        summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
    found = re.search(r"QPS w/ loadgen overhead\s*:\s*([\d.]+)", summary)
    if found is None:
        raise SystemExit(f"LoadGen's summary has no rate:\n{summary}")
    return float(found[1])


def bytes_a_query() -> float:
    """What a round leaves in memory, by query: the columns, and whatever the loop allocated."""
    order, inputs = _workload()
    now = MonotonicClock().now_ns
    tracemalloc.start()
    recording = Recording(QUERIES)
    issue(order, inputs, null, recording, now)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / len(recording.completed)


def _workload() -> tuple[np.ndarray[tuple[int], np.dtype[np.int32]], list[None]]:
    order = np.random.default_rng(0).integers(0, SAMPLES, QUERIES, dtype=np.int32)
    return order, [None] * SAMPLES


KINDS: dict[str, Callable[[], float]] = {
    "bare": bare_rate,
    "tailmark": tailmark_rate,
    "loadgen": loadgen_rate,
}
NAMES = {
    "bare": "bare loop: two clock reads, one callback",
    "tailmark": "tailmark: closed_loop.issue",
    "loadgen": "LoadGen from Python: FastSUT",
}


def in_fresh_process(kind: str) -> float:
    """One repetition."""
    command = [sys.executable, __file__, kind]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """Measure and print."""
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise SystemExit("LoadGen is not installed: pip install 'tailmark[loadgen]'")
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(REPETITIONS):
        for kind, found in rates.items():
            found.append(in_fresh_process(kind))
    middle = {kind: median(found) for kind, found in rates.items()}
    print(f"single-stream, null system, {QUERIES:,} queries; medians of {REPETITIONS}, in turn\n")
    print(f"{'':<42}{'queries/s':>12}{'ns a query':>12}{'lowest/s':>12}{'highest/s':>12}")
    for kind, rate in middle.items():
        span = f"{min(rates[kind]):>12,.0f}{max(rates[kind]):>12,.0f}"
        print(f"{NAMES[kind]:<42}{rate:>12,.0f}{1e9 / rate:>12,.0f}{span}")
    ratio = middle["tailmark"] / middle["loadgen"]
    held = bytes_a_query()
    print(f"\ntailmark / LoadGen: {ratio:.1f}×")
    print(f"goal ≥ {GOAL_RATIO}×: {'met' if ratio >= GOAL_RATIO else 'NOT met'}")
    print(f"a recording holds {held:.1f} bytes a query")
    print(f"goal < {GOAL_BYTES}: {'met' if held < GOAL_BYTES else 'NOT met'}")


if __name__ == "__main__":
    if sys.argv[1:]:
        gc.disable()  # as a measurement does
        print(KINDS[sys.argv[1]]())
    else:
        main()
