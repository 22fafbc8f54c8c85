"""One model in many environments: made, measured by turns, attributed; what is found is analysis.

What fails is a cell with its reason, and the others go on.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tailmark.analysis.differential import Differential, differential_of
from tailmark.bench import Progress, Tell
from tailmark.clock import Clock
from tailmark.conversion.base import Inputs
from tailmark.conversion.chain import make_variant
from tailmark.conversion.contents import contents
from tailmark.differential_file import DifferentialPlan, PlannedEnvironment
from tailmark.errors import InputError, StoreError
from tailmark.experiment import Experiment
from tailmark.interleaved import run_interleaved
from tailmark.records.differential import (
    DifferentialRecord,
    Environment,
    Stage,
    is_differential,
    read_differential,
)
from tailmark.study.attribution import attribute
from tailmark.system.base import with_batch_axis
from tailmark.workload.base import Workload

_PRECISE = ("float64", "float32", "bfloat16", "float16", "int8")
"""Precisions, the finest first."""


def differential(
    plan: DifferentialPlan,
    *,
    out: str | Path,
    resume: bool = False,
    attribution: bool = True,
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
    bench = _Workshop(plan, cache, _telling(progress))
    experiments: dict[str, Experiment] = {}
    for planned in plan.environments:
        known = record.environment(planned.name)
        try:
            model, known = bench.made(planned, known)
            experiments[known.folder] = plan.experiment(planned, model)
        except InputError as cause:
            stage: Stage = "conversion" if planned.steps else "reading"
            known = replace(known, stage=stage, error=str(cause))
        record = record.with_environment(known)
    record.write()
    outcomes = run_interleaved(
        experiments,
        out=out / "runs",
        outputs=out / "outputs",
        design_id=record.design_id,
        seed=int(plan.document.get("seed", 0)),
        resume=resume,
        progress=progress,
        clock=clock,
    )
    for known in record.environments:
        ended = outcomes.get(known.folder)
        if ended is not None and ended.error is not None:
            record = record.with_environment(replace(known, stage="measuring", error=ended.error))
    record = replace(record, oracle=plan.oracle or _most_precise(record))
    record.write()
    if all(record.run(one.name) is None for one in record.environments):
        first = next(one for one in record.environments if one.error)
        raise InputError(f"no environment could be measured; {first.name!r}: {first.error}")
    if attribution:
        found = attribute(plan, record, bench, _telling(progress))
        record = replace(record, attributions=tuple(one.to_dict() for one in found))
    record = replace(record, complete=True)
    record.write()
    return differential_of(record)


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
    document = dict(plan.document)
    if resume:
        earlier = read_differential(out)
        if earlier.experiment != document:
            raise StoreError(
                f"{str(out)!r} is a differential run of another file: put it back to resume, or "
                "give another --out"
            )
        again = tuple(replace(one, stage=None, error=None) for one in earlier.environments)
        return replace(earlier, environments=again, complete=False)
    if is_differential(out) or (out.exists() and any(out.iterdir())):
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
    """The environment computed in the finest precision; the baseline among equals."""

    def rank(name: str) -> int:
        run = record.run(name)
        if run is None:
            return len(_PRECISE) + 1
        precision = run.manifest.system.get("precision", "float32")
        return _PRECISE.index(precision) if precision in _PRECISE else len(_PRECISE)

    names = [record.baseline, *(one.name for one in record.environments)]
    return min(names, key=rank)


class _Workshop:
    """Makes the models of environments, and of what is tried between them.

    Args:
        plan: Whose.
        cache: As for `differential`.
        tell: Told what is being made.
    """

    def __init__(
        self, plan: DifferentialPlan, cache: Path | None, tell: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._tell = tell

    def made(
        self, planned: PlannedEnvironment, known: Environment
    ) -> tuple[Path | None, Environment]:
        """The model's file, and the environment with how it was made.

        Raises:
            InputError: It cannot be made.
        """
        source = self._plan.source(planned)
        if source is None:
            if planned.steps:
                raise InputError("there is no system.model to make another from: give one")
            return None, known
        if not planned.steps:
            return source, replace(known, contents=_contents(source))
        self._tell(f"making the model of {planned.name}")
        workload = self._plan.experiment(planned).workload
        variant = make_variant(
            source,
            self._plan.conversions(planned),
            inputs=lambda count: _inputs(workload, count),
            cache=self._cache,
        )
        return variant.path, replace(
            known, made=variant.to_dict(), contents=_contents(variant.path)
        )


def _contents(model: Path) -> dict[str, Any] | None:
    """What the file is made of, where that can be read."""
    try:
        return contents(model) if model.exists() else None
    except InputError:
        return None


def _inputs(workload: Workload, count: int) -> Inputs:
    """Prepared batches of one, from all over the workload."""
    samples = workload.open()
    step = max(1, len(samples) // max(count, 1))
    chosen = range(0, len(samples), step)[:count]
    return [with_batch_axis(samples.prepare(samples.load(index))) for index in chosen]
