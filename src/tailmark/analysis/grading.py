"""A run's rounds graded at deadlines: the arrays that every finding is made of.

Reads the run round by round, so that memory holds one round and the results.
"""

from dataclasses import dataclass, replace

import numpy as np

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Floats, Grader, Metric, SetGrader
from tailmark.quality.choose import choose
from tailmark.quality.late import FAIL, ByDeadline, Graded, Policy, quality_by_deadline
from tailmark.quality.steps import Steps
from tailmark.records.columns import joined_columns
from tailmark.records.model import NEVER, NONE, STAGES, Int32s, Int64s, Round, Run

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

LOSSES_OF_SETS = ("delivered", "imperfect", "lost_in_queue", "lost_in_compute", "lost_by_harness")
"""The same where quality is no mean over samples: what each cause costs in turn.

First what the harness made late is given back, then what the queue did, then what compute did; what
is missing then, without any deadline, is the answers' own. In another order the shares would be
others; one is below zero where answers that came would have spoilt the set.
"""


@dataclass(frozen=True, kw_only=True)
class Grades:
    """Each round at each deadline.

    Args:
        deadlines_ns: Shape (deadlines,).
        on_time: Share of the queries on time, shape (rounds, deadlines).
        quality: Under the late policy, shape (rounds, deadlines); None without references.
        ideal: Quality with no deadline on the same samples, shape (rounds,); None likewise. Under
            ``stale`` rows without an answer keep the newest before them.
        loss: Late answers being wrong, shape (rounds, deadlines, len(losses)); None likewise.
        losses: What it is split into: `LOSSES`, or `LOSSES_OF_SETS`; `delivered` comes first.
        streak: Longest row of late answers in issue order, shape (rounds, deadlines).
        counted: How many rows the quality is over, shape (rounds, deadlines).
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
    losses: tuple[str, ...] = LOSSES

    @property
    def delivered(self) -> Floats | None:
        """Quality with late answers wrong, whatever the policy; shape (rounds, deadlines)."""
        return None if self.loss is None else self.loss[:, :, 0]


@dataclass(frozen=True)
class Lent:
    """Another run that lends its answers.

    Args:
        run: The other.
        grader: Of the outputs of both.
        first: Where the other's outputs begin among them.
    """

    run: Run
    grader: Grader | SetGrader
    first: int


_AT_ONCE = np.zeros(1, dtype=np.int64)
_FOREVER = np.array([NEVER - 1], dtype=np.int64)


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


def prepare_grader(run: Run, metric: str | Metric) -> Grader | SetGrader | None:
    """The metric over a run's outputs; None where the run knows no references.

    Raises:
        MetricError: The outputs or references are not what it grades.
    """
    chosen = choose(metric) if isinstance(metric, str) else metric
    if run.references.values is None:
        return None
    if not run.outputs:
        raise MetricError(f"{run.name!r} kept no outputs, so {chosen.name} has nothing to grade")
    return chosen.prepare(run.outputs, run.references.values)


def lend(run: Run, other: Run, metric: Metric) -> Lent:
    """Prepare the answers of both runs together.

    Raises:
        InputError: The other's samples are others, or its answers cannot be graded.
    """
    if other.references.ids != run.references.ids:
        raise InputError(
            f"{other.name!r} cannot stand in for {run.name!r}: its samples are others; measure "
            "both on one workload"
        )
    if prepare_grader(other, metric) is None or prepare_grader(run, metric) is None:
        raise InputError(f"{other.name!r} has no references, so its answers cannot be graded")
    outputs = joined_columns([run.outputs, other.outputs])
    grader = metric.prepare(outputs, run.references.values)
    return Lent(other, grader, first=len(next(iter(run.outputs.values()))))


def grade(
    run: Run,
    grader: Grader | SetGrader | None,
    deadlines_ns: Int64s,
    *,
    policy: Policy = FAIL,
    time: str,
    fallback: Lent | None = None,
) -> Grades:
    """Grade every round at every deadline.

    Args:
        run: What was measured.
        grader: From `prepare_grader`; None grades punctuality alone.
        deadlines_ns: Ascending, shape (deadlines,).
        policy: What a late answer counts as.
        time: Which latency counts, as `check_time` gives it.
        fallback: The other run, for that policy; round r is lent its round r, counting round again
            where it has fewer.
    """
    grader = fallback.grader if fallback else grader
    losses = LOSSES_OF_SETS if isinstance(grader, SetGrader) else LOSSES
    rounds, count = len(run), len(deadlines_ns)
    on_time = np.empty((rounds, count))
    quality = np.empty((rounds, count))
    counted = np.empty((rounds, count))
    loss = np.empty((rounds, count, len(losses)))
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
        quality[r] = quality_by_deadline(rows, grader, policy).at(deadlines_ns)
        if isinstance(grader, SetGrader):
            hard = quality[r] if policy == FAIL else None
            ideal[r] = _within(one, rows, grader, np.zeros(n, dtype=np.int64), _AT_ONCE)[0]
            loss[r] = _losses_of_a_set(one, rows, grader, deadlines_ns, hard, ideal[r])
        else:
            loss[r] = _losses(one, rows.score, late, punctual, deadlines_ns)
            ideal[r] = rows.score.sum() / n
        if policy.kind == "stale":  # what is shed sees the newest answer before it for good
            ideal[r] = quality_by_deadline(rows, grader, policy).at(_FOREVER)[0]
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
        losses=losses,
    )


def quality_by_round(
    run: Run,
    grader: Grader | SetGrader,
    *,
    policy: Policy,
    time: str,
    fallback: Lent | None = None,
) -> list[ByDeadline]:
    """Each round's quality as a function of the deadline; the arguments are those of `grade`."""
    grader = fallback.grader if fallback else grader
    rows = (_rows(run, one, grader, time, fallback) for one in run.rounds())
    return [quality_by_deadline(one, grader, policy) for one in rows]


def quality_of_set(
    run: Run, one: Round, grader: SetGrader, deadlines_ns: Int64s, time: str
) -> Floats:
    """A round's quality at each deadline, late answers being wrong; the arguments are `grade`'s."""
    rows = _rows(run, one, grader, time, None)
    return quality_by_deadline(rows, grader, FAIL).at(deadlines_ns)


def _rows(
    run: Run, one: Round, grader: Grader | SetGrader, time: str, fallback: Lent | None
) -> Graded:
    """A round's rows, ready for a late policy."""
    lent = _lent(fallback, one, time) if fallback else None
    sequences = run.references.sequences
    return Graded(
        sample=one.sample,
        output=one.output_id,
        latency_ns=latencies(run, one, time),
        score=np.empty(0)
        if isinstance(grader, SetGrader)
        else grader.scores(one.sample, one.output_id),
        scheduled_ns=one.scheduled_ns,
        sequence=None if sequences is None else sequences[one.sample],
        fallback_ns=lent[0] if lent else None,
        fallback_output=lent[1] if lent else None,
    )


def _lent(fallback: Lent, one: Round, time: str) -> tuple[Int64s, Int32s]:
    """The other run's latency for each row's sample, and which output that is."""
    other = fallback.run
    theirs = other.stored[one.index % len(other)]
    latency = np.full(len(other.references), NEVER)
    output = np.full(len(other.references), NONE, dtype=np.int32)
    latency[theirs.sample] = latencies(other, theirs, check_time(other, time))
    output[theirs.sample] = np.where(
        theirs.output_id == NONE, NONE, theirs.output_id + fallback.first
    )
    return latency[one.sample], output[one.sample]


def _losses_of_a_set(
    one: Round,
    rows: Graded,
    grader: SetGrader,
    deadlines_ns: Int64s,
    delivered: Floats | None,
    ideal: float,
) -> Floats:
    """Shares of one at each deadline, in the order of `LOSSES_OF_SETS`.

    Args:
        one: The round.
        rows: The same, ready for a late policy.
        grader: Of the metric.
        deadlines_ns: Shape (deadlines,).
        delivered: Quality at each, late answers being wrong, where that is known already.
        ideal: Without a deadline.
    """
    late = rows.latency_ns
    if delivered is None:
        delivered = _within(one, rows, grader, late, deadlines_ns)
    from_issue = from_start = delivered
    if (one.issued_ns != one.scheduled_ns).any():
        spent = late - (one.issued_ns - one.scheduled_ns)
        from_issue = from_start = _within(one, rows, grader, spent, deadlines_ns)
    if one.started_ns is not None:
        spent = late - (one.started_ns - one.scheduled_ns)
        from_start = _within(one, rows, grader, spent, deadlines_ns)
    parts = [
        delivered,
        np.full(len(deadlines_ns), 1 - ideal),
        from_start - from_issue,
        ideal - from_start,
        from_issue - delivered,
    ]
    return np.stack(parts, axis=1)


def _within(
    one: Round, rows: Graded, grader: SetGrader, spent: Int64s, deadlines_ns: Int64s
) -> Floats:
    """Quality at each deadline had the answers taken so long, late ones being wrong."""
    hard = replace(rows, latency_ns=np.where(one.answered, spent, NEVER))
    return quality_by_deadline(hard, grader, FAIL).at(deadlines_ns)


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
