"""Outputs and references as rows of numbers or strings, however people have them."""

from typing import Any

import numpy as np

from tailmark.errors import MetricError
from tailmark.records.ragged import Ragged


def rows_of(values: Any, kinds: str, metric: str, where: str, wanted: str) -> Ragged:
    """Rows of any length, each of one axis.

    Args:
        values: An array of shape (rows,), one value a row; of shape (rows, …); `Ragged`; or a list
            of rows.
        kinds: Which kinds of dtype there may be, as ``iu``.
        metric: Who asks.
        where: ``outputs`` or ``references``.
        wanted: What there should be, for the message.

    Raises:
        MetricError: Values of another kind, or no rows of them.
    """
    found = values if isinstance(values, Ragged) else _as_array(values)
    if not isinstance(found, Ragged) and found.ndim:
        width = found.size // len(found) if len(found) else 0
        found = Ragged(found.reshape(-1), width * np.arange(len(found) + 1, dtype=np.int64))
    if isinstance(found, Ragged) and found.values.ndim > 1:
        width = int(np.prod(found.values.shape[1:]))
        found = Ragged(found.values.reshape(-1), found.starts * width)
    held = found.values if isinstance(found, Ragged) else found
    if "U" in kinds and held.dtype.kind == "O" and all(isinstance(one, str) for one in held.flat):
        held = held.astype(np.str_)
    if not isinstance(found, Ragged) or (held.size and held.dtype.kind not in kinds):
        shape = f" and shape {values.shape}" if isinstance(values, np.ndarray) else ""
        kind = held.dtype if isinstance(found, Ragged) else type(values).__name__
        raise MetricError(f"{metric} cannot read {where} of {kind}{shape}: give {wanted}")
    return Ragged(held, found.starts)


def _as_array(values: Any) -> Any:
    try:
        return np.asarray(values)
    except ValueError:  # rows of different lengths
        pass
    try:
        return Ragged.of(values)
    except (TypeError, ValueError):
        return np.asarray(None)
