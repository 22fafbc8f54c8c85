"""Columns on their way to a file and back, and several as one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tailmark.errors import InputError
from tailmark.records.model import NONE, Column, Columns
from tailmark.records.ragged import Ragged


def to_arrow(values: Column) -> pa.Array:
    """A column as Arrow has it: further axes become lists of fixed size, ragged rows lists."""
    if isinstance(values, Ragged):
        return pa.LargeListArray.from_arrays(pa.array(values.starts), to_arrow(values.values))
    if values.ndim > 1:
        return pa.FixedSizeListArray.from_arrays(
            to_arrow(values.reshape(-1, *values.shape[2:])), values.shape[1]
        )
    return pa.array(values.tolist(), pa.string()) if values.dtype.kind in "UO" else pa.array(values)


def from_arrow(column: pa.ChunkedArray | pa.Array) -> Column:
    """The inverse of `to_arrow`."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_large_list(values.type):
        starts = values.offsets.to_numpy().astype(np.int64)
        return Ragged(_array(values.flatten()), starts - starts[0])
    return _array(values)


def _array(values: pa.Array) -> npt.NDArray[Any]:
    if pa.types.is_fixed_size_list(values.type):
        inner = _array(values.flatten())
        return inner.reshape(-1, values.type.list_size, *inner.shape[1:])
    found = np.asarray(values.to_numpy(zero_copy_only=False))
    return found.astype(np.str_) if pa.types.is_string(values.type) else found


def content_of(values: Column | Columns) -> bytes:
    """Everything in it as bytes, to be hashed."""
    if isinstance(values, Mapping):
        return b"".join(name.encode() + content_of(values[name]) for name in sorted(values))
    if isinstance(values, Ragged):
        return values.starts.tobytes() + content_of(values.values)
    return np.ascontiguousarray(values).tobytes()


def joined(several: Sequence[Column]) -> Column:
    """The rows of several columns, one column after another.

    Rows of another width are filled up by what stands for nothing: `NONE`, or NaN.

    Raises:
        InputError: They are of different kinds.
    """
    if all(isinstance(one, Ragged) for one in several):
        return Ragged.joined([one for one in several if isinstance(one, Ragged)])
    plain = [one for one in several if not isinstance(one, Ragged)]
    ranks = {one.ndim for one in plain}
    if len(plain) < len(several) or len(ranks) > 1:
        raise InputError("answers of different kinds cannot stand in for each other")
    if ranks != {2} and len({one.shape[1:] for one in plain}) > 1:
        raise InputError("answers of different shapes cannot stand in for each other")
    if ranks == {2}:
        width = max(one.shape[1] for one in plain)
        plain = [_widened(one, width) for one in plain]
    return np.concatenate(plain)


def joined_columns(several: Sequence[Columns]) -> Columns:
    """The rows of several tables, one after another: of the columns that all of them have."""
    names = [name for name in several[0] if all(name in one for one in several)]
    return {name: joined([one[name] for one in several]) for name in names}


def _widened(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    nothing = np.nan if values.dtype.kind == "f" else NONE
    more = width - values.shape[1]
    return np.pad(values, ((0, 0), (0, more)), constant_values=nothing) if more else values
