"""What a run delivers at its deadlines: the finding behind ``tailmark summarize``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.asked import DEFAULT_DEADLINES, lender, metric_of, resolve, unanswered
from tailmark.analysis.at_deadline import TAILS, UNIT, AtDeadline, said_at
from tailmark.analysis.crossed import About, about_population, by_sample, parse_about
from tailmark.analysis.grading import (
    check_time,
    grade,
    prepare_grader,
    quality_by_round,
)
from tailmark.analysis.latency import Latency, Observed, describe_latency, observe
from tailmark.analysis.lateness import moved_by_lateness
from tailmark.analysis.load import load_words
from tailmark.analysis.reach import shortest_deadlines
from tailmark.analysis.reported import disagreements
from tailmark.analysis.steadiness import Steadiness, steadiness
from tailmark.analysis.steady import estimand
from tailmark.analysis.sweep import sweep_percentiles
from tailmark.errors import InputError
from tailmark.quality.base import Grader, Metric, SetGrader
from tailmark.quality.choose import choose
from tailmark.quality.late import Policy, parse_policy
from tailmark.records.model import NEVER, Int64s, Run
from tailmark.records.store import as_run
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import mean_by_round
from tailmark.units import Percentile, format_duration

FORMAT = 1

_AN_HOUR_NS = 3_600 * 10**9


@dataclass(frozen=True, kw_only=True)
class Also:
    """What another metric says of the same answers at the same deadlines.

    Args:
        metric: Its name.
        ideal: With no deadline.
        at: By deadline, those of the summary.
    """

    metric: str
    ideal: Estimate
    at: tuple[AtDeadline, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "metric": self.metric,
            "ideal": self.ideal.to_dict(),
            "at": [one.to_dict() for one in self.at],
        }


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run delivers.

    Args:
        run: The run's name.
        load: How queries came and were served, in words.
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
        also: What other metrics say there.
        first: Which of them was asked for first: the one a headline speaks of.
        swept: Which of them nobody asked for but the sweep.
        reach: For each quality asked for, the shortest deadline that delivers it on average.
        about: What the intervals are about: these ``samples``, or the ``population`` they are from.
        estimand: What a number of a round under open load is about; None in a closed loop.
        generator_limited: Whether conclusions move by how late the generator was (see warnings).
        steadiness: What the rounds are to each other, at the headline's deadline.
        environment: As recorded.
        system: As recorded.
        stopping: As recorded: the rule that said when to stop, its looks, and why; None without.
        reported: As recorded: what another harness said of the same tests.
        warnings: Sentences for the reader.
    """

    run: str
    load: str
    complete: bool
    rounds: int
    samples: int
    queries: int
    status: Mapping[str, int]
    latency: Latency
    metric: str | None
    on_late: str
    ideal: Estimate | None
    at: tuple[AtDeadline, ...]
    also: tuple[Also, ...] = ()
    first: int
    swept: tuple[int, ...]
    reach: Mapping[float, Estimate]
    about: About
    estimand: str | None
    generator_limited: bool
    steadiness: Steadiness
    environment: Mapping[str, Any]
    system: Mapping[str, Any]
    stopping: Mapping[str, Any] | None
    reported: tuple[Mapping[str, Any], ...] = ()
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
                "also": [one.to_dict() for one in self.also],
                "reach": [
                    {"quality": q, "deadline_ns": e.to_dict()} for q, e in self.reach.items()
                ],
            }
        return {
            "format": FORMAT,
            "run": self.run,
            "load": self.load,
            "complete": self.complete,
            "rounds": self.rounds,
            "samples": self.samples,
            "queries": self.queries,
            "status": dict(self.status),
            "latency": self.latency.to_dict(),
            "lateness": dict(self.latency.lateness_ns),
            "generator_limited": self.generator_limited,
            "cold_start": dict(self.latency.cold_start),
            "quality": quality,
            "on_time": [] if quality else at,
            "about": self.about,
            "estimand": self.estimand,
            "steadiness": self.steadiness.to_dict(),
            "environment": dict(self.environment),
            "system": dict(self.system),
            "stopping": dict(self.stopping) if self.stopping else None,
            "reported": [dict(one) for one in self.reported],
            "warnings": list(self.warnings),
        }


def summarize(
    run: Run | str | Path,
    *,
    metric: str | Metric | None = None,
    also: Sequence[str | Metric] | None = None,
    deadlines: Sequence[str | int] | None = None,
    sweep: int | None = None,
    quality: Sequence[float] = (),
    on_late: str | None = None,
    time: str | None = None,
    fallback: Run | str | Path | None = None,
    about: str = "samples",
) -> Summary:
    """Say what a run delivers at its deadlines; what is not given is as the experiment has it.

    Args:
        run: A run, or its directory.
        metric: What quality means.
        also: Other metrics to tell beside it, at the same deadlines.
        deadlines: ``"20ms"``, ``"p99"``, or nanoseconds.
        sweep: At so many quantiles of the measured latencies too (see `sweep_percentiles`).
        quality: Ask the inverse: for each, the shortest deadline that delivers it on average.
        on_late: ``fail``, ``drop``, ``stale``, ``fallback``, ``linear:5ms``, ``exponential:5ms`` or
            ``penalty`` (see `tailmark.quality.late`).
        time: ``total``, ``inference`` or another stage: what a deadline applies to.
        fallback: The run that lends its answers under that policy.
        about: ``samples``: the claim is about these samples, whatever the round; ``population``:
            about those they come from, so that intervals allow for other samples too.

    Raises:
        InputError: Something asked for is not there.
    """
    run = as_run(run)
    declared = run.manifest.experiment.get("quality", {})
    chosen = metric_of(run, metric)
    policy = parse_policy(on_late or declared.get("on_late") or "fail")
    time = check_time(run, time)
    grader = prepare_grader(run, chosen)
    seen = observe(run, time)
    untold = [one for one in declared.get("deadlines") or () if unanswered(one, seen.ordered)]
    asked = deadlines or [one for one in declared.get("deadlines") or () if one not in untold]
    swept = sweep_percentiles(seen.ordered, sweep) if sweep is not None else []
    if not asked and not swept:
        asked = _default_deadlines(seen.ordered)
    labels = resolve([*asked, *swept], seen.ordered)
    wanted = resolve(asked, seen.ordered) if asked else {}
    (headline,) = resolve(asked[:1] or [_near_p90(swept)], seen.ordered)
    lent = lender(run, fallback, policy, chosen)
    graded: dict[str, Any] = {"policy": policy, "time": time, "fallback": lent}
    grades = grade(run, grader, np.array(list(labels), dtype=np.int64), **graded)
    latency = describe_latency(run, seen, time)
    ideal = mean_by_round(grades.ideal, bounds=UNIT) if grades.ideal is not None else None
    at = tuple(said_at(grades, k, label, policy) for k, label in enumerate(labels.values()))
    if parse_about(about) == "population":
        _only_hard(policy, quality)
        samples = by_sample(run, grader, grades, latency, TAILS, time)
        latency, ideal, at = about_population(samples, latency, ideal, at, seen.ordered)
    told = [one for one in at if one.deadline_ns in wanted or one.deadline_ns == headline]
    limited = moved_by_lateness(run, seen, told, grader, **graded)
    first = list(labels).index(headline)
    punctual = grades.on_time[:, first]
    steady = steadiness(
        run,
        seen.by_round,
        punctual if grades.quality is None else grades.quality[:, first],
        delivered=punctual if grades.loss is None else grades.loss[:, first, 0],
        grader=grader,
        deadline_ns=headline,
        time=time,
    )
    return Summary(
        run=run.name,
        load=load_words(run.manifest.experiment),
        complete=run.complete,
        rounds=len(run),
        samples=len(run.references),
        queries=len(seen.ordered),
        status=seen.status,
        latency=latency,
        metric=chosen.name if grader else None,
        on_late=str(policy),
        ideal=ideal,
        at=at,
        also=() if grader is None else _also(run, chosen, also, labels, policy, time, fallback),
        first=first,
        swept=tuple(k for k, ns in enumerate(labels) if ns not in wanted),
        reach=_reach(quality, run, grader, graded),
        about=parse_about(about),
        estimand=estimand(run),
        generator_limited=limited is not None,
        steadiness=steady,
        environment=run.manifest.environment,
        system=run.manifest.system,
        stopping=run.manifest.stopping,
        reported=run.manifest.reported,
        warnings=(
            *_warnings(run, seen, policy, grader),
            *(_untold(untold) if not deadlines else ()),
            *disagreements(run),
            *(_too_short(run, labels) if policy.kind != "stale" else ()),
            *([limited] if limited else []),
            *steady.warnings,
        ),
    )


def _also(
    run: Run,
    chosen: Metric,
    asked: Sequence[str | Metric] | None,
    labels: Mapping[int, str],
    policy: Policy,
    time: str,
    fallback: Run | str | Path | None,
) -> tuple[Also, ...]:
    """The metrics told beside; where nobody says which, those the experiment declares."""
    declared = run.manifest.experiment.get("quality", {}).get("also") or ()
    several = (
        [choose(name) for name in declared]
        if asked is None
        else [metric_of(run, one) for one in asked]
    )
    deadlines = np.array(list(labels), dtype=np.int64)
    found = []
    for metric in several:
        if metric.name == chosen.name:
            continue
        lent = lender(run, fallback, policy, metric)
        grader = prepare_grader(run, metric)
        grades = grade(run, grader, deadlines, policy=policy, time=time, fallback=lent)
        if grades.ideal is not None:
            ideal = mean_by_round(grades.ideal, bounds=UNIT)
            at = tuple(said_at(grades, k, label, policy) for k, label in enumerate(labels.values()))
            found.append(Also(metric=metric.name, ideal=ideal, at=at))
    return tuple(found)


def _only_hard(policy: Policy, quality: Sequence[float]) -> None:
    """What is known sample by sample.

    Raises:
        InputError: Another late policy, or the inverse question.
    """
    if policy.kind != "fail":
        raise InputError(
            f"about 'population' is known for late answers that count as wrong, not for "
            f"{str(policy)!r}: use on_late fail, or about samples"
        )
    if quality:
        raise InputError(
            "the shortest deadline that delivers a quality is told about these samples only: "
            "ask for it apart, about samples"
        )


def _default_deadlines(ordered: Int64s) -> Sequence[str | int]:
    """The default percentiles that were answered; if none was, the last answer, or an hour."""
    answered = ordered[: np.searchsorted(ordered, NEVER)]
    share = 100 * len(answered) / len(ordered)
    had = [p for p in DEFAULT_DEADLINES if float(p[1:]) < share]
    return had or [int(answered[-1]) if len(answered) else _AN_HOUR_NS]


def _near_p90(swept: Sequence[Percentile]) -> Percentile:
    """Of a sweep, the one nearest to the first of the default percentiles."""
    return min(swept, key=lambda one: abs(one.percent - 90))


def _reach(
    wanted: Sequence[float], run: Run, grader: Grader | SetGrader | None, graded: Mapping[str, Any]
) -> dict[float, Estimate]:
    """The inverse question."""
    if not wanted:
        return {}
    if grader is None:
        raise InputError("the run has no references, so no deadline delivers a quality")
    return shortest_deadlines(wanted, quality_by_round(run, grader, **graded))


def _warnings(
    run: Run, seen: Observed, policy: Policy, grader: Grader | SetGrader | None
) -> list[str]:
    said = [*run.manifest.warnings, *run.manifest.ending]
    if not run.complete:
        asked = run.manifest.rounds_asked
        said.append(f"the run is partial: {len(run)} of {asked} rounds are there")
    never = int((seen.sent == 0).sum())
    if never:
        said.append(f"{never} of {len(run.references)} samples were never sent")
    order = run.manifest.experiment.get("workload", {}).get("order")
    if policy.kind == "stale" and order == "shuffled":
        said.append(
            "the order was shuffled, so a stale answer is another sample's by chance: "
            "'stale' means something for samples in their natural order"
        )
    if policy.kind == "drop":
        said.append(
            "late answers are left out, so the quality is over fewer samples (see 'counted')"
        )
    if grader is None:
        said.append("the run has no references, so only punctuality is told")
    silent = len(seen.ordered) - seen.status["ok"]
    if silent and not any("have no answer" in one for one in said):
        said.append(f"{silent} of {len(seen.ordered)} queries have no answer")
    return said


def _untold(deadlines: Sequence[str]) -> list[str]:
    """Declared percentiles that an overloaded or broken system never answered."""
    if not deadlines:
        return []
    those = " and ".join(deadlines)
    return [f"nothing is told of the deadline {those}: so many queries have no answer at all"]


def _too_short(run: Run, labels: Iterable[int]) -> list[str]:
    """Deadlines that the machine, by its audit, could not resolve."""
    least = run.manifest.audit.get("resolvable_ns", 0)
    near = [deadline for deadline in labels if deadline < least]
    if not near:
        return []
    them = f"the {len(near)} deadlines up to {format_duration(near[-1])} are"
    which = them if len(near) > 1 else f"the deadline {format_duration(near[0])} is"
    could = f"near what the machine could resolve ({format_duration(least, 2)})"
    return [f"{which} {could}: the harness itself decides who is late"]
