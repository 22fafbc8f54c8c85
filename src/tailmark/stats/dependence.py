"""Whether rounds repeat one thing: how they depend on each other, and where they change.

Knows nothing of intervals; `tailmark.stats.rounds` asks it how much a round is worth.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogorov, ndtri
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]

_FEWEST = 8
"""Below so many rounds, dependence cannot be told from chance and is not looked for."""

_HIGHEST = 0.9
_ALARM = 0.005
_START_ALARM = 0.03
"""Bonferroni over nested starts is strict: this is below 1 % of false alarms (simulated)."""

_TOWERING = 6
_SD_BY_MAD = 1.4826
_SETTLING_SHARE = 0.25
_STEADY_SHARE = 0.05


def still(values: Floats) -> npt.NDArray[np.bool_]:
    """Whether the last axis varies by rounding alone, and so does not vary."""
    spread = np.ptp(values, axis=-1)
    alike: npt.NDArray[np.bool_] = spread <= 1e-12 * np.abs(values.mean(axis=-1))
    return alike


def scaled(off: Floats) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Numbers below one whose squares and cubes do not vanish, however small those given are.

    Args:
        off: Shape (…, rounds).

    Returns:
        Them over a power of two, which rounds nothing, and its exponent, of shape (…).
    """
    _, exponent = np.frexp(np.abs(off).max(axis=-1))
    return np.ldexp(off, -exponent[..., None]), exponent


def lag_one(values: Floats) -> Floats:
    """Autocorrelation at lag 1 along the last axis; 0 where nothing varies.

    Args:
        values: Shape (…, rounds).
    """
    off, _ = scaled(values - values.mean(axis=-1, keepdims=True))
    total = (off**2).sum(axis=-1)
    shifted = (off[..., 1:] * off[..., :-1]).sum(axis=-1)
    varies = (total > 0) & ~still(values)
    measured: Floats = np.divide(shifted, total, out=np.zeros_like(total), where=varies)
    return measured


def inflation(values: Floats, *, caution: float = 0.0) -> Floats:
    """How many rounds in a row are worth one independent round, as to the mean of ``values``.

    An AR(1) process with the measured autocorrelation, which is freed of its bias in short series
    (Marriott & Pope 1954) and taken as 0 if below: rounds are never worth more than themselves.

    Args:
        values: Shape (…, rounds).
        caution: By how many of its standard errors, 1 / √rounds each, the autocorrelation is raised
            for being measured.

    Returns:
        1 or more, shape (…).
    """
    n = values.shape[-1]
    if n < _FEWEST:
        return np.ones(values.shape[:-1])
    measured = lag_one(values)
    rho = np.where(measured == 0, 0.0, measured + (1 + 4 * measured) / n)
    rho = np.clip(rho + caution / math.sqrt(n), 0.0, _HIGHEST)
    worth: Floats = (1 + rho) / (1 - rho) - 2 * rho * (1 - rho**n) / (n * (1 - rho) ** 2)
    return worth


def spread_by_chance(sent: Floats, total: Floats, squares: Floats, rounds: int) -> float:
    """Sd of a round's quality were its answers independent, each sample being as it is.

    Unbiased for the variance, whatever an answer is worth; a sample sent once tells nothing.

    Args:
        sent: How often each sample was sent, shape (samples,).
        total: What it delivered in all, likewise.
        squares: The squares of what it delivered, likewise.
        rounds: In how many rounds.
    """
    often = sent > 1
    n, sums = sent[often], total[often]
    own = np.maximum(squares[often] - sums**2 / n, 0.0) / (n - 1)
    return math.sqrt(float((own * n).sum()) / rounds) / (float(sent.sum()) / rounds)


@dataclass(frozen=True, kw_only=True)
class Change:
    """Where a series of rounds changes.

    Args:
        at: The first round after it.
        before: Median of the rounds before.
        after: Median of the rounds from there on.
        p: How often chance alone would show as much, at most.
    """

    at: int
    before: float
    after: float
    p: float


def drift(values: Floats, alarm: float = _ALARM) -> Change | None:
    """A lasting change of level, or None where chance explains what is seen.

    The largest excursion of the cumulative sum of the rounds' normal scores (so that single wild
    rounds do not decide), against a Brownian bridge whose scale allows for autocorrelation around
    the change itself; `tests/stats/test_dependence.py` holds how often it errs.

    Args:
        values: One a round, shape (rounds,).
        alarm: The false alarms that are borne.
    """
    n = len(values)
    if n < 2 * _FEWEST or still(values):
        return None
    scores = ndtri((rankdata(values) - 0.5) / n)
    sums = np.cumsum(scores - scores.mean())[:-1]
    edge = max(2, math.ceil(_STEADY_SHARE * n))
    inside = np.arange(edge, n - edge + 1)
    at = int(inside[np.argmax(np.abs(sums[inside - 1]))])
    rest = scores.copy()
    rest[:at] -= scores[:at].mean()
    rest[at:] -= scores[at:].mean()
    spread = float(rest.std(ddof=2))
    if spread == 0:
        p = 0.0
    else:
        scale = spread * math.sqrt(float(inflation(rest)) * n)
        p = _bridge(abs(float(sums[at - 1])) / scale)
    if p > alarm:
        return None
    return Change(
        at=at, before=float(np.median(values[:at])), after=float(np.median(values[at:])), p=p
    )


def _bridge(height: float) -> float:
    """P(sup |Brownian bridge| > height): Kolmogorov's distribution."""
    return float(kolmogorov(height))


def warm_up(values: Floats, alarm: float = _START_ALARM) -> Change | None:
    """A start that runs above the rest, at most a quarter of the rounds; None if there is none.

    Wilcoxon's rank sum of the first k rounds against the rest, for k = 1, 2, 3, 5, 8, …, each with
    its share of the alarm and an allowance for autocorrelation. Ranks say little of one round, so a
    single slow first one is told by its height: the highest of all, as chance makes it once in so
    many rounds, and more than 6 sd above their median (their sd by the median deviation).

    Args:
        values: One a round (a time: it is the slow start that is looked for), shape (rounds,).
        alarm: The false alarms that are borne, at most.
    """
    n = len(values)
    if n < 2 * _FEWEST or still(values):
        return None
    ranks = rankdata(values)
    tried = [k for k in _fibonacci(n) if k <= _SETTLING_SHARE * n]
    found = None
    for k in tried:
        spread = math.sqrt(
            float(np.var(ranks)) * k * (n - k) / (n - 1) * float(inflation(ranks[k:]))
        )
        if spread == 0:
            continue
        z = (ranks[:k].sum() - k * (n + 1) / 2) / spread
        p = 0.5 * math.erfc(z / math.sqrt(2)) * len(tried)
        if p <= alarm and (found is None or p < found.p):
            found = Change(
                at=k, before=float(np.median(values[:k])), after=float(np.median(values[k:])), p=p
            )
    return found or _one_slow_round(values, alarm)


def _one_slow_round(values: Floats, alarm: float) -> Change | None:
    """The first round, where it alone towers above the rest."""
    first, rest = float(values[0]), values[1:]
    middle = float(np.median(rest))
    deviation = _SD_BY_MAD * float(np.median(np.abs(rest - middle)))
    if 1 / len(values) > alarm or first <= rest.max() or first <= middle + _TOWERING * deviation:
        return None
    return Change(at=1, before=first, after=middle, p=1 / len(values))


def _fibonacci(most: int) -> list[int]:
    steps = [1, 2]
    while steps[-1] < most:
        steps.append(steps[-1] + steps[-2])
    return steps
