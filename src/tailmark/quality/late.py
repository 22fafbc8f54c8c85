"""What a late, failed or lost answer counts as: seven policies, each exact at every deadline.

Every policy says which answer a sample has from when on. Where quality is a mean, that is a list of
(moment, gain), which `Steps` sorts once; `fading` does as much for worths that fade. A metric of
sets is asked with the answers themselves (`jointly`).

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

A fading worth is the hard step's quality averaged over deadlines that are up to so much longer
(see `fading`), and so it is defined for metrics of sets too.

An answer that never came is worth nothing under any but ``stale`` and ``fallback``. ``stale`` never
reaches back into another sequence (the video before). ``penalty`` is
what later revisions of the paper's code return (Jason-Young-AI/Tail-Quality, `Evaluation/metrics`,
"penalty * accuracy"): there a late answer costs more than a wrong one.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import numpy as np

from tailmark.errors import InputError, nearest
from tailmark.quality.base import Floats, Grader, SetGrader
from tailmark.quality.fading import Decays, Ramps
from tailmark.quality.jointly import Faded, Jointly, Penalized, arrivals_of
from tailmark.quality.steps import Steps
from tailmark.records.model import NEVER, Int32s, Int64s
from tailmark.units import format_duration, parse_duration

Kind = Literal["fail", "drop", "stale", "fallback", "linear", "exponential", "penalty"]

SOFT: tuple[Kind, ...] = ("linear", "exponential", "penalty")
"""Policies that are told beside the hard step, which is ``fail``."""

_FADING: tuple[Kind, ...] = ("linear", "exponential")
_ALL_DIGITS = 15

ByDeadline = Steps | Ramps | Decays | Jointly | Penalized | Faded
"""A round's quality as a function of the deadline."""

Answers = tuple[Int64s, Int64s, Int32s]
"""Which row has an answer, from which deadline on, and which output it is."""


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
        score: What each row's own answer is worth by itself; 0 where there is none. Nobody asks for
            it where the metric grades sets.
        scheduled_ns: Shape (rows,), for ``stale``.
        sequence: Likewise: which sequence each row is of; None where all are of one.
        fallback_ns: For ``fallback``: the other answer's latency, `NEVER` where there is none.
        fallback_output: And which output it is, of those the grader has prepared.
    """

    sample: Int32s
    output: Int32s
    latency_ns: Int64s
    score: Floats = field(default_factory=lambda: np.empty(0))
    scheduled_ns: Int64s | None = None
    sequence: Int32s | None = None
    fallback_ns: Int64s | None = None
    fallback_output: Int32s | None = None


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


def quality_by_deadline(rows: Graded, grader: Grader | SetGrader, policy: Policy) -> ByDeadline:
    """A round's quality as a function of the deadline.

    Raises:
        InputError: ``fallback`` without another run, ``stale`` without an issue order.
    """
    if isinstance(grader, SetGrader):
        return _of_sets(rows, grader, policy)
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
        row, at, output = _stale(rows)
        own = len(rows.sample)  # these come first, and their worth is known
        older = grader.scores(rows.sample[row[own:]], output[own:])
        at, gains = _relative(row, at, np.concatenate([rows.score, older]))
    elif policy.kind == "fallback":
        row, at, output = _fallback(rows)
        lent = np.zeros(count)
        lent[row] = grader.scores(rows.sample[row], output)
        at = np.concatenate([rows.latency_ns, at])
        gains = np.concatenate([rows.score - lent, lent[row]])
    return Steps.rising(at, gains, count)


def _of_sets(rows: Graded, grader: SetGrader, policy: Policy) -> ByDeadline:
    """What is no mean of scores is graded as a set, with the answers that are there."""
    row, at, output = np.arange(len(rows.sample)), rows.latency_ns, rows.output
    if policy.kind == "stale":
        row, at, output = _stale(rows)
    elif policy.kind == "fallback":
        more_rows, sooner, lent = _fallback(rows)
        row, at = np.append(row, more_rows), np.append(at, sooner)
        output = np.append(output, lent)
    arrivals = arrivals_of(rows.sample, row, at, output, left_out=policy.kind == "drop")
    jointly = Jointly(grader, arrivals)
    if policy.kind == "linear":
        return Faded.of(jointly, partial(Ramps.rising, over=1, fade_ns=policy.fade_ns))
    if policy.kind == "exponential":
        return Faded.of(jointly, partial(Decays.rising, over=1, fade_ns=policy.fade_ns))
    if policy.kind == "penalty":
        return Penalized(jointly, Steps.rising(rows.latency_ns, None, len(rows.sample)))
    return jointly


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


def _fallback(rows: Graded) -> Answers:
    """What the other lends; it is given up once the own answer arrives."""
    if rows.fallback_ns is None or rows.fallback_output is None:
        raise InputError("on_late 'fallback' needs another run's answers: give fallback")
    sooner = np.flatnonzero(rows.fallback_ns < rows.latency_ns)
    return sooner, rows.fallback_ns[sooner], rows.fallback_output[sooner]


def _stale(rows: Graded) -> Answers:
    """Own answer if on time, else the newest earlier one of its sequence that was there by then.

    Own answers come first, then older and older ones. Row j sees row i ≤ j from deadline
    ``completed_i - scheduled_j`` on, and keeps it until a newer one is seen. So going back from j,
    only rows that complete earlier than all those after them matter, and the first that was there
    before j was scheduled ends the search.
    """
    if rows.scheduled_ns is None:
        raise InputError("on_late 'stale' needs the order of issue: give issue_order")
    completed = np.where(rows.latency_ns == NEVER, NEVER, rows.scheduled_ns + rows.latency_ns)
    searching = np.arange(len(rows.sample))
    seen_from = rows.latency_ns.copy()  # the earliest deadline at which row j sees anything yet
    found_by, moments, outputs = [searching], [rows.latency_ns], [rows.output]
    back = 0
    while len(searching):
        back += 1
        searching = searching[(searching >= back) & (seen_from[searching] > 0)]
        if rows.sequence is not None:
            searching = searching[rows.sequence[searching - back] == rows.sequence[searching]]
        since = completed[searching - back].copy()
        came = since != NEVER
        since[came] = np.maximum(since[came] - rows.scheduled_ns[searching[came]], 0)
        matters = since < seen_from[searching]
        row = searching[matters]
        found_by.append(row)
        moments.append(since[matters])
        outputs.append(rows.output[row - back])
        seen_from[row] = since[matters]
    return np.concatenate(found_by), np.concatenate(moments), np.concatenate(outputs)


def _relative(row: Int64s, at: Int64s, worth: Floats) -> tuple[Int64s, Floats]:
    """Worths to gains: each answer replaces the next older one that its row had found."""
    order = np.argsort(row, kind="stable")
    row, at, worth = row[order], at[order], worth[order]
    gains = worth.copy()
    replaces = np.flatnonzero(row[1:] == row[:-1])
    gains[replaces] -= worth[replaces + 1]
    return at, gains
