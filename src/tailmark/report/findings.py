"""All that a page or a plot shows of one run, found once by `tailmark.analysis`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tailmark.analysis.asked import resolve
from tailmark.analysis.at_deadline import AtDeadline, said_at
from tailmark.analysis.curve import POINTS, Curve, quality_curve
from tailmark.analysis.extremes import Extremes, extremes
from tailmark.analysis.gate import Verdict, judge
from tailmark.analysis.prediction import Prediction, predict
from tailmark.analysis.samples import SampleRecord, notable_samples
from tailmark.analysis.summary import Summary, summarize
from tailmark.errors import InputError
from tailmark.quality.base import Floats, Metric
from tailmark.quality.late import parse_policy
from tailmark.records.model import Round, Rounds, Run
from tailmark.records.store import as_run

_MOST_CELLS = 400_000
_FEWEST_POINTS = 40
_FEWEST_ROUNDS = 2
_MOST_ROWS_HELD = 2_000_000
_EDGE = 1.25
"""How far beyond the last deadline of interest a plot reaches."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a report shows of one run.

    Args:
        run: What was measured.
        summary: At the deadlines that were asked for.
        curve: Over the whole range of latencies.
        at: Everything said at each deadline of the curve, in its order.
        window: Which of them a plot over deadlines shows.
        start: The one the headline speaks of.
        verdict: How the run stands to its requirement, where it has one that can be judged.
        slowest: Samples by mean latency.
        varied: Samples by spread.
        prediction: Of the rounds to come, at the headline's deadline, late answers being wrong.
        unpredictable: Why there is none; empty where there is one.
        extremes: Latencies rarer than any measured.
        doubts: Sentences for the reader, the summary's warnings among them.
    """

    run: Run
    summary: Summary
    curve: Curve
    at: tuple[AtDeadline, ...]
    window: range
    start: int
    verdict: Verdict | None
    slowest: Sequence[SampleRecord]
    varied: Sequence[SampleRecord]
    prediction: Prediction | None
    unpredictable: str
    extremes: Extremes
    doubts: tuple[str, ...]

    @property
    def graded(self) -> bool:
        """Whether quality is told, or only punctuality."""
        return self.summary.ideal is not None

    @property
    def losses(self) -> tuple[str, ...]:
        """What a deadline's losses are split into."""
        return self.curve.grades.losses

    @property
    def values(self) -> Floats:
        """What the curve is of, by round; shape (rounds, deadlines)."""
        grades = self.curve.grades
        return grades.on_time if grades.quality is None else grades.quality


def find(
    run: Run | str | Path,
    *,
    metric: str | Metric | None = None,
    deadlines: Sequence[str | int] | None = None,
    on_late: str | None = None,
    time: str | None = None,
) -> Findings:
    """Ask the analysis for everything a report shows; the arguments are those of `summarize`.

    Raises:
        InputError: Something asked for is not there.
    """
    run = as_run(run)
    run = replace(run, stored=_Held(run.stored))
    doubts = []
    if on_late is None and _declared(run, "on_late") == "fallback":
        on_late = "fail"
        doubts.append(
            "the run's late policy is 'fallback', which needs the run that lends its answers: "
            "here late answers count as wrong"
        )
    summary = summarize(run, metric=metric, deadlines=deadlines, on_late=on_late, time=time)
    asked = {one.deadline_ns: one for one in summary.at}
    curve = quality_curve(
        run,
        metric=metric,
        on_late=on_late,
        time=time,
        deadlines_ns=tuple(asked),
        points=points(len(run)),
    )
    grid = curve.deadlines_ns.tolist()
    policy = parse_policy(summary.on_late)
    labels = resolve(grid, curve.deadlines_ns)
    everywhere = (said_at(curve.grades, k, labels[ns], policy) for k, ns in enumerate(grid))
    first = summary.at[summary.first].deadline_ns
    slowest, varied = notable_samples(run, deadline_ns=first, metric=metric, time=time)
    verdict, doubt = _verdict(run)
    prediction, unpredictable = _prediction(run, first, metric, time)
    return Findings(
        run=run,
        summary=summary,
        curve=curve,
        at=tuple(asked.get(one.deadline_ns, one) for one in everywhere),
        window=_window(summary, grid),
        start=grid.index(first),
        verdict=verdict,
        slowest=slowest,
        varied=varied,
        prediction=prediction,
        unpredictable=unpredictable,
        extremes=extremes(run, time=time),
        doubts=(*doubts, *doubt, *summary.warnings),
    )


def points(rounds: int) -> int:
    """About how many deadlines a page can hold beside so many rounds."""
    return min(POINTS, max(_FEWEST_POINTS, _MOST_CELLS // rounds))


def _declared(run: Run, name: str) -> object:
    return run.manifest.experiment.get("quality", {}).get(name)


def _verdict(run: Run) -> tuple[Verdict | None, list[str]]:
    """The verdict, or why there is none: a report is written all the same."""
    if not run.manifest.experiment.get("require"):
        return None, []
    try:
        return judge(run), []
    except InputError as cause:
        return None, [f"the requirement could not be judged: {cause}"]


def _prediction(
    run: Run, deadline_ns: int, metric: str | Metric | None, time: str | None
) -> tuple[Prediction | None, str]:
    """What is to come, or why nobody knows."""
    if len(run) < _FEWEST_ROUNDS:
        return None, f"a prediction needs {_FEWEST_ROUNDS} rounds or more, have {len(run)}"
    try:
        return predict(run, deadline=deadline_ns, metric=metric, time=time), ""
    except InputError as cause:
        return None, str(cause)


def _window(summary: Summary, grid: Sequence[int]) -> range:
    """Where things happen: up to what 99.9 % of queries need, and every deadline asked for.

    A log axis has no zero, so a deadline of zero is left of it.
    """
    needed = summary.latency.percentiles[99.9].value
    edge = max(grid[-1] if needed is None else needed, summary.at[-1].deadline_ns) * _EDGE
    first, last = np.searchsorted(grid, 1), np.searchsorted(grid, edge, side="right")
    return range(int(min(first, last - 1)), int(last))


class _Held:
    """Rounds read once, as long as memory holds them easily: a report goes over them many times."""

    def __init__(self, stored: Rounds) -> None:
        self._stored = stored
        self._held: dict[int, Round] = {}
        self._rows = 0

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, index: int) -> Round:
        if index in self._held:
            return self._held[index]
        one = self._stored[index]
        if self._rows + len(one) <= _MOST_ROWS_HELD:
            self._held[index] = one
            self._rows += len(one)
        return one
