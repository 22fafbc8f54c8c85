"""The only meeting of workload, scenario, system and clock: reads as the measurement goes."""

import hashlib
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.clock import Clock, MonotonicClock
from tailmark.decode.base import Decoder
from tailmark.decode.classes import Classes
from tailmark.drive.driver import Driver, no_garbage_collection, set_up_kept
from tailmark.drive.flight import InFlight
from tailmark.drive.loadgen.engine import LoadGenEngine
from tailmark.drive.loadgen.settings import LoadGen, require_loadgen
from tailmark.drive.service import Opened, Service, Timed, open_service
from tailmark.drive.watchdog import OverdueError, Watchdog
from tailmark.errors import (
    EveryQueryFailedError,
    InterruptedRunError,
    MeasurementError,
    QueryNeverReturnedError,
    StoreError,
    TailmarkError,
)
from tailmark.experiment import Experiment
from tailmark.machine import Audit, audit
from tailmark.records.catalogue import Catalogue
from tailmark.records.columns import content_of
from tailmark.records.environment import capture
from tailmark.records.logbook import Logbook
from tailmark.records.model import Manifest, References, Round, Run
from tailmark.records.store import RunWriter, open_run
from tailmark.scenario.base import Order, Scenario, Schedule
from tailmark.scenario.queueing import Queueing, WhenBusy
from tailmark.scenario.single_stream import SingleStream
from tailmark.stopping import Lookout, Until
from tailmark.system.base import System
from tailmark.system.function import Function
from tailmark.units import format_duration, parse_duration
from tailmark.workload.base import Samples, Workload

_THUMBNAILS_AT_MOST = 2_000
_LONG_NS = 5 * 10**9


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress bar is told, between rounds only: drawing costs the timed region nothing.

    Args:
        done: Finished rounds.
        rounds: Rounds asked for, at most.
        doing: What comes next, in a word or two.
    """

    done: int
    rounds: int
    doing: str


Tell = Callable[[Progress], object]


def measure(
    workload: Workload,
    system: System | Callable[[Any], Any],
    *,
    out: str | Path,
    rounds: int | Until = 100,
    scenario: Scenario | None = None,
    decode: Decoder | None = None,
    quality: Mapping[str, Any] | None = None,
    require: Mapping[str, Any] | None = None,
    warmup: int = 50,
    timed: Timed = "inference",
    order: Order | None = None,
    seed: int = 0,
    timeout: str | int = "10s",
    isolate: bool = False,
    workers: int = 1,
    batch: int = 1,
    batch_wait: str | int = 0,
    max_outstanding: int | None = None,
    when_busy: WhenBusy = "queue",
    engine: LoadGen | None = None,
    resume: bool = False,
    progress: Tell | None = None,
    clock: Clock | None = None,
) -> Run:
    """Measure a system on a workload, round by round, into a run directory.

    The arguments of every day are the first four; the rest have defaults that do the right thing.

    Args:
        workload: What is asked.
        system: What answers: a recipe (`OnnxRuntime`, …) or a callable that takes a batch of one.
        out: The run directory; made, and written by nobody else meanwhile.
        rounds: Repetitions of the whole workload, the unit of every statistic: how many, or
            `Until` a rule has seen enough.
        scenario: When queries are sent; single-stream by default.
        decode: What the outputs mean; by default scores of classes, the best five kept.
        quality: How the run is graded if nobody says otherwise: ``metric``, ``deadlines``,
            ``on_late``.
        require: What it must deliver, if anything; see `tailmark.judge`.
        warmup: Queries sent and forgotten before the first round.
        timed: ``"inference"`` has all samples prepared before the clock starts; ``"total"`` times
            preprocessing and postprocessing too, each as a stage.
        order: ``"shuffled"`` anew each round by (seed, round), or ``"fixed"``; by default shuffled
            where the scenario has no order of its own.
        seed: Makes the order repeatable.
        timeout: How long an answer may take from when its query was due, ``"300ms"`` or
            nanoseconds; later, it has no answer.
        isolate: Run the system in a process of its own, so that a call that never returns can be
            killed and the run goes on.
        workers: How many serve the queue, each with its own opening of the system.
        batch: The most samples a worker takes at once: what waits when it is free.
        batch_wait: How long the first of a batch may wait for others, ``"2ms"`` or nanoseconds.
        max_outstanding: How many samples may be queued or in service; what comes beyond is shed.
        when_busy: What becomes of a sample that finds every worker busy: ``"queue"`` has it wait,
            ``"skip"`` sheds it, ``"newest"`` sheds it when a newer one comes before a free worker.
        engine: `LoadGen` to have MLPerf's own load generator send the queries.
        resume: Go on with the run in ``out`` at its next round.
        progress: Told between rounds how far the run is.
        clock: Instead of the machine's monotonic clock.

    Returns:
        The finished run, opened.

    Raises:
        InputError: Something given cannot be used; nothing was measured.
        StoreError: The directory cannot be written; the finished rounds stand.
        EveryQueryFailedError: No query of the first round was answered.
        QueryNeverReturnedError: A call in this process outlived the timeout. Where it cannot be
            stopped (native code, or not the main thread), the process ends with exit code 3.
        InterruptedRunError: Ctrl-C; also a KeyboardInterrupt.
    """
    if not isinstance(timeout, int):
        timeout = parse_duration(timeout, "a timeout")
    if not isinstance(batch_wait, int):
        batch_wait = parse_duration(batch_wait, "batch_wait")
    recipe: Any = system if hasattr(system, "open") else Function(call=system)
    experiment = Experiment(
        workload=workload,
        system=recipe,
        rounds=rounds,
        scenario=scenario or SingleStream(),
        decode=decode or Classes(),
        quality=quality or {},
        require=require,
        warmup=warmup,
        timed=timed,
        order=order,
        seed=seed,
        timeout_ns=timeout,
        isolate=isolate,
        queueing=Queueing(
            workers=workers,
            batch=batch,
            batch_wait_ns=batch_wait,
            max_outstanding=max_outstanding,
            when_busy=when_busy,
        ),
        engine=engine,
    )
    return run_experiment(experiment, out=out, resume=resume, progress=progress, clock=clock)


def run_experiment(
    experiment: Experiment,
    *,
    out: str | Path,
    resume: bool = False,
    progress: Tell | None = None,
    clock: Clock | None = None,
) -> Run:
    """Measure an experiment into a run directory; see `measure`."""
    tell = progress or (lambda _: None)
    if experiment.engine is not None:
        require_loadgen()
    with RunWriter(out, resume=resume) as writer:
        tell(Progress(done=0, rounds=experiment.at_most, doing="loading samples"))
        samples = experiment.workload.open()
        experiment.check_references(samples.references is not None)
        manifest = _manifest(experiment, samples)
        decoder = experiment.decode
        log = Logbook(writer, manifest, decoder.columns, decoder.ragged)
        if not log.complete:
            flight = InFlight(samples.ids)
            lookout = Lookout(experiment.rounds, writer.path)
            with _ending_well(log, experiment, flight, str(writer.path)):
                if experiment.engine is not None:
                    _measure_by_loadgen(
                        experiment, experiment.engine, samples, log, lookout, writer.path, tell
                    )
                else:
                    _measure(
                        experiment, samples, log, lookout, flight, clock or MonotonicClock(), tell
                    )
    return open_run(writer.path)


def _measure(
    experiment: Experiment,
    samples: Samples,
    log: Logbook,
    lookout: Lookout,
    flight: InFlight,
    clock: Clock,
    tell: Tell,
) -> None:
    """Open, audit, warm up, and measure the rounds that are missing."""

    def say(doing: str) -> None:
        tell(Progress(done=log.rounds, rounds=experiment.at_most, doing=doing))

    say("opening the system")
    with _opened(experiment, samples, flight, clock) as driver, set_up_kept():
        say("auditing the machine")
        _begin(log, samples, driver.opened, audit(full=False, isolated=experiment.isolate))
        say("warming up")
        first = experiment.schedule(len(samples), 0).sample
        warm = driver.warm_up(np.resize(first, experiment.warmup))
        recording = driver.recording(warm)
        with no_garbage_collection(), flight.sending("the warm-up", warm.sample, recording):
            decoder = experiment.decode
            driver.drive(warm, recording, Catalogue(decoder.columns, {}, decoder.ragged).number)

        while not _enough(lookout, log):
            index = log.rounds
            schedule = experiment.schedule(len(samples), index)
            say(", ".join(filter(None, ["measuring", lookout.brief, _round_length(schedule)])))
            recording = driver.recording(schedule)
            began = datetime.now(UTC).isoformat(timespec="milliseconds")
            with (
                no_garbage_collection(),
                flight.sending(f"round {index}", schedule.sample, recording),
            ):
                start_ns = driver.drive(schedule, recording, log.outputs.number)
            one = recording.to_round(
                index,
                schedule,
                start_ns=start_ns,
                timeout_ns=experiment.timeout_ns,
                facts={
                    "seed": [experiment.seed, index],
                    "order": experiment.sample_order,
                    "began": began,
                    "garbage_collection": "off",
                },
            )
            recording.failures.update(driver.afterwards)
            driver.afterwards.clear()
            _add(log, one, recording.failures)
    say("done")


def _round_length(schedule: Schedule) -> str:
    """How long nothing will be said, where that is long and known beforehand."""
    last_ns = int(schedule.due_ns[-1]) if schedule.due_ns is not None else 0
    return f"a round takes {format_duration(last_ns, 2)}" if last_ns > _LONG_NS else ""


def _measure_by_loadgen(
    experiment: Experiment,
    loadgen: LoadGen,
    samples: Samples,
    log: Logbook,
    lookout: Lookout,
    path: Path,
    tell: Tell,
) -> None:
    """Have LoadGen send the queries of the rounds that are missing, a process a round."""

    def say(doing: str) -> None:
        tell(Progress(done=log.rounds, rounds=experiment.at_most, doing=doing))

    say("opening the system")
    with LoadGenEngine(
        job=experiment.job(),
        settings=loadgen,
        scenario=experiment.scenario,
        order=experiment.sample_order,
        bound=experiment.latency_bound,
        seed=experiment.seed,
        folder=path / "loadgen",
        ids=samples.ids,
    ) as engine:
        say("auditing the machine")
        _begin(log, samples, engine.opened, audit(full=False))
        engine.tidy(log.rounds)
        say("sending each sample once")
        log.remark(engine.accuracy())
        while not _enough(lookout, log):
            say(f"LoadGen measures, {lookout.brief}" if lookout.brief else "LoadGen measures")
            measured = engine.round(log.rounds, log.outputs.number)
            _add(log, measured.round, measured.failures)
            log.remark(measured.warnings)
            log.report(measured.reported)
    say("done")


def _enough(lookout: Lookout, log: Logbook) -> bool:
    """Look at the finished rounds, and write down what was seen."""
    found = lookout.enough(log.rounds)
    log.stopping = lookout.account(log.rounds, log.inferences)
    return found


def _begin(log: Logbook, samples: Samples, opened: Opened, machine: Audit) -> None:
    """Write down what is known before the first round."""
    log.begin(
        _references(samples),
        [*opened.warnings, *machine.warnings()],
        system=opened.system,
        audit=machine.to_dict(),
        cold_start={"open_ns": opened.open_ns, "first_query_ns": opened.first_query_ns},
    )


def _add(log: Logbook, one: Round, failures: Mapping[str, int]) -> None:
    """Write a finished round down."""
    log.add(one, failures)
    if one.index == 0 and log.first_cause:
        raise EveryQueryFailedError(f"every query of the first round failed, {log.first_cause}")


@contextmanager
def _opened(
    experiment: Experiment, samples: Samples, flight: InFlight, clock: Clock
) -> Iterator[Driver]:
    """The system, open in this process or in one of its own."""
    queueing, timed = experiment.queueing, experiment.timed
    workers = range(queueing.workers)
    common = (timed, clock, queueing, experiment.timeout_ns)
    if experiment.isolate:
        with ExitStack() as stack:
            isolated = [stack.enter_context(experiment.isolated()) for _ in workers]
            driver = Driver(isolated, *common)
            driver.check()
            yield driver
        return

    def another() -> Service:
        return service.again(experiment.system)

    service = open_service(
        samples,
        experiment.system,
        experiment.decode,
        timed,
        flight.trying,
        batch=queueing.batch,
    )
    flight.trying(None)
    services = [service, *(another() for _ in workers[1:])]
    driver = Driver(services, *common, reopen=another)
    driver.check()
    yield driver


@contextmanager
def _ending_well(
    log: Logbook, experiment: Experiment, flight: InFlight, path: str
) -> Iterator[None]:
    """However the measurement ends, the run says so, and what was measured stands."""

    def never_returned() -> str:
        return (
            f"{flight.name()} did not return within the timeout of "
            f"{format_duration(experiment.timeout_ns)}: {log.rounds} finished rounds stand; "
            "isolate: true kills such a call and goes on"
        )

    def leave() -> None:
        """The main thread is in native code that will not come back."""
        log.end("partial", never_returned())
        sys.stderr.write(f"tailmark: {never_returned()}\n")
        sys.stderr.flush()
        os._exit(MeasurementError.exit_code)

    try:
        if experiment.isolate or experiment.engine is not None:
            yield  # the system is not in this process
        else:
            with Watchdog(experiment.timeout_ns, flight.position, leave):
                yield
    except OverdueError:
        log.end("partial", never_returned())
        raise QueryNeverReturnedError(never_returned()) from None
    except KeyboardInterrupt:
        log.end("partial", "interrupted by the user")
        kept = f"; {path!r} keeps them, go on with --resume" if log.rounds else ""
        raise InterruptedRunError(
            f"interrupted after {log.rounds} of {experiment.at_most} rounds{kept}"
        ) from None
    except StoreError:
        raise  # what cannot be written cannot say so either
    except TailmarkError as error:
        log.end("partial", str(error))
        raise
    log.end("complete")


def _manifest(experiment: Experiment, samples: Samples) -> Manifest:
    """What is known before anything is measured."""
    labels = samples.references
    return Manifest(
        tailmark=version("tailmark"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        experiment=experiment.describe(),
        design_id=uuid.uuid4().hex,
        hashes={
            "samples": samples.fingerprint,
            "ids": _sha256("\n".join(samples.ids).encode()),
            "labels": _sha256(content_of(labels)) if labels is not None else "",
            "model": experiment.system.fingerprint() or "",
        },
        environment=capture(experiment.folder),
        system={},
        audit={},
        cold_start={},
    )


def _references(samples: Samples) -> References:
    picture = samples.thumbnail if len(samples) <= _THUMBNAILS_AT_MOST else None
    return References(
        ids=samples.ids,
        values=samples.references,
        sequences=samples.sequences,
        thumbnails=tuple(map(picture, range(len(samples)))) if picture else None,
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
