"""What a system would deliver under another load: the finding behind ``tailmark what-if``."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.asked import DEFAULT_DEADLINES, metric_of, resolve
from tailmark.analysis.at_deadline import UNGRADED, UNIT
from tailmark.analysis.grading import check_time, grade, latencies, prepare_grader
from tailmark.analysis.replaying import Load, Replayed, replay
from tailmark.analysis.service_times import ServiceTimes, begun, service_times
from tailmark.analysis.trial import Trial, hold_against, offered_rate
from tailmark.errors import InputError
from tailmark.quality.base import Floats, Grader, Metric, SetGrader
from tailmark.quality.late import Policy, parse_policy
from tailmark.records.model import Int64s, Run, Status
from tailmark.records.store import as_run
from tailmark.scenario.base import Scenario
from tailmark.scenario.queueing import Queueing, WhenBusy
from tailmark.scenario.server import Arrivals
from tailmark.stats.bootstrap import FEWEST, bootstrap_interval, round_weights
from tailmark.stats.dependence import inflation
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.quantiles import lower_quantile
from tailmark.stats.rounds import mean_by_round, rounds_needed
from tailmark.units import format_duration, parse_duration

FORMAT = 1
TAIL = 0.05
PERCENTILES = (50.0, 90.0, 99.0)

_ANOTHER_RATE = 0.05
_WHEN_BUSY: Mapping[WhenBusy, str] = {
    "queue": "",
    "skip": ", skipping what comes when all are busy",
    "newest": ", taking the newest alone",
}
_MOSTLY = 0.5
_SWEPT = (0.1, 0.95)
"""Of the capacity, the least and the most that a sweep asks for."""


@dataclass(frozen=True, kw_only=True)
class Foretold:
    """What is foretold at one deadline.

    Args:
        deadline_ns: Resolved on the recorded run.
        label: As it was asked for.
        on_time: Share of the queries.
        mean: Quality, over rounds; None without references, and so for the next.
        tail: The 5 % quantile over rounds.
        loss: Mean shares of one, by `Grades.losses`; None but under the policy ``fail``.
    """

    deadline_ns: int
    label: str
    on_time: Estimate
    mean: Estimate | None = None
    tail: Estimate | None = None
    loss: Mapping[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "deadline_ns": self.deadline_ns,
            "label": self.label,
            "on_time": self.on_time.to_dict(),
            "mean": self.mean.to_dict() if self.mean else None,
            "tail": {f"{TAIL:g}": self.tail.to_dict()} if self.tail else None,
            "loss": dict(self.loss) if self.loss else None,
        }


@dataclass(frozen=True, kw_only=True)
class AtRate:
    """What is foretold at one rate.

    Args:
        qps: The rate.
        load: Of the capacity.
        utilisation: The share of their time that workers are busy.
        at: By deadline, ascending.
    """

    qps: float
    load: float
    utilisation: Estimate
    at: tuple[Foretold, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "qps": self.qps,
            "load": self.load,
            "utilisation": self.utilisation.to_dict(),
            "at": [one.to_dict() for one in self.at],
        }


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """What a system would deliver under another load.

    Args:
        run: The recorded run's name.
        recorded: How many rounds it has.
        simulated: How many rounds were simulated.
        metric: What quality means; None without references.
        on_late: The late policy.
        qps: The rate; infinite where all comes at once.
        scenario: What comes instead of a rate, described; None for a rate.
        arrivals: Of a rate.
        queueing: How queries wait.
        capacity_qps: What these workers serve if they are never idle.
        load: The rate as a share of that.
        utilisation: The share of their time that workers are busy.
        batch: The mean size of a batch.
        unserved: Mean shares of the queries by why they were not served: shed, timed_out.
        ideal: Quality with no deadline; None without references.
        latency: Percentiles, by percent.
        at: By deadline, ascending.
        first: Which of them was asked for first.
        curve: The same at other rates, ascending; empty unless asked for.
        holds: For each quality asked for, the highest rate of the curve up to which the mean at
            the first deadline holds it; None where not even the lowest does.
        trial: The same, as it was measured in a real run; None unless one is given.
        warnings: Sentences for the reader.
    """

    run: str
    recorded: int
    simulated: int
    metric: str | None
    on_late: str
    qps: float
    scenario: Mapping[str, Any] | None
    arrivals: str
    queueing: Queueing
    capacity_qps: float
    load: float
    utilisation: Estimate
    batch: float
    unserved: Mapping[str, float]
    ideal: Estimate | None
    latency: Mapping[float, Estimate]
    at: tuple[Foretold, ...]
    first: int
    curve: tuple[AtRate, ...]
    holds: Mapping[float, float | None]
    trial: Trial | None
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document ``what-if --json`` prints."""
        return {
            "format": FORMAT,
            "run": self.run,
            "recorded_rounds": self.recorded,
            "simulated_rounds": self.simulated,
            "metric": self.metric,
            "on_late": self.on_late,
            "qps": _finite(self.qps),
            "scenario": dict(self.scenario) if self.scenario else None,
            "arrivals": self.arrivals,
            "queueing": self.queueing.describe(),
            "capacity_qps": self.capacity_qps,
            "load": _finite(self.load),
            "utilisation": self.utilisation.to_dict(),
            "batch": self.batch,
            "unserved": dict(self.unserved),
            "ideal": self.ideal.to_dict() if self.ideal else None,
            "latency": {f"{p:g}": e.to_dict() for p, e in self.latency.items()},
            "at": [one.to_dict() for one in self.at],
            "curve": [one.to_dict() for one in self.curve],
            "holds": [{"quality": q, "qps": qps} for q, qps in self.holds.items()],
            "trial": self.trial.to_dict() if self.trial else None,
            "warnings": list(self.warnings),
        }


def what_if(
    run: Run | str | Path,
    *,
    qps: float | None = None,
    load: float | None = None,
    scenario: Scenario | None = None,
    workers: int | None = None,
    batch: int | None = None,
    batch_wait: str | int | None = None,
    deadlines: Sequence[str | int] | None = None,
    against: Run | str | Path | None = None,
    batches: Run | str | Path | None = None,
    sweep: int | None = None,
    quality: Sequence[float] = (),
    arrivals: Arrivals = "poisson",
    max_outstanding: int | None = None,
    queries: int | None = None,
    rounds: int = 200,
    metric: str | Metric | None = None,
    on_late: str | None = None,
    seed: int = 0,
) -> WhatIf:
    """Foretell what a run's system would deliver under another load.

    The run's own service times and answers go through a simulation of the queue that the product
    runs (`tailmark.scenario.simulate`). A service is as long as the recorded one that began at
    that moment of the recorded clock (see `Replayer`), so that slow phases last as
    long as they did; samples are answered as in the round they are taken from. Intervals are over
    the recorded rounds: more simulated ones take away the noise of the simulation alone.

    What it does not know: whether workers slow each other down (it takes it that they do not,
    beyond what the run measured), and whether a system that was idle is slower for it.

    Args:
        run: A run, or its directory; single-stream, or under any load.
        qps: The rate; or else ``load``, ``scenario``, or ``against``, whose rate it is then.
        load: The rate as a share of the capacity: 0.6.
        scenario: What comes instead of a rate, as `tailmark.Replay`.
        workers: How many; as the run has it if nobody says, and so for the next.
        batch: The most samples a worker takes at once.
        batch_wait: How long the first of a batch may wait for others: ``"2ms"``.
        deadlines: ``"20ms"``, ``"p99"`` (of the recorded run), or nanoseconds.
        against: A run measured under that load, to see how far the prediction is off.
        batches: A run that measured the batches this one did not.
        sweep: Also at so many rates, from 10 to 95 % of the capacity.
        quality: Up to which of those rates the mean at the first deadline is so much.
        arrivals: ``poisson`` or ``constant``.
        max_outstanding: How many samples may be queued or in service before any is shed.
        queries: Of a round; by default as many as a recorded round has.
        rounds: Simulate at least so many.
        metric: What quality means.
        on_late: A late policy, but ``fallback``.
        seed: Of the arrivals.

    Raises:
        InputError: Something asked for is not there, or was never measured.
    """
    run = as_run(run)
    real = None if against is None else as_run(against)
    declared = run.manifest.experiment.get("quality", {})
    policy = parse_policy(on_late or declared.get("on_late") or "fail")
    if policy.kind == "fallback":
        raise InputError("on_late 'fallback' lends recorded times: what-if knows fail and the rest")
    chosen = metric_of(run, metric)
    service = service_times(run)
    if batches is not None:
        service = service.with_batches(service_times(as_run(batches)))
    asked = deadlines or declared.get("deadlines") or DEFAULT_DEADLINES
    pooled = np.sort(
        np.concatenate([latencies(run, r, check_time(run, None)) for r in run.rounds()])
    )
    labels = resolve(asked, pooled)
    grader = prepare_grader(run, chosen)
    queueing = _queueing(real or run, workers, batch, batch_wait, max_outstanding)
    capacity = service.capacity_of(queueing.workers, queueing.batch)
    coming = Load(
        qps=_rate(qps, load, scenario, real, capacity),
        arrivals=arrivals,
        scenario=scenario,
        queueing=queueing,
        timeout_ns=run.manifest.experiment.get("system", {}).get("timeout_ns"),
        queries=queries if queries is not None or real is None else _typical_rows(real),
    )
    _check(rounds, queries, sweep, quality)
    say = partial(_Said, run, grader, labels, policy)
    replayed = replay(run, service, coming, rounds=rounds, seed=seed)
    said = say(replayed)
    curve = []
    for share in np.linspace(*_SWEPT, sweep or 0).tolist():
        other = dataclasses.replace(coming, qps=share * capacity, scenario=None)
        swept = say(replay(run, service, other, rounds=rounds, seed=seed))
        curve.append(
            AtRate(qps=share * capacity, load=share, utilisation=swept.utilisation, at=swept.at)
        )
    rate = float(np.median(replayed.qps)) if coming.qps is None else coming.qps
    (headline,) = resolve(asked[:1], pooled)
    first = list(labels).index(headline)
    return WhatIf(
        run=run.name,
        recorded=len(run),
        simulated=len(replayed.begin),
        metric=chosen.name if grader else None,
        on_late=str(policy),
        qps=rate,
        scenario=scenario.describe() if scenario else None,
        arrivals=arrivals,
        queueing=queueing,
        capacity_qps=capacity,
        load=rate / capacity,
        utilisation=said.utilisation,
        batch=float(replayed.batch.mean()),
        unserved=said.unserved,
        ideal=said.ideal,
        latency=said.latency,
        at=said.at,
        first=first,
        curve=tuple(curve),
        holds={q: _holds(curve, first, q) for q in quality},
        trial=None
        if real is None
        else hold_against(
            real,
            said.at,
            said.latency,
            said.utilisation,
            metric=chosen,
            policy=policy,
            unlike=_unlike(run, real, queueing, rate),
        ),
        warnings=tuple(_warnings(run, service, coming, rate, capacity, said)),
    )


class _Said:
    """What simulated rounds bear.

    Args:
        run: The recorded run.
        grader: Of its answers; None without references.
        labels: The deadlines, each with how it was asked for.
        policy: What a late answer counts as.
        replayed: The rounds.
    """

    def __init__(
        self,
        run: Run,
        grader: Grader | SetGrader | None,
        labels: Mapping[int, str],
        policy: Policy,
        replayed: Replayed,
    ) -> None:
        time = check_time(run, None)
        deadlines = np.array(list(labels), dtype=np.int64)
        graded = partial(grade, grader=grader, deadlines_ns=deadlines, policy=policy, time=time)
        rounds, units = graded(replayed.run), graded(replayed.by_recorded)
        by_unit = [np.sort(latencies(run, one, time)) for one in replayed.by_recorded.rounds()]
        status = [np.bincount(one.status, minlength=len(Status)) for one in replayed.run.rounds()]
        counts = np.sum(status, axis=0)
        self.unserved = {
            s.name: float(counts[s] / counts.sum()) for s in (Status.shed, Status.timed_out)
        }
        mean = partial(mean_over_units, begin=replayed.begin, sizes=units.queries)
        self.utilisation = mean(
            replayed.utilisation, float(replayed.utilisation.mean()) * relative_service(replayed)
        )
        self.ideal = (
            None
            if rounds.ideal is None
            else mean_by_round(by_begin(rounds.ideal, replayed.begin), bounds=UNIT)
        )
        ordered = np.sort(np.concatenate(by_unit))
        self.latency = {p: pooled_percentile(by_unit, ordered, p) for p in PERCENTILES}
        at = []
        for k, label in enumerate(labels.values()):
            on_time = mean(rounds.on_time[:, k], units.on_time[:, k])
            if rounds.quality is None or units.quality is None or rounds.loss is None:
                at.append(Foretold(deadline_ns=int(deadlines[k]), label=label, on_time=on_time))
                continue
            values = rounds.quality[:, k]
            at.append(
                Foretold(
                    deadline_ns=int(deadlines[k]),
                    label=label,
                    on_time=on_time,
                    mean=mean(values, units.quality[:, k]),
                    tail=tail_over_rounds(
                        values, replayed.begin, replayed.span, units.quality[:, k]
                    ),
                    loss=dict(
                        zip(rounds.losses, rounds.loss[:, k].mean(axis=0).tolist(), strict=True)
                    )
                    if policy.kind == "fail"
                    else None,
                )
            )
        self.at = tuple(at)


def relative_service(replayed: Replayed) -> Floats:
    """What a row's service took by the recorded round it came from, against all; shape (units,)."""
    took = [
        float((one.completed_ns - one.started_ns)[begun(one)].sum())
        if one.started_ns is not None
        else 0.0
        for one in replayed.by_recorded.rounds()
    ]
    rows = np.array([len(one) for one in replayed.by_recorded.rounds()], dtype=np.float64)
    relative: Floats = np.array(took) / rows * rows.sum() / max(sum(took), 1.0)
    return relative


def by_begin(values: Floats, begin: Int64s) -> Floats:
    """The mean over the simulated rounds that each recorded one began; shape (recorded,)."""
    folded: Floats = values.reshape(int(begin[-1]) + 1, -1).mean(axis=1)
    return folded


def mean_over_units(values: Floats, by_unit: Floats, *, begin: Int64s, sizes: Int64s) -> Estimate:
    """The mean over simulated rounds, its interval by the recorded rounds that served their rows.

    Simulated rounds overlap in what they replay, so they are no units. The rows that one recorded
    round served are: what they are worth is a ratio, linearised at the mean.

    Args:
        values: One a simulated round, shape (simulated,).
        by_unit: The mean of the rows that each recorded round served, shape (units,).
        begin: Which recorded round each simulated one began with, shape (simulated,).
        sizes: How many rows those are, shape (units,).
    """
    if np.isnan(values).any() or np.isnan(by_unit).any():
        return Estimate(
            value=None, n=len(by_unit), method="t over recorded rounds", reason=UNGRADED
        )
    value = float(by_begin(values, begin).mean())
    pooled = float((by_unit * sizes).sum() / sizes.sum())
    units = mean_by_round(value + sizes * (by_unit - pooled) / sizes.mean(), bounds=UNIT)
    return dataclasses.replace(
        units, value=value, method=units.method.replace("rounds", "recorded rounds")
    )


def tail_over_rounds(
    values: Floats, begin: Int64s, span: float, by_unit: Floats, share: float = TAIL
) -> Estimate:
    """A lower quantile over simulated rounds, its interval by resampling the recorded ones.

    What chance makes of a round the simulation knows; what recorded rounds differ in is known from
    them alone. Where that is most of what simulated rounds vary by, the quantile is one of the
    recorded rounds, and takes as many of them as any.

    Args:
        values: One a simulated round, shape (simulated,).
        begin: Which recorded round each began with, shape (simulated,).
        span: How many recorded rounds a simulated one takes up: those that follow each other
            overlap, and are drawn together.
        by_unit: By recorded round, to tell how much these depend on each other; shape (units,).
        share: The quantile.
    """
    recorded = int(begin[-1]) + 1
    method = "BCa bootstrap over recorded rounds"
    estimate = partial(Estimate, n=recorded, method=method)
    if np.isnan(values).any():
        return estimate(value=None, reason=UNGRADED)
    value = lower_quantile(values, share)
    folded = values.reshape(recorded, -1)
    means, times = folded.mean(axis=1), folded.shape[1]
    within = float(folded.var(axis=1, ddof=1).mean()) if times > 1 else 0.0
    between = max(0.0, float(means.var(ddof=1)) - within / times) if recorded > 1 else 0.0
    together = span * float(inflation(by_unit))
    worth = recorded / together
    needs = rounds_needed(share, inflated=together)
    if recorded < needs and between > _MOSTLY * (between + within):
        return estimate(
            value=value,
            reason=f"the {100 * share:g} % tail is mostly how recorded rounds differ, and that "
            f"needs about {needs} of them, have {recorded}",
        )
    if worth < FEWEST:
        return estimate(
            value=value,
            reason=f"the {100 * share:g} % tail needs about {math.ceil(FEWEST * together)} "
            f"recorded rounds, have {recorded}",
        )
    order = np.argsort(values, kind="stable")
    drawn = round_weights(recorded, block=2 * together if together > 1 else 1.0)
    weights = drawn[:, begin[order]].cumsum(axis=1)
    place = (weights < share * weights[:, -1:] * (1 - 1e-12)).sum(axis=1)
    return bootstrap_interval(value, values[order][place], worth=worth, n=recorded, method=method)


def _queueing(
    like: Run,
    workers: int | None,
    batch: int | None,
    batch_wait: str | int | None,
    max_outstanding: int | None,
) -> Queueing:
    """As asked; what nobody says is as a run was measured."""
    had = like.manifest.experiment.get("system", {})
    most = batch if batch is not None else int(had.get("batch") or 1)
    wait = (
        (int(had.get("batch_wait_ns") or 0) if most > 1 else 0)
        if batch_wait is None
        else parse_duration(batch_wait, "batch_wait")
    )
    return Queueing(
        workers=workers if workers is not None else int(had.get("workers") or 1),
        batch=most,
        batch_wait_ns=wait,
        max_outstanding=max_outstanding
        if max_outstanding is not None
        else had.get("max_outstanding"),
        when_busy=(had.get("when_busy") if max_outstanding is None else None) or "queue",
    )


def _rate(
    qps: float | None,
    load: float | None,
    scenario: Scenario | None,
    real: Run | None,
    capacity: float,
) -> float | None:
    """Queries a second; None where a scenario says what comes."""
    given = [name for name, x in (("qps", qps), ("load", load), ("scenario", scenario)) if x]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are given: one of them says what comes")
    if scenario is not None:
        return None
    for name, x in (("qps", qps), ("load", load)):
        if x is not None and not (math.isfinite(x) and x > 0):
            raise InputError(f"{name} is {x:g}: give a number above 0")
    if qps is not None:
        return qps
    if load is not None:
        return load * capacity
    measured = None if real is None else real.manifest.experiment["scenario"].get("target_qps")
    if measured is None:
        raise InputError(
            "nobody says what comes: give a rate (qps 200), a load (0.6 of the capacity) or a trace"
        )
    return float(measured)


def _typical_rows(real: Run) -> int:
    return int(np.median([len(one) for one in real.rounds()]))


def _check(rounds: int, queries: int | None, sweep: int | None, quality: Sequence[float]) -> None:
    for name, given, least in (("rounds", rounds, 1), ("queries", queries, 1), ("sweep", sweep, 2)):
        if given is not None and given < least:
            raise InputError(f"{name} is {given}: give {least} or more")
    for one in quality:
        if not 0 <= one <= 1:
            raise InputError(f"quality {one:g} is no share: give one from 0 to 1")
    if quality and not sweep:
        raise InputError("the highest rate that holds a quality is one of a sweep: give --sweep 12")


def _holds(curve: Sequence[AtRate], first: int, quality: float) -> float | None:
    """The last rate before the mean falls below."""
    highest = None
    for one in curve:
        mean = one.at[first].mean or one.at[first].on_time
        if mean.value is None or mean.value < quality:
            break
        highest = one.qps
    return highest


def _unlike(run: Run, real: Run, queueing: Queueing, rate: float) -> list[str]:
    """What is not the same in the run that a prediction is held against.

    Raises:
        InputError: The samples are others, so that nothing can be held against it.
    """
    if real.references.ids != run.references.ids:
        raise InputError(
            f"{real.name!r} cannot be held against {run.name!r}: its samples are others; measure "
            "both on one workload"
        )
    said = []
    model = run.manifest.hashes.get("model"), real.manifest.hashes.get("model")
    if model[0] != model[1]:
        said.append("its model is another")
    served = _queueing(real, None, None, None, None)
    if served != queueing:
        said.append(f"it was served by {_words(served)}, this by {_words(queueing)}")
    came = offered_rate(real)
    if math.isfinite(came) and abs(came / rate - 1) > _ANOTHER_RATE:
        said.append(f"{came:,.0f} a second came, not {rate:,.0f}")
    return said


def _words(queueing: Queueing) -> str:
    """A queue's settings in a few words."""
    workers = "1 worker" if queueing.workers == 1 else f"{queueing.workers} workers"
    wait = format_duration(queueing.batch_wait_ns)
    batch = f", batches up to {queueing.batch} (wait {wait})" if queueing.batch > 1 else ""
    most = queueing.max_outstanding
    bound = f", at most {most} outstanding" if most is not None else ""
    return workers + batch + bound + _WHEN_BUSY[queueing.when_busy]


def _warnings(
    run: Run, service: ServiceTimes, load: Load, rate: float, capacity: float, said: _Said
) -> list[str]:
    """What a reader must know."""
    warned = []
    workers = load.queueing.workers
    if math.isfinite(rate) and rate >= capacity and not load.queueing.sheds:
        warned.append(
            f"{rate:,.0f} a second is more than the {capacity:,.0f} that are served: the queue "
            "grows without end, so this holds for rounds of this length, and longer ones are worse"
        )
    if workers > service.workers:
        had = "one" if service.workers == 1 else f"{service.workers}"
        warned.append(
            f"it is taken that {workers} workers do not slow each other; the run was measured "
            f"with {had}, and on shared cores, caches or memory they do"
        )
    for why, share in said.unserved.items():
        if share > 0:
            words = {"shed": "shed", "timed_out": "given up after the timeout"}[why]
            warned.append(f"{100 * share:.2g} % of the queries would be {words}")
    if service.answers.borrowed:
        warned.append(
            f"{service.answers.borrowed} rows were never begun in the recorded run: another "
            "round's answer stands for them"
        )
    if not run.complete:
        warned.append(f"the run is partial: {len(run)} of {run.manifest.rounds_asked} rounds")
    return warned


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None
