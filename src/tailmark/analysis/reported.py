"""What another harness reported of its own tests: all there is where no query has a time.

The unit is the test. Figures of one test are facts without an interval; of several, their mean has
one. Quality is that of the answers, whenever they came, and its interval is about the population
the samples are from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.asked import metric_of
from tailmark.analysis.grading import UNTIMED, prepare_grader
from tailmark.errors import InputError
from tailmark.quality.base import Metric
from tailmark.records.model import NEVER, Int64s, Run
from tailmark.records.store import as_run
from tailmark.stats.estimate import Estimate
from tailmark.stats.proportions import share_of
from tailmark.stats.quantiles import latency_percentile
from tailmark.stats.rounds import mean_by_round

FORMAT = 1

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The quality of one test's answers, whenever they came.

    Args:
        test: Its name.
        answers: How many.
        quality: Their quality.
    """

    test: str
    answers: int
    quality: Estimate


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What was reported of the tests that a run was imported from.

    Args:
        run: The run's name.
        by: Who reported it.
        scenario: How queries were sent.
        tests: How many tests have figures.
        valid: Of each of these, whether it is; None where that is not said.
        metric: The harness's own result by name, its mean over tests.
        statistics: Latencies in ns by name (``min``, ``mean``, ``p99``), likewise.
        rates: Its other figures, likewise.
        parameters: The settings that all these tests share.
        quality_metric: What quality means; None without references.
        quality: Of each test with answers.
        system: As recorded.
        each: What was reported of each test, as recorded.
        warnings: Sentences for the reader.
    """

    run: str
    by: str
    scenario: str
    tests: int
    valid: tuple[bool | None, ...]
    metric: Mapping[str, Estimate]
    statistics: Mapping[str, Estimate]
    rates: Mapping[str, Estimate]
    parameters: Mapping[str, Any]
    quality_metric: str | None
    quality: tuple[Answered, ...]
    system: Mapping[str, Any]
    each: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document ``summarize --json`` prints of a run without times."""

        def plain(figures: Mapping[str, Estimate]) -> dict[str, Any]:
            return {name: e.to_dict() for name, e in figures.items()}

        return {
            "format": FORMAT,
            "run": self.run,
            "timed": UNTIMED,
            "by": self.by,
            "scenario": self.scenario,
            "tests": self.tests,
            "valid": list(self.valid),
            "metric": plain(self.metric),
            "statistics": plain(self.statistics),
            "rates": plain(self.rates),
            "parameters": dict(self.parameters),
            "quality": {
                "metric": self.quality_metric,
                "at": [
                    {"test": one.test, "answers": one.answers, "ideal": one.quality.to_dict()}
                    for one in self.quality
                ],
            }
            if self.quality
            else None,
            "system": dict(self.system),
            "each": [dict(one) for one in self.each],
            "warnings": list(self.warnings),
        }


def untimed(run: Run) -> bool:
    """Whether the run's queries have no times, so that only `reported` can tell of it."""
    return bool(run.manifest.experiment.get("timed") == UNTIMED)


def reported(run: Run | str | Path, *, metric: str | Metric | None = None) -> Reported:
    """Say what was reported of the tests that a run was imported from.

    Args:
        run: A run, or its directory.
        metric: What the quality of its answers means.

    Raises:
        InputError: Nothing was: it was measured here, or imported from bare times.
    """
    run = as_run(run)
    each = run.manifest.reported
    if not each:
        raise InputError(
            f"{run.name!r} holds no report of another harness: summarize says what it delivers"
        )
    told = [one for one in each if one.get("statistics") or one.get("metric")]
    chosen = metric_of(run, metric)
    quality = _quality(run, chosen) if untimed(run) else ()
    experiment = run.manifest.experiment
    return Reported(
        run=run.name,
        by=str(each[0].get("by", "another harness")),
        scenario=str(experiment.get("scenario", {}).get("kind", "unknown")),
        tests=len(told),
        valid=tuple(one.get("valid") for one in told),
        metric=_over_tests([one.get("metric", {}) for one in told]),
        statistics=_over_tests([one.get("statistics", {}) for one in told]),
        rates=_over_tests([one.get("rates", {}) for one in told]),
        parameters=_shared([one.get("parameters", {}) for one in told]),
        quality_metric=chosen.name if quality else None,
        quality=quality,
        system=experiment.get("system", {}),
        each=each,
        warnings=(*run.manifest.warnings, *run.manifest.ending, *disagreements(run)),
    )


def _over_tests(figures: Sequence[Mapping[str, Any]]) -> dict[str, Estimate]:
    """The mean of each figure that all tests have."""
    if not figures:
        return {}
    names = [name for name in figures[0] if all(name in one for one in figures)]
    return {
        name: _mean(np.array([float(one[name]) for one in figures], dtype=np.float64))
        for name in names
    }


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> Estimate:
    e = mean_by_round(values, bounds=(0.0, float("inf")))
    reason = e.reason.replace("round", "test") if e.reason else None
    return replace(e, method=e.method.replace("round", "test"), reason=reason)


def _shared(parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not parameters:
        return {}
    first, *others = parameters
    return {k: v for k, v in first.items() if all(one.get(k) == v for one in others)}


def _quality(run: Run, metric: Metric) -> tuple[Answered, ...]:
    """Of each round of answers without times."""
    if run.references.values is None or not run.outputs:
        return ()
    grader = prepare_grader(run, metric)
    if grader is None:
        return ()
    found = []
    for one in run.rounds():
        scores = grader.scores(one.sample, one.output_id)
        right = float(scores.sum())
        if np.isin(scores, (0.0, 1.0)).all():
            e = share_of(round(right), len(scores))
        else:
            e = Estimate(
                value=right / len(scores),
                n=len(scores),
                reason="an interval is known for answers that are right or wrong",
            )
        name = str(one.facts.get("test", one.index))
        found.append(Answered(test=name, answers=len(scores), quality=e))
    return tuple(found)


def disagreements(run: Run) -> list[str]:
    """Where the queries of a round say otherwise than its report: then some of them are missing."""
    if untimed(run) or "steady" in (run.manifest.experiment.get("scenario") or {}):
        return []  # no times, or rounds that are not the tests
    said = []
    for one in run.manifest.reported:
        index, figures = one.get("round"), one.get("statistics") or {}
        if not isinstance(index, int) or not 0 <= index < len(run):
            continue
        one_round = run.stored[index]
        own = statistics(np.sort(one_round.latency_ns()))
        differ = [name for name, ns in figures.items() if name in own and own[name] != ns]
        if differ:
            shown = ", ".join(
                f"{name} {figures[name]} and not {own[name]}" for name in differ[:_SHOWN]
            )
            more = ", …" if len(differ) > _SHOWN else ""
            why = "its trace is not the whole test"
            if not one_round.answered.all():
                why = "it counts queries that failed as answered"
            said.append(f"of round {index} {one.get('by')} reported {shown}{more} (in ns): {why}")
    return said


def statistics(ordered: Int64s) -> dict[str, int]:
    """LoadGen's statistics of latencies, by its formulas (``results.cc``), in ns.

    Args:
        ordered: Ascending; `NEVER` where there is no answer.
    """
    answered = ordered[: np.searchsorted(ordered, NEVER)]
    if not len(answered):
        return {}
    found = {
        "min": int(answered[0]),
        "max": int(answered[-1]),
        "mean": int(answered.sum()) // len(answered),
    }
    for percent in (50, 90, 95, 97, 99, 99.9):
        found[f"p{percent:g}"] = latency_percentile(ordered, percent)
    return found
