"""The tail-quality paper's measure of convergence: how far a fitted density still moves (rJSD).

Formulas as in the paper's published code (arXiv 2212.13925), with one difference: its bandwidth,
and with it its stopping round, depends on the unit of time, because its library lays a mesh of 6
units, whatever the unit, around the data. Here everything is relative to the range of the data, so
seconds and nanoseconds give the same answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.fft import dct
from scipy.optimize import brentq, minimize_scalar
from scipy.spatial.distance import jensenshannon

Floats = npt.NDArray[np.float64]

GRID = 1_000
EPSILON = 1e-8
_MESH = 2**14
_STAGES = 7
_REACH = 9.0
_CELL = 0.25
_TERMS = 20


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A Gaussian kernel density estimate.

    Args:
        ordered: The data, ascending, shape (times,), at least one.
        bandwidth: In the data's unit; 0 where all of them are equal.
    """

    ordered: Floats
    bandwidth: float


def fit(times: npt.ArrayLike) -> Fit:
    """Fit a density by the improved Sheather-Jones bandwidth.

    Args:
        times: In any unit and order, shape (times,), at least one.
    """
    ordered = np.sort(np.asarray(times, dtype=np.float64))
    return Fit(ordered=ordered, bandwidth=improved_sheather_jones(ordered))


def rjsd(now: Fit, earlier: Sequence[Fit]) -> float:
    """How far the density now is from earlier ones: ``sqrt(mean of the distances)``.

    The distance is scipy's `jensenshannon`, itself a square root, between the densities on 1,000
    points over the range of the data now, 1e-8 added to each. Densities are taken per range of the
    data now, so that the 1e-8 has no unit either.

    Args:
        now: Fitted to all the data so far.
        earlier: Fitted to the first of them, at least one.
    """
    low, high = float(now.ordered[0]), float(now.ordered[-1])
    extent = high - low
    if extent == 0:
        return 0.0  # all times are equal, so every earlier fit is this one
    grid = np.linspace(low, high, GRID)

    def heights(one: Fit) -> Floats:
        # Equal times have no width of their own: they get the grid's.
        width = one.bandwidth or extent / GRID
        return density(one.ordered, width, grid) * extent + EPSILON

    here = heights(now)
    with np.errstate(invalid="ignore"):  # of two equal densities, rounding may leave less than 0
        distances = [np.nan_to_num(jensenshannon(here, heights(one))) for one in earlier]
    return math.sqrt(float(np.mean(distances)))


def density(ordered: Floats, bandwidth: float, at: Floats) -> Floats:
    """A Gaussian kernel density estimate, to rounding; shape of ``at``.

    ``f(x) = 1 / (n h sqrt(2 pi)) * sum(exp(-(x - x_i)**2 / (2 h**2)))``. Points are gathered in
    cells of a quarter bandwidth, and a cell is summed at once by Taylor's series about its centre
    (the fast Gauss transform, Greengard & Strain 1991, with so many terms that the rest is below
    rounding). Cells beyond 9 bandwidths are left out: less than 1e-17 of a kernel's height.

    Args:
        ordered: The data, ascending, shape (points,).
        bandwidth: More than zero.
        at: Ascending or not, shape (places,).
    """
    cell = np.floor((ordered - ordered[0]) / (_CELL * bandwidth))
    first = np.flatnonzero(np.diff(cell, prepend=-1.0))
    centre = ordered[0] + (cell[first] + 0.5) * (_CELL * bandwidth)
    off = (ordered - np.repeat(centre, np.diff(first, append=len(ordered)))) / bandwidth
    term = np.exp(-0.5 * off**2)
    moments = [np.add.reduceat(term, first)]
    for power in range(1, _TERMS):
        term *= off / power
        moments.append(np.add.reduceat(term, first))

    # Every (place, cell) pair within reach, one after another.
    start = np.searchsorted(centre, at - _REACH * bandwidth)
    count = np.searchsorted(centre, at + _REACH * bandwidth) - start
    place = np.repeat(np.arange(len(at)), count)
    pair = np.arange(len(place)) + np.repeat(start - (np.cumsum(count) - count), count)
    away = (at[place] - centre[pair]) / bandwidth
    series = np.zeros(len(place))
    for moment in reversed(moments):
        series = series * away + moment[pair]
    total = np.bincount(place, weights=np.exp(-0.5 * away**2) * series, minlength=len(at))
    found: Floats = total / (len(ordered) * bandwidth * math.sqrt(2 * math.pi))
    return found


def improved_sheather_jones(ordered: Floats) -> float:
    """The bandwidth of Botev, Grotowski & Kroese (2010), in the data's unit; 0 if all are equal.

    Their algorithm 1, by their own ``kde.m``: the data are binned on a mesh of 2**14 that reaches
    half their range beyond each end, and the bandwidth is the fixed point of
    ``t = xi * gamma^[5](t)``, evaluated by the cosine transform. Everything is relative to the
    range, so data in another unit have the same bandwidth in that unit.

    Args:
        ordered: Ascending, shape (points,), at least one.
    """
    extent = float(ordered[-1] - ordered[0])
    if extent == 0:
        return 0.0
    share = (ordered - ordered[0]) / (2 * extent) + 0.25  # of the mesh
    transform = dct(_binned(share * (_MESH - 1)) / len(ordered))
    squares = (transform[1:] / 2) ** 2
    distinct = len(np.unique(ordered))
    return math.sqrt(_fixed_point(squares, distinct)) * 2 * extent


def _binned(place: Floats) -> Floats:
    """Each point shared between the two nodes beside it, by how near they are."""
    left = np.minimum(place.astype(np.int64), _MESH - 2)
    right_share = place - left
    mass = np.zeros(_MESH)
    np.add.at(mass, left, 1 - right_share)
    np.add.at(mass, left + 1, right_share)
    return mass


def _fixed_point(squares: Floats, distinct: int) -> float:
    """The smallest root of `_residual`, or where there is none its nearest miss."""

    def residual(t: float) -> float:
        return _residual(t, squares, distinct)

    end = 1e-11 + 0.01 * (min(max(distinct, 50), 1050) - 50) / 1000
    below = residual(0.0)
    while end < 0.1:
        if below * residual(end) < 0:
            return float(brentq(residual, 0.0, end, xtol=1e-300, rtol=1e-14))
        end *= 2
    nearest = minimize_scalar(
        lambda t: abs(residual(t)), bounds=(0.0, 0.1), method="bounded", options={"xatol": 1e-12}
    )
    return float(nearest.x)


def _residual(t: float, squares: Floats, distinct: int) -> float:
    """``t - xi * gamma^[5](t)``, their equation 30 and what leads to it."""
    norm = _norm(_STAGES, t, squares)
    for s in range(_STAGES - 1, 1, -1):
        if norm <= 0:  # the next time would be endless: far too few points to say
            return -1.0
        odd = math.prod(range(1, 2 * s, 2)) / math.sqrt(2 * math.pi)
        constant = (1 + 0.5 ** (s + 0.5)) / 3
        time = (2 * constant * odd / (distinct * norm)) ** (2 / (3 + 2 * s))
        norm = _norm(s, time, squares)
    return t - (2 * distinct * math.sqrt(math.pi) * norm) ** (-2 / 5) if norm > 0 else -1.0


def _norm(s: int, time: float, squares: Floats) -> float:
    """Of the s-th derivative of the density smoothed for so long, by Plancherel's theorem."""
    powers = _powers()
    # Beyond exp(-700) there is nothing to add.
    count = _MESH if time == 0 else min(_MESH, math.ceil(math.sqrt(700 / time) / math.pi))
    decay = np.exp(-(math.pi**2) * time * powers[1][: count - 1])
    decay *= powers[s][: count - 1]
    decay *= squares[: count - 1]  # no dot product: its threads would spin on into the next round
    return 2 * math.pi ** (2 * s) * float(decay.sum())


@lru_cache(maxsize=1)
def _powers() -> tuple[Floats, ...]:
    """Of the squares of 1, 2, 3, …: the 0th to the 7th."""
    order = np.arange(1, _MESH, dtype=np.float64) ** 2
    return tuple(order**s for s in range(_STAGES + 1))
