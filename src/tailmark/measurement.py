"""The only meeting of workload, scenario, system and clock: reads as the measurement goes."""

import gc
import hashlib
import json
import os
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tailmark import plugins
from tailmark.clock import Clock, MonotonicClock
from tailmark.decode.base import Catalogue, Decoder
from tailmark.drive.closed_loop import Recording, issue, issue_isolated, issue_staged
from tailmark.drive.isolated import IsolatedService
from tailmark.drive.service import Service, Timed, open_service
from tailmark.drive.watchdog import OverdueError, Watchdog
from tailmark.errors import (
    EveryQueryFailedError,
    InputError,
    InterruptedRunError,
    MeasurementError,
    QueryNeverReturnedError,
    StoreError,
    TailmarkError,
)
from tailmark.machine import Audit, audit
from tailmark.quality.late import parse_policy
from tailmark.records.environment import capture
from tailmark.records.model import (
    NONE,
    STAGES,
    Int32s,
    Manifest,
    References,
    Round,
    Run,
    Status,
)
from tailmark.records.store import RunWriter, count_rounds, differences, open_run
from tailmark.scenario.base import Order, Scenario
from tailmark.system.base import System
from tailmark.system.function import Function
from tailmark.units import format_duration, parse_deadline, parse_duration
from tailmark.workload.base import Samples, Workload

_THUMBNAILS_AT_MOST = 2_000
_WARMUP_ROUND = -1


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress bar is told, between rounds only: drawing costs the timed region nothing.

    Args:
        done: Finished rounds.
        rounds: Rounds asked for.
        doing: What comes next, in a word or two.
    """

    done: int
    rounds: int
    doing: str


def measure(
    workload: Workload,
    system: System | Callable[[Any], Any],
    *,
    out: str | Path,
    rounds: int = 100,
    scenario: Scenario | None = None,
    decode: Decoder | None = None,
    quality: Mapping[str, Any] | None = None,
    warmup: int = 50,
    timed: Timed = "inference",
    order: Order = "shuffled",
    seed: int = 0,
    timeout: str | int = "10s",
    isolate: bool = False,
    resume: bool = False,
    require: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    progress: Callable[[Progress], object] | None = None,
    clock: Clock | None = None,
) -> Run:
    """Measure a system on a workload, round by round, into a run directory.

    The arguments of every day are the first four; the rest have defaults that do the right thing.

    Args:
        workload: What is asked.
        system: What answers: a recipe (`OnnxRuntime`, …) or a callable that takes a batch of one.
        out: The run directory; made, and written by nobody else meanwhile.
        rounds: Repetitions of the whole workload; the unit of every statistic.
        scenario: When queries are sent; single-stream by default.
        decode: What the outputs mean; by default scores of classes, the best five kept.
        quality: How the run is graded if nobody says otherwise: ``metric``, ``deadlines``,
            ``on_late``.
        warmup: Queries sent and forgotten before the first round.
        timed: ``"inference"`` has all samples prepared before the clock starts; ``"total"`` times
            preprocessing and postprocessing too, each as a stage.
        order: ``"shuffled"`` anew each round by (seed, round), or ``"fixed"``.
        seed: Makes the order repeatable.
        timeout: How long one query may take; later, it has no answer.
        isolate: Run the system in a process of its own, so that a call that never returns can be
            killed and the run goes on.
        resume: Go on with the run in ``out`` at its next round.
        require: A requirement kept with the run, for `tailmark.judge`.
        folder: The experiment's folder, to record its git commit.
        progress: Told between rounds how far the run is.
        clock: Instead of the machine's monotonic clock.

    Returns:
        The finished run, opened.

    Raises:
        InputError: Something given cannot be used; nothing was measured.
        StoreError: The directory cannot be written; the finished rounds stand.
        EveryQueryFailedError: No query of the first round was answered.
        QueryNeverReturnedError: A call in this process outlived the timeout.
        InterruptedRunError: Ctrl-C; also a KeyboardInterrupt.
    """
    if callable(system) and not hasattr(system, "open"):
        system = Function(call=system)
    plan = _Plan(
        workload=workload,
        system=system,  # type: ignore[arg-type]
        scenario=scenario or plugins.load("scenarios", "single-stream")(),
        decoder=decode or plugins.load("decoders", "classes")(),
        rounds=_at_least(1, rounds, "rounds"),
        warmup=_at_least(0, warmup, "warmup"),
        timed=timed,
        order=order,
        seed=_at_least(0, seed, "seed"),
        timeout_ns=_positive(timeout),
        isolate=isolate,
        quality=_checked_quality(quality or {}),
        require=require,
    )
    tell = progress or (lambda _: None)
    with RunWriter(out, resume=resume) as writer:
        earlier = writer.earlier()
        tell(Progress(done=0, rounds=rounds, doing="loading samples"))
        samples = workload.open()
        if len(samples) == 0:
            raise InputError("the workload has no samples: give at least one")
        session = _Session(plan, samples, writer, clock or MonotonicClock(), tell)
        session.run(earlier, folder)
    return open_run(writer.path)


def _at_least(least: int, given: int, what: str) -> int:
    if given < least:
        raise InputError(f"{what} is {given}: give {least} or more")
    return given


def _positive(timeout: str | int) -> int:
    ns = timeout if isinstance(timeout, int) else parse_duration(timeout, "a timeout")
    if ns <= 0:
        raise InputError(f"timeout is {timeout!r}: give more than zero, such as 10s")
    return ns


def _checked_quality(quality: Mapping[str, Any]) -> dict[str, Any]:
    """See that the settings can be used before an hour is spent measuring."""
    unknown = quality.keys() - {"metric", "deadlines", "on_late"}
    if unknown:
        raise InputError(
            f"quality has no setting {min(unknown)!r}: it has metric, deadlines and on_late"
        )
    if quality.get("metric"):
        plugins.load("metrics", quality["metric"])
    if quality.get("on_late"):
        parse_policy(quality["on_late"])
    for deadline in quality.get("deadlines", ()):
        parse_deadline(deadline)
    deadlines = quality.get("deadlines", ())
    written = [f"{d}ns" if isinstance(d, int) else str(d) for d in deadlines]
    return {**quality, "deadlines": written}


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Everything needed to measure the same again."""

    workload: Workload
    system: System
    scenario: Scenario
    decoder: Decoder
    rounds: int
    warmup: int
    timed: Timed
    order: Order
    seed: int
    timeout_ns: int
    isolate: bool
    quality: Mapping[str, Any]
    require: Mapping[str, Any] | None

    def describe(self) -> dict[str, Any]:
        """As plain data, for ``run.json``."""
        described = {
            "workload": {**self.workload.describe(), "order": self.order},
            "system": {
                **self.system.describe(),
                "decode": self.decoder.describe(),
                "timeout_ns": self.timeout_ns,
                "isolate": self.isolate,
            },
            "scenario": self.scenario.describe(),
            "rounds": self.rounds,
            "warmup": self.warmup,
            "timed": self.timed,
            "quality": dict(self.quality),
            "require": dict(self.require) if self.require else None,
            "seed": self.seed,
        }
        plain: dict[str, Any] = json.loads(json.dumps(described))
        return plain


class _Session:
    """One go at a run: from opening the system to the last round."""

    def __init__(
        self,
        plan: _Plan,
        samples: Samples,
        writer: RunWriter,
        clock: Clock,
        tell: Callable[[Progress], object],
    ) -> None:
        self._plan = plan
        self._samples = samples
        self._writer = writer
        self._clock = clock
        self._tell = tell
        self._now: tuple[int, Int32s, Recording] | None = None
        self._opening: int | None = None
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._warnings: list[str] = []
        self._done = 0

    def run(self, earlier: Manifest | None, folder: Path | None) -> None:
        """Open, warm up, measure the rounds that are missing, and finish."""
        catalogue = Catalogue(self._plan.decoder.columns, {})
        fresh = self._manifest(folder)
        if earlier is not None:
            _refuse_other(earlier, fresh, self._writer.path)
            catalogue = self._take_up()
            if earlier.status == "complete" and self._done >= self._plan.rounds:
                return
        watchdog = Watchdog(self._plan.timeout_ns, self._position, self._give_up)
        try:
            with watchdog if not self._plan.isolate else ExitStack():
                self._measure(catalogue, earlier, fresh)
        except OverdueError:
            error = QueryNeverReturnedError(self._overdue())
            self._finish("partial", str(error))
            raise error from None
        except KeyboardInterrupt:
            self._finish("partial", "interrupted by the user")
            raise InterruptedRunError(
                f"interrupted after {self._done} of {self._plan.rounds} rounds{self._kept()}"
            ) from None
        except StoreError:
            raise
        except TailmarkError as error:
            self._finish("partial", str(error))
            raise
        self._finish("complete")

    def _measure(self, catalogue: Catalogue, earlier: Manifest | None, fresh: Manifest) -> None:
        self._say("opening the system")
        with ExitStack() as stack:
            service, opened = self._open(stack)
            self._warnings += opened["warnings"]
            self._say("auditing the machine")
            machine = audit(full=False, isolated=self._plan.isolate)
            self._begin(earlier, fresh, machine, opened)
            self._say("warming up")
            self._warm_up(service)
            for index in range(self._done, self._plan.rounds):
                self._say("measuring")
                one, failures = self._round(index, service, catalogue)
                self._writer.append(one, catalogue.take_new())
                self._done = index + 1
                self._count(one, failures)
        self._say("done")

    def _say(self, doing: str) -> None:
        self._tell(Progress(done=self._done, rounds=self._plan.rounds, doing=doing))

    def _open(self, stack: ExitStack) -> tuple[Service | IsolatedService, dict[str, Any]]:
        """The service, in this process or another, and what it says of itself."""
        plan = self._plan
        if plan.isolate:
            isolated = stack.enter_context(
                IsolatedService(
                    plan.workload, plan.system, plan.decoder, plan.timed, plan.timeout_ns
                )
            )
            said = isolated.opened
            return isolated, {
                "system": said.system,
                "warnings": said.warnings,
                "cold_start": {"open_ns": said.open_ns, "first_query_ns": said.first_query_ns},
            }
        service = open_service(self._samples, plan.system, plan.decoder, plan.timed, self._tick)
        self._opening = None
        return service, {
            "system": service.predictor.describe(),
            "warnings": service.warnings,
            "cold_start": {
                "open_ns": service.open_ns,
                "first_query_ns": service.first_query_ns,
            },
        }

    def _begin(
        self, earlier: Manifest | None, fresh: Manifest, machine: Audit, opened: dict[str, Any]
    ) -> None:
        """Write down what is known before the first round."""
        fixed = [
            d for d in map(parse_deadline, self._plan.quality["deadlines"]) if isinstance(d, int)
        ]
        self._warnings += machine.warnings(tuple(fixed))
        if earlier is None:
            self._writer.begin(
                replace(
                    fresh,
                    audit=machine.to_dict(),
                    system=opened["system"],
                    cold_start=opened["cold_start"],
                    warnings=tuple(self._warnings),
                ),
                self._references(),
            )
        else:
            self._warnings = list(dict.fromkeys([*earlier.warnings, *self._warnings]))
            self._writer.update(status="partial", experiment=fresh.experiment)

    def _manifest(self, folder: Path | None) -> Manifest:
        experiment = self._plan.describe()
        labels = self._samples.references
        hashes = {
            "samples": self._samples.fingerprint,
            "ids": _sha256("\n".join(self._samples.ids).encode()),
            "labels": _sha256(np.ascontiguousarray(labels).tobytes()) if labels is not None else "",
            "model": self._plan.system.fingerprint() or "",
        }
        return Manifest(
            tailmark=version("tailmark"),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            experiment=experiment,
            design_id=uuid.uuid4().hex,
            hashes=hashes,
            environment=capture(folder),
            system={},
            audit={},
            cold_start={},
        )

    def _references(self) -> References:
        samples = self._samples
        picture = samples.thumbnail if len(samples) <= _THUMBNAILS_AT_MOST else None
        return References(
            ids=samples.ids,
            values=samples.references,
            thumbnails=tuple(map(picture, range(len(samples)))) if picture else None,
        )

    def _take_up(self) -> Catalogue:
        """Go on where the finished rounds end."""
        if not count_rounds(self._writer.path):
            return Catalogue(self._plan.decoder.columns, {})
        run = open_run(self._writer.path)
        for one in run.rounds():
            self._count(one, Counter())
        for anomaly in run.manifest.anomalies:
            self._failures[anomaly["what"]] = anomaly["count"]
        self._done = len(run)
        return Catalogue(self._plan.decoder.columns, run.outputs)

    def _warm_up(self, service: Service | IsolatedService) -> None:
        """Queries of the first round's kind, outside the records."""
        count = self._plan.warmup
        if not count:
            return
        whole = self._order(0)
        order = np.resize(whole, count)
        forget = Catalogue(self._plan.decoder.columns, {})
        self._drive(_WARMUP_ROUND, order, service, forget)

    def _order(self, index: int) -> Int32s:
        plan = self._plan
        return plan.scenario.schedule(
            len(self._samples), order=plan.order, seed=plan.seed, index=index
        )

    def _round(
        self, index: int, service: Service | IsolatedService, catalogue: Catalogue
    ) -> tuple[Round, Counter[str]]:
        """Measure one round and turn what was recorded into facts."""
        order = self._order(index)
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        start, recording = self._drive(index, order, service, catalogue)
        rows = len(order)
        issued = recording.column("issued") - start
        completed = recording.column("completed") - start
        status = np.frombuffer(recording.status, dtype=np.int8).copy()
        output_id = np.frombuffer(recording.output_id, dtype=np.int32).copy()
        # Whether the watchdog looked in time must not decide what a late answer is.
        late = (status == Status.ok) & (completed - issued > self._plan.timeout_ns)
        if late.any():
            status[late] = Status.timed_out
            limit = format_duration(self._plan.timeout_ns)
            recording.failures[f"answered after the timeout of {limit}"] += int(late.sum())
        output_id[status != Status.ok] = NONE
        stages = {
            f"{stage}_ns": np.frombuffer(column, dtype=np.int64)
            for stage, column in zip(STAGES, recording.stages, strict=False)
        }
        one = Round(
            index=index,
            facts={
                "seed": [self._plan.seed, index],
                "order": self._plan.order,
                "began": began,
                "duration_ns": int(completed[-1]),
                "garbage_collection": "off",
            },
            query=np.arange(rows, dtype=np.int64),
            sample=order,
            scheduled_ns=issued,
            issued_ns=issued,
            completed_ns=np.where(status == Status.ok, completed, NONE),
            status=status,
            output_id=output_id,
            **stages,
        )
        return one, recording.failures

    def _drive(
        self,
        index: int,
        order: Int32s,
        service: Service | IsolatedService,
        catalogue: Catalogue,
    ) -> tuple[int, Recording]:
        """Send the queries; garbage is collected before, and not meanwhile."""
        now = self._clock.now_ns
        staged = self._plan.timed == "total" or self._plan.isolate
        recording = Recording(len(order), stages=staged)
        self._now = (index, order, recording)
        with _no_garbage_collection():
            start = now()
            if isinstance(service, IsolatedService):
                issue_isolated(order, service, recording, now, catalogue.number)
            elif staged:
                issue_staged(order, service, recording, now, catalogue.number)
            else:
                predict = service.predictor.predict
                issue(
                    order, service.inputs, predict, recording, now, service.decode, catalogue.number
                )
        self._now = None
        return start, recording

    def _count(self, one: Round, failures: Counter[str]) -> None:
        self._failures.update(failures)
        for status in Status:
            self._counts[status.name] += int(np.count_nonzero(one.status == status))
        if self._done == 1 and one.index == 0 and not self._counts["ok"] and failures:
            cause, times = failures.most_common(1)[0]
            raise EveryQueryFailedError(
                f"every query of the first round failed, {times} of {len(one)} with: {cause}"
            )

    def _finish(self, status: str, warning: str | None = None) -> None:
        """Say how the run ended. Where nothing was begun there is nothing to say."""
        if not (self._writer.path / "run.json").exists():
            return
        said = list(self._warnings)
        if warning:
            said.append(warning)
        lost = sum(n for name, n in self._counts.items() if name != "ok")
        if lost:
            what, times = self._failures.most_common(1)[0] if self._failures else ("", 0)
            said.append(
                f"{lost} of {sum(self._counts.values())} queries have no answer; "
                f"most often ({times}): {what}"
            )
        self._writer.update(
            status=status,
            counts={s.name: self._counts[s.name] for s in Status},
            anomalies=tuple({"what": w, "count": n} for w, n in self._failures.most_common()),
            warnings=tuple(said),
        )

    def _kept(self) -> str:
        if not self._done:
            return ""
        return f"; {str(self._writer.path)!r} keeps them, go on with --resume"

    def _tick(self, index: int) -> None:
        self._opening = index

    def _position(self) -> tuple[int, int] | None:
        """Which call is in progress, for the watchdog."""
        if self._opening is not None:
            return (_WARMUP_ROUND - 1, self._opening)
        if self._now is None:
            return None
        index, order, recording = self._now
        row = recording.position()
        return (index, row) if row < len(order) else None

    def _overdue(self) -> str:
        """A sentence that names the query that never returned."""
        limit = format_duration(self._plan.timeout_ns)
        if self._opening is not None:
            where, sample = "the first query", self._opening
        elif self._now is not None:
            index, order, recording = self._now
            row = min(recording.position(), len(order) - 1)
            where = f"query {row} of " + ("the warm-up" if index < 0 else f"round {index}")
            sample = int(order[row])
        else:
            where, sample = "a query", 0
        return (
            f"{where} (sample {self._samples.ids[sample]!r}) did not return within the timeout of "
            f"{limit}: {self._done} finished rounds stand; isolate: true kills such a call and "
            "goes on"
        )

    def _give_up(self) -> None:
        """Leave the process: the main thread is in native code that will not come back."""
        sentence = self._overdue()
        self._finish("partial", sentence)
        sys.stderr.write(f"tailmark: {sentence}\n")
        sys.stderr.flush()
        os._exit(MeasurementError.exit_code)


def _refuse_other(earlier: Manifest, fresh: Manifest, path: Path) -> None:
    """A run is only ever continued as what it was; more rounds of it are welcome."""
    differ = differences(
        earlier.experiment, fresh.experiment, ignore=["rounds", "quality", "require"]
    )
    differ += [f"the {name}" for name in differences(earlier.hashes, fresh.hashes)]
    if earlier.tailmark != fresh.tailmark:
        differ.append(f"tailmark's version ({earlier.tailmark})")
    if differ:
        raise StoreError(
            f"{str(path)!r} is a run of another experiment ({', '.join(differ)} differ): "
            "put them back to resume, or give another --out"
        )
    if earlier.experiment.get("rounds", 0) > fresh.experiment["rounds"]:
        raise StoreError(
            f"{str(path)!r} was begun for {earlier.experiment['rounds']} rounds and "
            f"{fresh.experiment['rounds']} are asked for: ask for as many or more"
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect now, then not until the end; what is there already is never looked at again."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
