"""Quality against the deadline, over the whole range of latencies: what a report draws."""

from dataclasses import dataclass

import numpy as np

from tailmark.analysis.asked import metric_of
from tailmark.analysis.at_deadline import TAILS
from tailmark.analysis.grading import Grades, check_time, grade, prepare_grader
from tailmark.analysis.latency import observe
from tailmark.analysis.sweep import quantile_shares
from tailmark.quality.base import Floats, Metric
from tailmark.quality.late import FAIL, parse_policy
from tailmark.records.model import NEVER, Int64s, Run
from tailmark.stats.quantiles import lower_quantile, tail_mean
from tailmark.stats.rounds import mean_interval

POINTS = 200


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Everything by deadline; each array's last axis, or only one, is (deadlines,).

    Args:
        deadlines_ns: Ascending; a point where anything happens, denser in the tail.
        grades: Each round at each of them.
        mean: Of the headline value (quality, or punctuality without references) over rounds.
        low: Of its interval over rounds, that of `mean_interval`.
        high: Likewise.
        tails: Lower quantiles over rounds, shape (len(TAILS), deadlines).
        cvars: Means of the rounds below, likewise.
        worst: The worst round; NaN, as all of these, where some round is undefined.
        best: The best round.
    """

    deadlines_ns: Int64s
    grades: Grades
    mean: Floats
    low: Floats
    high: Floats
    tails: Floats
    cvars: Floats
    worst: Floats
    best: Floats


def quality_curve(
    run: Run,
    *,
    metric: str | Metric | None = None,
    on_late: str | None = None,
    time: str | None = None,
    deadlines_ns: tuple[int, ...] = (),
    points: int = POINTS,
) -> Curve:
    """Grade a run at deadlines over the whole range of its latencies.

    Args:
        run: What was measured.
        metric: As for `summarize`, and so for the next two; ``fallback`` draws as ``fail``.
        on_late: The late policy.
        time: Which latency counts.
        deadlines_ns: Deadlines that must be among the points.
        points: About how many others.
    """
    declared = run.manifest.experiment.get("quality", {})
    policy = parse_policy(on_late or declared.get("on_late") or "fail")
    time = check_time(run, time)
    grid = _grid(observe(run, time).ordered, deadlines_ns, points)
    grader = prepare_grader(run, metric_of(run, metric))
    grades = grade(
        run, grader, grid, policy=FAIL if policy.kind == "fallback" else policy, time=time
    )
    values = grades.on_time if grades.quality is None else grades.quality
    undefined = np.isnan(values).any(axis=0)  # under ``drop``, where some round has none on time
    columns = np.nan_to_num(values).T
    mean = columns.mean(axis=1)
    low, high = mean_interval(columns) if len(run) > 1 else (mean, mean)

    def defined(drawn: Floats) -> Floats:
        return np.where(undefined, np.nan, drawn)

    return Curve(
        deadlines_ns=grid,
        grades=grades,
        mean=defined(mean),
        low=defined(np.maximum(low, 0.0)),
        high=defined(np.minimum(high, 1.0)),
        tails=defined(np.array([[lower_quantile(v, share) for v in columns] for share in TAILS])),
        cvars=defined(np.array([[tail_mean(v, share) for v in columns] for share in TAILS])),
        worst=defined(columns.min(axis=1)),
        best=defined(columns.max(axis=1)),
    )


def _grid(ordered: Int64s, wanted: tuple[int, ...], points: int) -> Int64s:
    """Latencies over the whole range, denser in the tail, and what lies just beyond either end."""
    answered = ordered[: np.searchsorted(ordered, NEVER)]
    if not len(answered):
        return np.unique(np.array([0, *wanted], dtype=np.int64))
    shares = quantile_shares(points, 1 / len(answered))
    rows = np.floor(shares * (len(answered) - 1)).astype(np.int64)
    edges = [answered[0] * 49 // 50, answered[-1], answered[-1] * 51 // 50, *wanted]
    return np.unique(np.concatenate([answered[rows], np.array(edges, dtype=np.int64)]))
