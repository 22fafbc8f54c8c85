"""Recorded service under a load that was never measured: simulated rounds, as a run in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tailmark.analysis.service_times import Replayer, ServiceTimes
from tailmark.quality.base import Floats
from tailmark.records.model import COLUMNS, NONE, Int64s, Round, Run, Status
from tailmark.scenario.base import Scenario, Schedule
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.server import Arrivals, Server
from tailmark.scenario.simulate import Moments, simulate_clocked

_ROWS_AT_MOST = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Load:
    """What comes, and how it is served.

    Args:
        qps: The rate; None where ``scenario`` says what comes.
        arrivals: Of that rate, ``poisson`` or ``constant``.
        scenario: Instead of a rate.
        queueing: How queries wait.
        timeout_ns: After so long in the queue a query is not begun.
        queries: Of a round; by default as many as the recorded round had.
    """

    qps: float | None
    arrivals: Arrivals = "poisson"
    scenario: Scenario | None = None
    queueing: Queueing
    timeout_ns: int | None = None
    queries: int | None = None

    def schedule(self, rows: int, *, seed: int, index: int) -> Schedule:
        """What comes in a simulated round of ``rows``."""
        coming = self.scenario
        if coming is None:
            assert self.qps is not None  # noqa: S101 - either a rate or a scenario
            coming = Server(target_qps=self.qps, queries=rows, arrivals=self.arrivals)
        return coming.schedule(rows, order="fixed", seed=seed, index=index)


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """Simulated rounds.

    Args:
        run: Their records, as if they had been measured.
        by_recorded: The same rows by the recorded round whose service they had: the units that
            know nothing of each other but what the recorded rounds do.
        begin: Which recorded round each began with, shape (simulated,).
        span: How many recorded rounds a simulated one takes up by the clock; 1 at least.
        utilisation: The share of their time that workers were busy, shape (simulated,).
        batch: The mean size of a batch, likewise.
        qps: The rate that came, likewise; infinite where all came at once.
    """

    run: Run
    by_recorded: Run
    begin: Int64s
    span: float
    utilisation: Floats
    batch: Floats
    qps: Floats


def replay(run: Run, service: ServiceTimes, load: Load, *, rounds: int, seed: int) -> Replayed:
    """Simulate rounds under a load.

    Every recorded round begins as many simulated ones. The samples of a simulated round are those
    of the recorded one in their order, and are answered as they were there.

    Args:
        run: What was measured.
        service: What it says of its system.
        load: What comes instead.
        rounds: At least so many; fewer, but one for each recorded round, where rounds are long.
        seed: Of the arrivals.
    """
    recorded = service.rounds
    lengths = [load.queries or int(n) for n in np.diff(service.answers.first)]
    times = max(1, min(-(-rounds // recorded), _ROWS_AT_MOST // max(sum(lengths), 1)))
    begin = np.repeat(np.arange(recorded), times)
    replayer = Replayer(service, load.queueing)
    simulated: list[Round] = []
    served_by: list[Int64s] = []
    facts: list[tuple[float, float, float]] = []
    for index, start in enumerate(begin.tolist()):
        schedule = load.schedule(lengths[start], seed=seed, index=index)
        rows = service.answers.rows_of(start, len(schedule))
        served = replayer.replay(
            start, service.answers.sample[rows], np.random.default_rng([seed, index])
        )
        moments = simulate_clocked(schedule, load.queueing, served, timeout_ns=load.timeout_ns)
        served_by.append(served.recorded_round)
        simulated.append(_recorded(index, schedule, moments, service, rows))
        facts.append(_facts(moments, load.queueing.workers))
    busy, batch, rate = (np.array(column) for column in zip(*facts, strict=True))
    took = np.mean([one.facts["duration_ns"] for one in simulated])
    return Replayed(
        run=replace(run, path=None, stored=simulated),
        by_recorded=replace(
            run, path=None, stored=_regrouped(simulated, np.concatenate(served_by), recorded)
        ),
        begin=begin,
        span=max(1.0, float(took) * recorded / service.timeline.total_ns),
        utilisation=busy,
        batch=batch,
        qps=rate,
    )


def _recorded(
    index: int, schedule: Schedule, moments: Moments, service: ServiceTimes, rows: Int64s
) -> Round:
    """A simulated round as the product would record it; the generator is never late."""
    answers = service.answers
    served = moments.status == Status.ok
    ended = np.where(served, answers.status[rows], moments.status)
    there = ended == Status.ok
    last = max(int(moments.completed_ns.max(initial=0)), int(moments.scheduled_ns.max(initial=0)))
    return Round(
        index=index,
        facts={
            "duration_ns": max(last, 1),
            "open_loop": schedule.due_ns is not None,
            "together": schedule.together,
        },
        query=np.arange(len(schedule), dtype=np.int64) // schedule.per_query,
        sample=answers.sample[rows],
        scheduled_ns=moments.scheduled_ns,
        issued_ns=moments.scheduled_ns,
        started_ns=moments.started_ns,
        completed_ns=moments.completed_ns,
        status=ended.astype(np.int8),
        output_id=np.where(there, answers.output_id[rows], NONE).astype(np.int32),
    )


def _facts(moments: Moments, workers: int) -> tuple[float, float, float]:
    """Utilisation, the mean batch, and the rate."""
    last = max(int(moments.completed_ns.max(initial=0)), int(moments.scheduled_ns.max(initial=0)))
    first, end = int(moments.scheduled_ns.min()), int(moments.scheduled_ns.max())
    gaps = len(moments.scheduled_ns) - 1
    return (
        moments.busy_ns / (workers * max(last, 1)),
        float(moments.batches.mean()) if len(moments.batches) else 0.0,
        gaps * 1e9 / (end - first) if end > first else float("inf"),
    )


def _regrouped(simulated: Sequence[Round], group: Int64s, groups: int) -> list[Round]:
    """All rows, by group instead of by round; within a group in their order."""
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(groups + 1))
    columns = {
        name: np.concatenate([getattr(one, name) for one in simulated])[order]
        for name in COLUMNS
        if getattr(simulated[0], name) is not None
    }
    queries = np.cumsum([0, *(int(one.query.max(initial=-1)) + 1 for one in simulated[:-1])])
    columns["query"] += np.repeat(queries, [len(one) for one in simulated])[order]
    facts = simulated[0].facts
    return [
        Round(index=k, facts=facts, **{name: column[a:b] for name, column in columns.items()})
        for k, (a, b) in enumerate(pairwise(edges.tolist()))
        if b > a
    ]
