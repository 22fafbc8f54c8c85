"""One model in many environments: made, measured by turns, attributed; what is found is analysis.

What fails is a cell with its reason, and the others go on.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tailmark.analysis.differential import Differential, differential_of
from tailmark.bench import Progress, Tell
from tailmark.clock import Clock
from tailmark.conversion.contents import contents
from tailmark.differential_file import DifferentialPlan
from tailmark.errors import InputError, StoreError
from tailmark.experiment import Experiment
from tailmark.interleaved import InterruptedTurnsError, Outcome, run_interleaved
from tailmark.quality.base import Metric
from tailmark.records.differential import (
    DifferentialRecord,
    Environment,
    Stage,
    plain,
    read_differential,
)
from tailmark.study.attribution import attribute
from tailmark.study.precision import FINEST_FIRST, precision_of, tells_precision
from tailmark.study.workshop import Workshop
from tailmark.workload.prepared import PreparedOnce


def differential(
    plan: DifferentialPlan,
    *,
    out: str | Path,
    resume: bool = False,
    attribution: bool = True,
    metric: str | Metric | None = None,
    cache: Path | None = None,
    progress: Tell | None = None,
    clock: Clock | None = None,
) -> Differential:
    """Run one model in many environments, and say what differs, and why.

    Args:
        plan: From `load_differential`.
        out: A directory, for the runs and what is known of them.
        resume: Go on with what is in ``out``.
        attribution: Whether to look for what causes the differences, which takes further answers.
        metric: What quality means; None for what the plan says.
        cache: Where models are kept that were made; by default the user's cache.
        progress: Told between rounds how far it is.
        clock: Instead of the machine's monotonic clock.

    Raises:
        InputError: The plan cannot be carried out; or no environment could be measured.
        StoreError: ``out`` is not empty, or holds another plan's; or it cannot be written.
        InterruptedRunError: Ctrl-C; what was measured stands.
    """
    out = Path(out)
    record = _begun(plan, out, resume)
    tell = _telling(progress)
    with TemporaryDirectory(prefix="tailmark-") as folder:
        prepared = PreparedOnce(Path(folder))
        workshop = Workshop(plan, cache, prepared, tell)
        record, experiments = _made(plan, record, workshop)
        record.write()
        try:
            outcomes = run_interleaved(
                experiments,
                out=out / "runs",
                outputs=out / "outputs",
                design_id=record.design_id,
                prepared=prepared,
                seed=int(plan.document.get("seed", 0)),
                resume=resume,
                progress=progress,
                clock=clock,
            )
        except InterruptedTurnsError as interrupted:
            _ended(record, interrupted.outcomes).write()
            raise
        record = _ended(record, outcomes)
        record = replace(record, oracle=plan.oracle or _most_precise(record))
        record.write()
        if all(record.run(one.name) is None for one in record.environments):
            first = next(one for one in record.environments if one.error)
            raise InputError(f"no environment could be measured; {first.name!r}: {first.error}")
        if attribution:
            found = attribute(plan, record, workshop, tell)
            record = replace(record, attributions=tuple(one.to_dict() for one in found))
    record = replace(record, complete=True)
    record.write()
    return differential_of(record, metric=metric)


def _made(
    plan: DifferentialPlan, record: DifferentialRecord, workshop: Workshop
) -> tuple[DifferentialRecord, dict[str, Experiment]]:
    """What can be measured, by its folder; what cannot is written down with its reason."""
    experiments: dict[str, Experiment] = {}
    for planned in plan.environments:
        known = record.environment(planned.name)
        try:
            model = workshop.model(planned)
            known = replace(known, made=model.made, contents=_contents(model.path))
            experiments[known.folder] = workshop.experiment(planned)
        except InputError as cause:
            stage: Stage = "conversion" if planned.steps else "reading"
            known = replace(known, stage=stage, error=str(cause))
        record = record.with_environment(known)
    return record, experiments


def _ended(record: DifferentialRecord, outcomes: Mapping[str, Outcome]) -> DifferentialRecord:
    """With the reasons of those that failed on the way."""
    for known in record.environments:
        ended = outcomes.get(known.folder)
        if ended is not None and ended.error is not None:
            failed = replace(known, stage="measuring", error=ended.error)
            record = record.with_environment(failed)
    return record


def _telling(progress: Tell | None) -> Callable[[str], None]:
    def tell(doing: str) -> None:
        if progress is not None:
            progress(Progress(done=0, rounds=0, doing=doing))

    return tell


def _begun(plan: DifferentialPlan, out: Path, resume: bool) -> DifferentialRecord:
    """The record to fill: a new one, or the one to go on with.

    Raises:
        StoreError: There is none to go on with, or something else is there.
    """
    document = plain(plan.document)
    if resume:
        earlier = read_differential(out)
        if earlier.experiment != document:
            raise StoreError(
                f"{str(out)!r} is a differential run of another file: put it back to resume, or "
                "give another --out"
            )
        again = tuple(replace(one, stage=None, error=None) for one in earlier.environments)
        return replace(earlier, environments=again, complete=False)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise StoreError(
            f"{str(out)!r} is not empty: give another --out, or go on with it by --resume"
        )
    return DifferentialRecord(
        path=out,
        tailmark=version("tailmark"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        design_id=uuid.uuid4().hex,
        experiment=document,
        baseline=plan.baseline,
        oracle=plan.oracle or plan.baseline,
        environments=tuple(
            Environment(
                name=one.name,
                settings=one.settings,
                changes=one.changes,
                answers_only=one.answers_only,
            )
            for one in plan.environments
        ),
    )


def _most_precise(record: DifferentialRecord) -> str:
    """The environment computed in the finest precision, rather known than supposed.

    Among equals it is the baseline.
    """

    def rank(name: str) -> tuple[int, bool]:
        run = record.run(name)
        if run is None:
            return len(FINEST_FIRST) + 1, True
        known = run.manifest.system, record.environment(name).contents
        precision = precision_of(*known)
        place = FINEST_FIRST.index(precision) if precision in FINEST_FIRST else len(FINEST_FIRST)
        return place, not tells_precision(*known)

    names = [record.baseline, *(one.name for one in record.environments)]
    return min(names, key=rank)


def _contents(model: Path | None) -> dict[str, Any] | None:
    """What the file is made of, where that can be read."""
    try:
        return contents(model) if model is not None and model.exists() else None
    except InputError:
        return None
