"""Differences between two estimates, always B − A, and what they decide.

Knows nothing of runs: what is paired with what is the caller's.
"""

import math
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit
from scipy.stats import binomtest

from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import mean_by_round

Floats = npt.NDArray[np.float64]
Decision = Literal["better", "worse", "equivalent", "cannot tell"]

SHARES = (-1.0, 1.0)
"""What the difference of two shares cannot leave."""

_ENDLESS = (-math.inf, math.inf)
_ENDLESS_WIDTHS = 1e4


def difference(
    a: Estimate,
    b: Estimate,
    *,
    correlation: float = 0.0,
    bounds: tuple[float, float] = _ENDLESS,
) -> Estimate:
    """The difference of two estimates, its interval recovered from theirs (MOVER).

    Zou & Donner (2008): each end lies as far from the difference as the two ends that oppose each
    other there, added in squares; Zou (2007) has the term for estimates that go together. So it
    inherits whatever each interval took into account: skewness, dependence between rounds.

    Args:
        a: What is subtracted.
        b: From which.
        correlation: Between the two estimates; 0 for runs that know nothing of each other.
        bounds: What the difference cannot leave; the interval is cut there.
    """
    n = min(a.n, b.n)
    how = a.method if a.method == b.method else f"{a.method}; {b.method}"
    estimate = partial(
        Estimate, confidence=min(a.confidence, b.confidence), n=n, method=f"MOVER of {how}"
    )
    if a.value is None or b.value is None:
        return estimate(value=None, reason=_reasons(a, b))
    value = b.value - a.value
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return estimate(value=value, reason=_reasons(a, b))
    down = _together(b.value - b.low, a.high - a.value, correlation)
    up = _together(b.high - b.value, a.value - a.low, correlation)
    return estimate(value=value, low=max(bounds[0], value - down), high=min(bounds[1], value + up))


def _together(x: float, y: float, correlation: float) -> float:
    return math.sqrt(max(0.0, x * x + y * y - 2 * correlation * x * y))


def _reasons(a: Estimate, b: Estimate) -> str:
    said = {name: e.reason for name, e in (("A", a), ("B", b)) if e.reason}
    if len(set(said.values())) == 1 and len(said) == 2:
        return next(iter(said.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in said.items())


def mean_difference(
    a: Floats,
    b: Floats,
    *,
    paired: bool,
    bounds: tuple[float, float] = SHARES,
    undefined: str = "it is not defined in every round",
) -> Estimate:
    """The difference of two means over rounds.

    Paired rounds share what the machine was doing, so the mean of their differences knows more
    than the difference of their means. Rounds measured apart have two intervals of their own,
    joined by MOVER, which for Student's t is close to Welch's.

    Args:
        a: One a round, shape (rounds,); of paired runs only the rounds both have count.
        b: Likewise.
        paired: Whether round r of one was measured beside round r of the other.
        bounds: What the difference cannot leave.
        undefined: What to say where a round has no value (NaN).
    """
    if paired:
        both = min(len(a), len(b))
        e = mean_by_round(b[:both] - a[:both], bounds=bounds, undefined=undefined)
        return Estimate(
            value=e.value,
            low=e.low,
            high=e.high,
            confidence=e.confidence,
            n=e.n,
            method=f"{e.method}, paired",
            reason=e.reason,
        )
    each = partial(mean_by_round, undefined=undefined)
    return difference(each(a), each(b), bounds=bounds)


def difference_over_samples(a: Floats, b: Floats, *, confidence: float = 0.95) -> Estimate:
    """The difference of two means over the same samples, for samples like them.

    Tango's interval where every value is 0 or 1, else Student's t on the differences.

    Args:
        a: What each sample is worth in A, shape (samples,).
        b: In B.
        confidence: Of the interval.
    """
    if all(np.isin(x, (0.0, 1.0)).all() for x in (a, b)):
        fixes, breaks = int((b > a).sum()), int((a > b).sum())
        return paired_share_difference(fixes, breaks, len(a), confidence=confidence)
    off, n = b - a, len(a)
    estimate = partial(Estimate, confidence=confidence, n=n, method="t over samples, paired")
    value = float(off.mean())
    if n < 2:
        return estimate(value=value, reason="an interval needs 2 samples or more, have 1")
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * float(off.std(ddof=1)) / math.sqrt(n)
    return estimate(
        value=value, low=max(SHARES[0], value - half), high=min(SHARES[1], value + half)
    )


def paired_share_difference(
    fixes: int, breaks: int, pairs: int, *, confidence: float = 0.95
) -> Estimate:
    """The difference of two shares over the same units: Tango's score interval (1998).

    It is what the score test does not reject, and so, unlike a t interval, is not of zero width
    where no pair differs.

    Args:
        fixes: Pairs that are wrong in A and right in B.
        breaks: Right in A and wrong in B.
        pairs: All of them.
        confidence: Of the interval.
    """
    estimate = partial(
        Estimate, confidence=confidence, n=pairs, method="Tango's score interval over samples"
    )
    if pairs == 0:
        return estimate(value=None, reason="no sample was sent in both runs")
    value = (fixes - breaks) / pairs
    z = float(ndtri(0.5 + confidence / 2))

    def score(delta: float) -> float:
        """How many standard errors the value lies above ``delta``, were that the truth."""
        linear = (2 * pairs - fixes + breaks) * delta - breaks - fixes
        constant = -breaks * delta * (1 - delta)
        # The likeliest share of breaks, if the difference were delta: a quadratic's upper root.
        root = math.sqrt(max(0.0, linear**2 - 8 * pairs * constant))
        lost = (root - linear) / (4 * pairs)
        variance = pairs * (2 * lost + delta * (1 - delta))
        gap = fixes - breaks - pairs * delta
        return gap / math.sqrt(max(variance, 1e-300))

    edge = 1 - 1e-12
    low = -1.0 if value == -1 else brentq(lambda delta: score(delta) - z, -edge, value)
    high = 1.0 if value == 1 else brentq(lambda delta: score(delta) + z, value, edge)
    return estimate(value=value, low=float(low), high=float(high))


def mcnemar(fixes: int, breaks: int) -> float:
    """McNemar's exact test, two-sided: could either side have had the ones that differ?

    Under no difference each discordant pair falls to either side with even chance. It holds for
    answers, which have no time; sample × round pairs share their rounds, and pooled they are not
    independent.

    Args:
        fixes: Pairs that only B has right.
        breaks: Pairs that only A has right.
    """
    discordant = fixes + breaks
    return float(binomtest(fixes, discordant, 0.5).pvalue) if discordant else 1.0


def decide(e: Estimate, margin: float) -> Decision:
    """What a difference in quality says.

    ``equivalent`` if all of the interval lies within ±margin, whatever side of 0 it is on; else
    ``better`` or ``worse`` if it excludes 0; else ``cannot tell``.

    Args:
        e: The difference, B − A; more is better.
        margin: The largest difference that nobody would mind.
    """
    if e.low is None or e.high is None:
        return "cannot tell"
    if -margin <= e.low and e.high <= margin:
        return "equivalent"
    if e.low > 0:
        return "better"
    return "worse" if e.high < 0 else "cannot tell"


def rounds_to_tell(e: Estimate, margin: float, rounds: float) -> int | None:
    """About how many rounds would decide, if the difference stayed where it is.

    Interval ends draw near with the root of the rounds, until they leave 0 or fit into the margin,
    whichever comes first; None where neither ever would, within any life.

    Args:
        e: A difference that does not tell yet.
        margin: As for `decide`.
        rounds: How many it rests on now.
    """
    if e.value is None or e.low is None or e.high is None:
        return None
    down, up = e.value - e.low, e.high - e.value
    ways = []
    if e.value != 0:
        ways.append((down if e.value > 0 else up) / abs(e.value))
    if abs(e.value) < margin:
        ways.append(max(up / (margin - e.value), down / (margin + e.value)))
    if not ways or min(ways) > _ENDLESS_WIDTHS:
        return None
    return max(math.floor(rounds) + 1, math.ceil(rounds * min(ways) ** 2))


def rounds_behind(a: Estimate, b: Estimate) -> float:
    """How many rounds of each run would give the difference's present width.

    Between the rounds that the two have; nearer to those of the wider interval.
    """
    wide = [e.high - e.low if e.low is not None and e.high is not None else 0.0 for e in (a, b)]
    squares = wide[0] ** 2 + wide[1] ** 2
    if squares == 0:
        return float(max(a.n, b.n))
    return (wide[0] ** 2 * a.n + wide[1] ** 2 * b.n) / squares
