"""Whether a run meets its requirement: judged by the interval, never by the value alone."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.special import betainc

from tailmark.analysis.asked import lender, metric_of, resolve
from tailmark.analysis.at_deadline import UNGRADED, UNIT
from tailmark.analysis.grading import check_time, grade, prepare_grader
from tailmark.analysis.latency import Observed, observe
from tailmark.errors import InputError
from tailmark.quality.late import parse_policy
from tailmark.quality.requirement import (
    LatencyRequirement,
    Required,
    Requirement,
    parse_requirement,
)
from tailmark.records.model import Run
from tailmark.records.store import as_run
from tailmark.stats.dependence import inflation
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.quantiles import Floats
from tailmark.stats.rounds import inflation_below, mean_by_round, rounds_needed, tail_quantile

Outcome = Literal["pass", "fail", "undecided"]
TAIL = 0.05


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a run stands to a requirement.

    Args:
        outcome: ``pass`` if the whole interval meets it, ``fail`` if none of it does. Of several
            parts all must pass; one that fails decides; else any that is undecided.
        requirement: What was asked; of several parts, by the one that decides, as all below.
        target: What the estimate is held against: a share, or nanoseconds.
        estimate: What was measured.
        rounds_to_decide: About how many rounds would decide, where it is undecided.
        parts: A verdict for each part, where there are several.
    """

    outcome: Outcome
    requirement: Required
    target: float
    estimate: Estimate
    rounds_to_decide: int | None = None
    parts: tuple["Verdict", ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "outcome": self.outcome,
            "requirement": asdict(self.requirement),
            "target": self.target,
            "estimate": self.estimate.to_dict(),
            "rounds_to_decide": self.rounds_to_decide,
            "parts": [one.to_dict() for one in self.parts],
        }


def judge(
    run: Run | str | Path,
    require: Mapping[str, Any] | Required | None = None,
    *,
    confidence: float = 0.95,
) -> Verdict:
    """Hold a run against a requirement; by default, the one it was measured with.

    Args:
        run: A run, or its directory.
        require: As an experiment file has it, or one part of it.
        confidence: Of the interval that is judged.

    Raises:
        InputError: There is none, or the run has no references for a quality.
    """
    run = as_run(run)
    given = require or run.manifest.experiment.get("require")
    if not given:
        raise InputError(f"{run.name!r} was measured without require: give one")
    parts = parse_requirement(given) if isinstance(given, Mapping) else (given,)
    seen = observe(run, check_time(run, None))
    verdicts = tuple(
        _latency(seen, one, confidence)
        if isinstance(one, LatencyRequirement)
        else _quality(run, seen, one, confidence)
        for one in parts
    )
    if len(verdicts) == 1:
        return verdicts[0]
    return _together(verdicts)


def _together(parts: tuple[Verdict, ...]) -> Verdict:
    """The part that decides, and how many rounds would decide all that are undecided."""
    worst: tuple[Outcome, ...] = ("fail", "undecided", "pass")
    decides = min(parts, key=lambda one: worst.index(one.outcome))
    rounds = decides.rounds_to_decide
    if decides.outcome == "undecided":
        needs = [one.rounds_to_decide for one in parts if one.outcome == "undecided"]
        known = [n for n in needs if n is not None]
        rounds = max(known) if len(known) == len(needs) else None
    return replace(decides, rounds_to_decide=rounds, parts=parts)


def _quality(run: Run, seen: Observed, wanted: Requirement, confidence: float) -> Verdict:
    """By the interval of the mean, or of the tail, over rounds."""
    values, ideal = _by_round(run, seen, wanted.at)
    target = wanted.quality
    if wanted.of_ideal:
        # A round has its own samples, so it is held against its own ideal quality.
        target *= float(ideal.mean())
        values = values - wanted.quality * (ideal - ideal.mean())
    if wanted.of == "mean":
        estimate = mean_by_round(values, confidence=confidence, bounds=UNIT, undefined=UNGRADED)
    else:
        estimate = tail_quantile(values, TAIL, confidence=confidence)
    outcome: Outcome = "undecided"
    rounds: int | None
    if estimate.low is None or estimate.high is None:
        needs = 2
        if wanted.of == "tail":
            needs = rounds_needed(TAIL, confidence, inflation_below(values, TAIL))
            outcome = "fail" if _surely_below(values, target, confidence) else outcome
        rounds = max(needs, estimate.n + 1)
    else:
        outcome = _standing(estimate.low >= target, estimate.high < target)
        half = (estimate.high - estimate.low) / 2
        rounds = _rounds_to_decide(estimate, target, half)
    return _verdict(outcome, wanted, target, estimate, rounds)


def _surely_below(values: Floats, target: float, confidence: float) -> bool:
    """Whether more rounds are below the target than a tail that meets it leaves there.

    Binomial in the rounds' worth, as the interval; it takes few rounds where all are below.
    """
    below = (values < target).astype(np.float64)
    worth, count = len(values) / float(inflation(below)), float(below.mean())
    chance = betainc(count * worth, (1 - count) * worth + 1, TAIL) if count else 1.0
    return bool(chance <= (1 - confidence) / 2)


def _by_round(run: Run, seen: Observed, at: str) -> tuple[Floats, Floats]:
    """Each round's quality at a deadline, and without any; shape (rounds,)."""
    declared = run.manifest.experiment.get("quality", {})
    metric = metric_of(run, None)
    policy = parse_policy(declared.get("on_late") or "fail")
    grader = prepare_grader(run, metric)
    (deadline,) = resolve([at], seen.ordered)
    grades = grade(
        run,
        grader,
        np.array([deadline], dtype=np.int64),
        policy=policy,
        time=check_time(run, None),
        fallback=lender(run, None, policy, metric),
    )
    if grades.quality is None or grades.ideal is None:
        raise InputError("the run has no references, so a required quality cannot be judged")
    return grades.quality[:, 0], grades.ideal


def _latency(seen: Observed, wanted: LatencyRequirement, confidence: float) -> Verdict:
    """By the interval of the percentile; without one, late queries enough still fail it."""
    estimate = pooled_percentile(seen.by_round, seen.ordered, wanted.percent, confidence=confidence)
    bound = wanted.bound_ns
    outcome: Outcome
    rounds: int | None
    if estimate.low is None or estimate.high is None:
        outcome = "fail" if _surely_too_many(seen, wanted, confidence) else "undecided"
        # One bad round in so many is what such a percentile is made of.
        bad = math.ceil(100 / (100 - wanted.percent) - 1e-6)
        rounds = 2 if estimate.n < 2 else max(2 * estimate.n, bad)
    else:
        outcome = _standing(estimate.high <= bound, estimate.low > bound)
        value = estimate.value or 0.0
        half = estimate.high - value if value < bound else value - estimate.low
        rounds = _rounds_to_decide(estimate, bound, half)
    return _verdict(outcome, wanted, float(bound), estimate, rounds)


def _surely_too_many(seen: Observed, wanted: LatencyRequirement, confidence: float) -> bool:
    """Whether the share of queries later than the bound has an interval above what is allowed."""
    over = np.array(
        [
            (len(one) - np.searchsorted(one, wanted.bound_ns, "right")) / max(len(one), 1)
            for one in seen.by_round
        ]
    )
    share = mean_by_round(over, confidence=confidence, bounds=UNIT)
    return share.low is not None and share.low > 1 - wanted.percent / 100


def _standing(met: bool, missed: bool) -> Outcome:
    return "pass" if met else "fail" if missed else "undecided"


def _verdict(
    outcome: Outcome, wanted: Required, target: float, estimate: Estimate, rounds: int | None
) -> Verdict:
    return Verdict(
        outcome=outcome,
        requirement=wanted,
        target=target,
        estimate=estimate,
        rounds_to_decide=rounds if outcome == "undecided" else None,
    )


def _rounds_to_decide(estimate: Estimate, target: float, half: float) -> int | None:
    """Half-widths shrink with the root of the rounds; None where value and target coincide."""
    gap = abs((estimate.value or 0.0) - target)
    if gap == 0:
        return None
    return max(estimate.n + 1, math.ceil(estimate.n * (half / gap) ** 2))
