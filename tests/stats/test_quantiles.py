"""Quantiles and the tail mean, each by its field's definition."""

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.stats.quantiles import latency_percentile, lower_quantile, tail_mean

_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)
_SHARES = st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5, 1.0])


@given(
    values=st.lists(st.integers(0, 50), min_size=1, max_size=200),
    per_mille=st.integers(0, 999),
)
def test_latency_percentile_is_sorted_floor_np(values: list[int], per_mille: int) -> None:
    """It is the row floor(n p) of the sorted latencies, n p taken exactly."""
    row = math.floor(len(values) * Fraction(per_mille, 1000))
    found = latency_percentile(np.sort(np.array(values, dtype=np.int64)), per_mille / 10)
    assert found == sorted(values)[row]


@pytest.mark.parametrize(
    ("queries", "percent", "row"),
    [
        (1000, 99.9, 999),
        (1000, 99, 990),
        (100, 99, 99),
        (10, 90, 9),
        (1, 99.9, 0),
        (3000, 99.9, 2997),
    ],
)
def test_whole_rows_are_not_lost_in_binary(queries: int, percent: float, row: int) -> None:
    """99.9 % of 1000 is row 999, although 0.999 * 1000 need not be 999 in binary."""
    assert latency_percentile(np.arange(queries), percent) == row


def test_it_reproduces_loadgen_on_a_published_trace(data: Path) -> None:
    """Hailo's 1,024 latencies give every percentile that its MLPerf summary prints."""
    folder = data / "mlperf" / "hailo_v05_mobilenet_SingleStream_TEST04A" / "performance" / "run_1"
    trace = (folder / "mlperf_log_trace.json").read_text(encoding="utf-8")
    latencies = [int(ns) for ns in re.findall(r'"complete_ns":\s*(\d+)', trace)]
    summary = (folder / "mlperf_log_summary.txt").read_text(encoding="utf-8")
    printed = re.findall(r"^(\d+\.\d+) percentile latency \(ns\)\s*: (\d+)$", summary, re.MULTILINE)
    assert len(latencies) == 1024
    assert len(printed) == 6
    ordered = np.sort(np.array(latencies, dtype=np.int64))
    for percent, ns in printed:
        assert latency_percentile(ordered, float(percent)) == int(ns), percent


@given(values=_VALUES, share=_SHARES)
def test_lower_quantile_is_the_smallest_with_enough_below(
    values: list[float], share: float
) -> None:
    """At least the share of values is at or below it, and of no smaller value is that true."""
    enough = [
        v for v in values if sum(w <= v for w in values) >= Fraction(str(share)) * len(values)
    ]
    assert lower_quantile(np.array(values), share) == min(enough)


@given(values=_VALUES, share=_SHARES)
def test_tail_mean_averages_the_worst_share(values: list[float], share: float) -> None:
    """CVaR is the mean of the quantile function over the share: the worst, the edge in part."""
    mass, total = Fraction(str(share)) * len(values), 0.0
    left = mass
    for value in sorted(values):
        weight = min(left, Fraction(1))
        total += float(weight) * value
        left -= weight
    assert tail_mean(np.array(values), share) == pytest.approx(total / float(mass), abs=1e-9)


@given(values=_VALUES, share=_SHARES)
def test_tail_mean_lies_between_the_worst_and_the_quantile(
    values: list[float], share: float
) -> None:
    """No CVaR is below the worst round, nor above the quantile whose tail it averages."""
    found = tail_mean(np.array(values), share)
    assert min(values) - 1e-12 <= found <= lower_quantile(np.array(values), share) + 1e-12
