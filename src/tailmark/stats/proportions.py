"""Shares of independent units: so many of so many."""

import math

from scipy.special import betaincinv

from tailmark.stats.estimate import Estimate


def share_of(count: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """A share with Clopper and Pearson's (1934) interval, which covers at least as it says.

    The units must be independent, as the samples of a test set are; rounds' queries are not.

    Args:
        count: How many have it.
        n: Of how many.
        confidence: Of the interval.
    """
    method = "Clopper-Pearson over samples"
    if n == 0:
        return Estimate(value=None, confidence=confidence, method=method, reason="there are none")
    alpha = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, alpha))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - alpha))
    return Estimate(
        value=count / n,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        confidence=confidence,
        n=n,
        method=method,
    )
