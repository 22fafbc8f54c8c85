"""What checks of compliance found: the finding behind ``tailmark mlperf comply``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tailmark.analysis.agreement import Agreement
from tailmark.analysis.caching import FASTER_AT_MOST, LIMIT, Caching
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

Outcome = Literal["pass", "fail", "undecided"]
FORMAT = 1
TOLERANCE = 0.01
"""How far MLPerf lets accuracies lie apart where answers differ, as a share; 0.1 % of some."""

_WORST: tuple[Outcome, ...] = ("fail", "undecided", "pass")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Answers under one condition beside those of the accuracy passes.

    Args:
        name: As ``performance run`` or ``batches of 4``.
        run: The directory's name.
        agreement: How they stand to each other.
        quality: Under the condition, over rounds; None without references.
        accuracy: Of the accuracy passes; None likewise.
    """

    name: str
    run: str
    agreement: Agreement
    quality: Estimate | None
    accuracy: Estimate | None

    @property
    def outcome(self) -> Outcome:
        """Whether every sample was answered as in the accuracy passes, which agree."""
        seen = self.agreement
        if seen.cause == "unknown":
            return "undecided"
        if seen.cause is not None:
            return "fail"
        return "pass" if seen.compared else "undecided"

    @property
    def tolerated(self) -> bool | None:
        """Whether MLPerf would accept the two qualities, as it does where outputs differ."""
        if self.quality is None or self.accuracy is None or not self.accuracy.value:
            return None
        return abs(1 - (self.quality.value or 0.0) / self.accuracy.value) <= TOLERANCE

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "run": self.run,
            "outcome": self.outcome,
            **self.agreement.to_dict(),
            "quality": self.quality.to_dict() if self.quality else None,
            "accuracy_quality": self.accuracy.to_dict() if self.accuracy else None,
            "within_mlperf_tolerance": self.tolerated,
        }


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check, what it found, and how to mend it.

    Args:
        name: ``test01``, ``test04``, ``load`` or ``batch``.
        outcome: ``undecided`` where nothing sure can be said yet.
        did: What was done.
        says: What was found.
        mend: What to do about it; None where there is nothing to do.
        conditions: Of a check of answers.
        caching: Of a check of times.
    """

    name: str
    outcome: Outcome
    did: str
    says: str
    mend: str | None
    conditions: tuple[Condition, ...] = ()
    caching: Caching | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "did": self.did,
            "says": self.says,
            "mend": self.mend,
            "conditions": [one.to_dict() for one in self.conditions],
            "caching": self.caching.to_dict() if self.caching else None,
        }


@dataclass(frozen=True, kw_only=True)
class Compliance:
    """What all checks found.

    Args:
        system: Its settings.
        checks: In the order they were asked for.
        metric: What quality means; None without references.
        warnings: Sentences for the reader.
    """

    system: Mapping[str, Any]
    checks: tuple[Check, ...]
    metric: str | None
    warnings: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The worst of all checks."""
        return worst([one.outcome for one in self.checks])

    def to_dict(self) -> dict[str, Any]:
        """The document ``mlperf comply --json`` prints."""
        return {
            "format": FORMAT,
            "outcome": self.outcome,
            "metric": self.metric,
            "system": dict(self.system),
            "checks": [one.to_dict() for one in self.checks],
            "warnings": list(self.warnings),
        }


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """One that fails decides; else any that is undecided."""
    return min(outcomes, key=_WORST.index)


def of_answers(
    name: str,
    did: str,
    mend: str,
    conditions: Sequence[Condition],
    refused: Sequence[str] = (),
) -> Check:
    """A check that answers stay the same.

    Args:
        name: Of the check.
        did: What was done.
        mend: What to do where conditions change answers.
        conditions: What was compared.
        refused: What could not be measured, and why; without it nothing passes.
    """
    outcomes = [one.outcome for one in conditions]
    outcome = worst([*outcomes, "undecided"] if refused else outcomes)
    telling = [one for one in conditions if one.outcome == outcome]
    remedy: str | None = None
    if outcome == "pass":
        says = _alike(conditions)
    else:
        says = "; ".join([*_differences(telling), *refused])
    if outcome == "undecided":
        needs = max((one.agreement.rounds_to_decide or 0 for one in telling), default=0)
        remedy = f"about {needs:,} rounds would tell: --rounds {needs}" if needs else _AGAIN
        if refused:
            remedy = f"mend what is said, or leave {name} out by --only"
    elif outcome == "fail":
        causes = {one.agreement.cause for one in telling}
        remedy = mend if "conditions" in causes else _REPEATABLE
    return Check(
        name=name,
        outcome=outcome,
        did=did,
        says=says,
        mend=remedy,
        conditions=tuple(conditions),
    )


def _alike(conditions: Sequence[Condition]) -> str:
    few = min(one.agreement.compared for one in conditions)
    whole = max(one.agreement.whole_differ for one in conditions)
    of = conditions[0].agreement.samples
    says = f"all {few:,} samples are answered alike"
    if few < of:
        says = f"{few:,} of {of:,} samples can be compared, and all of these are answered alike"
    return f"{says}, though {whole:,} not to the last bit of their scores" if whole else says


_AGAIN = "measure it again, and see in the runs what was answered"
_REPEATABLE = (
    "make the system repeatable (fixed seeds, deterministic kernels), or show MLPerf both "
    "accuracies"
)


def _differences(telling: Sequence[Condition]) -> list[str]:
    """What was found under the condition that says most, and which others say the same."""
    if not telling:
        return []
    by_cause = {one.agreement.cause: one for one in sorted(telling, key=_size)}
    for cause in ("conditions", "unknown", "chance"):
        if one := by_cause.get(cause):
            break
    else:
        return [f"{one.name}: there is nothing to compare" for one in telling]
    same = [k.name for k in telling if k.agreement.cause == cause and k is not one]
    seen = one.agreement
    restless = f"the accuracy passes disagree on {seen.restless:,} samples among themselves"
    if cause == "chance":
        names = ", ".join([one.name, *same])
        return [f"{restless}, and more is not found in {names} (p = {seen.p_value:.2g})"]
    does = "differ" if cause == "conditions" else "may differ"
    said = [f"{seen.differ:,} of {seen.compared:,} samples {does} because of {one.name}"]
    said[0] += f" (p = {seen.p_value:.2g})"
    if same:
        said.append(f"others {does} because of {', '.join(same)}")
    if seen.restless:
        said.append(restless)
    if one.tolerated is not None and one.quality and one.accuracy:
        both = f"{100 * (one.accuracy.value or 0):.2f} % and {100 * (one.quality.value or 0):.2f} %"
        verdict = "within" if one.tolerated else "beyond"
        said.append(f"quality {both}, {verdict} MLPerf's {100 * TOLERANCE:g} %")
    return said


def _size(one: Condition) -> int:
    return one.agreement.differ


def of_times(did: str, seen: Caching) -> Check:
    """TEST04: repeated samples may be at most 10 % faster."""
    e = seen.ratio
    outcome: Outcome = "undecided"
    mend: str | None = None
    if e.value is None:
        says = str(e.reason)
        mend = "see in the run why queries were not answered"
    else:
        between = "" if e.low is None or e.high is None else f" ({e.low:.3f}–{e.high:.3f})"
        says = (
            f"a repeat takes {e.value:.3f}{between} of the time the same sample took when it was "
            f"new ({format_duration(seen.first_ns)}), and may take {LIMIT:.3f} or more "
            f"({100 * FASTER_AT_MOST:g} % faster)"
        )
        if e.low is not None and e.low >= LIMIT:
            outcome = "pass"
        elif e.high is not None and e.high < LIMIT:
            outcome = "fail"
            mend = (
                "switch off the cache of results; a system that prepares itself for each new "
                "shape of input is not caching: warm it up with all of them"
            )
        else:
            mend = _more_samples(seen)
    return Check(name="test04", outcome=outcome, did=did, says=says, mend=mend, caching=seen)


def _more_samples(seen: Caching) -> str:
    if seen.ratio.low is None:
        return f"no interval: {seen.ratio.reason}"
    if seen.samples_to_decide is None:
        return "no number of samples would tell: it is at the limit"
    needs = f"about {seen.samples_to_decide:,} new samples would tell"
    if seen.samples_to_decide < seen.workload:
        return f"{needs}: give {seen.samples_to_decide / seen.samples:.1f} times as many --rounds"
    return (
        f"{needs}, and the workload has {seen.workload:,}, each new only once: give a larger one, "
        "or measure on a quieter machine"
    )
