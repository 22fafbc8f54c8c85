"""What precision a model's weights truly have, whatever type they are stored in.

A float32 file may hold numbers that were float16, bfloat16 or 8-bit integers before; its numbers
tell. Knows nothing of files.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SAMPLE = 4096
_TELLING = 8
"""With fewer magnitudes, numbers fit any grid."""
_SHORTEST = 4
"""With fewer numbers a channel, a channel fits a grid by chance."""
_OFF_GRID = 2e-4
"""Of a step: float32 rounds a product of up to 255 steps by a tenth of that at most."""
_MOST = 0.99


def summary(weights: Iterable[tuple[str, Array]]) -> dict[str, Any]:
    """How many parameters, how they are stored, and how precise they are.

    Args:
        weights: For each tensor, the type it is stored in and its values. Biases and scales are
            left out of the precision where there are tensors of two axes or more.
    """
    stored: Counter[str] = Counter()
    flat: Counter[str] = Counter()
    deep: Counter[str] = Counter()
    parameters = 0
    for kind, values in weights:
        parameters += values.size
        stored[kind] += -(-values.size * _bits(kind) // 8)
        (deep if values.ndim > 1 else flat)[precision(kind, values)] += values.size
    effective = deep or flat
    told = {
        "parameters": parameters,
        "stored_bytes": dict(sorted(stored.items())),
        "effective_parameters": dict(sorted(effective.items())),
    }
    if effective:
        kind, count = effective.most_common(1)[0]
        told["weights_precision"] = kind if count >= _MOST * effective.total() else "mixed"
    return told


def precision(stored: str, values: Array) -> str:
    """The least precise of ``int8``, ``bfloat16``, ``float16`` that holds float32 values exactly.

    Of another type, the type; 8-bit integers go by ``int8`` with or without a sign.

    Args:
        stored: The type.
        values: Shape (any).
    """
    if stored in {"int8", "uint8"}:
        return "int8"
    if stored != "float32":
        return stored
    values = np.asarray(values, np.float32)
    some = values.ravel()[:: max(1, values.size // _SAMPLE)]
    if not np.isfinite(values).all() or len(np.unique(np.abs(some))) < _TELLING:
        return stored
    if _quantized(values):
        return "int8"
    for kind, holds in (("bfloat16", _fits_bfloat16), ("float16", _fits_float16)):
        if holds(some) and holds(values):
            return kind
    return stored


def _bits(kind: str) -> int:
    return int("".join(c for c in kind.partition("_")[0].removeprefix("bfloat") if c.isdigit()))


def _fits_bfloat16(values: Array) -> bool:
    """Float32's upper half: the lower 16 bits are zero."""
    return not (np.ascontiguousarray(values).view(np.uint32) & 0xFFFF).any()


def _fits_float16(values: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool((values.astype(np.float16) == values).all())


def _quantized(values: Array) -> bool:
    """Whether at most 256 even steps hold all, per tensor or per channel of the usual axes."""
    if _on_grids(values.reshape(1, -1)):
        return True
    for axis in dict.fromkeys((0, 1, values.ndim - 1) if values.ndim > 1 else ()):
        rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        if rows.shape[1] >= _SHORTEST and _on_grids(rows):
            return True
    return False


def _on_grids(rows: Array) -> bool:
    """Whether each row lies on a grid of its own that has zero on it; shape (channels, numbers).

    The largest magnitude is some whole number of steps, at most 255: all are tried, on few rows and
    numbers first.
    """
    few = rows[:: max(1, len(rows) // 16), :: max(1, rows.shape[1] // 64)]
    return all(_on_grid(row) for row in few) and all(_on_grid(row) for row in rows)


def _on_grid(row: Array) -> bool:
    largest = float(np.abs(row).max(initial=0))
    if largest == 0:
        return True
    shares = row.astype(np.float64) / largest
    steps = np.arange(1.0, 256.0)
    steps = steps[steps * (max(shares.max(), 0) - min(shares.min(), 0)) <= 255 + _OFF_GRID]
    for part in (shares[:64], shares):
        step = steps[:, None] * part[None] if part.size <= 64 else None
        if step is not None:
            steps = steps[(np.abs(step - np.round(step)) <= _OFF_GRID).all(axis=1)]
        else:
            steps = np.array([s for s in steps if _whole(s * part)])
        if not len(steps):
            return False
    return True


def _whole(values: Array) -> bool:
    return bool((np.abs(values - np.round(values)) <= _OFF_GRID).all())
