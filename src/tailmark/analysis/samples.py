"""Which samples are slow, and which vary."""

from dataclasses import dataclass

import numpy as np

from tailmark.analysis.asked import metric_of
from tailmark.analysis.grading import check_time, latencies, prepare_grader
from tailmark.quality.base import Metric, SetGrader
from tailmark.records.model import NEVER, Run


@dataclass(frozen=True, kw_only=True)
class SampleRecord:
    """One sample over all rounds.

    Args:
        index: In the workload.
        id: Its name.
        mean_ns: Mean latency of its answers.
        spread: Standard deviation ÷ mean.
        max_ns: Its slowest answer.
        late: Share of its queries later than the deadline, or never answered.
        right: What its answers are worth by themselves, on average; None without references.
        alone: Whether that says little of the whole, which is graded as a set.
        thumbnail: A small PNG or JPEG, where there is one.
    """

    index: int
    id: str
    mean_ns: float
    spread: float
    max_ns: int
    late: float
    right: float | None
    alone: bool
    thumbnail: bytes | None


def notable_samples(
    run: Run,
    *,
    deadline_ns: int,
    metric: str | Metric | None = None,
    time: str | None = None,
    most: int = 8,
) -> tuple[list[SampleRecord], list[SampleRecord]]:
    """The slowest samples by mean latency, and the most variable ones.

    Args:
        run: What was measured.
        deadline_ns: What counts as late.
        metric: As for `summarize`.
        time: As for `summarize`.
        most: How many of each.
    """
    time = check_time(run, time)
    grader = prepare_grader(run, metric_of(run, metric))
    count = len(run.references)
    sent, answered, late = np.zeros(count), np.zeros(count), np.zeros(count)
    total, squares, score = np.zeros(count), np.zeros(count), np.zeros(count)
    longest = np.zeros(count, dtype=np.int64)
    for one in run.rounds():
        spent = latencies(run, one, time)
        sample = one.sample
        there = spent != NEVER
        own = np.where(there, spent, 0).astype(np.float64)
        sent += np.bincount(sample, minlength=count)
        answered += np.bincount(sample, weights=there, minlength=count)
        late += np.bincount(sample, weights=spent > deadline_ns, minlength=count)
        total += np.bincount(sample, weights=own, minlength=count)
        squares += np.bincount(sample, weights=own**2, minlength=count)
        np.maximum.at(longest, sample, np.where(there, spent, 0))
        if grader is not None:
            scores = grader.scores(sample, one.output_id)
            score += np.bincount(sample, weights=scores, minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / answered
        spread = np.sqrt(np.maximum(squares / answered - mean**2, 0)) / mean

    def record(i: int) -> SampleRecord:
        pictures = run.references.thumbnails
        return SampleRecord(
            index=i,
            id=run.references.ids[i],
            mean_ns=float(mean[i]),
            spread=float(spread[i]),
            max_ns=int(longest[i]),
            late=float(late[i] / sent[i]),
            right=float(score[i] / sent[i]) if grader is not None else None,
            alone=isinstance(grader, SetGrader),
            thumbnail=pictures[i] if pictures else None,
        )

    def top(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[SampleRecord]:
        seen = np.flatnonzero(answered > 0)
        order = seen[np.argsort(-values[seen], kind="stable")][:most]
        return [record(int(i)) for i in order]

    return top(mean), top(spread)
