"""What a late, failed or lost answer counts as: seven policies, each exact at every deadline.

An answer that improves only a later deadline is a gain at a moment, so every policy of a hard step
comes to a list of (moment, gain), which `Steps` sorts once; `fading` does as much for those whose
worth fades.

===============  ==============================================================================
fail             no answer: wrong; the denominator stays the number of samples
drop             left out; the denominator is the number on time
stale            the newest answer there was at the sample's deadline, in issue order; if none,
                 wrong
fallback         another run's answer for the sample, if that one was on time; else wrong
linear:5ms       worth the less the later, in a straight line; 5 ms past the deadline, nothing
exponential:5ms  worth 1/e (37 %) of its score at 5 ms past the deadline, and of that at 10 ms …
penalty          wrong; and the whole is multiplied by the share on time
===============  ==============================================================================

An answer that never came is worth nothing under any but ``stale`` and ``fallback``. ``penalty`` is
what later revisions of the paper's code return (Jason-Young-AI/Tail-Quality, `Evaluation/metrics`,
"penalty * accuracy"): there a late answer costs more than a wrong one.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tailmark.errors import InputError, nearest
from tailmark.quality.base import Floats, Grader
from tailmark.quality.fading import Decays, Ramps
from tailmark.quality.steps import Steps
from tailmark.records.model import NEVER, Int32s, Int64s
from tailmark.units import format_duration, parse_duration

Kind = Literal["fail", "drop", "stale", "fallback", "linear", "exponential", "penalty"]

SOFT: tuple[Kind, ...] = ("linear", "exponential", "penalty")
"""Policies that are told beside the hard step, which is ``fail``."""

_FADING: tuple[Kind, ...] = ("linear", "exponential")
_ALL_DIGITS = 15

ByDeadline = Steps | Ramps | Decays
"""A round's quality as a function of the deadline."""


@dataclass(frozen=True)
class Policy:
    """What a late answer counts as.

    Args:
        kind: One of the seven.
        fade_ns: How long past the deadline its worth fades; 0 where it does not.
    """

    kind: Kind
    fade_ns: int = 0

    def __str__(self) -> str:
        """As people write it: ``fail``, ``linear:5ms``."""
        if not self.fade_ns:
            return self.kind
        return f"{self.kind}:{format_duration(self.fade_ns, _ALL_DIGITS).replace(' ', '')}"


FAIL = Policy("fail")


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


def parse_policy(text: str) -> Policy:
    """Read ``"fail"`` or ``"linear:5ms"``.

    Raises:
        InputError: None of the seven, or a time that is missing, misplaced or not above zero.
    """
    name, colon, fade = (part.strip() for part in str(text).partition(":"))
    kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
    if name not in kinds:
        written = (f"{kind}:5ms" if kind in _FADING else kind for kind in kinds)
        raise InputError(
            f"on_late {text!r} is no late policy{nearest(name, kinds)}: {', '.join(written)}"
        )
    if name not in _FADING:
        if colon:
            raise InputError(f"on_late {text!r} has a time and {name!r} takes none: write {name}")
        return Policy(kinds[name])
    if not fade:
        raise InputError(
            f"on_late {text!r} does not say how long a late answer's worth takes to fade: write "
            f"{name}:5ms"
        )
    fade_ns = parse_duration(fade, f"the time of {name!r}")
    if fade_ns == 0:
        raise InputError(
            f"on_late {text!r} leaves no time to fade: write {name}:5ms, or fail for a hard step"
        )
    return Policy(kinds[name], fade_ns)


def quality_by_deadline(rows: Graded, grader: Grader, policy: Policy) -> ByDeadline:
    """A round's quality as a function of the deadline.

    Raises:
        InputError: ``fallback`` without another run, ``stale`` without an issue order.
    """
    count = len(rows.sample)
    at, gains = rows.latency_ns, rows.score
    if policy.kind == "linear":
        return Ramps.rising(at, gains, count, policy.fade_ns)
    if policy.kind == "exponential":
        return Decays.rising(at, gains, count, policy.fade_ns)
    if policy.kind == "penalty":
        return _penalty(rows)
    if policy.kind == "drop":
        return _drop(rows)
    if policy.kind == "stale":
        at, gains = _stale(rows, grader)
    elif policy.kind == "fallback":
        at, gains = _fallback(rows)
    return Steps.rising(at, gains, count)


def _drop(rows: Graded) -> Steps:
    """Mean score of those on time; undefined (NaN) before the first."""
    there = rows.latency_ns != NEVER
    order = np.argsort(rows.latency_ns[there], kind="stable")
    total = np.cumsum(rows.score[there][order])
    mean = total / np.arange(1, len(order) + 1)
    return Steps(rows.latency_ns[there][order], np.concatenate([[np.nan], mean]))


def _penalty(rows: Graded) -> Steps:
    """Quality under ``fail`` times the share on time."""
    right = Steps.rising(rows.latency_ns, rows.score, len(rows.sample))
    on_time = Steps.rising(rows.latency_ns, None, len(rows.sample))
    return Steps(on_time.at_ns, np.append(0.0, right.at(on_time.at_ns) * on_time.values[1:]))


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
