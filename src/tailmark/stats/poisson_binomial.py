"""The distribution of a sum of independent gains, each had or not: exact where gains are 1.

Knows nothing of deadlines or rounds.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from tailmark.errors import InputError

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

_FINEST = 256
_SHARED = 4e-3
_LEAF = 32
_NEGLIGIBLE = 45.0
_NOTHING = 1e-300
_CHUNK = 2**20
_ROUNDING = 1e-9


def poisson_binomial(probabilities: npt.ArrayLike) -> Floats:
    """P(k of n independent events happen) for k = 0..n.

    The product of the events' generating polynomials, by halves: short ones directly, long ones by
    FFT (Biscarri, Zhao & Brunner 2018). Exact but for rounding, below 1e-14 of the whole.

    Args:
        probabilities: Shape (events,), from 0 to 1.

    Returns:
        Shape (events + 1,).

    Raises:
        InputError: Not probabilities.
    """
    try:
        p = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError):
        p = np.full(1, np.nan)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise InputError("probabilities are numbers from 0 to 1, shape (events,)")
    certain = int((p == 1).sum())
    uncertain = p[(p > 0) & (p < 1)]
    found = np.zeros(len(p) + 1)
    found[certain : certain + len(uncertain) + 1] = _product(uncertain)
    return found


def _product(p: Floats) -> Floats:
    """The coefficients of the product of (1 − p + p x)."""
    leaves = max(1, math.ceil(len(p) / _LEAF))
    padded = np.zeros(leaves * _LEAF)
    padded[: len(p)] = p
    rows = padded.reshape(leaves, _LEAF)
    polynomials = np.zeros((leaves, _LEAF + 1))
    polynomials[:, 0] = 1.0
    for k in range(_LEAF):
        one = rows[:, k, None]
        polynomials[:, 1:] = polynomials[:, 1:] * (1 - one) + polynomials[:, :-1] * one
        polynomials[:, 0] *= 1 - one[:, 0]
    while len(polynomials) > 1:
        if len(polynomials) % 2:
            whole = np.zeros((1, polynomials.shape[1]))
            whole[0, 0] = 1.0
            polynomials = np.concatenate([polynomials, whole])
        width = 2 * polynomials.shape[1] - 1
        size = next_fast_len(width, real=True)
        left, right = (rfft(polynomials[k::2], size, axis=1) for k in (0, 1))
        polynomials = irfft(left * right, size, axis=1)[:, :width]
    coefficients = np.maximum(polynomials[0, : len(p) + 1], 0.0)
    result: Floats = coefficients / coefficients.sum()
    return result


def sum_of_groups(probability: Floats, gain: Floats, count: Floats) -> tuple[Floats, Floats]:
    """The distribution of a sum of independent gains that come in groups of equal ones.

    By the characteristic function, on a window around the mean of 12 standard deviations and 10
    gains to each side (what lies outside is below 1e-20 by Bennett's inequality). Gains of 1 are
    exact; others are shared between the two nearest steps, which keeps the mean and adds a
    thousandth to the variance at most (more only where steps would be finer than 1/256 of a gain).
    What counts leave over whole ones is gathered by gain, which keeps the mean too.

    Args:
        probability: Of each gain of a group, shape (groups,).
        gain: From 0 to 1, shape (groups,).
        count: How many gains a group has, shape (groups,).

    Returns:
        The sums, ascending, and their probabilities.
    """
    had = gain > 0
    p, worth, c = _whole(probability[had], gain[had], count[had])
    step = _step(p, worth, c)
    low = np.floor(worth / step)
    share = worth / step - low
    place = low + share
    mean = float((c * p * place).sum())
    spread = math.sqrt(float((c * p * (1 - p) * place**2 + c * p * share * (1 - share)).sum()))
    most = float((c * (low + (share > 0))).sum())
    around = 12 * spread + 10 / step
    first = max(0, math.floor(mean - around))
    last = min(math.ceil(most), math.ceil(mean + around))
    size = next_fast_len(last - first + 1, real=True)
    # The sum less `first`, so that the window starts at 0 and what wraps around it is negligible.
    angle = -2 * np.pi * np.arange(size // 2 + 1) / size
    transform = _characteristic(p, place, c, angle) * np.exp(-1j * angle * first)
    density = np.maximum(irfft(transform, size)[: last - first + 1], 0.0)
    sums: Floats = (first + np.arange(last - first + 1, dtype=np.float64)) * step
    return sums, density / density.sum()


def _characteristic(p: Floats, place: Floats, count: Floats, angle: Floats) -> Complexes:
    """Of the sum, its gains at ``place`` shared between the two whole numbers around; by angle."""
    distinct, which = np.unique(place, return_inverse=True)
    low = np.floor(distinct)[:, None]
    share = distinct[:, None] - low
    turned = np.exp(1j * angle * low) * (1 - share + share * np.exp(1j * angle))
    # |1 − p + p t|² ≤ 1 − 2 p (1 − p) (1 − Re t): where that leaves nothing, nothing is computed.
    variance = np.bincount(which, weights=count * p * (1 - p), minlength=len(distinct))
    told = np.flatnonzero(variance @ (1 - turned.real) < _NEGLIGIBLE)
    moved = turned[:, told] - 1
    size, phase = np.zeros(len(told)), np.zeros(len(told))
    for rows in np.array_split(np.arange(len(p)), 1 + len(p) * len(told) // _CHUNK):
        chance, worth = p[rows, None], which[rows]
        real, imaginary = 1 + chance * moved.real[worth], chance * moved.imag[worth]
        size += count[rows] @ np.log(np.maximum(real**2 + imaginary**2, _NOTHING)) / 2
        phase += count[rows] @ np.arctan2(imaginary, real)
    found = np.zeros(len(angle), dtype=np.complex128)
    found[told] = np.exp(size + 1j * phase)
    return found


def _whole(p: Floats, gain: Floats, count: Floats) -> tuple[Floats, Floats, Floats]:
    """Whole counts: what is left over is gathered by gain, and its own rest is had less often."""
    whole = np.floor(count + _ROUNDING)
    rest = np.maximum(count - whole, 0.0)
    some = whole > 0
    parts = [(p[some], gain[some], whole[some])]
    left = rest > _ROUNDING
    for worth in np.unique(gain[left]):
        here = left & (gain == worth)
        total = float(rest[here].sum())
        mean = float(rest[here] @ p[here]) / total
        full = math.floor(total + _ROUNDING)
        last = max(total - full, 0.0)
        parts.append((np.array([mean, last * mean]), np.full(2, worth), np.array([full, 1.0])))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return joined[0], joined[1], joined[2]


def _step(p: Floats, gain: Floats, count: Floats) -> float:
    """1 for 0/1; else a power of two so small that sharing adds a thousandth to the variance."""
    variance = float((count * p * (1 - p) * gain**2).sum())
    if (gain == 1).all() or variance == 0:
        return 1.0 if (gain == 1).all() else 1 / _FINEST
    step = math.sqrt(_SHARED * variance / float((count * p).sum()))
    return 2.0 ** math.floor(math.log2(min(1.0, max(step, 1 / _FINEST))))
