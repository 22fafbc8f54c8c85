"""What a late, failed or lost answer counts as: four policies, each exact at every deadline.

An answer that improves only a later deadline is a gain at a moment, so every policy comes to a
list of (moment, gain), which `Steps` sorts once.

========  =====================================================================================
fail      no answer: wrong; the denominator stays the number of samples
drop      left out; the denominator is the number on time
stale     the newest answer there was at the sample's deadline, in issue order; if none, wrong
fallback  another run's answer for the sample, if that one was on time; else wrong
========  =====================================================================================
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tailmark.errors import InputError, nearest
from tailmark.quality.base import Floats, Grader
from tailmark.quality.steps import Steps
from tailmark.records.model import NEVER, Int32s, Int64s

Policy = Literal["fail", "drop", "stale", "fallback"]


@dataclass(frozen=True, kw_only=True)
class Graded:
    """A round's rows, ready for a policy; in issue order.

    Args:
        sample: Shape (rows,).
        output: Shape (rows,); -1 where there is no answer.
        latency_ns: Shape (rows,); `NEVER` where there is no answer.
        score: What each row's own answer is worth; 0 where there is none.
        scheduled_ns: Shape (rows,), for ``stale``.
        fallback_ns: For ``fallback``: the other answer's latency, `NEVER` where there is none.
        fallback_score: And its worth.
    """

    sample: Int32s
    output: Int32s
    latency_ns: Int64s
    score: Floats
    scheduled_ns: Int64s | None = None
    fallback_ns: Int64s | None = None
    fallback_score: Floats | None = None


def parse_policy(name: str) -> Policy:
    """Read a policy's name.

    Raises:
        InputError: Not one of the four.
    """
    known = get_args(Policy)
    if name not in known:
        raise InputError(f"{name!r} is no late policy{nearest(name, known)}: {', '.join(known)}")
    return name  # type: ignore[return-value]


def quality_steps(rows: Graded, grader: Grader, policy: Policy) -> Steps:
    """A round's quality as a function of the deadline.

    Raises:
        InputError: ``fallback`` without another run, ``stale`` without an issue order.
    """
    count = len(rows.sample)
    if policy == "drop":
        return _drop(rows)
    if policy == "stale":
        at, gains = _stale(rows, grader)
    elif policy == "fallback":
        at, gains = _fallback(rows)
    else:
        at, gains = rows.latency_ns, rows.score
    return Steps.rising(at, gains, count)


def _drop(rows: Graded) -> Steps:
    """Mean score of those on time; undefined (NaN) before the first."""
    there = rows.latency_ns != NEVER
    order = np.argsort(rows.latency_ns[there], kind="stable")
    total = np.cumsum(rows.score[there][order])
    mean = total / np.arange(1, len(order) + 1)
    return Steps(rows.latency_ns[there][order], np.concatenate([[np.nan], mean]))


def _fallback(rows: Graded) -> tuple[Int64s, Floats]:
    """Own answer if on time, else the other; the other's is given up once the own arrives."""
    if rows.fallback_ns is None or rows.fallback_score is None:
        raise InputError("on_late 'fallback' needs another run's answers: give fallback")
    sooner = rows.fallback_ns < rows.latency_ns
    lent = np.where(sooner, rows.fallback_score, 0.0)
    at = np.concatenate([rows.latency_ns, rows.fallback_ns[sooner]])
    return at, np.concatenate([rows.score - lent, lent[sooner]])


def _stale(rows: Graded, grader: Grader) -> tuple[Int64s, Floats]:
    """Own answer if on time, else the newest earlier one that was there by then.

    Row j sees row i ≤ j from deadline ``completed_i - scheduled_j`` on, and keeps it until a newer
    one is seen. So going back from j, only rows that complete earlier than all those after them
    matter, and the first that was there before j was scheduled ends the search.
    """
    if rows.scheduled_ns is None:
        raise InputError("on_late 'stale' needs the order of issue: give issue_order")
    completed = np.where(rows.latency_ns == NEVER, NEVER, rows.scheduled_ns + rows.latency_ns)
    searching = np.arange(len(rows.sample))
    seen_from = rows.latency_ns.copy()  # the earliest deadline at which row j sees anything yet
    found_by, moments, worths = [searching], [rows.latency_ns], [rows.score]
    back = 0
    while len(searching):
        back += 1
        searching = searching[(searching >= back) & (seen_from[searching] > 0)]
        since = completed[searching - back].copy()
        came = since != NEVER
        since[came] = np.maximum(since[came] - rows.scheduled_ns[searching[came]], 0)
        matters = since < seen_from[searching]
        row = searching[matters]
        found_by.append(row)
        moments.append(since[matters])
        worths.append(grader.scores(rows.sample[row], rows.output[row - back]))
        seen_from[row] = since[matters]
    return _relative(np.concatenate(found_by), np.concatenate(moments), np.concatenate(worths))


def _relative(row: Int64s, at: Int64s, worth: Floats) -> tuple[Int64s, Floats]:
    """Worths to gains: each answer replaces the next older one that its row had found."""
    order = np.argsort(row, kind="stable")
    row, at, worth = row[order], at[order], worth[order]
    gains = worth.copy()
    replaces = np.flatnonzero(row[1:] == row[:-1])
    gains[replaces] -= worth[replaces + 1]
    return at, gains
