"""How many queries of a null system a second, per scenario: ours and LoadGen's from Python.

Every repetition of every kind is a fresh process: LoadGen half applies a second configuration in
one process, and the others get no better start than it has. All are timed alike: from the first
query handed over to the last completion.
"""

import gc
import importlib.util
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from array import array
from collections.abc import Callable
from queue import SimpleQueue
from statistics import median
from typing import Any

import numpy as np

from tailmark.clock import MonotonicClock
from tailmark.drive.backlog import Backlog
from tailmark.drive.closed_loop import issue, issue_queries
from tailmark.drive.one_worker import infer_in_turn
from tailmark.drive.pool import Pool
from tailmark.drive.recording import Recording
from tailmark.drive.service import Opened, Service
from tailmark.drive.serving import Serve, server
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing

REPETITIONS = 7
QUERIES = {"single-stream": 300_000, "server": 300_000, "multi-stream": 30_000, "offline": 1}
SAMPLES = {"single-stream": 1, "server": 1, "multi-stream": 8, "offline": 300_000}
LIBRARY = 1_024
NATIVE = {"single-stream": 1.07e6, "server": 0.97e6, "multi-stream": 0.37e6, "offline": 51e6}
"""Queries (offline: samples) a second of LoadGen from C++, as our reference for it measured them
on two cores; not measured here."""

GOALS = {("single-stream", "inline"): 5, ("server", "inline"): 5, ("server", "worker"): 2}
GOAL_BYTES = 64
FOREVER_NS = 10**15

Complete = Callable[[list[int]], None]


def null(batch: object) -> None:
    """Answer nothing."""
    del batch


class Null:
    """A predictor that answers nothing."""

    fresh = True
    predict = staticmethod(null)

    def check(self, batch: object) -> None:
        """Anything fits."""

    def describe(self) -> dict[str, Any]:
        """Nothing to say."""
        return {}


def tailmark_rate(scenario: str, kind: str) -> float:
    """Our loops, with their recording."""
    clock = MonotonicClock()
    rows = QUERIES[scenario] * SAMPLES[scenario]
    schedule = _schedule(scenario, rows)
    recording = Recording(rows, queue=kind == "worker" or scenario != "single-stream")
    drive = _drive(scenario, kind, schedule, recording, clock)
    if schedule.due_ns is not None:
        recording.due = array("q", [clock.now_ns()]) * rows
    drive()
    issued, completed = recording.column("issued"), recording.column("completed")
    return float(QUERIES[scenario] / ((completed.max() - issued.min()) / 1e9))


def _schedule(scenario: str, rows: int) -> Schedule:
    sample = np.random.default_rng(0).integers(0, LIBRARY, rows, dtype=np.int32)
    closed = scenario in ("single-stream", "multi-stream")
    due = None if closed else np.zeros(QUERIES[scenario], dtype=np.int64)
    return Schedule(sample=sample, due_ns=due, per_query=SAMPLES[scenario])


def _drive(
    scenario: str, kind: str, schedule: Schedule, recording: Recording, clock: MonotonicClock
) -> Callable[[], None]:
    inputs: list[Any] = [None] * LIBRARY
    order, now = schedule.sample, clock.now_ns
    if kind == "worker":
        one = [_serve(schedule, recording, clock)]
        pool = Pool(one, None, recording, clock, Queueing(), FOREVER_NS, FOREVER_NS, None)
        return lambda: pool.run(schedule)
    if scenario == "single-stream":
        return lambda: issue(order, inputs, null, recording, now)
    if scenario == "multi-stream":
        serve = _serve(schedule, recording, clock)
        return lambda: issue_queries(schedule, serve, recording, now, None)
    return lambda: infer_in_turn(order, inputs, null, recording, clock, FOREVER_NS)


def _serve(schedule: Schedule, recording: Recording, clock: MonotonicClock) -> Serve:
    service = Service(
        predictor=Null(),
        inputs=[None] * LIBRARY,
        prepare=null,  # type: ignore[arg-type]
        decode=lambda _output, _sample: (),
        hold=1,
        output_bytes=1,
        opened=Opened(system={}, warnings=(), open_ns=0, first_query_ns=0),
    )
    backlog = Backlog(
        recording,
        schedule.sample,
        lambda _output, _sample: None,
        lambda _: 0,
        1 << 30,
        clock.now_ns,
    )
    return server(service, "inference", schedule.sample, recording, clock.now_ns, backlog, null)  # type: ignore[arg-type]


def loadgen_rate(scenario: str, kind: str) -> float:
    """LoadGen with a system of that kind, timed in its callbacks."""
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.scenario = {
        "single-stream": lg.TestScenario.SingleStream,
        "multi-stream": lg.TestScenario.MultiStream,
        "server": lg.TestScenario.Server,
        "offline": lg.TestScenario.Offline,
    }[scenario]
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_query_count = QUERIES[scenario]
    if scenario == "offline":
        settings.min_query_count = SAMPLES["offline"]  # of the samples in its one query
    settings.min_duration_ms = 0
    settings.server_target_qps = 1e9
    settings.multi_stream_samples_per_query = SAMPLES["multi-stream"]
    settings.offline_expected_qps = 1
    settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = 1_000
    logs = lg.LogSettings()
    logs.enable_trace = False
    rows = QUERIES[scenario] * SAMPLES[scenario]
    span = [0, 0]
    left = rows
    response, completed, now = lg.QuerySampleResponse, lg.QuerySamplesComplete, time.perf_counter_ns

    def complete(ids: list[int]) -> None:
        nonlocal left
        completed([response(one, 0, 0) for one in ids])
        left -= len(ids)
        if left <= 0:
            span[1] = now()

    construct, destroy, issue_query = _loadgen_system(lg, kind, complete, span)
    with tempfile.TemporaryDirectory() as folder:
        output = lg.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        logs.log_output = output
        system = construct(issue_query, lambda: None)
        library = lg.ConstructQSL(LIBRARY, LIBRARY, lambda _: None, lambda _: None)
        lg.StartTestWithLogSettings(system, library, settings, logs)
        lg.DestroyQSL(library)
        destroy(system)
    if left > 0:
        raise SystemExit(f"LoadGen sent {rows - left} of {rows} samples")
    return QUERIES[scenario] / ((span[1] - span[0]) / 1e9)


def _loadgen_system(lg: Any, kind: str, complete: Complete, span: list[int]) -> tuple[Any, ...]:
    """How LoadGen is answered: FastSUT, the ordinary callback, or a worker thread behind it."""

    def begin() -> None:
        if not span[0]:
            span[0] = time.perf_counter_ns()

    def fast(ids: list[int], indices: list[int]) -> None:
        del indices
        begin()
        complete(ids)

    def ordinary(samples: list[Any]) -> None:
        begin()
        complete([one.id for one in samples])

    if kind == "fast":
        return lg.ConstructFastSUT, lg.DestroyFastSUT, fast
    if kind == "inline":
        return lg.ConstructSUT, lg.DestroySUT, ordinary
    queue: SimpleQueue[list[int]] = SimpleQueue()

    def work() -> None:
        while True:
            complete(queue.get())

    threading.Thread(target=work, daemon=True).start()

    def hand_over(samples: list[Any]) -> None:
        begin()
        queue.put([one.id for one in samples])

    return lg.ConstructSUT, lg.DestroySUT, hand_over


def bytes_a_query() -> dict[str, float]:
    """What a round leaves in memory, by query: the columns, and whatever the loop allocated."""
    held = {}
    for scenario in ("single-stream", "server"):
        rows = QUERIES[scenario]
        clock, schedule = MonotonicClock(), _schedule(scenario, rows)
        tracemalloc.start()
        recording = Recording(rows, queue=scenario == "server")
        _drive(scenario, "inline", schedule, recording, clock)()
        held[scenario] = tracemalloc.get_traced_memory()[0] / rows
        tracemalloc.stop()
    return held


RATES: dict[str, Callable[[str, str], float]] = {"tailmark": tailmark_rate, "loadgen": loadgen_rate}
KINDS = (
    ("tailmark", "inline"),
    ("loadgen", "fast"),
    ("loadgen", "inline"),
    ("tailmark", "worker"),
    ("loadgen", "worker"),
)
NAMES = {
    ("tailmark", "inline"): "tailmark, in the issuing thread",
    ("loadgen", "fast"): "LoadGen, FastSUT",
    ("loadgen", "inline"): "LoadGen, in its callback",
    ("tailmark", "worker"): "tailmark, a worker thread",
    ("loadgen", "worker"): "LoadGen, a worker thread",
}


def in_fresh_process(whose: str, scenario: str, kind: str) -> float:
    """One repetition."""
    command = [sys.executable, __file__, whose, scenario, kind]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """Measure and print."""
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise SystemExit("LoadGen is not installed: pip install 'tailmark[loadgen]'")
    print(f"a null system; medians of {REPETITIONS}, in turn; offline in samples\n")
    for scenario in QUERIES:
        rates: dict[tuple[str, str], list[float]] = {one: [] for one in KINDS}
        for _ in range(REPETITIONS):
            for (whose, kind), found in rates.items():
                found.append(in_fresh_process(whose, scenario, kind) * _unit(scenario))
        middle = {one: median(found) for one, found in rates.items()}
        print(f"{scenario:<34}{'a second':>12}{'lowest':>12}{'highest':>12}")
        for one, rate in middle.items():
            span = f"{min(rates[one]):>12,.0f}{max(rates[one]):>12,.0f}"
            print(f"  {NAMES[one]:<32}{rate:>12,.0f}{span}")
        for ours, theirs in (("inline", "fast"), ("worker", "worker")):
            ratio = middle["tailmark", ours] / middle["loadgen", theirs]
            goal = GOALS.get((scenario, ours))
            met = "" if goal is None else f" (goal ≥ {goal}×: {_met(ratio >= goal)})"
            print(f"  {NAMES['tailmark', ours]} / {NAMES['loadgen', theirs]}: {ratio:.1f}×{met}")
        native = middle["tailmark", "inline"] / NATIVE[scenario]
        print(f"  beside {NATIVE[scenario] / 1e6:g}M/s of LoadGen from C++: {native:.2f}×\n")
    for scenario, held in bytes_a_query().items():
        met = _met(held < GOAL_BYTES)
        print(
            f"{scenario}: a recording holds {held:.1f} bytes a query (goal < {GOAL_BYTES}: {met})"
        )


def _unit(scenario: str) -> int:
    return SAMPLES["offline"] if scenario == "offline" else 1


def _met(holds: bool) -> str:
    return "met" if holds else "NOT met"


if __name__ == "__main__":
    if sys.argv[1:]:
        gc.disable()  # as a measurement does
        print(RATES[sys.argv[1]](sys.argv[2], sys.argv[3]))
    else:
        main()
