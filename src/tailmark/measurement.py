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
from tailmark.drive.service import Service, Timed, open_service
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
from tailmark.machine import audit
from tailmark.records.catalogue import Catalogue
from tailmark.records.environment import capture
from tailmark.records.logbook import Logbook
from tailmark.records.model import Manifest, References, Run
from tailmark.records.store import RunWriter, open_run
from tailmark.scenario.base import Order, Scenario
from tailmark.scenario.single_stream import SingleStream
from tailmark.stopping import Lookout, Until
from tailmark.system.base import System
from tailmark.system.function import Function
from tailmark.units import format_duration, parse_duration
from tailmark.workload.base import Samples, Workload

_THUMBNAILS_AT_MOST = 2_000


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
    order: Order = "shuffled",
    seed: int = 0,
    timeout: str | int = "10s",
    isolate: bool = False,
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
        order: ``"shuffled"`` anew each round by (seed, round), or ``"fixed"``.
        seed: Makes the order repeatable.
        timeout: How long one query may take, ``"300ms"`` or nanoseconds; later, it has no answer.
        isolate: Run the system in a process of its own, so that a call that never returns can be
            killed and the run goes on.
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
    with RunWriter(out, resume=resume) as writer:
        tell(Progress(done=0, rounds=experiment.at_most, doing="loading samples"))
        samples = experiment.workload.open()
        if isinstance(experiment.rounds, Until):
            experiment.rounds.check_references(samples.references is not None)
        manifest = _manifest(experiment, samples)
        log = Logbook(writer, manifest, experiment.decode.columns)
        if not log.complete:
            flight = InFlight(samples.ids)
            lookout = Lookout(experiment.rounds, writer.path)
            with _ending_well(log, experiment, flight, str(writer.path)):
                _measure(experiment, samples, log, lookout, flight, clock or MonotonicClock(), tell)
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

    def enough() -> bool:
        found = lookout.enough(log.rounds)
        log.stopping = lookout.account(log.rounds, log.inferences)
        return found

    say("opening the system")
    with _opened(experiment, samples, flight, clock) as driver, set_up_kept():
        say("auditing the machine")
        machine = audit(full=False, isolated=experiment.isolate)
        log.begin(
            _references(samples),
            [*driver.opened.warnings, *machine.warnings()],
            system=driver.opened.system,
            audit=machine.to_dict(),
            cold_start={
                "open_ns": driver.opened.open_ns,
                "first_query_ns": driver.opened.first_query_ns,
            },
        )
        say("warming up")
        first = experiment.schedule(len(samples), 0).sample
        warm = driver.warm_up(np.resize(first, experiment.warmup))
        recording = driver.recording(warm)
        with no_garbage_collection(), flight.sending("the warm-up", warm.sample, recording):
            driver.drive(warm, recording, Catalogue(experiment.decode.columns, {}).number)

        while not enough():
            index = log.rounds
            say(f"measuring, {lookout.brief}" if lookout.brief else "measuring")
            schedule = experiment.schedule(len(samples), index)
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
                    "order": experiment.order,
                    "began": began,
                    "garbage_collection": "off",
                },
            )
            recording.failures.update(driver.afterwards)
            driver.afterwards.clear()
            log.add(one, recording.failures)
            if index == 0 and log.first_cause:
                raise EveryQueryFailedError(
                    f"every query of the first round failed, {log.first_cause}"
                )
    say("done")


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
            yield Driver(isolated, *common)
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
        if experiment.isolate:
            yield
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
            "labels": _sha256(np.ascontiguousarray(labels).tobytes()) if labels is not None else "",
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
        thumbnails=tuple(map(picture, range(len(samples)))) if picture else None,
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
