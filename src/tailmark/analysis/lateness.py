"""Whether the generator's own lateness moves a conclusion: then the generator was measured.

Latency counts from the schedule, so a query issued late is late through no fault of the system.
Here a run is held against itself, had every query been due when it was issued.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tailmark.analysis.at_deadline import AtDeadline
from tailmark.analysis.gate import Outcome, judge
from tailmark.analysis.grading import grade
from tailmark.analysis.latency import Observed
from tailmark.errors import InputError
from tailmark.quality.base import Grader
from tailmark.records.model import Round, Rounds, Run
from tailmark.stats.estimate import Estimate
from tailmark.stats.quantiles import latency_percentile
from tailmark.units import format_duration

_MOVED = 0.001
"""A share that moves by more than this, where it has no interval, is another conclusion."""

_SEEN = 0.0005
"""Nobody sees less in what is printed; rounds all alike have intervals narrower than that."""


@dataclass(frozen=True)
class _Punctual:
    """Rounds of which every query was due when it was issued."""

    stored: Rounds

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> Round:
        one = self.stored[index]
        return replace(one, scheduled_ns=one.issued_ns)


def punctual(run: Run) -> Run:
    """The same run, had every query been due when it was issued."""
    return replace(run, stored=_Punctual(run.stored))


def moved_by_lateness(
    run: Run,
    seen: Observed,
    at: Sequence[AtDeadline],
    grader: Grader | None,
    **graded: Any,
) -> str | None:
    """What the run would say otherwise, had its generator been on time: a sentence, or None.

    Args:
        run: What was measured.
        seen: What one pass over it saw.
        at: What is said at the deadlines that were asked for.
        grader: As `grading.grade` takes it.
        **graded: Likewise: ``policy``, ``time``, ``fallback``.
    """
    late = seen.lateness_ns
    if late[-1] <= 0 or not at:
        return None
    without = punctual(run)
    deadlines = np.array([one.deadline_ns for one in at], dtype=np.int64)
    grades = grade(without, grader, deadlines, **graded)
    moved: list[str | None] = []
    for k, one in enumerate(at):
        by = format_duration(one.deadline_ns)
        punctuality = _moved(one.on_time, grades.on_time[:, k].mean(), f"on time at {by}")
        quality = None
        if one.mean is not None and grades.quality is not None:
            quality = _moved(one.mean, grades.quality[:, k].mean(), f"delivered at {by}")
        moved.append(quality or punctuality)
    changes = [change for change in [*moved, _verdict(run, without)] if change]
    if not changes:
        return None
    p99, longest = format_duration(latency_percentile(late, 99)), format_duration(late[-1])
    return (
        f"generator-limited: queries were issued late (p99 {p99}, at most {longest}); issued on "
        f"time, {', and '.join(changes)}: leave the generator a core of its own, or lower the rate"
    )


def _moved(said: Estimate, without: float, what: str) -> str | None:
    """A share that leaves its own interval."""
    if said.value is None or np.isnan(without):
        return None
    if said.low is None or said.high is None:
        stays = abs(without - said.value) <= _MOVED
        own = f"{100 * said.value:.1f} %"
    else:
        off = abs(without - said.value)
        stays = off <= _SEEN or said.low <= without <= said.high
        own = f"{100 * said.value:.1f} % ({100 * said.low:.1f}–{100 * said.high:.1f} %)"
    return None if stays else f"{100 * without:.1f} % would be {what}, not {own}"


def _verdict(run: Run, without: Run) -> str | None:
    """A requirement that would be judged otherwise."""
    before, after = _outcome(run), _outcome(without)
    if before == after:
        return None
    return f"the requirement would be judged {after}, not {before}"


def _outcome(run: Run) -> Outcome | None:
    if not run.manifest.experiment.get("require"):
        return None
    try:
        return judge(run).outcome
    except InputError:  # it cannot be judged, and whoever judges it is told why
        return None
