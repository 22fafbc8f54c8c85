"""How far numbers are from those they should be, in several senses."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_AT_ONCE = 1 << 22
_UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}


@dataclass(frozen=True, kw_only=True)
class NumericError:
    """Errors over all samples.

    Args:
        max_abs: The largest difference.
        mean_abs: The mean one.
        max_relative: The largest difference as a share of the largest reference of its sample.
        relative_l2: The root of the squared differences' sum over that of the references'.
        max_ulp: The largest difference in units in the last place of the coarser type; None of
            whole numbers.
        cosine: The least cosine similarity of a sample.
        not_finite: Numbers that are not finite in one and are, or are others, in the other.
    """

    max_abs: float
    mean_abs: float
    max_relative: float
    relative_l2: float
    max_ulp: float | None
    cosine: float
    not_finite: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def numeric_error(
    found: npt.NDArray[Any],
    reference: npt.NDArray[Any],
    *,
    where: npt.NDArray[np.bool_] | None = None,
) -> NumericError:
    """Hold numbers against a reference, some samples at a time, so that maps need not fit.

    Args:
        found: Shape (samples, …).
        reference: Likewise.
        where: Which samples count; shape (samples,), at least one.

    Raises:
        ValueError: The shapes differ.
    """
    if found.shape != reference.shape:
        raise ValueError(f"shapes {found.shape} and {reference.shape} differ")
    rows = np.arange(len(found)) if where is None else np.flatnonzero(where)
    size = max(1, int(np.prod(found.shape[1:])))
    step = max(1, _AT_ONCE // size)
    coarser = min((found.dtype, reference.dtype), key=_digits)
    largest = share = ulp = total = squares = norm = 0.0
    cosine, broken, count = 1.0, 0, 0
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        one, other = (np.asarray(x[some]).reshape(len(some), size) for x in (found, reference))
        if coarser.kind == "f":
            ulp = max(ulp, _ulps(one.astype(coarser), other.astype(coarser)))
        one, other = one.astype(np.float64), other.astype(np.float64)
        finite = np.isfinite(one) & np.isfinite(other)
        broken += int((~finite & ~((one == other) | (np.isnan(one) & np.isnan(other)))).sum())
        one, other = np.where(finite, one, 0.0), np.where(finite, other, 0.0)
        off = np.abs(one - other)
        greatest = np.abs(other).max(axis=1)
        largest = max(largest, float(off.max()))
        worst = off.max(axis=1)
        share = max(share, float(np.divide(worst, np.where(greatest > 0, greatest, 1.0)).max()))
        total += float(off.sum())
        squares += float((off**2).sum())
        norm += float((other**2).sum())
        cosine = min(cosine, float(_cosine(one, other).min()))
        count += off.size
    return NumericError(
        max_abs=largest,
        mean_abs=total / max(count, 1),
        max_relative=share,
        relative_l2=float(np.sqrt(squares / norm)) if norm else float(squares > 0),
        max_ulp=ulp if coarser.kind == "f" else None,
        cosine=cosine,
        not_finite=broken,
    )


def _digits(dtype: np.dtype[Any]) -> float:
    """How fine a type is; whole numbers are exact, and the coarsest kind to count in."""
    return float(np.finfo(dtype).nmant) if dtype.kind == "f" else -1.0


def _ulps(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """The largest count of numbers of the type between two, the ends of one side included."""
    finite = np.isfinite(one) & np.isfinite(other)
    if not finite.any():
        return 0.0
    places = [_ordered(x[finite]).astype(np.float64) for x in (one, other)]
    return float(np.abs(places[0] - places[1]).max())


def _ordered(x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Floats as whole numbers in the same order, neighbours one apart, both zeros 0."""
    bits = np.ascontiguousarray(x).view(_UNSIGNED[x.dtype.itemsize])
    sign = bits >> (8 * x.dtype.itemsize - 1)
    mask = bits.dtype.type((1 << (8 * x.dtype.itemsize - 1)) - 1)
    size = (bits & mask).astype(np.int64)
    found: npt.NDArray[np.int64] = np.where(sign == 1, -size, size)
    return found


def _cosine(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Of each sample; two zero vectors are alike, and one is like no other."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    both_zero = ~one.any(axis=1) & ~other.any(axis=1)
    products = np.einsum("ij,ij->i", one, other)
    found = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return np.clip(np.where(both_zero, 1.0, found), -1.0, 1.0)
