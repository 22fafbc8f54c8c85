"""MLPerf's early stopping: from how many queries on a count of late ones says enough.

As LoadGen has it (``early_stopping.cc``, ``results.cc``; confidence 0.99, tolerance 0), but by the
incomplete beta function and bisection instead of a series and a walk: ten million queries take as
long as a hundred. Queries count as independent here. Where they are not, `pooled_percentile` knows.
"""

from bisect import bisect_left

from scipy.special import betainc

from tailmark.records.model import Int64s

CONFIDENCE = 0.99
_DIGITS = 12


def odds(under: int, over: int, percent: float) -> float:
    """P(at most ``over`` of ``under + over`` queries are late), were late ones just too many.

    ``I_p(h, t + 1)``, the binomial distribution function by the regularised incomplete beta.

    Args:
        under: h, queries within the bound, at least one.
        over: t, queries beyond it.
        percent: As 99: of the queries, so many must be within the bound.
    """
    # 99.9 / 100 is not 0.999 in binary.
    return float(betainc(under, over + 1, round(percent / 100, _DIGITS)))


def passes(queries: int, over: int, percent: float) -> bool:
    """Whether so many queries with so many late ones show that ``percent`` are within the bound."""
    return queries > over and odds(queries - over, over, percent) < 1 - CONFIDENCE


def queries_needed(over: int, percent: float) -> int:
    """The fewest queries that pass with so many late ones: ``H(t) + t``.

    Args:
        over: Late queries, as 0; an estimate of the percentile itself needs those of 1.
        percent: As 99.
    """
    most = over + 1
    while not passes(most, over, percent):
        most *= 2
    some = range(over + 1, most)
    return some.start + bisect_left(some, True, key=lambda n: passes(n, over, percent))


def more_needed(queries: int, over: int, percent: float) -> int:
    """How many queries more would pass, if every one of them were in time; 0 where these pass."""
    return max(0, queries_needed(over, percent) - queries)


def discarded(queries: int, percent: float) -> int | None:
    """How many of the longest latencies lie above the estimate; None where queries are too few.

    One less than ``t``, the most late queries with which so many queries still pass.
    """
    if not passes(queries, 1, percent):
        return None
    some = range(1, queries)
    return bisect_left(some, True, key=lambda over: not passes(queries, over, percent)) - 1


def estimate(ordered_ns: Int64s, percent: float) -> int | None:
    """The latency that MLPerf reports: ``sorted[n - t]``, no less than the percentile itself.

    With confidence 0.99 at least ``percent`` of the queries take no longer, were they independent.

    Args:
        ordered_ns: Ascending, shape (queries,).
        percent: 90 for single-stream, 99 for multi-stream.

    Returns:
        Nanoseconds; None where the queries are fewer than `queries_needed` with one late.
    """
    spared = discarded(len(ordered_ns), percent)
    return None if spared is None else int(ordered_ns[len(ordered_ns) - 1 - spared])
