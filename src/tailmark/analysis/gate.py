"""Whether a run meets its requirement: judged by the interval, never by the value alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tailmark.analysis.at_deadline import AtDeadline
from tailmark.analysis.summary import summarize
from tailmark.errors import InputError
from tailmark.quality.requirement import Requirement, parse_requirement
from tailmark.records.model import Run
from tailmark.records.store import open_run
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import inflation_below, rounds_needed

Outcome = Literal["pass", "fail", "undecided"]
TAIL = 0.05


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a run stands to a requirement.

    Args:
        outcome: ``pass`` if the whole interval meets it, ``fail`` if none of it does.
        requirement: What was asked.
        estimate: What was measured.
        rounds_to_decide: About how many rounds would decide, where it is undecided.
    """

    outcome: Outcome
    requirement: Requirement
    estimate: Estimate
    rounds_to_decide: int | None = None


def judge(run: Run | str | Path, require: Mapping[str, Any] | Requirement | None = None) -> Verdict:
    """Hold a run against a requirement; by default, the one it was measured with.

    Raises:
        InputError: There is none, or the run has no references.
    """
    run = run if isinstance(run, Run) else open_run(run)
    given = require or run.manifest.experiment.get("require")
    if not given:
        raise InputError(f"{run.name!r} was measured without require: give one")
    wanted = given if isinstance(given, Requirement) else parse_requirement(given)
    at = summarize(run, deadlines=[wanted.at]).at[0]
    estimate = _estimate(at, wanted)
    if estimate.low is None or estimate.high is None:
        return Verdict(
            outcome="undecided",
            requirement=wanted,
            estimate=estimate,
            rounds_to_decide=max(_rounds_for_interval(at, wanted), estimate.n + 1),
        )
    if estimate.low >= wanted.quality:
        return Verdict(outcome="pass", requirement=wanted, estimate=estimate)
    if estimate.high < wanted.quality:
        return Verdict(outcome="fail", requirement=wanted, estimate=estimate)
    return Verdict(
        outcome="undecided",
        requirement=wanted,
        estimate=estimate,
        rounds_to_decide=_rounds_to_decide(estimate, wanted.quality),
    )


def _estimate(at: AtDeadline, wanted: Requirement) -> Estimate:
    if at.mean is None or at.tail is None:
        raise InputError("the run has no references, so a required quality cannot be judged")
    return at.mean if wanted.of == "mean" else at.tail[TAIL]


def _rounds_for_interval(at: AtDeadline, wanted: Requirement) -> int:
    if wanted.of == "mean":
        return 2
    return rounds_needed(TAIL, inflated=inflation_below(np.array(at.rounds), TAIL))


def _rounds_to_decide(estimate: Estimate, target: float) -> int | None:
    """Half-widths shrink with the root of the rounds; None where value and target coincide."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    gap = abs(estimate.value - target)
    if gap == 0:
        return None
    half = (estimate.high - estimate.low) / 2
    return max(estimate.n + 1, math.ceil(estimate.n * (half / gap) ** 2))
