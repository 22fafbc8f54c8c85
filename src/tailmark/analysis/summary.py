"""What a run delivers at its deadlines: the finding behind ``tailmark summarize``."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.grading import (
    LOSSES,
    Grades,
    check_time,
    grade,
    prepare_grader,
    steps_by_round,
)
from tailmark.analysis.latency import Latency, Observed, describe_latency, observe
from tailmark.analysis.reach import shortest_deadlines
from tailmark.errors import InputError
from tailmark.quality.base import Grader
from tailmark.quality.late import Policy, parse_policy
from tailmark.records.model import NEVER, Int64s, Run
from tailmark.records.store import open_run
from tailmark.stats.estimate import Estimate
from tailmark.stats.quantiles import latency_percentile
from tailmark.stats.rounds import mean_by_round, tail_mean_by_round, tail_quantile
from tailmark.units import Deadline, Percentile, format_duration, parse_deadline

FORMAT = 1
TAILS = (0.05, 0.01)
DEFAULT_DEADLINES = ("p90", "p95", "p99")
DEFAULT_METRIC = "top1"

_UNIT = (0.0, 1.0)
_AN_HOUR_NS = 3_600 * 10**9


@dataclass(frozen=True, kw_only=True)
class AtDeadline:
    """Everything said at one deadline.

    Args:
        deadline_ns: Resolved.
        label: As it was asked for: ``5ms``, ``p99``.
        on_time: Share of the queries answered by then.
        goodput_per_s: Answers on time per second of a round.
        longest_late_streak: The longest row of late answers in any round.
        mean: Quality at the deadline, over rounds; None without references, as all below.
        tail: Lower quantiles of it over rounds, by share.
        cvar: Mean of the rounds below them, by share.
        worst: The worst round.
        rounds: Each round.
        loss: Mean shares of one, by `LOSSES`; None but under the policy ``fail``.
        counted: Mean number of samples the quality is over.
    """

    deadline_ns: int
    label: str
    on_time: Estimate
    goodput_per_s: Estimate
    longest_late_streak: int
    mean: Estimate | None = None
    tail: Mapping[float, Estimate] | None = None
    cvar: Mapping[float, Estimate] | None = None
    worst: float | None = None
    rounds: tuple[float, ...] | None = None
    loss: Mapping[str, float] | None = None
    counted: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        plain: dict[str, Any] = {
            "deadline_ns": self.deadline_ns,
            "label": self.label,
            "on_time": self.on_time.to_dict(),
            "goodput_per_s": self.goodput_per_s.to_dict(),
            "longest_late_streak": self.longest_late_streak,
        }
        if self.mean is not None:
            plain |= {
                "mean": self.mean.to_dict(),
                "tail": _by_share(self.tail or {}),
                "cvar": _by_share(self.cvar or {}),
                "worst": _finite(self.worst),
                "rounds": [_finite(q) for q in self.rounds or ()],
                "loss": dict(self.loss) if self.loss else None,
                "counted": self.counted,
            }
        return plain


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run delivers.

    Args:
        run: The run's name.
        complete: Whether all rounds are there.
        rounds: How many are.
        samples: In the workload.
        queries: In all rounds.
        status: Queries by how they ended.
        latency: Its distribution.
        metric: What quality means; None without references.
        on_late: The late policy.
        ideal: Quality with no deadline; None without references.
        at: By deadline, ascending.
        first: Which of them was asked for first: the one a headline speaks of.
        reach: For each quality asked for, the shortest deadline that delivers it on average.
        environment: As recorded.
        system: As recorded.
        warnings: Sentences for the reader.
    """

    run: str
    complete: bool
    rounds: int
    samples: int
    queries: int
    status: Mapping[str, int]
    latency: Latency
    metric: str | None
    on_late: Policy
    ideal: Estimate | None
    at: tuple[AtDeadline, ...]
    first: int
    reach: Mapping[float, Estimate]
    environment: Mapping[str, Any]
    system: Mapping[str, Any]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document ``summarize --json`` prints."""
        at = [one.to_dict() for one in self.at]
        quality = None
        if self.ideal is not None:
            quality = {
                "metric": self.metric,
                "ideal": self.ideal.to_dict(),
                "on_late": self.on_late,
                "at": at,
                "reach": [
                    {"quality": q, "deadline_ns": e.to_dict()} for q, e in self.reach.items()
                ],
            }
        return {
            "format": FORMAT,
            "run": self.run,
            "complete": self.complete,
            "rounds": self.rounds,
            "samples": self.samples,
            "queries": self.queries,
            "status": dict(self.status),
            "latency": self.latency.to_dict(),
            "lateness": dict(self.latency.lateness_ns),
            "cold_start": dict(self.latency.cold_start),
            "quality": quality,
            "on_time": [] if quality else at,
            "environment": dict(self.environment),
            "system": dict(self.system),
            "warnings": list(self.warnings),
        }


def summarize(
    run: Run | str | Path,
    *,
    metric: str | None = None,
    deadlines: Sequence[str | int] | None = None,
    quality: Sequence[float] = (),
    on_late: str | None = None,
    time: str | None = None,
    fallback: Run | str | Path | None = None,
) -> Summary:
    """Say what a run delivers at its deadlines; what is not given is as the experiment has it.

    Args:
        run: A run, or its directory.
        metric: What quality means.
        deadlines: ``"20ms"``, ``"p99"``, or nanoseconds.
        quality: Ask the inverse: for each, the shortest deadline that delivers it on average.
        on_late: ``fail``, ``drop``, ``stale`` or ``fallback``.
        time: ``total``, ``inference`` or another stage: what a deadline applies to.
        fallback: The run that lends its answers under that policy.

    Raises:
        InputError: Something asked for is not there.
    """
    run = run if isinstance(run, Run) else open_run(run)
    declared = run.manifest.experiment.get("quality", {})
    metric = metric or declared.get("metric") or DEFAULT_METRIC
    policy = parse_policy(on_late or declared.get("on_late") or "fail")
    time = check_time(run, time)
    grader = prepare_grader(run, metric)
    seen = observe(run, time)
    asked = deadlines or declared.get("deadlines") or _default_deadlines(seen.ordered)
    labels = resolve(asked, seen.ordered)
    lender = _lender(fallback, policy, metric)
    graded: dict[str, Any] = {"policy": policy, "time": time, "fallback": lender}
    grades = grade(run, grader, np.array(list(labels), dtype=np.int64), **graded)
    return Summary(
        run=run.name,
        complete=run.complete,
        rounds=len(run),
        samples=len(run.references),
        queries=len(seen.ordered),
        status=seen.status,
        latency=describe_latency(run, seen, time),
        metric=metric if grader else None,
        on_late=policy,
        ideal=mean_by_round(grades.ideal, bounds=_UNIT) if grades.ideal is not None else None,
        at=tuple(_at(grades, k, label, policy) for k, label in enumerate(labels.values())),
        first=list(labels).index(next(iter(resolve(asked[:1], seen.ordered)))),
        reach=_reach(quality, run, grader, graded),
        environment=run.manifest.environment,
        system=run.manifest.system,
        warnings=(*_warnings(run, seen, policy, grader), *_too_short(run, labels)),
    )


def _default_deadlines(ordered: Int64s) -> Sequence[str | int]:
    """The default percentiles that were answered; if none was, the last answer, or an hour."""
    answered = ordered[: np.searchsorted(ordered, NEVER)]
    share = 100 * len(answered) / len(ordered)
    had = [p for p in DEFAULT_DEADLINES if float(p[1:]) < share]
    return had or [int(answered[-1]) if len(answered) else _AN_HOUR_NS]


def _lender(
    fallback: Run | str | Path | None, policy: Policy, metric: str
) -> tuple[Run, Grader] | None:
    if policy != "fallback":
        return None
    if fallback is None:
        raise InputError(
            "on_late 'fallback' needs the run that lends its answers: give --fallback RUN"
        )
    other = fallback if isinstance(fallback, Run) else open_run(fallback)
    grader = prepare_grader(other, metric)
    if grader is None:
        raise InputError(f"{other.name!r} has no references, so its answers cannot be graded")
    return other, grader


def resolve(asked: Iterable[str | int | Deadline], ordered: Int64s) -> dict[int, str]:
    """Deadlines in nanoseconds, ascending, each with how it was asked for.

    Raises:
        InputError: Not a deadline, or a percentile that was never answered.
    """
    found: dict[int, list[str]] = {}
    for text in asked:
        deadline = parse_deadline(text)
        if isinstance(deadline, Percentile):
            ns = latency_percentile(ordered, deadline.percent)
            if ns == NEVER:
                raise InputError(
                    f"the deadline {deadline} cannot be had: too many queries have no answer; "
                    "name a lower percentile or a time"
                )
            label = str(deadline)
        else:
            ns, label = deadline, format_duration(deadline, 6).replace(" ", "")
        labels = found.setdefault(ns, [])
        if label not in labels:
            labels.append(label)
    if not found:
        raise InputError("no deadline is given: name one, such as 20ms or p99")
    return {ns: ", ".join(labels) for ns, labels in sorted(found.items())}


def _at(grades: Grades, k: int, label: str, policy: Policy) -> AtDeadline:
    on_time = grades.on_time[:, k]
    seconds = np.where(grades.duration_ns > 0, grades.duration_ns / 1e9, np.nan)
    common: dict[str, Any] = {
        "deadline_ns": int(grades.deadlines_ns[k]),
        "label": label,
        "on_time": mean_by_round(on_time, bounds=_UNIT),
        "goodput_per_s": mean_by_round(
            on_time * grades.queries / seconds,
            bounds=(0.0, math.inf),
            undefined="some round took no time",
        ),
        "longest_late_streak": int(grades.streak[:, k].max()),
    }
    if grades.quality is None or grades.loss is None:
        return AtDeadline(**common)
    values = grades.quality[:, k]
    return AtDeadline(
        **common,
        mean=mean_by_round(
            values, bounds=_UNIT, undefined="in some round no answer was on time to be graded"
        ),
        tail={share: tail_quantile(values, share) for share in TAILS},
        cvar={share: tail_mean_by_round(values, share, bounds=_UNIT) for share in TAILS},
        worst=_finite(float(np.min(values))),
        rounds=tuple(values.tolist()),
        loss=dict(zip(LOSSES, grades.loss[:, k].mean(axis=0).tolist(), strict=True))
        if policy == "fail"
        else None,
        counted=float(grades.counted[:, k].mean()),
    )


def _reach(
    wanted: Sequence[float], run: Run, grader: Grader | None, graded: Mapping[str, Any]
) -> dict[float, Estimate]:
    """The inverse question."""
    if not wanted:
        return {}
    if grader is None:
        raise InputError("the run has no references, so no deadline delivers a quality")
    return shortest_deadlines(wanted, steps_by_round(run, grader, **graded))


def _warnings(run: Run, seen: Observed, policy: Policy, grader: Grader | None) -> list[str]:
    said = [*run.manifest.warnings, *run.manifest.ending]
    if not run.complete:
        asked = run.manifest.experiment.get("rounds")
        said.append(f"the run is partial: {len(run)} of {asked} rounds are there")
    never = int((seen.sent == 0).sum())
    if never:
        said.append(f"{never} of {len(run.references)} samples were never sent")
    order = run.manifest.experiment.get("workload", {}).get("order")
    if policy == "stale" and order == "shuffled":
        said.append(
            "the order was shuffled, so a stale answer is another sample's by chance: "
            "'stale' means something for samples in their natural order"
        )
    if policy == "drop":
        said.append(
            "late answers are left out, so the quality is over fewer samples (see 'counted')"
        )
    if grader is None:
        said.append("the run has no references, so only punctuality is told")
    unanswered = len(seen.ordered) - seen.status["ok"]
    if unanswered and not any("have no answer" in one for one in said):
        said.append(f"{unanswered} of {len(seen.ordered)} queries have no answer")
    return said


def _too_short(run: Run, labels: Iterable[int]) -> list[str]:
    """Deadlines that the machine, by its audit, could not resolve."""
    least = run.manifest.audit.get("resolvable_ns", 0)
    return [
        f"the deadline {format_duration(deadline)} is near what the machine could resolve "
        f"({format_duration(least, 2)}): the harness itself decides who is late"
        for deadline in labels
        if deadline < least
    ]


def _by_share(values: Mapping[float, Estimate]) -> dict[str, Any]:
    return {f"{share:g}": e.to_dict() for share, e in values.items()}


def _finite(x: float | None) -> float | None:
    return x if x is not None and np.isfinite(x) else None
