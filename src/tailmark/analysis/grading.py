"""A run's rounds graded at deadlines: the arrays that every finding is made of.

Reads the run round by round, so that memory holds one round and the results.
"""

from dataclasses import dataclass

import numpy as np

from tailmark import plugins
from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Floats, Grader
from tailmark.quality.late import FAIL, ByDeadline, Graded, Policy, quality_by_deadline
from tailmark.quality.steps import Steps
from tailmark.records.model import NEVER, STAGES, Int64s, Round, Run

UNTIMED = "none"
"""What ``timed`` is of an imported run whose queries have no times."""

LOSSES = (
    "delivered",
    "wrong_in_time",
    "right_late_in_queue",
    "right_late_in_compute",
    "right_late_by_harness",
    "wrong_and_late",
    "failed",
)
"""Where every sample of a round ends up, as shares of one (under ``fail``)."""


@dataclass(frozen=True, kw_only=True)
class Grades:
    """Each round at each deadline.

    Args:
        deadlines_ns: Shape (deadlines,).
        on_time: Share of the queries on time, shape (rounds, deadlines).
        quality: Under the late policy, shape (rounds, deadlines); None without references.
        ideal: Quality with no deadline on the same samples, shape (rounds,); None likewise.
        loss: Shape (rounds, deadlines, len(LOSSES)); None likewise.
        streak: Longest row of late answers in issue order, shape (rounds, deadlines).
        counted: How many rows the quality is a mean of, shape (rounds, deadlines).
        queries: Rows of each round, shape (rounds,).
        duration_ns: Of each round, shape (rounds,).
    """

    deadlines_ns: Int64s
    on_time: Floats
    quality: Floats | None
    ideal: Floats | None
    loss: Floats | None
    streak: Int64s
    counted: Floats
    queries: Int64s
    duration_ns: Int64s


def check_time(run: Run, time: str | None) -> str:
    """Which latency a deadline applies to.

    Raises:
        InputError: A stage this run did not time, or nothing was timed.
    """
    timed = str(run.manifest.experiment.get("timed", "inference"))
    if timed == UNTIMED:
        raise InputError(
            f"{run.name!r} holds the time of no query, so nothing can be said of a deadline: "
            "LoadGen writes mlperf_log_trace.json if LogSettings.enable_trace is set; import such "
            "a test (summarize without deadlines shows what was reported)"
        )
    if time is None or time == timed:
        return timed
    first = run.stored[0]
    staged = {stage for stage in STAGES if getattr(first, f"{stage}_ns") is not None}
    allowed = {timed} | ({"total", *staged} if staged else set())
    if time not in allowed:
        raise InputError(
            f"this run timed {timed!r} only, so there is no {time!r}: measure with timed: total"
            if timed != "total" and time in ("total", *STAGES)
            else f"time {time!r} is not measured: {', '.join(sorted(allowed))}"
        )
    return time


def latencies(run: Run, one: Round, time: str) -> Int64s:
    """A round's latencies in the sense of ``time``, `NEVER` where there is no answer.

    Args:
        run: The round's run.
        one: The round.
        time: As `check_time` gives it.
    """
    whole = str(run.manifest.experiment.get("timed", "inference"))
    # An isolated run reports the model's own time as a stage; its latency holds the hop too.
    return one.latency_ns(None if time == whole else time)


def prepare_grader(run: Run, metric: str) -> Grader | None:
    """The metric over a run's outputs; None where the run knows no references.

    Raises:
        MetricError: The outputs or references are not what it grades.
    """
    chosen = plugins.load("metrics", metric)
    if run.references.values is None:
        return None
    if not run.outputs:
        raise MetricError(f"{run.name!r} kept no outputs, so {metric} has nothing to grade")
    grader: Grader = chosen.prepare(run.outputs, run.references.values)
    return grader


def grade(
    run: Run,
    grader: Grader | None,
    deadlines_ns: Int64s,
    *,
    policy: Policy = FAIL,
    time: str,
    fallback: tuple[Run, Grader] | None = None,
) -> Grades:
    """Grade every round at every deadline.

    Args:
        run: What was measured.
        grader: From `prepare_grader`; None grades punctuality alone.
        deadlines_ns: Ascending, shape (deadlines,).
        policy: What a late answer counts as.
        time: Which latency counts, as `check_time` gives it.
        fallback: The other run and its grader, for that policy; round r is lent its round r,
            counting round again where it has fewer.
    """
    rounds, count = len(run), len(deadlines_ns)
    on_time = np.empty((rounds, count))
    quality = np.empty((rounds, count))
    counted = np.empty((rounds, count))
    loss = np.empty((rounds, count, len(LOSSES)))
    streak = np.empty((rounds, count), dtype=np.int64)
    ideal = np.empty(rounds)
    queries = np.empty(rounds, dtype=np.int64)
    duration = np.empty(rounds, dtype=np.int64)
    for r, one in enumerate(run.rounds()):
        late = latencies(run, one, time)
        n = len(one)
        queries[r] = n
        duration[r] = one.facts.get("duration_ns", int(one.completed_ns.max(initial=0)))
        punctual = Steps.rising(late, None, n).at(deadlines_ns)
        on_time[r] = punctual
        counted[r] = n * punctual if policy.kind == "drop" else n
        streak[r] = longest_streaks(late, deadlines_ns)
        if grader is None:
            continue
        rows = _rows(run, one, grader, time, fallback)
        ideal[r] = rows.score.sum() / n
        quality[r] = quality_by_deadline(rows, grader, policy).at(deadlines_ns)
        loss[r] = _losses(one, rows.score, late, punctual, deadlines_ns)
    graded = grader is not None
    return Grades(
        deadlines_ns=deadlines_ns,
        on_time=on_time,
        quality=quality if graded else None,
        ideal=ideal if graded else None,
        loss=loss if graded else None,
        streak=streak,
        counted=counted,
        queries=queries,
        duration_ns=duration,
    )


def quality_by_round(
    run: Run,
    grader: Grader,
    *,
    policy: Policy,
    time: str,
    fallback: tuple[Run, Grader] | None = None,
) -> list[ByDeadline]:
    """Each round's quality as a function of the deadline; the arguments are those of `grade`."""
    rows = (_rows(run, one, grader, time, fallback) for one in run.rounds())
    return [quality_by_deadline(one, grader, policy) for one in rows]


def _rows(
    run: Run, one: Round, grader: Grader, time: str, fallback: tuple[Run, Grader] | None
) -> Graded:
    """A round's rows, ready for a late policy."""
    lent = _lend(fallback, run, one, time) if fallback else None
    return Graded(
        sample=one.sample,
        output=one.output_id,
        latency_ns=latencies(run, one, time),
        score=grader.scores(one.sample, one.output_id),
        scheduled_ns=one.scheduled_ns,
        fallback_ns=lent[0] if lent else None,
        fallback_score=lent[1] if lent else None,
    )


def _lend(fallback: tuple[Run, Grader], run: Run, one: Round, time: str) -> tuple[Int64s, Floats]:
    """Another run's latency and score for each row's sample.

    Raises:
        InputError: Its samples are others.
    """
    other, grader = fallback
    if other.references.ids != run.references.ids:
        raise InputError(
            f"{other.name!r} cannot stand in for {run.name!r}: its samples are others; measure "
            "both on one workload"
        )
    theirs = other.stored[one.index % len(other)]
    latency = np.full(len(other.references), NEVER)
    score = np.zeros(len(other.references))
    latency[theirs.sample] = latencies(other, theirs, check_time(other, time))
    score[theirs.sample] = grader.scores(theirs.sample, theirs.output_id)
    return latency[one.sample], score[one.sample]


def _losses(
    one: Round, score: Floats, late: Int64s, punctual: Floats, deadlines_ns: Int64s
) -> Floats:
    """Shares of one at each deadline, in the order of `LOSSES`; shape (deadlines, losses).

    A right answer is late by the harness if it would have been on time from its issue, in the
    queue if from its start, and in compute otherwise.
    """
    n = len(one)
    there = one.answered
    right = score.sum() / n

    def right_within(spent: Int64s) -> Floats:
        return Steps.rising(np.where(there, spent, NEVER), score, n).at(deadlines_ns)

    delivered = Steps.rising(late, score, n).at(deadlines_ns)
    from_issue = from_start = delivered
    if (one.issued_ns != one.scheduled_ns).any():
        from_issue = from_start = right_within(late - (one.issued_ns - one.scheduled_ns))
    if one.started_ns is not None:
        from_start = right_within(late - (one.started_ns - one.scheduled_ns))
    answered = there.sum() / n
    wrong_in_time = punctual - delivered
    shares = np.stack(
        [
            delivered,
            wrong_in_time,
            from_start - from_issue,
            right - from_start,
            from_issue - delivered,
            (answered - right) - wrong_in_time,
            np.full(len(deadlines_ns), 1 - answered),
        ],
        axis=1,
    )
    # Differences of equal sums may be a rounding below zero.
    floored: Floats = np.maximum(shares, 0.0)
    return floored


def longest_streaks(latency_ns: Int64s, deadlines_ns: Int64s) -> Int64s:
    """The longest row of late answers at each deadline; shape (deadlines,)."""
    longest = np.empty(len(deadlines_ns), dtype=np.int64)
    for k, deadline in enumerate(deadlines_ns):
        punctual = np.flatnonzero(latency_ns <= deadline)
        edges = np.concatenate([[-1], punctual, [len(latency_ns)]])
        longest[k] = np.diff(edges).max() - 1
    return longest
