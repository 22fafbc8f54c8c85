"""Whether a run meets its requirement: judged by the interval, never by the value alone."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tailmark.analysis.summary import AtDeadline, summarize
from tailmark.errors import InputError, nearest
from tailmark.records.model import Run
from tailmark.records.store import open_run
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import rounds_needed
from tailmark.units import parse_deadline

Of = Literal["mean", "tail"]
Outcome = Literal["pass", "fail", "undecided"]
TAIL = 0.05

_AT_LEAST = re.compile(r"\s*>=\s*(0?\.\d+|1(?:\.0*)?|0(?:\.0*)?)\s*")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What a run must deliver.

    Args:
        quality: At least this share.
        at: By this deadline: ``5ms``, ``p99``.
        of: ``mean`` over rounds, or ``tail``: their 5 % quantile.
    """

    quality: float
    at: str
    of: Of = "mean"


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


def parse_requirement(given: Mapping[str, Any]) -> Requirement:
    """Read ``{quality: ">= 0.75", at: 5ms, of: tail}``.

    Raises:
        InputError: A missing or unknown key, or a value that cannot be judged.
    """
    known = ("quality", "at", "of")
    for key in given:
        if key not in known:
            raise InputError(
                f"require has no setting {key!r}{nearest(key, known)}: {', '.join(known)}"
            )
    for key in ("quality", "at"):
        if key not in given:
            raise InputError(
                f"require has no {key!r}: write {{quality: '>= 0.75', at: 5ms, of: mean}}"
            )
    match = _AT_LEAST.fullmatch(str(given["quality"]))
    if not match:
        raise InputError(
            f"require.quality is {given['quality']!r}: write '>= ' and a share from 0 to 1"
        )
    parse_deadline(str(given["at"]))
    of = given.get("of", "mean")
    if of not in get_args(Of):
        raise InputError(f"require.of is {of!r}{nearest(str(of), get_args(Of))}: mean or tail")
    return Requirement(quality=float(match[1]), at=str(given["at"]), of=of)


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
            rounds_to_decide=max(rounds_needed(TAIL) if wanted.of == "tail" else 2, estimate.n + 1),
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


def _rounds_to_decide(estimate: Estimate, target: float) -> int | None:
    """Half-widths shrink with the root of the rounds; None where value and target coincide."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    gap = abs(estimate.value - target)
    if gap == 0:
        return None
    half = (estimate.high - estimate.low) / 2
    return max(estimate.n + 1, math.ceil(estimate.n * (half / gap) ** 2))
