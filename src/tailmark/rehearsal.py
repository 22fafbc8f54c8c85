"""An experiment tried, not measured: do its parts fit, and how long will it take?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailmark.drive.loadgen.settings import (
    LoadGen,
    Mode,
    Pace,
    lasts_ns,
    plan_test,
    require_loadgen,
)
from tailmark.drive.service import Reply
from tailmark.experiment import Experiment

_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a few untimed queries showed.

    Args:
        samples: How many there are.
        query_ns: About what a query takes.
        total_ns: About what all rounds will take, at most.
        system: The settings in effect.
        warnings: What could not be checked, and what failed.
    """

    samples: int
    query_ns: int
    total_ns: int
    system: Mapping[str, Any]
    warnings: tuple[str, ...]


def rehearse(experiment: Experiment) -> Rehearsal:
    """Open everything and answer a few queries, in a process that can be killed.

    Raises:
        InputError: What does not fit.
    """
    if experiment.engine is not None:
        require_loadgen()
    opened_samples = experiment.workload.open()
    samples = len(opened_samples)
    experiment.check_references(opened_samples.references is not None)
    with experiment.isolated() as service:
        opened = service.opened
        outcomes = []
        for index in range(_TRIES):
            outcomes.append(service.ask([index % samples]))
            if not isinstance(outcomes[-1], Reply):
                service.restart()
    replies = [one for one in outcomes if isinstance(one, Reply)]
    spent = sorted(r.preprocess_ns + r.inference_ns + r.postprocess_ns for r in replies)
    query_ns = spent[len(spent) // 2] if spent else experiment.timeout_ns
    causes = [(one.failure if isinstance(one, Reply) else one.what) for one in outcomes]
    failed = [cause for cause in causes if cause]
    warnings = list(opened.warnings)
    schedule = experiment.schedule(samples, 0)
    round_ns = len(schedule) * query_ns // experiment.queueing.workers
    if schedule.due_ns is not None:
        last_ns = int(schedule.due_ns[-1])
        wait = experiment.queueing.when_busy == "queue"
        if 0 < last_ns < round_ns and experiment.queueing.batch == 1:
            becomes = (
                "the queue grows all the time, and most answers will be late"
                if wait
                else f"about {1 - last_ns / round_ns:.0%} of them will be shed"
            )
            warnings.append(
                f"queries come {round_ns / last_ns:.2g} times as fast as the system answers: "
                f"{becomes}"
            )
        round_ns = max(round_ns, last_ns) if wait else last_ns
    total_ns = round_ns * experiment.at_most + query_ns * experiment.warmup
    if experiment.engine is not None:
        total_ns = _by_loadgen_ns(experiment, experiment.engine, samples, query_ns)
    if failed:
        warnings.append(f"{len(failed)} of {_TRIES} tried queries have no answer: {failed[0]}")
    return Rehearsal(
        samples=samples,
        query_ns=query_ns,
        total_ns=total_ns,
        system=opened.system,
        warnings=tuple(warnings),
    )


def _by_loadgen_ns(experiment: Experiment, engine: LoadGen, samples: int, query_ns: int) -> int:
    """An accuracy test and the rounds, each with a warm-up of its own."""
    workers = experiment.queueing.workers

    def one(mode: Mode) -> int:
        test = plan_test(
            engine,
            experiment.scenario,
            experiment.sample_order,
            mode=mode,
            samples=samples,
            workers=workers,
            pace=Pace(query_ns=query_ns, sample_ns=query_ns),
            bound=experiment.latency_bound,
            seed=experiment.seed,
            index=0,
        )
        return (
            lasts_ns(test, samples=samples, workers=workers, query_ns=query_ns)
            + query_ns * experiment.warmup
        )

    return one("AccuracyOnly") + experiment.at_most * one("PerformanceOnly")
