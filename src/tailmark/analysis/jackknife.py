"""What other samples would make of a metric of sets: each group of samples left out in turn.

The delete-a-group jackknife (Kott 2001) asks nothing of a metric but to grade fewer samples.
"""

import math

import numpy as np
from scipy.special import stdtrit

from tailmark.analysis.grading import check_time, quality_of_set
from tailmark.quality.base import Floats, SetGrader
from tailmark.records.model import NEVER, Int64s, Round, Run
from tailmark.stats.estimate import Estimate

GROUPS = 20
_SHARES = (-1.0, 1.0)


def left_out(run: Run, one: Round, grader: SetGrader, deadlines_ns: Int64s, time: str) -> Floats:
    """A round's quality at each deadline without each group; shape (groups, deadlines).

    A group is the same samples in every run of a workload.

    Args:
        run: The round's.
        one: The round.
        grader: Of the metric.
        deadlines_ns: Shape (deadlines,).
        time: Which latency counts.
    """
    samples = len(run.references)
    groups = min(GROUPS, samples)
    group = (np.random.default_rng(0).permutation(samples) % groups)[one.sample]
    return np.array(
        [
            quality_of_set(run, one.of_rows(np.flatnonzero(group != g)), grader, deadlines_ns, time)
            for g in range(groups)
        ]
    )


def half_widths(values: Floats, confidence: float = 0.95) -> Floats:
    """Half the t interval of each column; shape (…,).

    Args:
        values: Without each group, shape (groups, …).
        confidence: Of the interval.
    """
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], math.inf)
    spread: Floats = np.sqrt((n - 1) ** 2 / n * values.var(axis=0, ddof=1))
    return float(stdtrit(n - 1, 0.5 + confidence / 2)) * spread


def ideal_difference_of_sets(
    a: tuple[Run, SetGrader], b: tuple[Run, SetGrader], *, confidence: float = 0.95
) -> Estimate:
    """How much more B's answers are worth with no deadline, by the first round of each.

    Both were asked the same samples, so the same groups are left out of both.
    """
    forever = np.array([NEVER - 1], dtype=np.int64)
    whole, without = [], []
    for run, grader in (a, b):
        one, time = run.stored[0], check_time(run, None)
        whole.append(float(quality_of_set(run, one, grader, forever, time)[0]))
        without.append(left_out(run, one, grader, forever, time)[:, 0])
    value = whole[1] - whole[0]
    samples = len(a[0].references)
    method = "jackknife over groups of samples, paired"
    half = float(half_widths(without[1] - without[0], confidence))
    if not math.isfinite(half):
        return Estimate(
            value=value, n=samples, method=method, reason="an interval needs 2 samples or more"
        )
    return Estimate(
        value=value,
        low=max(_SHARES[0], value - half),
        high=min(_SHARES[1], value + half),
        confidence=confidence,
        n=samples,
        method=method,
    )
