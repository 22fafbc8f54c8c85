"""Recorded arrivals: a CSV or JSONL file with a column of times becomes nanoseconds from the first.

Knows nothing of scenarios; nothing is guessed that the file does not say.
"""

import csv
import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from tailmark.errors import InputError, nearest
from tailmark.records.model import Int64s

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
DATE = "date"
_LONGEST_NS = 2.0**62
_NAMES = re.compile(
    r"ts|time|timestamp|date|datetime|arrivals?|arrived_at|scheduled|"
    r"(arrival|request|start|scheduled)_(time|timestamp)"
)
_SUFFIX = re.compile(r"_(ns|us|ms|s)$")
_MOONCAKE = frozenset({"timestamp", "input_length", "output_length", "hash_ids"})
_BURST_GPT = frozenset(
    {"timestamp", "model", "request_tokens", "response_tokens", "total_tokens", "log_type"}
)
_KNOWN = {_MOONCAKE: "ms", _BURST_GPT: "s"}
"""Published traces whose column of times names no unit, and what their authors say it is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Arrivals as they were recorded.

    Args:
        arrival_ns: Shape (arrivals,), ascending from 0.
        column: Where they were.
        unit: What they were in: one of `UNITS`, or `DATE`.
        unsorted: How many rows came earlier than the row before them. They are sorted: a log is
            often in order of completion, and an arrival is when it was.
        sha256: Of the file.
    """

    arrival_ns: Int64s
    column: str
    unit: str
    unsorted: int
    sha256: str


def read_trace(path: Path, column: str | None, unit: str | None) -> Trace:
    """Read a CSV (separated by commas, tabs or semicolons, with a header) or JSONL file.

    Args:
        path: The file.
        column: Which column holds the times; by default the one that is called so.
        unit: Of a column of numbers whose name does not end in it.

    Raises:
        InputError: What is wrong, in which row, and the way out.
    """
    raw = _raw(path)
    content = raw.removeprefix(b"\xef\xbb\xbf").lstrip()
    _check_text(path, content)
    table = _lines(path, content) if content[:1] == b"{" else None
    names, delimiter = (list(table[0]), "") if table else _header(path, content)
    found = _column(path, names, column)
    if table is None:
        texts = _csv_texts(path, content, names, delimiter, found)
    else:
        texts = _json_texts(path, table, found)
    raw_ns, of = _nanoseconds(path, texts, found, _unit(path, names, found, unit))
    if of == DATE and unit is not None:
        raise InputError(
            f"scenario.unit is {unit!r}, and the column {found!r} of {str(path)!r} holds dates: "
            "leave the unit out"
        )
    return Trace(
        arrival_ns=np.sort(raw_ns),
        column=found,
        unit=of,
        unsorted=int((np.diff(raw_ns) < 0).sum()),
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"the trace {str(path)!r} does not exist: give a CSV or JSONL file of arrivals"
        ) from None
    except OSError as cause:
        raise InputError(f"the trace {str(path)!r} cannot be read: {cause.strerror}") from cause


def _check_text(path: Path, content: bytes) -> None:
    if not content:
        raise InputError(f"the trace {str(path)!r} is empty: give one row for every arrival")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            f"the trace {str(path)!r} is not UTF-8 text: give a CSV or JSONL file of arrivals"
        ) from None


def _lines(path: Path, content: bytes) -> list[dict[str, Any]]:
    """The objects of a JSONL file, their numbers still text; an empty line is none."""
    found = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            one = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            one = None
        if not isinstance(one, dict):
            raise InputError(
                f"{str(path)!r}, line {number}: is no JSON object: give one a line, such as "
                '{"timestamp_ms": 125}'
            )
        found.append(one)
    return found


def _header(path: Path, content: bytes) -> tuple[list[str], str]:
    """The columns' names, and what separates them."""
    first = content.splitlines()[0].decode("utf-8")
    delimiter = max(",\t;", key=first.count)
    names = [name.strip() for name in next(csv.reader(io.StringIO(first), delimiter=delimiter), [])]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{str(path)!r} has two columns {twice[0]!r}: name each once")
    return names, delimiter


def _column(path: Path, names: list[str], asked: str | None) -> str:
    """The column of times.

    Raises:
        InputError: It is not there, or none or several are called so.
    """
    listed = ", ".join(repr(name) for name in names)
    if asked is not None:
        plain = {name.lower(): name for name in names} | {name: name for name in names}
        found = plain.get(asked, plain.get(asked.strip().lower()))
        if found is None:
            raise InputError(
                f"the trace {str(path)!r} has no column {asked!r}{nearest(asked, names)}: "
                f"it has {listed}"
            )
        return found
    meant = [name for name in names if _NAMES.fullmatch(_SUFFIX.sub("", _plain(name)))]
    if len(meant) != 1:
        several = ", ".join(repr(name) for name in meant)
        many = f"has several columns of times, {several}" if meant else f"has the columns {listed}"
        raise InputError(
            f"the trace {str(path)!r} {many}: say by scenario.column which holds the arrivals"
        )
    return meant[0]


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _unit(path: Path, names: list[str], column: str, asked: str | None) -> str | None:
    """What a column of numbers is in; None if nobody says.

    Raises:
        InputError: Two say different things.
    """
    suffix = _SUFFIX.search(_plain(column))
    said = suffix[1] if suffix else _KNOWN.get(frozenset(map(_plain, names)))
    if asked is not None and said is not None and asked != said:
        raise InputError(
            f"scenario.unit is {asked!r}, and the times of {str(path)!r} are in {said}: "
            "leave the unit out"
        )
    return asked or said


def _csv_texts(
    path: Path, content: bytes, names: list[str], delimiter: str, column: str
) -> pa.Array:
    """The column's cells as text, null where one is empty."""
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            read_options=arrow_csv.ReadOptions(skip_rows=1, column_names=names),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[column],
                column_types={column: pa.string()},
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowException as cause:
        reason = str(cause).splitlines()[0].rstrip(".")
        raise InputError(f"the trace {str(path)!r} cannot be read as a table: {reason}") from None
    return pc.utf8_trim_whitespace(table.column(column)).combine_chunks()


def _json_texts(path: Path, lines: list[dict[str, Any]], column: str) -> pa.Array:
    for number, one in enumerate(lines, start=1):
        if not isinstance(one.get(column), str):
            raise InputError(
                f"the trace {str(path)!r}, row {number}: {column!r} is {one.get(column)!r}: "
                "give every row a number or a date"
            )
    return pa.array([one[column].strip() for one in lines])


def _nanoseconds(path: Path, texts: pa.Array, column: str, unit: str | None) -> tuple[Int64s, str]:
    """Nanoseconds since the earliest, in the order of the file, and what they were in.

    Numbers are subtracted as decimals, so that the nanoseconds of a date in seconds are kept.

    Raises:
        InputError: A cell is neither number nor date, as its row's is; or nobody says the unit.
    """
    if not len(texts):
        raise InputError(f"the trace {str(path)!r} has a header and no rows: give one an arrival")
    numbers = _cast(texts, pa.decimal128(37, 9))
    if numbers is None:
        numbers = _cast(texts, pa.float64())
    if numbers is None:
        dates = _cast(texts, pa.timestamp("ns"))
        if dates is None:
            dates = _cast(texts, pa.timestamp("ns", tz="UTC"))
        if dates is None:
            raise _wrong(path, texts, column)
        return _since_first(path, dates.cast(pa.int64()).to_numpy(), column), DATE
    values: npt.NDArray[np.float64] = numbers.cast(pa.float64()).to_numpy()
    if not (np.isfinite(values) & (values >= 0)).all():
        raise _wrong(path, texts, column)
    if unit is None:
        raise InputError(
            f"the column {column!r} of the trace {str(path)!r} holds numbers and does not say of "
            f"what: set scenario.unit to {', '.join(UNITS)}"
        )
    since = pc.subtract(numbers, pc.min(numbers)).cast(pa.float64()).to_numpy()
    if since.max() * UNITS[unit] >= _LONGEST_NS:
        raise InputError(
            f"the trace {str(path)!r} would last {since.max() * UNITS[unit] / 1e9:.3g} seconds: "
            f"are its times in another unit than {unit}?"
        )
    return np.rint(since * UNITS[unit]).astype(np.int64), unit


def _since_first(path: Path, dates: Int64s, column: str) -> Int64s:
    if int(dates.max()) - int(dates.min()) >= _LONGEST_NS:
        raise InputError(f"the dates in {column!r} of {str(path)!r} are centuries apart")
    since: Int64s = dates - dates.min()
    return since


def _cast(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    if texts.null_count:
        return None
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return None


def _wrong(path: Path, texts: pa.Array, column: str) -> InputError:
    """Names the first row that is not what its column holds."""
    cells = texts.to_pylist()
    naive, zoned = pa.timestamp("ns"), pa.timestamp("ns", tz="UTC")
    kind = next((k for k in (naive, zoned) if _is(cells[0], k)), None)
    fits = [_is(cell, kind) if kind else _is_time(cell) for cell in cells]
    expected = {
        None: "a number, zero or more, or a date such as 2023-11-16 18:15:46.68",
        naive: "a date without a zone, as in the first row",
        zoned: "a date with its zone, as in the first row",
    }[kind]
    row = fits.index(False)
    said = "empty" if cells[row] is None else repr(cells[row])
    return InputError(
        f"the trace {str(path)!r}, row {row + 1}: {column!r} is {said}: give {expected}"
    )


def _is(cell: str | None, kind: pa.DataType) -> bool:
    return cell is not None and _cast(pa.array([cell]), kind) is not None


def _is_time(cell: str | None) -> bool:
    return _is(cell, pa.float64()) and 0 <= float(cell or "nan") < np.inf
