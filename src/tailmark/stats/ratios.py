"""Ratios of times: how many times as long, from rounds that were measured by turns."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import mean_by_round

Floats = npt.NDArray[np.float64]

Pace = Literal["slower", "faster", "the same", "cannot tell"]


def paired_ratio(a: Floats, b: Floats, *, confidence: float = 0.95) -> Estimate:
    """B's time as a multiple of A's: the geometric mean over rounds, with an interval.

    What a round has in common, a busy machine, multiplies both and is gone from their ratio. On
    the logarithmic scale the ratios of rounds are averaged as any value a round, dependence and
    all (see `mean_by_round`); but environments that are alike could change places, so there what
    looks skewed is chance, and correcting for it would raise false alarms where rounds stall.

    Args:
        a: A time a round, shape (rounds,); above zero.
        b: Of the rounds beside them; only those that both have count.
        confidence: Of the interval.
    """
    both = min(len(a), len(b))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(b[:both] / a[:both])
    logs = np.where(np.isfinite(logs), logs, np.nan)
    e = mean_by_round(
        logs,
        bounds=(-math.inf, math.inf),
        undefined="some round has no answer at all",
        confidence=confidence,
        symmetric=True,
    )

    def ratio(x: float | None) -> float | None:
        return None if x is None else math.exp(min(x, 700.0))

    return Estimate(
        value=ratio(e.value),
        low=ratio(e.low),
        high=ratio(e.high),
        confidence=e.confidence,
        n=e.n,
        method=f"{e.method}, of logarithms of paired ratios",
        reason=e.reason,
    )


def pace(ratio: Estimate, margin: float = 0.0) -> Pace:
    """What a ratio says of B.

    Args:
        ratio: B's time as a multiple of A's.
        margin: The largest share by which nobody would mind it longer or shorter.
    """
    if ratio.low is None or ratio.high is None:
        return "cannot tell"
    if margin and 1 / (1 + margin) <= ratio.low and ratio.high <= 1 + margin:
        return "the same"
    if ratio.low > 1:
        return "slower"
    return "faster" if ratio.high < 1 else "cannot tell"
