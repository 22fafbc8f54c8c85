"""An experiment tried, not measured: do its parts fit, and how long will it take?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailmark.drive.service import Reply
from tailmark.experiment import Experiment
from tailmark.stopping import Until

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
    opened_samples = experiment.workload.open()
    samples = len(opened_samples)
    if isinstance(experiment.rounds, Until):
        experiment.rounds.check_references(opened_samples.references is not None)
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
    if failed:
        warnings.append(f"{len(failed)} of {_TRIES} tried queries have no answer: {failed[0]}")
    return Rehearsal(
        samples=samples,
        query_ns=query_ns,
        total_ns=query_ns * (samples * experiment.at_most + experiment.warmup),
        system=opened.system,
        warnings=tuple(warnings),
    )
