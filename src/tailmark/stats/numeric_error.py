"""How far numbers are from those they should be: a model's outputs against a reference's.

Reads a few samples at a time, so that outputs on disk need not fit in memory. What is NaN or
infinite on one side only, or infinite otherwise, is counted and left out of every size.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FLOOR = 1e-3
"""Relative errors are of a reference of at least this share of its sample's largest: what is zero
but for rounding would be any number of times off."""

_AT_ONCE = 1 << 19
"""Numbers of each side that are looked at together: some tens of megabytes."""

_DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
_WORDS: dict[str, npt.DTypeLike] = {
    "float64": np.uint64,
    "float32": np.uint32,
    "float16": np.uint16,
    "bfloat16": np.uint16,
}


@dataclass(frozen=True, kw_only=True)
class NumericError:
    """How far numbers are from those they should be.

    Of a sample: each of shape (compared samples,).

    Args:
        sample: Which sample.
        abs_of: The largest difference.
        relative_of: The largest difference over the reference, which counts as `FLOOR` of the
            sample's largest at least; infinite where all of the reference is zero.
        l2_of: ‖value − reference‖ / ‖reference‖, infinite likewise.
        ulp_of: The most numbers of the coarser type that lie between, that one included; None
            unless both are floating-point.
        cosine_of: Of the angle between the two; 1 if both are zero, 0 if one is.
        elements: Numbers compared, on each side.
        differing: Of them, unequal.
        nan_mismatches: Of them, NaN on one side only.
        inf_mismatches: Infinite on one side only, or with another sign.
        relative_l2: ‖value − reference‖ / ‖reference‖ of all samples together.
        ulp_type: The coarser of the two types, in whose steps ULPs are counted; None likewise.
    """

    sample: Int64s
    abs_of: Floats
    relative_of: Floats
    l2_of: Floats
    ulp_of: Floats | None
    cosine_of: Floats
    elements: int
    differing: int
    nan_mismatches: int
    inf_mismatches: int
    relative_l2: float
    ulp_type: str | None

    @property
    def max_abs(self) -> float:
        """The largest difference of all; 0 where nothing is finite on both sides."""
        return float(self.abs_of.max(initial=0.0))

    @property
    def worst(self) -> int | None:
        """The sample with the largest difference; None where none differs."""
        if not len(self.sample) or self.max_abs == 0:
            return None
        return int(self.sample[np.argmax(self.abs_of)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without that of each sample; what is not finite becomes null."""
        ulp = None if self.ulp_of is None else float(self.ulp_of.max(initial=0.0))
        cosine = self.cosine_of
        found = {
            "samples": len(self.sample),
            "elements": self.elements,
            "differing": self.differing,
            "max_abs": self.max_abs,
            "worst": self.worst,
            "max_relative": float(self.relative_of.max(initial=0.0)),
            "relative_l2": self.relative_l2,
            "max_ulp": ulp,
            "ulp_type": self.ulp_type,
            "cosine": float(cosine.mean()) if len(cosine) else None,
            "min_cosine": float(cosine.min()) if len(cosine) else None,
            "nan_mismatches": self.nan_mismatches,
            "inf_mismatches": self.inf_mismatches,
        }
        return {
            key: None if isinstance(x, float) and not math.isfinite(x) else x
            for key, x in found.items()
        }


def numeric_error(
    values: npt.NDArray[Any], reference: npt.NDArray[Any], *, where: Bools | None = None
) -> NumericError:
    """Hold numbers against those they should be.

    Args:
        values: Shape (samples, …), of any type of number, memory-mapped or not; bfloat16 also as
            the nameless two bytes that numpy reads of a file.
        reference: Likewise.
        where: Which samples to compare, shape (samples,); all by default.

    Raises:
        InputError: The shapes differ, or they are no numbers.
    """
    if values.shape != reference.shape or not values.ndim:
        raise InputError(
            f"outputs of shapes {values.shape} and {reference.shape} cannot be compared: give one "
            "row a sample, of the same shape"
        )
    types = _type(values), _type(reference)
    sample = np.arange(len(values)) if where is None else np.flatnonzero(where)
    coarser = min(types, key=lambda name: _DIGITS.get(name, 0))
    coarser_float = coarser if coarser in _DIGITS else None
    parts = [
        _part(_rows(values, some), _rows(reference, some), coarser_float)
        for some in _some(sample, math.prod(values.shape[1:]))
    ]

    def joined(name: str) -> Floats:
        found = [getattr(part, name) for part in parts]
        return np.concatenate(found) if found else np.empty(0)

    counts = np.array([part.counts for part in parts], dtype=np.int64).reshape(-1, 4).sum(axis=0)
    elements, differing, nan_mismatches, inf_mismatches = counts.tolist()
    off, size = joined("off"), joined("size")
    return NumericError(
        sample=sample,
        abs_of=joined("largest"),
        relative_of=joined("relative"),
        l2_of=_over(off, size),
        ulp_of=joined("ulp") if coarser_float else None,
        cosine_of=joined("cosine"),
        elements=elements,
        differing=differing,
        nan_mismatches=nan_mismatches,
        inf_mismatches=inf_mismatches,
        relative_l2=float(_over(_norm(off[None]), _norm(size[None]))[0]),
        ulp_type=coarser_float,
    )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Of some samples: shape (samples,), but for the counts of all of them."""

    largest: Floats
    relative: Floats
    off: Floats
    size: Floats
    ulp: Floats
    cosine: Floats
    counts: tuple[int, int, int, int]


def _part(values: npt.NDArray[Any], reference: npt.NDArray[Any], coarser: str | None) -> _Part:
    """Compare rows of shape (samples, numbers)."""
    a, b = _wide(values), _wide(reference)
    both = np.isfinite(a) & np.isfinite(b)
    nan, other_nan = np.isnan(a), np.isnan(b)
    same = (a == b) | (nan & other_nan)
    one_nan = nan != other_nan
    with np.errstate(over="ignore"):
        off = np.where(both & ~same, np.abs(np.subtract(a, b, where=both, out=np.zeros_like(a))), 0)
    off = np.minimum(off, np.finfo(np.float64).max)
    a, b = np.where(both, a, 0.0), np.where(both, b, 0.0)
    size = np.abs(b)
    ulp = np.zeros(len(a))
    if coarser:
        steps = _steps(values, reference, coarser)
        ulp = np.where(both, steps, 0).max(axis=1, initial=0).astype(np.float64)
    return _Part(
        largest=off.max(axis=1, initial=0.0),
        relative=_over(
            off, np.maximum(size, FLOOR * size.max(axis=1, keepdims=True, initial=0.0))
        ).max(axis=1, initial=0.0),
        off=_norm(off),
        size=_norm(b),
        ulp=ulp,
        cosine=_cosine(a, b),
        counts=(
            same.size,
            int((~same).sum()),
            int(one_nan.sum()),
            int((~same & ~both & ~one_nan).sum()),
        ),
    )


def _some(sample: Int64s, width: int) -> Iterator[Int64s]:
    """As many samples as are looked at together, one at least."""
    many = max(1, _AT_ONCE // max(1, width))
    for start in range(0, len(sample), many):
        yield sample[start : start + many]


def _type(values: npt.NDArray[Any]) -> str:
    """The type's name, where two nameless bytes are a bfloat16.

    Raises:
        InputError: It is no number.
    """
    kind, name = values.dtype.kind, str(values.dtype)
    if kind in "biufc" or name == "bfloat16":
        return values.dtype.newbyteorder("=").name if kind == "f" else name
    if kind == "V" and values.dtype.itemsize == 2 and values.dtype.names is None:
        return "bfloat16"
    raise InputError(f"outputs of type {name} are no numbers: compare those that are")


def _rows(values: npt.NDArray[Any], some: Int64s) -> npt.NDArray[Any]:
    """Some samples as rows of numbers; a complex one is two, a bfloat16 one a float32."""
    # Neighbours are read as one piece: picked one by one, a file's rows are copied twice.
    whole = len(some) == some[-1] - some[0] + 1
    held = np.ascontiguousarray(values[some[0] : some[-1] + 1] if whole else values[some])
    rows = held.reshape(len(some), math.prod(values.shape[1:]))
    if rows.dtype.kind == "c":
        return rows.view(rows.real.dtype)
    if _type(values) == "bfloat16":
        shifted = rows.view(np.uint16).astype(np.uint32) << 16
        return shifted.view(np.float32)
    return rows.astype(rows.dtype.newbyteorder("="), copy=False)


def _wide(rows: npt.NDArray[Any]) -> Floats:
    return rows.astype(np.float64)


def _steps(
    values: npt.NDArray[Any], reference: npt.NDArray[Any], name: str
) -> npt.NDArray[np.uint64]:
    """How many steps of a type lie between numbers: of the same sign less, of two signs added."""
    (minus, a), (other_minus, b) = (_parted(rows, name) for rows in (values, reference))
    apart = np.maximum(a, b) - np.minimum(a, b)
    return np.where(minus == other_minus, apart, a + b)


def _parted(rows: npt.NDArray[Any], name: str) -> tuple[Bools, npt.NDArray[np.uint64]]:
    """The sign, and how many steps it is from zero."""
    word = np.dtype(_WORDS[name])
    bits = _bfloat16_bits(rows) if name == "bfloat16" else _rounded(rows, name).view(word)
    sign = np.array(1 << (8 * word.itemsize - 1), dtype=word)
    return (bits & sign) != 0, (bits & ~sign).astype(np.uint64)


def _rounded(rows: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return rows.astype(name)


def _bfloat16_bits(rows: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """To the nearest bfloat16, ties to the even one; NaN may become an infinity."""
    bits = _rounded(rows, "float32").view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _over(above: Floats, below: Floats) -> Floats:
    """A ratio; 0 of nothing, infinite of something over nothing."""
    zero = np.where(above > 0, np.inf, 0.0)
    with np.errstate(over="ignore", under="ignore"):
        found: Floats = np.divide(above, below, out=zero, where=below > 0)
    return found


def _norm(rows: Floats) -> Floats:
    """Of each row, by its largest number, so that no square leaves the range."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
        found: Floats = largest[:, 0] * np.sqrt((scaled**2).sum(axis=1))
    return found


def _cosine(a: Floats, b: Floats) -> Floats:
    sizes = [np.abs(x).max(axis=1, keepdims=True, initial=0.0) for x in (a, b)]
    with np.errstate(under="ignore"):
        one, other = (
            np.divide(x, size, out=np.zeros_like(x), where=size > 0)
            for x, size in zip((a, b), sizes, strict=True)
        )
        dot = (one * other).sum(axis=1)
    zero = [size[:, 0] == 0 for size in sizes]
    norms = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    alike = np.where(zero[0] & zero[1], 1.0, 0.0)
    found: Floats = np.divide(dot, norms, out=alike, where=norms > 0)
    return np.clip(found, -1.0, 1.0)
