"""MLPerf's result of a run: its scenario's metric, and whether it is valid, as LoadGen would say.

Rules and names as in LoadGen 6.0 (``results.cc``); the server's metric is what submissions have
been read for since v5.0, the completed rate.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.grading import check_time
from tailmark.analysis.latency import PERCENTILES
from tailmark.errors import InputError
from tailmark.quality.requirement import LatencyRequirement, parse_requirement
from tailmark.records.model import NEVER, Int64s, Round, Run
from tailmark.records.store import as_run
from tailmark.stats import early_stopping
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.quantiles import latency_percentile
from tailmark.stats.rounds import mean_by_round
from tailmark.units import format_duration, parse_duration

FORMAT = 1
PERCENT = {"single-stream": 90.0, "multi-stream": 99.0, "server": 99.0, "offline": None}
"""What each of MLPerf's scenarios is judged by; offline by no percentile."""

MIN_QUERIES = {"single-stream": 100, "multi-stream": 100, "server": 100, "offline": 24_576}
"""LoadGen's default; of the one query of an offline test, its samples by the rules."""

_HIGHEST_PERCENT = 99.999


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One of the things that make a result valid.

    Args:
        name: ``minimum duration``, ``minimum queries``, ``early stopping``, ``latency bound``,
            ``answers``.
        met: Whether it holds.
        value: What was found: nanoseconds, queries, late queries.
        limit: What it is held against.
        says: Both in a sentence, with what to do where it does not hold.
    """

    name: str
    met: bool
    value: int | None
    limit: int
    says: str


@dataclass(frozen=True, kw_only=True)
class MlperfResult:
    """What MLPerf would report of a run: all its rounds count as one test.

    Args:
        run: Its name.
        scenario: One of `PERCENT`.
        valid: Whether every condition is met.
        metric: What the scenario is judged by, in words.
        unit: ``ns`` or ``samples/s``.
        value: MLPerf's number: of latencies the early-stopping estimate; None where there is none.
        percentile: The scenario's empirical percentile, over rounds; None for offline.
        rate: The rate over rounds, by samples per second; None for closed loops.
        by_round: Of each round the empirical percentile, or the rate; None where it has none.
        percent: The percentile asked for; None for offline.
        bound_ns: The server's latency bound.
        over_bound: Queries beyond it, the unanswered among them.
        discarded: How many longer latencies the early-stopping estimate leaves out.
        scheduled_per_s: The server's rate as it was scheduled.
        completed_per_s: And as it was completed.
        rounds: How many are pooled.
        queries: In all of them.
        samples: Likewise.
        unanswered: Samples without an answer: later than every other.
        duration_ns: Of all rounds, added up.
        min_ns: The shortest latency, of queries in a multi-stream; None without answers.
        max_ns: The longest; None if it was never answered.
        mean_ns: Of the answered, rounded down.
        statistics: ``sorted[floor(n p)]`` by percent; None where that was never answered.
        conditions: What makes it valid.
    """

    run: str
    scenario: str
    valid: bool
    metric: str
    unit: str
    value: float | None
    percentile: Estimate | None
    rate: Estimate | None
    by_round: tuple[float | None, ...]
    percent: float | None
    bound_ns: int | None
    over_bound: int | None
    discarded: int | None
    scheduled_per_s: float | None
    completed_per_s: float | None
    rounds: int
    queries: int
    samples: int
    unanswered: int
    duration_ns: int
    min_ns: int | None
    max_ns: int | None
    mean_ns: int | None
    statistics: Mapping[float, int | None]
    conditions: tuple[Condition, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document ``mlperf result --json`` prints."""
        plain = {
            "format": FORMAT,
            **asdict(self),
            "result": "VALID" if self.valid else "INVALID",
            "percentile": self.percentile.to_dict() if self.percentile else None,
            "rate": self.rate.to_dict() if self.rate else None,
            "by_round": list(self.by_round),
            "statistics": {f"{p:g}": ns for p, ns in self.statistics.items()},
            "conditions": [asdict(one) for one in self.conditions],
        }
        del plain["valid"]
        return plain


@dataclass(frozen=True, kw_only=True)
class _Pooled:
    """All rounds as one test.

    Args:
        by_round: Each round's latencies of queries, ascending; of samples where a query is all.
        ordered: All of them, ascending.
        samples: In all rounds.
        unanswered: Samples without an answer.
        lasted_ns: Of each round, shape (rounds,): until its last query was issued (closed loops) or
            due (server), or until its last answer (offline).
        due_ns: When the last query of each round was due, shape (rounds,).
        done_ns: When the last query of each round that was answered had its answer, likewise.
        answered: Answered queries of each round, likewise.
    """

    by_round: list[Int64s]
    ordered: Int64s
    samples: int
    unanswered: int
    lasted_ns: Int64s
    due_ns: Int64s
    done_ns: Int64s
    answered: Int64s

    @property
    def queries(self) -> int:
        """In all rounds."""
        return len(self.ordered)


def mlperf_result(
    run: Run | str | Path,
    *,
    bound: str | int | None = None,
    percentile: float | None = None,
    min_duration: str | int = "600s",
    min_queries: int | None = None,
) -> MlperfResult:
    """MLPerf's metric of a run, and whether it is valid; its rounds are pooled into one test.

    Args:
        run: A run of one of MLPerf's scenarios, or its directory.
        bound: The latency a server's queries may have; by default what the run's own ``require``
            says of its latency.
        percentile: As 99; by default the scenario's (90 for single-stream, else 99).
        min_duration: What the rounds must last, added up.
        min_queries: How many queries (offline: samples) there must be; by default `MIN_QUERIES`.

    Raises:
        InputError: The scenario has no metric in MLPerf, or a setting does not fit it.
    """
    run = as_run(run)
    scenario = str(run.manifest.experiment.get("scenario", {}).get("kind", "unknown"))
    if scenario not in PERCENT:
        raise InputError(
            f"MLPerf has no metric for the scenario {scenario!r}: it has {', '.join(PERCENT)}; "
            "summarize says what this run delivers"
        )
    check_time(run, None)
    percent, bound_ns = _judged_by(run, scenario, bound, percentile)
    if min_queries is not None and min_queries < 1:
        raise InputError(f"min_queries is {min_queries}: give 1 or more")
    pooled = _pool(run, scenario)
    if not pooled.queries:
        raise InputError(f"{run.name!r} has no queries, so there is no result")
    seconds = (
        parse_duration(min_duration, "a minimum duration")
        if isinstance(min_duration, str)
        else min_duration
    )
    conditions = [
        _long_enough(pooled, seconds, scenario),
        _many_enough(pooled, min_queries or MIN_QUERIES[scenario], scenario),
    ]
    held: dict[str, Any]
    if percent is None:
        held = _offline(pooled)
    elif bound_ns is None:
        held = _latency(pooled, percent, scenario)
        conditions.append(_bears_estimate(pooled, percent))
    else:
        held = _server(pooled, percent, bound_ns)
        conditions += _within_bound(pooled, percent, bound_ns)
    if pooled.unanswered:
        conditions.append(_answers(pooled))
    answered = pooled.ordered[: np.searchsorted(pooled.ordered, NEVER)]
    return MlperfResult(
        run=run.name,
        scenario=scenario,
        valid=all(one.met for one in conditions),
        percent=percent,
        bound_ns=bound_ns,
        rounds=len(run),
        queries=pooled.queries,
        samples=pooled.samples,
        unanswered=pooled.unanswered,
        duration_ns=int(pooled.lasted_ns.sum()),
        min_ns=int(answered[0]) if len(answered) else None,
        max_ns=_told(int(pooled.ordered[-1])),
        mean_ns=int(answered.sum()) // len(answered) if len(answered) else None,
        statistics={p: _told(latency_percentile(pooled.ordered, p)) for p in PERCENTILES},
        conditions=tuple(conditions),
        **held,
    )


def _judged_by(
    run: Run, scenario: str, bound: str | int | None, percentile: float | None
) -> tuple[float | None, int | None]:
    """The percentile and the bound of it, where the scenario has them."""
    usual = PERCENT[scenario]
    if usual is None and percentile is not None:
        raise InputError("an offline run is judged by no percentile: leave percentile out")
    if bound is not None and scenario != "server":
        raise InputError(f"only a server has a latency bound, this is {scenario}: leave bound out")
    if percentile is not None and not 1 <= percentile <= _HIGHEST_PERCENT:
        raise InputError(
            f"percentile is {percentile:g}: give 1 to {_HIGHEST_PERCENT:g}, such as 99"
        )
    if scenario != "server":
        return percentile or usual, None
    declared = _declared(run)
    if bound is not None:
        bound_ns = parse_duration(bound, "a latency bound") if isinstance(bound, str) else bound
    elif declared:
        bound_ns, usual = declared.bound_ns, declared.percent
    else:
        raise InputError("a server is judged by a latency bound: give one, such as --bound 15ms")
    return percentile or usual, bound_ns


def _declared(run: Run) -> LatencyRequirement | None:
    """The latency the run was required to have."""
    required = run.manifest.experiment.get("require")
    parts = parse_requirement(required) if required else ()
    return next((one for one in parts if isinstance(one, LatencyRequirement)), None)


def _pool(run: Run, scenario: str) -> _Pooled:
    """Read every round once."""
    by_round: list[Int64s] = []
    marks: list[tuple[int, int, int, int]] = []
    samples = unanswered = 0
    for one in run.rounds():
        late = query_latencies(one) if scenario == "multi-stream" else one.latency_ns()
        there = one.answered
        samples += len(one)
        unanswered += int(len(one) - there.sum())
        by_round.append(np.sort(late))
        due = int(one.scheduled_ns.max(initial=0))
        last = int(one.completed_ns[there][-1]) if there.any() else 0
        longest = int(late[late != NEVER].max(initial=0))
        lasted = {"server": due, "offline": longest}.get(
            scenario, int(one.issued_ns.max(initial=0))
        )
        marks.append((lasted, due, last, int((late != NEVER).sum())))
    lasted_ns, due_ns, done_ns, answered = np.array(marks, dtype=np.int64).reshape(-1, 4).T
    return _Pooled(
        by_round=by_round,
        ordered=np.sort(np.concatenate([*by_round, np.empty(0, np.int64)])),
        samples=samples,
        unanswered=unanswered,
        lasted_ns=lasted_ns,
        due_ns=due_ns,
        done_ns=done_ns,
        answered=answered,
    )


def query_latencies(one: Round) -> Int64s:
    """Of every query, until its slowest sample is answered; shape (queries,)."""
    _, query = np.unique(one.query, return_inverse=True)
    slowest = np.zeros(int(query.max(initial=-1)) + 1, dtype=np.int64)
    np.maximum.at(slowest, query, one.latency_ns())
    return slowest


def _latency(pooled: _Pooled, percent: float, scenario: str) -> dict[str, Any]:
    """Single-stream and multi-stream: the early-stopping estimate."""
    value = early_stopping.estimate(pooled.ordered, percent)
    query = "query latency" if scenario == "multi-stream" else "latency"
    return {
        "metric": f"p{percent:g} {query}",
        "unit": "ns",
        "value": None if value is None else _told(value),
        "percentile": pooled_percentile(pooled.by_round, pooled.ordered, percent),
        "rate": None,
        "by_round": _percentiles(pooled, percent),
        "over_bound": None,
        "discarded": early_stopping.discarded(pooled.queries, percent),
        "scheduled_per_s": None,
        "completed_per_s": None,
    }


def _server(pooled: _Pooled, percent: float, bound_ns: int) -> dict[str, Any]:
    """The rates that were borne; the first query of a round begins its time, so it counts not."""
    sizes = np.array([len(one) for one in pooled.by_round])
    rates = [_per_second(n - 1, ns) for n, ns in zip(pooled.answered, pooled.done_ns, strict=True)]
    ends, rounds = int(pooled.done_ns.sum()), len(sizes)
    completed = _per_second(int(pooled.answered.sum()) - rounds, ends)
    return {
        "metric": "completed rate",
        "unit": "samples/s",
        "value": completed,
        "percentile": pooled_percentile(pooled.by_round, pooled.ordered, percent),
        "rate": _mean_rate(rates),
        "by_round": tuple(rates),
        "over_bound": _over(pooled, bound_ns),
        "discarded": None,
        "scheduled_per_s": _per_second(int(sizes.sum()) - rounds, int(pooled.due_ns.sum())),
        "completed_per_s": completed,
    }


def _offline(pooled: _Pooled) -> dict[str, Any]:
    """Samples a second, until the last has its answer; none where one never had."""
    rates = [
        None if not len(one) or one[-1] == NEVER else _per_second(len(one), int(one[-1]))
        for one in pooled.by_round
    ]
    rate = None
    if not pooled.unanswered:
        rate = _per_second(pooled.samples, int(pooled.lasted_ns.sum()))
    return {
        "metric": "rate",
        "unit": "samples/s",
        "value": rate,
        "percentile": None,
        "rate": _mean_rate(rates),
        "by_round": tuple(rates),
        "over_bound": None,
        "discarded": None,
        "scheduled_per_s": None,
        "completed_per_s": None,
    }


def _mean_rate(rates: list[float | None]) -> Estimate:
    return mean_by_round(
        np.array([math.nan if one is None else one for one in rates]),
        bounds=(0.0, math.inf),
        undefined="some round has no rate",
    )


def _per_second(count: int, ns: int) -> float | None:
    return float(count) / (float(ns) / 1e9) if ns > 0 and count > 0 else None


def _percentiles(pooled: _Pooled, percent: float) -> tuple[float | None, ...]:
    each = (latency_percentile(one, percent) if len(one) else NEVER for one in pooled.by_round)
    return tuple(_told(ns) for ns in each)


def _told(ns: int) -> int | None:
    return None if ns == NEVER else ns


def _over(pooled: _Pooled, bound_ns: int) -> int:
    return pooled.queries - int(np.searchsorted(pooled.ordered, bound_ns, side="right"))


def _long_enough(pooled: _Pooled, limit: int, scenario: str) -> Condition:
    ns, rounds = int(pooled.lasted_ns.sum()), len(pooled.lasted_ns)
    says = f"the run lasted {format_duration(ns)}"
    if rounds > 1:
        says = f"the {rounds} rounds lasted {format_duration(ns)} together"
    met = ns >= limit
    if not met:
        says += f", {format_duration(limit)} are asked for: measure "
        says += {
            "server": "for longer (scenario.duration), or more rounds",
            "offline": "more samples (scenario.samples), or more rounds",
        }.get(scenario, "more queries (scenario.queries), or more rounds")
        if ns > 0:
            says += f", {math.ceil(limit / ns):,} times as much"
    return Condition(name="minimum duration", met=met, value=ns, limit=limit, says=says)


def _many_enough(pooled: _Pooled, limit: int, scenario: str) -> Condition:
    what = "samples" if scenario == "offline" else "queries"
    count = pooled.samples if scenario == "offline" else pooled.queries
    says = f"{count:,} {what} were sent"
    if count < limit:
        says += f", {limit:,} are asked for: send {limit - count:,} more"
    return Condition(
        name="minimum queries", met=count >= limit, value=count, limit=limit, says=says
    )


def _bears_estimate(pooled: _Pooled, percent: float) -> Condition:
    """Early stopping of the closed loops."""
    count, needs = pooled.queries, early_stopping.queries_needed(1, percent)
    says = f"{count:,} queries bear an estimate of p{percent:g}"
    if count < needs:
        says = (
            f"{count:,} queries bear no estimate of p{percent:g}, {needs:,} are needed: "
            f"send {needs - count:,} more"
        )
    return Condition(name="early stopping", met=count >= needs, value=count, limit=needs, says=says)


def _within_bound(pooled: _Pooled, percent: float, bound_ns: int) -> list[Condition]:
    """The server's: enough queries for so many late ones, and the percentile within the bound."""
    over, count = _over(pooled, bound_ns), pooled.queries
    needs = early_stopping.queries_needed(over, percent)
    bound = format_duration(bound_ns)
    says = f"{over:,} of {count:,} queries took longer than {bound}"
    if count < needs:
        says += (
            f", which {needs:,} queries would bear: send {needs - count:,} more, all in time, "
            "or lower the rate"
        )
    at = latency_percentile(pooled.ordered, percent)
    is_ = "was never answered" if at == NEVER else f"is {format_duration(at)}"
    held = f"p{percent:g} {is_}, the bound {bound}"
    return [
        Condition(name="early stopping", met=count >= needs, value=count, limit=needs, says=says),
        Condition(
            name="latency bound",
            met=at <= bound_ns,
            value=_told(at),
            limit=bound_ns,
            says=held if at <= bound_ns else f"{held}: lower the rate (scenario.target_qps)",
        ),
    ]


def _answers(pooled: _Pooled) -> Condition:
    """LoadGen waits for every answer, so a test without some of them never ends."""
    count = pooled.unanswered
    return Condition(
        name="answers",
        met=False,
        value=pooled.samples - count,
        limit=pooled.samples,
        says=f"{count:,} of {pooled.samples:,} samples have no answer, and MLPerf wants every one: "
        "see status in summarize for how they ended",
    )
