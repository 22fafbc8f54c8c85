"""How late the generator itself is: ours and LoadGen's, with a null system and with a real one.

Lateness is issued − scheduled. LoadGen's is read from its own trace log. Every repetition is a
fresh process. With a real system the generator shares the process with inference: ours in its own
thread (one worker) or beside two workers, LoadGen's beside a worker thread, as its Python systems
are written. What our spin costs those workers is measured with the spin and without it.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
from array import array
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any

import numpy as np

import tailmark
from tailmark.clock import MonotonicClock
from tailmark.drive import pool as pool_module
from tailmark.drive.driver import Driver, no_garbage_collection
from tailmark.drive.one_worker import infer_in_turn
from tailmark.drive.recording import Recording
from tailmark.drive.service import Service, open_service
from tailmark.drive.waiting import sharp_timer
from tailmark.loadgen.logs import read_trace
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.server import Server

SECONDS = 3
RATES = (1_000, 5_000, 10_000, 50_000)
REPETITIONS = 3
LIBRARY = 360
SHARE = 0.3
"""Of the real system's capacity."""
FOREVER_NS = 10**15

Lateness = np.ndarray[tuple[int], np.dtype[np.float64]]


def ours_null(qps: float) -> dict[str, Any]:
    """A system that answers nothing, in the issuing thread."""
    clock, schedule = MonotonicClock(), _schedule(qps)
    recording = Recording(len(schedule), queue=True)
    assert schedule.due_ns is not None
    with sharp_timer(), no_garbage_collection():
        start_ns = clock.now_ns() + clock.oversleep_ns
        recording.due = array("q", (schedule.due_ns + start_ns).tobytes())
        inputs: list[Any] = [None] * LIBRARY
        infer_in_turn(schedule.sample, inputs, _null, recording, clock, FOREVER_NS)
    return _told(recording)


def _null(batch: object) -> None:
    del batch


def _schedule(qps: float) -> Any:
    scenario = Server(target_qps=qps, queries=int(qps * SECONDS))
    return scenario.schedule(LIBRARY, order="replacement", seed=0, index=0)


def ours_real(qps: float, workers: int, spin_ns: int | None = None) -> dict[str, Any]:
    """The built-in network, served as an experiment serves it."""
    clock = MonotonicClock()
    first = _service()
    services = [first, *(first.again(tailmark.DigitsNetwork()) for _ in range(workers - 1))]
    driver = Driver(services, "inference", clock, Queueing(workers=workers), 10**10)
    if spin_ns is not None:
        pool_module.SHARED_SPIN_NS = spin_ns  # type: ignore[attr-defined]
    schedule = _schedule(qps)
    recording = driver.recording(schedule)
    with no_garbage_collection():
        driver.drive(schedule, recording, lambda _: 0)
    return _told(recording)


def _service() -> Service:
    samples = tailmark.Digits().open()
    return open_service(
        samples, tailmark.DigitsNetwork(), tailmark.Classes(), "inference", lambda _: None
    )


def _told(recording: Recording) -> dict[str, Any]:
    late = recording.column("issued") - recording.column("due")
    served = recording.column("completed") - recording.column("started")
    return {
        "late": np.percentile(late, [50, 90, 99]).tolist(),
        "served": np.percentile(served, [50, 99]).tolist(),
        "latency": np.percentile(
            recording.column("completed") - recording.column("due"), [50, 99]
        ).tolist(),
    }


def loadgen(qps: float, kind: str) -> dict[str, Any]:
    """LoadGen's server scenario: its lateness by its own trace."""
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.Server
    settings.mode = lg.TestMode.PerformanceOnly
    settings.server_target_qps = qps
    settings.min_query_count = settings.max_query_count = int(qps * SECONDS)
    settings.min_duration_ms = 0
    logs = lg.LogSettings()
    logs.enable_trace = True
    answer = _loadgen_real(lg) if kind == "real" else _loadgen_null(lg)
    with tempfile.TemporaryDirectory() as folder:
        output = lg.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        logs.log_output = output
        system = lg.ConstructSUT(answer, lambda: None)
        library = lg.ConstructQSL(LIBRARY, LIBRARY, lambda _: None, lambda _: None)
        lg.StartTestWithLogSettings(system, library, settings, logs)
        lg.DestroyQSL(library)
        lg.DestroySUT(system)
        trace = read_trace(Path(folder) / "mlperf_log_trace.json")
    late = trace.issued_ns - trace.scheduled_ns
    latency = trace.completed_ns - trace.scheduled_ns
    return {
        "late": np.percentile(late, [50, 90, 99]).tolist(),
        "latency": np.percentile(latency, [50, 99]).tolist(),
    }


def _loadgen_null(lg: Any) -> Callable[[list[Any]], None]:
    response, complete = lg.QuerySampleResponse, lg.QuerySamplesComplete

    def answer(samples: list[Any]) -> None:
        complete([response(one.id, 0, 0) for one in samples])

    return answer


def _loadgen_real(lg: Any) -> Callable[[list[Any]], None]:
    response, complete = lg.QuerySampleResponse, lg.QuerySamplesComplete
    service = _service()
    queue: SimpleQueue[list[Any]] = SimpleQueue()

    def work() -> None:
        predict, inputs = service.predictor.predict, service.inputs
        while True:
            for one in queue.get():
                predict(inputs[one.index])
                complete([response(one.id, 0, 0)])

    threading.Thread(target=work, daemon=True).start()
    return queue.put


def capacity() -> float:
    """Queries a second that the built-in network answers one after another."""
    service, now = _service(), MonotonicClock().now_ns
    spent = []
    for i in range(2_000):
        began = now()
        service.predictor.predict(service.inputs[i % LIBRARY])
        spent.append(now() - began)
    return 1e9 / float(np.mean(spent))


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "ours-null": ours_null,
    "loadgen-null": lambda qps: loadgen(qps, "null"),
    "ours-real-1": lambda qps: ours_real(qps, 1),
    "ours-real-2": lambda qps: ours_real(qps, 2),
    "ours-real-2-no-spin": lambda qps: ours_real(qps, 2, spin_ns=0),
    "loadgen-real": lambda qps: loadgen(qps, "real"),
    "capacity": lambda _: {"qps": capacity()},
}


def in_fresh_process(task: str, qps: float) -> dict[str, Any]:
    """One repetition."""
    command = [sys.executable, __file__, "--task", task, "--qps", str(qps)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    told: dict[str, Any] = json.loads(found.splitlines()[-1])
    return told


def medians(tasks: tuple[str, ...], qps: float, what: str) -> dict[str, list[float]]:
    """Of repetitions taken in turn, in microseconds."""
    found: dict[str, list[list[float]]] = {task: [] for task in tasks}
    for _ in range(REPETITIONS):
        for task in tasks:
            told = in_fresh_process(task, qps)
            found[task].append([*told["late"], *told.get(what, [])])
    return {t: [median(column) / 1e3 for column in zip(*f, strict=True)] for t, f in found.items()}


def main() -> None:
    """Measure and print."""
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise SystemExit("LoadGen is not installed: pip install 'tailmark[loadgen]'")
    print(f"lateness in µs; medians of {REPETITIONS} runs of {SECONDS} s, in turn\n")
    print(f"{'null system':<24}{'p50':>9}{'p90':>9}{'p99':>9}")
    for qps in RATES:
        late = medians(("ours-null", "loadgen-null"), qps, "late")
        _print_pair(f"{qps:,}/s", late["ours-null"], late["loadgen-null"], 1 / 50, 1 / 2)
    qps = SHARE * in_fresh_process("capacity", 0)["qps"]
    tasks = ("ours-real-1", "ours-real-2", "ours-real-2-no-spin", "loadgen-real")
    late = medians(tasks, qps, "latency")
    print(f"\nreal inference at {qps:,.0f}/s, {SHARE:.0%} of what one worker answers")
    print(f"{'':<24}{'p50':>9}{'p90':>9}{'p99':>9}{'latency p50':>13}{'p99':>9}")
    for task, name in zip(
        tasks, ("one worker", "two workers", "two, no spin", "LoadGen, a thread"), strict=True
    ):
        print(f"{name:<24}" + "".join(f"{v:>{w}.2f}" for v, w in zip(late[task], WIDTHS)))  # noqa: B905
    for task in tasks[:2]:
        p50, p99 = (late[task][i] / late["loadgen-real"][i] for i in (0, 2))
        print(
            f"{task}: p50 {p50:.3f} of LoadGen's (goal ≤ 1/4: {_met(p50 <= 1 / 4)}), p99 {p99:.2f} "
            f"(goal ≤ 1: {_met(p99 <= 1)})"
        )
    cost = [late["ours-real-2"][i] / late["ours-real-2-no-spin"][i] for i in (3, 4)]
    print(f"the spin's cost to two workers: latency p50 × {cost[0]:.2f}, p99 × {cost[1]:.2f}")


WIDTHS = (9, 9, 9, 13, 9)


def _print_pair(
    name: str, ours: list[float], theirs: list[float], goal50: float, goal99: float
) -> None:
    for whose, late in (("tailmark", ours), ("LoadGen", theirs)):
        print(f"{name:<13}{whose:<11}" + "".join(f"{one:>9.2f}" for one in late[:3]))
    p50, p99 = ours[0] / theirs[0], ours[2] / theirs[2]
    print(
        f"{'':<13}p50 {p50:.4f} of LoadGen's (goal ≤ {goal50:g}: {_met(p50 <= goal50)}), "
        f"p99 {p99:.2f} (goal ≤ {goal99:g}: {_met(p99 <= goal99)})"
    )


def _met(holds: bool) -> str:
    return "met" if holds else "NOT met"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--qps", type=float, default=0.0)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(TASKS[given.task](given.qps)))
    else:
        main()
