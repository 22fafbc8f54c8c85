"""Rows of whatever people have: columns by name, rows of different lengths, a mapping a row."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tailmark.records.model import Int32s, Int64s
from tailmark.records.ragged import Ragged

_NOTHING = {"i": -1, "f": np.nan, "c": np.nan, "O": None}


def as_rows(values: Any) -> Any:
    """Lists of numbers as arrays; what has rows already as it is."""
    if isinstance(values, Mapping):
        return {name: as_rows(column) for name, column in values.items()}
    if isinstance(values, Ragged) or (isinstance(values, list) and _mappings(values)):
        return values
    try:
        return np.asarray(values)
    except ValueError:  # rows of different lengths
        return Ragged.of(values)


def with_nothing(values: Any) -> Any:
    """The rows, and after them one that is no answer, which -1 takes."""
    values = as_rows(values)
    if isinstance(values, Mapping):
        return {name: with_nothing(column) for name, column in values.items()}
    if isinstance(values, Ragged):
        return Ragged(values.values, np.append(values.starts, values.starts[-1]))
    if isinstance(values, list):
        return [*values, None]
    nothing = _NOTHING.get(values.dtype.kind, np.zeros((), values.dtype)[()])
    row = np.full((1, *values.shape[1:]), nothing, dtype=values.dtype)
    return np.concatenate([values, row])


def taken(values: Any, rows: Int32s | Int64s) -> Any:
    """These rows, in this order."""
    if isinstance(values, Mapping):
        return {name: taken(column, rows) for name, column in values.items()}
    if isinstance(values, list):
        return [values[row] for row in rows.tolist()]
    return values.take(rows) if isinstance(values, Ragged) else values[rows]


def _mappings(values: list[Any]) -> bool:
    return all(isinstance(one, Mapping) for one in values)
