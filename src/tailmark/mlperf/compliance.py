"""Compliance on any system: TEST01, TEST04, and answers that change with load or batch.

What MLPerf asks of a submission, asked of any experiment. LoadGen's audit runs log few answers and
test without intervals; here every answer of every run is kept, so a performance run is compared
answer by answer, and there is no second run whose logging might cost time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.agreement import Agreement, agreement
from tailmark.analysis.answers import Book, answers_of
from tailmark.analysis.asked import DEFAULT_METRIC, metric_of
from tailmark.analysis.caching import caching
from tailmark.analysis.compliance import Check, Compliance, Condition, of_answers, of_times
from tailmark.analysis.grading import check_time, grade, prepare_grader
from tailmark.bench import Progress, Tell
from tailmark.clock import Clock
from tailmark.errors import EveryQueryFailedError, InputError, SystemSetupError, nearest
from tailmark.experiment import Experiment
from tailmark.measurement import run_experiment
from tailmark.mlperf.repeats import Repeats
from tailmark.records.model import Run
from tailmark.scenario.multi_stream import MultiStream
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.server import Server
from tailmark.scenario.single_stream import SingleStream
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import mean_by_round

CHECKS = ("test04", "test01", "load", "batch")
"""In the order they are made: a cache must not have seen the samples before."""

ROUNDS = 5
_REPEAT_ROUNDS = 4  # to one round of answers
_FRESH_AT_MOST = 25
_AGAIN = 3
_AGAIN_OPENED = 4  # then one sample tells: 1 / C(11, 5) < ALPHA
_OVERLOAD = 4.0
_QUEUE_AT_LEAST = 200
_SMALL_BATCHES = 8


def comply(
    experiment: Experiment,
    *,
    out: str | Path,
    only: Sequence[str] | None = None,
    rounds: int = ROUNDS,
    batch: int | None = None,
    progress: Tell | None = None,
    clock: Clock | None = None,
) -> Compliance:
    """Measure whether a system answers as it should whatever it is asked, and how.

    - ``test04``: samples it has never seen, then each again: a cache of results is faster then.
    - ``test01``: the experiment itself, beside accuracy passes: each sample once, one at a time.
    - ``load``: the same samples at four times the rate it can serve, by one worker and by several.
    - ``batch``: the same samples in batches of 2, 3, … (powers of two beyond 8).

    Accuracy passes are measured before and after the others, each time with a system newly opened,
    so that answers that differ by chance are told from those that conditions change. Where few
    samples differ, both are measured again, newly opened four times more.

    Args:
        experiment: What is checked; its own number of rounds and its ``require`` do not count.
        out: A new directory for the runs.
        only: Some of the checks; by default all.
        rounds: Of each condition, and accuracy passes; four times as many of ``test04``.
        batch: The largest batch; by default the experiment's ``system.batch.max``.
        progress: Told between rounds how far it is.
        clock: Instead of the machine's monotonic clock.

    Raises:
        InputError: Something given cannot be used.
        MeasurementError: A run ended early.
    """
    asked = _chosen(only)
    if rounds < 2:
        raise InputError(
            f"rounds is {rounds}: give 2 or more: accuracy passes are held against each other"
        )
    most = experiment.queueing.batch if batch is None else batch
    if most < 1:
        raise InputError(f"batch is {batch}: give 1 or more")
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{str(folder)!r} is there already: give a new directory")
    samples = experiment.workload.open()
    bench = _Bench(
        experiment=experiment,
        folder=folder,
        samples=len(samples),
        rounds=rounds,
        tell=progress or (lambda _: None),
        clock=clock,
    )
    checks: list[Check] = []
    if "test04" in asked:
        checks.append(_test04(bench))
    wants = _conditions(asked, most)
    if wants:
        checks += _of_answers(bench, wants)
    if "batch" in asked and most == 1:
        checks.append(_no_batches())
    in_order = sorted(checks, key=lambda one: asked.index(one.name))
    return Compliance(
        system=experiment.describe()["system"],
        checks=tuple(in_order),
        metric=bench.metric if samples.references is not None else None,
        warnings=tuple(bench.warnings),
    )


def _chosen(only: Sequence[str] | None) -> list[str]:
    for name in only or ():
        if name not in CHECKS:
            raise InputError(
                f"there is no check {name!r}{nearest(name, CHECKS)}: give {', '.join(CHECKS)}"
            )
    return list(dict.fromkeys(only or CHECKS))


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """Where an experiment is measured under one condition after another.

    Args:
        experiment: What is checked.
        folder: Where runs go.
        samples: Of the workload.
        rounds: Of each condition.
        again: Which repetition it is, from 0.
        tell: Told how far it is.
        clock: Instead of the machine's.
        warnings: Gathered.
    """

    experiment: Experiment
    folder: Path
    samples: int
    rounds: int
    tell: Tell
    clock: Clock | None
    again: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def metric(self) -> str:
        """What quality means."""
        return str(self.experiment.quality.get("metric") or DEFAULT_METRIC)

    def measure(self, name: str, **changes: Any) -> Run:
        """The experiment with these settings; kept in a directory of that name."""
        if self.again:
            name = f"{name}-again-{self.again}"

        def tell(now: Progress) -> None:
            self.tell(replace(now, doing=f"{name}: {now.doing}"))

        given: dict[str, Any] = {"rounds": self.rounds, "require": None, **changes}
        run = run_experiment(
            replace(self.experiment, **given),
            out=self.folder / name,
            progress=tell,
            clock=self.clock,
        )
        lost = sum(n for status, n in run.manifest.counts.items() if status != "ok")
        if lost:
            self.warnings.append(f"{name}: {lost:,} queries have no answer, and cannot be compared")
        return run

    def plainly(self, name: str, **changes: Any) -> Run:
        """The same under conditions of our own: by our own engine, nothing shed, no batches."""
        return self.measure(name, **{"queueing": Queueing(), "engine": None, **changes})

    def accuracy(self, name: str, passes: int) -> Run:
        """Each sample once, one at a time, in the workload's order."""
        return self.plainly(name, scenario=SingleStream(), order="fixed", rounds=passes)

    def quality(self, runs: Sequence[Run]) -> Estimate | None:
        """Of all answers, over rounds; None without references."""
        values: list[float] = []
        for run in runs:
            grader = prepare_grader(run, metric_of(run, None))
            if grader is None:
                return None
            none = np.empty(0, dtype=np.int64)
            ideal = grade(run, grader, none, time=check_time(run, None)).ideal
            values += [] if ideal is None else ideal.tolist()
        return mean_by_round(np.array(values), bounds=(0.0, 1.0))


def _test04(bench: _Bench) -> Check:
    others = bench.samples - 1
    rounds = min(_REPEAT_ROUNDS * bench.rounds, others)
    if rounds < 2:
        raise InputError(
            f"test04 needs 3 samples or more and the workload has {bench.samples}: leave it out by "
            "--only test01,load,batch"
        )
    fresh = min(_FRESH_AT_MOST, others // rounds)
    run = bench.plainly("test04", scenario=Repeats(fresh=fresh, again=_AGAIN), rounds=rounds + 1)
    did = (
        f"{rounds} rounds, each of {fresh} samples that the system had never seen, and each of "
        f"them {_AGAIN} times more"
    )
    return of_times(did, caching(run))


@dataclass(frozen=True)
class _Wanted:
    """A condition to be measured for a check; ``measure`` is given the first accuracy passes."""

    check: str
    name: str
    measure: Callable[[_Bench, Run], Run]


def _conditions(asked: Sequence[str], most: int) -> list[_Wanted]:
    wants = []
    if "test01" in asked:
        wants.append(_Wanted("test01", "performance run", _performance))
    if "load" in asked:
        wants.append(_Wanted("load", "one worker under load", partial(_loaded, several=False)))
        wants.append(_Wanted("load", "several workers under load", partial(_loaded, several=True)))
    if "batch" in asked:
        wants += [
            _Wanted("batch", f"batches of {size}", partial(_batched, size=size))
            for size in batch_sizes(most)
        ]
    return wants


def batch_sizes(most: int) -> list[int]:
    """2, 3, … to the largest; beyond 8 powers of two, and the largest."""
    small = list(range(2, min(most, _SMALL_BATCHES) + 1))
    powers = [2**k for k in range(4, most.bit_length()) if 2**k < most]
    return [*small, *powers, *([most] if most > _SMALL_BATCHES else [])]


def _performance(bench: _Bench, before: Run) -> Run:
    del before
    return bench.measure("test01-performance")


def _loaded(bench: _Bench, before: Run, *, several: bool) -> Run:
    """More than can be served, so that the queue grows all through the round."""
    workers = max(2, bench.experiment.queueing.workers) if several else 1
    alone = [one.latency_ns()[one.answered] for one in before.rounds()]
    service_ns = max(1.0, float(np.concatenate(alone).mean()))
    queries = max(bench.samples, _QUEUE_AT_LEAST)
    return bench.plainly(
        "load-several-workers" if several else "load-one-worker",
        scenario=Server(target_qps=_OVERLOAD * workers * 1e9 / service_ns, queries=queries),
        order="shuffled",
        queueing=Queueing(workers=workers),
        timeout_ns=bench.experiment.timeout_ns + 2 * round(queries * service_ns),
    )


def _batched(bench: _Bench, before: Run, *, size: int) -> Run:
    del before
    return bench.plainly(
        f"batch-{size}",
        scenario=MultiStream(samples_per_query=size),
        order="shuffled",
        queueing=Queueing(batch=size),
    )


def _of_answers(bench: _Bench, wants: Sequence[_Wanted]) -> list[Check]:
    """Measure accuracy passes, the conditions, and accuracy passes again; then compare."""
    half = -(-bench.rounds // 2)
    accuracy = [bench.accuracy("accuracy-before", half)]
    runs: dict[_Wanted, list[Run]] = {}
    refused: dict[str, list[str]] = {want.check: [] for want in wants}
    for want in wants:
        if want.check == "batch" and refused["batch"]:
            continue  # one that takes no batch of two takes no larger one
        try:
            runs[want] = [want.measure(bench, accuracy[0])]
        except (SystemSetupError, EveryQueryFailedError) as cause:
            if want.check == "test01":
                raise
            refused[want.check].append(f"{want.name} cannot be measured: {cause}")
    accuracy.append(bench.accuracy("accuracy-after", bench.rounds - half))
    seen = _compared(accuracy, runs)
    doubtful = [want for want, one in seen.items() if one.cause == "unknown"]
    for again in range(1, _AGAIN_OPENED + 1 if doubtful else 1):
        anew = replace(bench, rounds=1, again=again)
        for want in doubtful:
            runs[want].append(want.measure(anew, accuracy[0]))
        accuracy.append(anew.accuracy("accuracy", 1))
    if doubtful:
        seen = _compared(accuracy, runs)
    expected = bench.quality(accuracy)
    conditions = {
        want: Condition(
            name=want.name,
            run=runs[want][0].name,
            agreement=one,
            quality=bench.quality(runs[want]),
            accuracy=expected,
        )
        for want, one in seen.items()
    }
    return [
        _check(bench, name, [conditions[w] for w in conditions if w.check == name], refused[name])
        for name in refused
    ]


def _compared(
    accuracy: Sequence[Run], runs: Mapping[_Wanted, Sequence[Run]]
) -> dict[_Wanted, Agreement]:
    """How each condition's answers stand to those of the accuracy passes."""
    book = Book()
    known = [answers_of(run, book) for run in accuracy]
    ids = accuracy[0].references.ids
    return {
        want: agreement(known, [answers_of(run, book) for run in made], book, ids)
        for want, made in runs.items()
    }


def _check(
    bench: _Bench, name: str, conditions: Sequence[Condition], refused: Sequence[str]
) -> Check:
    did, mend = _TOLD[name]
    kind = bench.experiment.scenario.describe()["kind"]
    return of_answers(
        name,
        f"{bench.rounds} rounds {did.format(kind=kind)}, beside {bench.rounds} accuracy passes",
        mend,
        conditions,
        refused,
    )


_TOLD = {
    "test01": (
        "of the experiment as it is ({kind}), all answers kept",
        (
            "serve the performance run as the accuracy run; the checks load and batch tell which "
            "of its conditions changes answers"
        ),
    ),
    "load": (
        f"at {_OVERLOAD:g} times the rate that can be served",
        (
            "give the same answers however long the queue is, and let workers share nothing that "
            "changes"
        ),
    ),
    "batch": (
        "in batches of each size, in other company each time",
        (
            "make answers independent of their batch (no quantisation range and no normalisation "
            "over the batch), or measure quality in the batches it will be served in"
        ),
    ),
}
"""Of each check, what was done, and what to do where conditions change answers."""


def _no_batches() -> Check:
    return Check(
        name="batch",
        outcome="pass",
        did="nothing: system.batch.max is 1, so every query is answered by itself",
        says="there are no batches that could change answers",
        mend=None,
    )
