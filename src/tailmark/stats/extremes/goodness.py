"""Whether excesses follow the law fitted to them, where those of one round belong together.

Choulakian & Stephens (2001) tabulate Anderson & Darling's statistic for independent excesses.
Here its distribution is worked out for the data at hand: the statistic is a quadratic form of the
empirical process, whose covariance is estimated from how the rounds contribute to it. Slow rounds
and bursts then widen it by as much as they should.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from tailmark.stats.extremes.pareto import Floats, Pareto

Int64s = npt.NDArray[np.int64]

_POINTS = 50


def anderson_darling(excess: Floats, law: Pareto) -> float:
    """A², the squared distance of empirical and fitted distribution, weighted to the tails."""
    n = len(excess)
    beyond = np.clip(law.survival(np.sort(excess)), 1e-300, 1 - 1e-16)
    odd = 2 * np.arange(1, n + 1) - 1
    return float(-n - (odd * (np.log1p(-beyond) + np.log(beyond[::-1]))).sum() / n)


def fit_p_value(excess: Floats, law: Pareto, unit: Int64s, units: int) -> float:
    """The probability of so large an A² if the law holds.

    Args:
        excess: Shape (excesses,).
        law: Fitted to them by maximum likelihood.
        unit: Which independent unit (round, or some rounds together) each is of.
        units: How many units there are, those without an excess too.
    """
    n = len(excess)
    at = (np.arange(_POINTS) + 0.5) / _POINTS
    cell = np.searchsorted(at, 1 - law.survival(excess), side="left")
    counts = np.zeros((units, _POINTS + 1))
    np.add.at(counts, (unit, cell), 1)
    scores = np.zeros((units, 2))
    np.add.at(scores, unit, law.scores(excess))
    moved = (1 - at) * (law.slopes(1 - at) @ np.linalg.inv(law.information())).T.reshape(2, -1)
    process = np.cumsum(counts, axis=1)[:, :-1] - counts.sum(axis=1, keepdims=True) * at
    process += scores @ moved  # what fitting takes away
    process -= process.mean(axis=0)
    process /= np.sqrt(at * (1 - at) * n * _POINTS)
    weights = np.linalg.eigvalsh(process.T @ process) * units / (units - 1)
    return _beyond(anderson_darling(excess, law), np.maximum(weights, 0.0))


def _beyond(x: float, weights: Floats) -> float:
    """P(a weighted sum of squared normals > x), by its first three moments (Imhof 1961)."""
    first, second, third = (float((weights**k).sum()) for k in (1, 2, 3))
    freedom = second**3 / third**2
    shifted = (x - first) * np.sqrt(freedom / second) + freedom
    return float(chdtrc(freedom, max(shifted, 0.0)))
