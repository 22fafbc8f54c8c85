"""The process of one LoadGen test: opens everything, warms up, and lets LoadGen do its test."""

import gc
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tailmark.child import attend
from tailmark.decode.base import Decoder
from tailmark.drive.failures import describe_failure
from tailmark.drive.loadgen.answering import Inline, Responding, Workers
from tailmark.drive.loadgen.desk import Desk
from tailmark.drive.loadgen.ledger import Account, Ledger
from tailmark.drive.loadgen.settings import LoadGenTest, Pace
from tailmark.drive.meanwhile import meanwhile
from tailmark.drive.responding import check_responder
from tailmark.drive.service import Opened, Service, Timed, open_service
from tailmark.drive.watchdog import Watchdog
from tailmark.errors import InputError, SystemSetupError
from tailmark.scenario.queueing import Queueing
from tailmark.system.asynchronous import Waited, as_predictor
from tailmark.system.base import Predictor, System, joined
from tailmark.workload.base import Workload

_PROBES = 3
_HEARTBEAT_S = 0.5
_NOW = time.perf_counter_ns


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured, as it travels to the process."""

    workload: Workload
    system: System
    decoder: Decoder
    timed: Timed
    queueing: Queueing
    timeout_ns: int
    warmup: int


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Said once everything is open and warm."""

    opened: Opened
    pace: Pace
    samples: int


@dataclass(frozen=True)
class Stuck:
    """Said when a call will not come back, and the process ends for it."""

    sample: int


OPENED = "opened"
"""Said once the system has answered a first query."""

ALIVE = "alive"
"""Said again and again while the test lasts."""


def main() -> None:
    """The process."""
    attend(_serve)


def _serve(pipe: Connection) -> None:
    say = _one_at_a_time(pipe.send)
    sys.path[:], packed, skip = pipe.recv()
    try:
        job: Job = pickle.loads(packed)  # noqa: S301 - our parent's
    except Exception as cause:  # noqa: BLE001 - what is imported on the way is the user's code
        say(not_found(cause))
        return
    try:
        service = _opened(job, say, skip)
        say(OPENED)
        others = [as_predictor(job.system.open()) for _ in range(1, job.queueing.workers)]
    except InputError as cause:
        say(cause)
        return
    except (Exception, SystemExit) as cause:  # noqa: BLE001 - opening runs the user's code
        say(SystemSetupError(f"the system cannot be opened: {describe_failure(cause)}"))
        return
    with _heartbeat(say):
        pace = _warmed_up(service, others, job, lambda sample: _leave(say, sample))
        say(Ready(opened=service.opened, pace=pace, samples=len(service.inputs)))
        test, folder = pipe.recv()
        gc.collect()
        gc.freeze()
        gc.disable()
        account = _tested(service, others, job, test, folder, lambda row: _leave(say, row))
    say(account)


def not_found(cause: Exception) -> SystemSetupError:
    """Of what only this process can find."""
    return SystemSetupError(
        "engine: loadgen runs the system in processes of their own, and they cannot find it "
        f"({describe_failure(cause)}): give a function as 'module:function'"
    )


def _one_at_a_time(send: Callable[[Any], None]) -> Callable[[Any], None]:
    lock = threading.Lock()

    def say(message: Any) -> None:
        with lock:
            send(message)

    return say


def _heartbeat(say: Callable[[Any], None]) -> AbstractContextManager[None]:
    """Let the parent see that the interpreter still runs."""

    def beat() -> None:
        with suppress(OSError):
            say(ALIVE)

    return meanwhile(beat, _HEARTBEAT_S, "tailmark-heartbeat")


def _leave(say: Callable[[Any], None], sample: int) -> None:
    """The main thread is in native code that will not come back."""
    say(Stuck(sample))
    os._exit(1)


def _opened(job: Job, say: Callable[[Any], None], skip: Collection[int]) -> Service:
    samples = job.workload.open()
    service = open_service(
        samples,
        job.system,
        job.decoder,
        job.timed,
        tick=say,
        skip=skip,
        batch=job.queueing.batch,
    )
    if service.opened.responds:
        check_responder(job.timed, job.queueing)
    return service


def _warmed_up(
    service: Service, others: Sequence[Predictor], job: Job, leave: Callable[[int], None]
) -> Pace:
    """Send the warm-up, and see how fast the system is. What fails here fails in the test too."""
    inputs = service.inputs
    serving: int | None = None
    calls = 0

    def timed(predictor: Predictor, samples: Sequence[int]) -> int:
        nonlocal serving, calls
        calls += 1
        began = _NOW()
        try:
            serving = samples[0]
            ones = [inputs[sample] for sample in samples]
            if job.timed == "total":
                ones = [service.prepare(one) for one in ones]
            predictor.predict(joined(ones))
            serving = None
        except BaseException:  # noqa: BLE001 - the system may raise anything, the watchdog too
            serving = None
            return job.timeout_ns
        return _NOW() - began

    with Watchdog(
        job.timeout_ns,
        lambda: None if serving is None else (calls, serving),
        lambda: leave(serving or 0),
    ):
        count, batch = max(job.warmup, _PROBES), job.queueing.batch
        singles = [timed(service.predictor, (i % len(inputs),)) for i in range(count)]
        batches = [
            timed(service.predictor, [(i + k) % len(inputs) for k in range(batch)])
            for i in range(_PROBES if batch > 1 else 0)
        ]
        for predictor in others:
            for i in range(count):
                timed(predictor, (i % len(inputs),))
    quickest = max(1, min(singles))
    return Pace(
        query_ns=quickest, sample_ns=max(1, min([quickest, *(b // batch for b in batches)]))
    )


def _tested(
    service: Service,
    others: Sequence[Predictor],
    job: Job,
    test: LoadGenTest,
    folder: Path,
    leave: Callable[[int], None],
) -> Account:
    """Let LoadGen do its test into a folder."""
    import mlperf_loadgen as lg

    decoder = job.decoder
    ledger = Ledger(decoder.columns, decoder.ragged, stages=job.timed == "total")

    def respond(responses: Sequence[tuple[int, int, int]]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(*one) for one in responses])

    desk = Desk(
        service,
        job.timed,
        ledger,
        respond,
        with_data=test.with_data,
        timeout_ns=job.timeout_ns,
    )
    how = _answering(desk, others, job, test.scenario, leave)

    def issue(queries: Sequence[Any]) -> None:
        how.issue([one.id for one in queries], [one.index for one in queries])

    nothing: Callable[..., None] = lambda *_: None  # noqa: E731 - LoadGen wants four of them
    count = len(service.inputs)
    settings = _configured(lg, test, folder)
    logs = lg.LogSettings()
    logs.enable_trace = True
    logs.log_output = lg.LogOutputSettings()
    logs.log_output.outdir = str(folder)
    logs.log_output.copy_summary_to_stdout = False
    system = lg.ConstructSUT(issue, nothing)
    library = lg.ConstructQSL(count, count, nothing, nothing)  # all samples are in memory
    with how.answering():
        # LoadGen takes an audit.config of the working folder unless it is given another name.
        lg.StartTestWithLogSettings(system, library, settings, logs, str(folder / "audit.config"))
    lg.DestroyQSL(library)
    lg.DestroySUT(system)
    return ledger.close()


def _answering(
    desk: Desk, others: Sequence[Predictor], job: Job, scenario: str, leave: Callable[[int], None]
) -> Any:
    predictor, queueing, timeout_ns = desk.service.predictor, job.queueing, job.timeout_ns
    all_at_once = scenario == "Offline"
    if isinstance(predictor, Waited):
        return Responding(desk, predictor.responder, queueing, timeout_ns, progress=all_at_once)
    if scenario != "Server" and queueing.workers == 1 and queueing.max_outstanding is None:
        return Inline(
            desk, predictor, queueing, timeout_ns, lambda row: leave(desk.ledger.sample[row])
        )
    return Workers(
        desk,
        [predictor, *others],
        lambda: as_predictor(job.system.open()),
        queueing,
        timeout_ns,
        progress=all_at_once,
    )


def _configured(lg: Any, test: LoadGenTest, folder: Path) -> Any:
    """LoadGen's settings: MLPerf's own, then ``user.conf``, then exactly what we ask for."""
    settings = lg.TestSettings()
    settings.FromConfig(str(folder / "user.conf"), test.benchmark, test.scenario, 1)
    settings.scenario = getattr(lg.TestScenario, test.scenario)
    settings.mode = getattr(lg.TestMode, test.mode)
    for name, value in test.settings.items():
        setattr(settings, name, value)
    return settings
