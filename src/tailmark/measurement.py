"""The only meeting of workload, scenario, system and clock: reads as the measurement goes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tailmark.bench import (
    Bench,
    Progress,
    Tell,
    add_round,
    begin,
    ending_well,
    enough,
    manifest_of,
    opened,
)
from tailmark.clock import Clock, MonotonicClock
from tailmark.decode.base import Decoder
from tailmark.decode.classes import Classes
from tailmark.drive.driver import set_up_kept
from tailmark.drive.flight import InFlight
from tailmark.drive.loadgen.engine import LoadGenEngine
from tailmark.drive.loadgen.settings import LoadGen, require_loadgen
from tailmark.drive.service import Timed
from tailmark.experiment import Experiment
from tailmark.machine import audit
from tailmark.records.logbook import Logbook
from tailmark.records.model import Run
from tailmark.records.store import RunWriter, open_run
from tailmark.scenario.base import Order, Scenario, Schedule
from tailmark.scenario.queueing import Queueing, WhenBusy
from tailmark.scenario.single_stream import SingleStream
from tailmark.stopping import Lookout, Until
from tailmark.system.base import System
from tailmark.system.function import Function
from tailmark.units import format_duration, parse_duration
from tailmark.workload.base import Samples, Workload

_LONG_NS = 5 * 10**9


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
        manifest = manifest_of(experiment, samples)
        decoder = experiment.decode
        log = Logbook(writer, manifest, decoder.columns, decoder.ragged)
        if not log.complete:
            flight = InFlight(samples.ids)
            lookout = Lookout(experiment.rounds, writer.path)
            with ending_well(log, experiment, flight, str(writer.path)):
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
    with opened(experiment, samples, flight, clock) as driver, set_up_kept():
        bench = Bench(experiment=experiment, samples=samples, log=log, driver=driver, flight=flight)
        say("auditing the machine")
        begin(log, samples, driver.opened, audit(full=False, isolated=experiment.isolate))
        say("warming up")
        bench.warm_up(experiment.warmup)
        while not enough(lookout, log):
            schedule = experiment.schedule(len(samples), log.rounds)
            say(", ".join(filter(None, ["measuring", lookout.brief, _round_length(schedule)])))
            bench.measure_round()
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
        begin(log, samples, engine.opened, audit(full=False))
        engine.tidy(log.rounds)
        say("sending each sample once")
        log.remark(engine.accuracy())
        while not enough(lookout, log):
            say(f"LoadGen measures, {lookout.brief}" if lookout.brief else "LoadGen measures")
            measured = engine.round(log.rounds, log.outputs.number)
            add_round(log, measured.round, measured.failures)
            log.remark(measured.warnings)
            log.report(measured.reported)
    say("done")
