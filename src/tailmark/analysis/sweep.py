"""Deadlines at quantiles of the measured latencies: every one of them lies within the data."""

import math
from numbers import Integral

import numpy as np

from tailmark.errors import InputError
from tailmark.quality.base import Floats
from tailmark.records.model import NEVER, Int64s
from tailmark.stats.quantiles import latency_percentile
from tailmark.units import Percentile

MOST = 1_000
_FINEST = 1e-3
_FINE = 10_000
_MOST_DECIMALS = 4


def quantile_shares(count: int, finest: float) -> Floats:
    """Cumulative shares from 0 to ``1 - finest``, even in probability and denser in the tail.

    Equal steps of ``p / top + log(1 - p) / log(1 - top)``: as if half of them were at even steps
    of probability and half at even steps of its logarithm.

    Args:
        count: How many; shape (count,).
        finest: What is left above the last, from 0 to 1.
    """
    top = 1 - finest
    if top <= 0:
        return np.zeros(count)
    fine = 1 - np.geomspace(1, finest, _FINE)
    fine[-1] = top
    measure = fine / top + np.log1p(-fine) / np.log(finest)
    return np.interp(np.linspace(0, 2, count), measure, fine)


def sweep_percentiles(ordered: Int64s, count: int) -> list[Percentile]:
    """So many percentiles that resolve to different latencies, from the fastest to about p99.9.

    As everywhere, they are percentiles of all queries, one without an answer being later than any,
    so that each names the same deadline when it is asked for alone. Fewer come where several fall
    on one latency.

    Args:
        ordered: The latency of every query, ascending, `NEVER` where there is no answer.
        count: From 2 to `MOST`.

    Raises:
        InputError: Another count.
    """
    if not isinstance(count, Integral) or isinstance(count, bool) or not 2 <= count <= MOST:
        raise InputError(
            f"sweep is {count!r}: give a whole number of deadlines from 2 to {MOST:,}, such as 20"
        )
    answered = int(np.searchsorted(ordered, NEVER))
    if not answered:
        return []
    finest = max(_FINEST, 1 - (answered - 1) / len(ordered))
    late = 100 * (1 - quantile_shares(int(count), finest))
    found: dict[int, Percentile] = {}
    for percent in _as_short_as_they_differ(late):
        found[latency_percentile(ordered, percent)] = Percentile(percent)
    return list(found.values())


def _as_short_as_they_differ(late: Floats) -> list[float]:
    """Percentiles of which so much per cent is later, rounded down to few digits.

    Two digits of what is later read well: p48, p95, p98.7, p99.87.
    """
    two_digits = np.maximum(1 - np.floor(np.log10(late * (1 + 1e-9))), 0).astype(int)
    rounded: list[float] = []
    for more in range(_MOST_DECIMALS + 1):
        decimals = np.minimum(two_digits + more, _MOST_DECIMALS).tolist()
        rounded = [
            round(100 - math.ceil(round(x * 10**d, 6)) / 10**d, d)
            for x, d in zip(late.tolist(), decimals, strict=True)
        ]
        if len(set(rounded)) == len(late):
            break
    return rounded
