"""Two quantiles and a tail mean, each by its field's own definition."""

import math

import numpy as np
import numpy.typing as npt

from tailmark.records.model import Int64s

Floats = npt.NDArray[np.float64]


def latency_percentile(ordered_ns: Int64s, percent: float) -> int:
    """``sorted[floor(n * p)]``, no interpolation, as LoadGen has it (`results.cc`, v4.0).

    Args:
        ordered_ns: Ascending, shape (queries,), at least one.
        percent: From 0 up to, not including, 100.
    """
    # 99.9 % of 1000 is row 999, whatever 0.999 * 1000 comes to in binary.
    row = math.floor(round(len(ordered_ns) * percent / 100, 9))
    return int(ordered_ns[min(row, len(ordered_ns) - 1)])


def lower_quantile(values: Floats, share: float) -> float:
    """The smallest value with at least ``share`` of the values at or below it (inverted CDF)."""
    return float(np.quantile(values, share, method="inverted_cdf"))


def tail_mean(values: Floats, share: float) -> float:
    """CVaR: the mean of the worst ``share`` of the distribution.

    Rockafellar & Uryasev (2000): the value at the edge counts with the weight that is left.
    """
    ordered = np.sort(values)
    mass = share * len(ordered)
    whole = int(mass)
    rest = mass - whole
    total = float(ordered[:whole].sum())
    if rest > 0:
        total += rest * float(ordered[whole])
    return total / mass
