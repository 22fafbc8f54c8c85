"""How one run stands to another: the finding behind ``tailmark compare``. Always B − A."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.asked import metric_of
from tailmark.analysis.at_deadline import TAILS, UNGRADED, AtDeadline
from tailmark.analysis.flips import (
    AnswerFlips,
    DeadlineFlips,
    Tally,
    answer_flips,
    deadline_flips,
    ideal_difference,
    tally,
)
from tailmark.analysis.grading import check_time, prepare_grader
from tailmark.analysis.jackknife import ideal_difference_of_sets
from tailmark.analysis.likeness import Unlike, check_alike, find_unlike
from tailmark.analysis.summary import Summary, summarize
from tailmark.errors import InputError
from tailmark.quality.base import Floats, Grader, Metric, SetGrader
from tailmark.records.model import Run
from tailmark.records.store import as_run
from tailmark.stats.differences import (
    SHARES,
    Decision,
    decide,
    difference,
    mean_difference,
    rounds_behind,
    rounds_to_tell,
)
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import inflation_below, rounds_for_tail_mean, rounds_needed

FORMAT = 1
MARGIN = 0.005


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a difference says.

    Args:
        verdict: ``better`` or ``worse`` (B, that is), ``equivalent`` or ``cannot tell``.
        rounds_to_tell: About how many rounds of each run would tell, where it cannot; None where
            no number would.
    """

    verdict: Decision
    rounds_to_tell: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"verdict": self.verdict, "rounds_to_tell": self.rounds_to_tell}


@dataclass(frozen=True, kw_only=True)
class ComparedAt:
    """Two runs at one deadline.

    Args:
        a: What A does there.
        b: What B does there.
        differences: B − A, by ``on_time``, ``mean``, ``tail_0.05``, ``cvar_0.05``, …
        standings: What each says.
        flips: What one delivers on time and the other does not.
    """

    a: AtDeadline
    b: AtDeadline
    differences: Mapping[str, Estimate]
    standings: Mapping[str, Standing]
    flips: DeadlineFlips

    @property
    def asked(self) -> str:
        """The difference that the verdict is about: quality, or punctuality without references."""
        return "mean" if "mean" in self.differences else "on_time"

    @property
    def standing(self) -> Standing:
        """What the one that is asked about says."""
        return self.standings[self.asked]

    @property
    def estimates(self) -> dict[str, tuple[Estimate, Estimate]]:
        """What A and B do there, by the names of the differences."""
        return _estimates(self.a, self.b)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        values = {
            name: {"a": e.to_dict(), "b": f.to_dict()} for name, (e, f) in self.estimates.items()
        }
        return {
            "deadline_ns": self.a.deadline_ns,
            "label": self.a.label,
            **self.standing.to_dict(),
            "differences": {name: e.to_dict() for name, e in self.differences.items()},
            "standings": {name: s.to_dict() for name, s in self.standings.items()},
            "values": values,
            "flips": self.flips.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How B stands to A.

    Args:
        a: What A delivers.
        b: What B delivers, at the same deadlines.
        paired_by: ``round`` where the runs were measured interleaved, else ``sample``.
        margin: The largest difference in quality that nobody would mind.
        differences: B − A of what has no deadline: ``ideal``, and in nanoseconds ``latency_mean``,
            ``latency_p99``, …
        at: By deadline, ascending.
        first: Which of them was asked for first: the overall verdict is its.
        flips: Samples answered differently; None where a run kept no outputs.
        unlike: What the runs differ in.
        warnings: Sentences for the reader.
    """

    a: Summary
    b: Summary
    paired_by: str
    margin: float
    differences: Mapping[str, Estimate]
    at: tuple[ComparedAt, ...]
    first: int
    flips: AnswerFlips | None
    unlike: tuple[Unlike, ...]
    warnings: tuple[str, ...]

    @property
    def standing(self) -> Standing:
        """At the deadline that was asked for first: the overall verdict."""
        return self.at[self.first].standing

    def to_dict(self) -> dict[str, Any]:
        """The document ``compare --json`` prints."""
        return {
            "format": FORMAT,
            **self.standing.to_dict(),
            "a": _told(self.a),
            "b": _told(self.b),
            "metric": self.a.metric if self.b.metric else None,
            "on_late": self.a.on_late,
            "margin": self.margin,
            "paired_by": self.paired_by,
            "differences": {name: e.to_dict() for name, e in self.differences.items()},
            "at": [one.to_dict() for one in self.at],
            "flips": self.flips.to_dict() if self.flips else None,
            "unlike": [one.to_dict() for one in self.unlike],
            "warnings": list(self.warnings),
        }


def _told(summary: Summary) -> dict[str, Any]:
    return {
        "run": summary.run,
        "complete": summary.complete,
        "rounds": summary.rounds,
        "samples": summary.samples,
        "ideal": summary.ideal.to_dict() if summary.ideal else None,
        "latency": summary.latency.to_dict(),
    }


def compare(
    a: Run | str | Path,
    b: Run | str | Path,
    *,
    deadlines: Sequence[str | int] | None = None,
    margin: float = MARGIN,
    metric: str | Metric | None = None,
    on_late: str | None = None,
    time: str | None = None,
    fallback: Run | str | Path | None = None,
    allow: Sequence[str] = (),
) -> Comparison:
    """Say how B differs from A, how sure that is, and whether it matters.

    What is not given is as A's experiment has it; percentiles become times by A's latencies, and
    both runs are graded at those.

    Args:
        a: The run to compare with, or its directory.
        b: The run to judge.
        deadlines: ``"20ms"``, ``"p99"``, or nanoseconds; the verdict is of the first.
        margin: The largest difference in quality that nobody would mind: 0.005 is half a point.
        metric: What quality means.
        on_late: As for `summarize`.
        time: As for `summarize`.
        fallback: As for `summarize`; it lends its answers to both.
        allow: What may differ all the same: ``contents``, ``labels``, ``timed``, ``scenario``,
            ``order``.

    Raises:
        InputError: The runs are not alike, or something asked for is not there.
    """
    if not 0 <= margin < 1:
        raise InputError(
            f"margin {margin!r} is no share: give 0 or more and less than 1, as 0.005 for half a "
            "point"
        )
    a, b = (as_run(run) for run in (a, b))
    unlike = find_unlike(a, b, time)
    check_alike(a, b, unlike, allow)
    chosen = metric_of(a, metric)
    same: dict[str, Any] = {"metric": chosen, "time": time, "fallback": fallback}
    one = summarize(a, deadlines=deadlines, on_late=on_late, **same)
    other = summarize(b, deadlines=[at.deadline_ns for at in one.at], on_late=one.on_late, **same)
    graders: list[Grader | SetGrader | None] = [None, None]
    if one.metric is not None and other.metric is not None:
        graders = [prepare_grader(run, chosen) for run in (a, b)]
    counted = [
        tally(
            run,
            grader,
            deadlines_ns=np.array([at.deadline_ns for at in one.at], dtype=np.int64),
            moments_ns=_moments(summary),
            time=check_time(run, time),
        )
        for run, summary, grader in zip((a, b), (one, other), graders, strict=True)
    ]
    ideal = None
    if isinstance(graders[0], SetGrader) and isinstance(graders[1], SetGrader):
        ideal = ideal_difference_of_sets((a, graders[0]), (b, graders[1]))
    elif graders[0] is not None:
        ideal = ideal_difference(*counted)
    pair = _Pair(
        a=one,
        b=other,
        tallies=(counted[0], counted[1]),
        paired=a.manifest.design_id == b.manifest.design_id,
        margin=margin,
        ideal=ideal,
    )
    flips = answer_flips(*pair.tallies, a.references.ids)
    return Comparison(
        a=one,
        b=other,
        paired_by="round" if pair.paired else "sample",
        margin=margin,
        differences=pair.differences(),
        at=tuple(pair.at(k) for k in range(len(one.at))),
        first=one.first,
        flips=flips,
        unlike=unlike,
        warnings=tuple(_warnings(pair, flips, unlike)),
    )


def _moments(summary: Summary) -> Any:
    """The deadlines, then the latency percentiles: where each round's share is counted."""
    percentiles = (e.value or 0 for e in summary.latency.percentiles.values())
    moments = [*(at.deadline_ns for at in summary.at), *percentiles]
    return np.array(moments, dtype=np.int64)


def _estimates(a: AtDeadline, b: AtDeadline) -> dict[str, tuple[Estimate, Estimate]]:
    """What both runs tell at a deadline, by name."""
    found = {"on_time": (a.on_time, b.on_time)}
    if a.mean is None or b.mean is None:
        return found
    found["mean"] = (a.mean, b.mean)
    for kind in ("tail", "cvar"):
        held, others = getattr(a, kind) or {}, getattr(b, kind) or {}
        found |= {f"{kind}_{share:g}": (held[share], others[share]) for share in TAILS}
    return found


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two runs, summarised and counted at the same deadlines."""

    a: Summary
    b: Summary
    tallies: tuple[Tally, Tally]
    paired: bool
    margin: float
    ideal: Estimate | None

    def differences(self) -> dict[str, Estimate]:
        """Of what has no deadline."""
        one, other = self.tallies
        found = {"ideal": self.ideal} if self.ideal is not None else {}
        mean_ns = (one.mean_ns, other.mean_ns)
        found["latency_mean"] = mean_difference(
            *mean_ns,
            paired=self.paired,
            bounds=(-math.inf, math.inf),
            undefined="some round has no answer at all",
        )
        same = self.paired and np.array_equal(*mean_ns)
        for column, (percent, e) in enumerate(self.a.latency.percentiles.items(), len(self.a.at)):
            f = self.b.latency.percentiles[percent]
            found[f"latency_p{percent:g}"] = (
                _nothing(e, "the same latencies in every round")
                if same and e == f
                else difference(e, f, correlation=self._correlation(column))
            )
        return found

    def _correlation(self, column: int) -> float:
        """Of two percentiles of paired runs: how the shares below them go together by round."""
        if not self.paired:
            return 0.0
        both = min(len(t.within) for t in self.tallies)
        one, other = (t.within[:both, column] for t in self.tallies)
        if np.ptp(one) == 0 or np.ptp(other) == 0:
            return 0.0
        return float(np.corrcoef(one, other)[0, 1])

    def at(self, k: int) -> ComparedAt:
        """At the k-th deadline."""
        a, b = self.a.at[k], self.b.at[k]
        each = _estimates(a, b)
        found = {name: self._difference(name, k, *pair) for name, pair in each.items()}
        return ComparedAt(
            a=a,
            b=b,
            differences=found,
            standings={name: self._standing(name, k, e, *each[name]) for name, e in found.items()},
            flips=deadline_flips(*self.tallies, k, paired=self.paired),
        )

    def _difference(self, name: str, k: int, a: Estimate, b: Estimate) -> Estimate:
        if name == "on_time":
            within = (t.within[:, k] for t in self.tallies)
            return mean_difference(*within, paired=self.paired)
        rounds = self._rounds(k)
        if name == "mean":
            return mean_difference(*rounds, paired=self.paired, undefined=UNGRADED)
        if self.paired and a.value is not None and np.array_equal(*rounds):
            return _nothing(a, "the same quality in every round")
        return difference(a, b, bounds=SHARES)

    def _rounds(self, k: int) -> tuple[Floats, Floats]:
        a, b = (np.array(s.at[k].rounds, dtype=np.float64) for s in (self.a, self.b))
        return a, b

    def _standing(self, name: str, k: int, e: Estimate, a: Estimate, b: Estimate) -> Standing:
        verdict = decide(e, self.margin)
        if verdict != "cannot tell" or e.value is None:
            return Standing(verdict=verdict)
        if e.low is None:
            needs = max(self._needed(name, k), e.n + 1)
            return Standing(verdict=verdict, rounds_to_tell=needs)
        rounds = float(e.n) if self.paired else rounds_behind(a, b)
        return Standing(verdict=verdict, rounds_to_tell=rounds_to_tell(e, self.margin, rounds))

    def _needed(self, name: str, k: int) -> int:
        """How many rounds bear an interval, dependent as they are."""
        kind, _, share = name.partition("_")
        if kind not in ("tail", "cvar"):
            return 2
        level = float(share)
        if kind == "cvar":
            return rounds_for_tail_mean(level)
        inflated = max(inflation_below(rounds, level) for rounds in self._rounds(k))
        return rounds_needed(level, inflated=inflated)


def _nothing(e: Estimate, method: str) -> Estimate:
    """Of paired rounds that are all alike: the difference is zero, whatever one run's tail is."""
    held: dict[str, Any] = {"confidence": e.confidence, "n": e.n, "method": method}
    return (
        Estimate(value=None, reason=e.reason, **held)
        if e.value is None
        else Estimate(value=0.0, low=0.0, high=0.0, **held)
    )


def _warnings(pair: _Pair, flips: AnswerFlips | None, unlike: Sequence[Unlike]) -> list[str]:
    said = [
        f"compared all the same, though {one.name} differs ({one.words})"
        for one in unlike
        if one.bars
    ]
    own = {"A": pair.a.warnings, "B": pair.b.warnings}
    said += [f"A and B: {one}" for one in own["A"] if one in own["B"]]
    for name, other in (("A", "B"), ("B", "A")):
        said += [f"{name}: {one}" for one in own[name] if one not in own[other]]
    rounds = (pair.a.rounds, pair.b.rounds)
    if pair.paired and rounds[0] != rounds[1]:
        said.append(
            f"the runs pair by round and have {rounds[0]} and {rounds[1]}: means and flips are "
            f"over the first {min(rounds)}"
        )
    if flips is None:
        return said
    said += [
        f"{name} answered {count} of {flips.samples} samples differently from round to round: its "
        "first answer is compared"
        for name, count in zip("AB", flips.changed, strict=True)
        if count
    ]
    return said
