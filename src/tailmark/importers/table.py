"""A table of rounds, samples, latencies, outputs and references, as CSV or TSV."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from tailmark.errors import InputError
from tailmark.importers.classes import number_labels
from tailmark.importers.columns import UNITS, Columns, find_columns, read_header
from tailmark.importers.imported import (
    Imported,
    Labels,
    agreement,
    check_size,
    distinct,
    write_run,
)
from tailmark.importers.pickles import read_file
from tailmark.records.model import NONE, Int32s, Int64s, Round, Run, Status

_UNANSWERED = ("", "nan", "na", "n/a", "null", "none", "inf", "-")
_WHOLE = re.compile(r"[+-]?\d{1,15}(?:\.0*)?")
_LONGEST_ROUNDUNITS = 9.2e18


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The table in numbers, a row of each; row 0 is the first after the header.

    Args:
        round: Which round, from 0.
        sample: Which sample, from 0.
        latency_ns: Zero where there is no answer.
        answered: Where there is one.
        output: Row of ``answers``; `NONE` where there is none.
        ids: Of the samples.
        references: Of the samples; None without them.
        answers: Shape (answers, ranks); None without outputs.
        names: The labels, where they are text.
        rounds: How many.
    """

    round: npt.NDArray[np.int64]
    sample: Int32s
    latency_ns: Int64s
    answered: npt.NDArray[np.bool_]
    output: Int32s
    ids: tuple[str, ...]
    references: npt.NDArray[np.int64] | None
    answers: Labels | None
    names: tuple[str, ...] | None
    rounds: int


def import_csv(
    file: str | Path,
    *,
    out: str | Path,
    round: str | None = None,  # noqa: A002 - the columns' own names
    sample: str | None = None,
    latency: str | None = None,
    unit: str | None = None,
    output: str | Sequence[str] = (),
    reference: str | None = None,
    timed: str = "total",
) -> Run:
    """Turn a table into a run: a row for every query, in the order in which they were sent.

    The arguments of every day are the first two; columns are found by their names ``round``,
    ``sample``, ``latency_ns`` (or ``_us``, ``_ms``, ``_s``), ``output`` (or ``output_1``,
    ``output_2``, … from the best) and ``reference``, in any case and order; others are left out.
    Outputs and references may be missing.

    Args:
        file: Separated by commas, tabs or semicolons, with a header, in UTF-8.
        out: The run directory; made, and not left behind on an error.
        round: Another name for that column. Rounds are whole numbers, taken in ascending order, or
            any text, taken as they come.
        sample: Likewise. A sample may come any number of times in a round.
        latency: Likewise. A row without a latency has no answer: its query counts as lost.
        unit: Of the latency: ``ns``, ``us``, ``ms`` or ``s``, where the column's name says none.
        output: Likewise: a label, or several columns of labels, best first.
        reference: Likewise: the right label, the same in all rows of a sample. Labels are whole
            numbers; if any is not, all are text, and their classes are numbered in sorted order.
        timed: What a latency holds: ``total``, or ``inference`` alone.

    Returns:
        The run. The table does not say when queries were sent: they are taken as one after another.

    Raises:
        InputError: The file cannot be read, or a row of it, which is named.
        StoreError: The run directory cannot be written.
    """
    file = Path(file)
    if timed not in ("total", "inference"):
        raise InputError(f"timed is {timed!r}: a latency holds the 'total' or 'inference' alone")
    content = read_file(file)
    header, delimiter = read_header(file, content)
    columns = find_columns(
        header,
        Columns(
            round=round or "",
            sample=sample or "",
            latency=latency or "",
            unit=unit or "",
            outputs=(output,) if isinstance(output, str) else tuple(output),
            reference=reference,
        ),
        str(file),
    )
    rows = _number(_read(file, content, delimiter, columns), columns, str(file))
    warnings = [
        "the table does not say when queries were sent: they are taken as one after another"
    ]
    warnings += agreement(rows.references, rows.answers)
    found = Imported(
        source="csv",
        files=(file,),
        ids=rows.ids,
        references=rows.references,
        answers=None if rows.answers is None else {"labels": rows.answers},
        names=rows.names,
        count=rows.rounds,
        rounds=lambda: _rounds(rows),
        timed=timed,
        workload={"order": "as in the table"},
        scenario="unknown",
        warnings=tuple(warnings),
    )
    return write_run(found, out)


def _read(file: Path, content: bytes, delimiter: str, columns: Columns) -> pa.Table:
    """The columns as text, nulls where a cell is empty; spaces around a cell are dropped."""
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=columns.all,
                column_types=dict.fromkeys(columns.all, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (pa.ArrowException, KeyError) as cause:
        reason = str(cause).splitlines()[0].rstrip(".")
        raise InputError(f"{str(file)!r} cannot be read as a table: {reason}") from None
    if not table.num_rows:
        raise InputError(f"{str(file)!r} has a header and no rows: give one for every query")
    texts = {name: pc.utf8_trim_whitespace(table.column(name)) for name in columns.all}
    return pa.table({name: pc.if_else(pc.equal(t, ""), None, t) for name, t in texts.items()})


def _number(table: pa.Table, columns: Columns, file: str) -> _Rows:
    """Turn text into numbers, column by column.

    Raises:
        InputError: A cell is not what its column holds; its row is named, 1 after the header.
    """
    latency_ns, answered = _latencies(table.column(columns.latency), columns, file)
    samples, sample = _encoded(table, columns.sample, file)
    rounds, round_of = _encoded(table, columns.round, file)
    check_size(len(samples), len(sample), repr(file))
    order = _round_order(rounds)
    of_round = np.empty(len(order), dtype=np.int64)
    of_round[order] = np.arange(len(order))
    rows = _Rows(
        round=of_round[round_of],
        sample=sample.astype(np.int32),
        latency_ns=latency_ns,
        answered=answered,
        output=np.full(len(sample), NONE, dtype=np.int32),
        ids=tuple(samples),
        references=None,
        answers=None,
        names=None,
        rounds=len(rounds),
    )
    return _with_labels(rows, table, columns, file)


def _latencies(
    cells: pa.ChunkedArray, columns: Columns, file: str
) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    lowered = pc.utf8_lower(pc.fill_null(cells, ""))
    answered = ~pc.is_in(lowered, pa.array(_UNANSWERED)).to_numpy(zero_copy_only=False)
    texts = pc.if_else(pa.array(answered), lowered.combine_chunks(), "0")
    try:
        values = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        values = np.array([_number_or_nan(text) for text in texts.to_pylist()])
    wrong = np.flatnonzero(~(values >= 0) | np.isinf(values))
    if len(wrong):
        raise InputError(
            f"{file!r}, row {wrong[0] + 1}: the latency is {cells[int(wrong[0])].as_py()!r}: give "
            "a number, zero or more, or leave it empty where no answer came"
        )
    if not answered.any():
        raise InputError(f"{file!r} has no row with a latency: no query was answered")
    spent = np.rint(values * UNITS[columns.unit])
    if spent.sum() >= _LONGEST_ROUNDUNITS:
        raise InputError(
            f"{file!r}: the latencies come to {spent.sum() / 1e9:g} seconds: are they in another "
            f"unit than {columns.unit}?"
        )
    return spent.astype(np.int64), answered


def _number_or_nan(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _encoded(table: pa.Table, name: str, file: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The distinct texts of a column in the order in which they come, and which each row has."""
    cells = table.column(name).combine_chunks()
    if cells.null_count:
        row = _first_null(cells)
        raise InputError(
            f"{file!r}, row {row}: the column {name!r} is empty: give every row its own"
        )
    coded = pc.dictionary_encode(cells)
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def _first_null(cells: pa.Array) -> int:
    return int(np.flatnonzero(pc.is_null(cells).to_numpy(zero_copy_only=False))[0]) + 1


def _round_order(rounds: Sequence[str]) -> Int64s:
    """The rounds in order: by number if all have one, else as they come."""
    if all(_WHOLE.fullmatch(text) for text in rounds):
        return np.argsort([float(text) for text in rounds], kind="stable")
    return np.arange(len(rounds))


def _with_labels(rows: _Rows, table: pa.Table, columns: Columns, file: str) -> _Rows:
    """With outputs and references, numbered together so that equal labels have equal numbers."""
    references = table.column(columns.reference).combine_chunks() if columns.reference else None
    if references is not None and references.null_count == len(references):
        references = None
    tried = [table.column(name).combine_chunks() for name in columns.outputs]
    if tried and all(cells.null_count == len(cells) for cells in tried):
        tried = []
    for name, cells in zip(columns.outputs, tried, strict=False):
        _check_outputs(cells, name, rows.answered, file)
    if references is not None and not tried:
        raise InputError(
            f"{file!r} has references and no outputs, so there is nothing to grade: add a column "
            "'output', or name it by --output COLUMN"
        )
    if references is not None and references.null_count:
        raise InputError(
            f"{file!r}, row {_first_null(references)}: the reference is empty: give every row its "
            "sample's, or none at all"
        )
    numbering = number_labels(
        pc.unique(references).to_pylist() if references is not None else [],
        {text for cells in tried for text in pc.unique(cells).to_pylist() if text is not None},
    )
    output, answers = rows.output.copy(), None
    there = np.flatnonzero(rows.answered)
    if tried and len(there):
        labels = np.stack([_numbered(cells, numbering.number)[there] for cells in tried], axis=1)
        answers, output[there] = distinct(labels.astype(np.int32))
    right = None
    if references is not None:
        right = _by_sample(rows, _numbered(references, numbering.number), references, file)
    return replace(rows, output=output, answers=answers, references=right, names=numbering.names)


def _check_outputs(cells: pa.Array, name: str, answered: npt.NDArray[np.bool_], file: str) -> None:
    lacking = np.flatnonzero(pc.is_null(cells).to_numpy(zero_copy_only=False) & answered)
    if len(lacking):
        raise InputError(
            f"{file!r}, row {lacking[0] + 1}: there is a latency and no {name!r}: give the answer, "
            "or leave both empty where none came"
        )


def _numbered(cells: pa.Array, number: Mapping[str, int]) -> Int64s:
    """Each cell's number; any where it is empty."""
    coded = pc.dictionary_encode(cells)
    known = [number[text] for text in coded.dictionary.to_pylist()]
    numbers: Int64s = np.array(known or [0], dtype=np.int64)
    row: Int64s = pc.fill_null(coded.indices, 0).to_numpy().astype(np.int64)
    return numbers[row]


def _by_sample(rows: _Rows, labels: Int64s, cells: pa.Array, file: str) -> npt.NDArray[np.int64]:
    """Each sample's reference.

    Raises:
        InputError: It has two.
    """
    right = np.empty(len(rows.ids), dtype=np.int64)
    right[rows.sample[::-1]] = labels[::-1]  # the first row of each is written last
    differ = np.flatnonzero(labels != right[rows.sample])
    if len(differ):
        row = int(differ[0])
        first = int(np.flatnonzero(rows.sample == rows.sample[row])[0])
        raise InputError(
            f"{file!r}: sample {rows.ids[rows.sample[row]]!r} has the reference "
            f"{cells[first].as_py()!r} in row {first + 1} and {cells[row].as_py()!r} in row "
            f"{row + 1}: give one"
        )
    return right


def _rounds(rows: _Rows) -> Iterator[Round]:
    """The rounds, each with its rows as they stand in the table, one query after another."""
    order = np.argsort(rows.round, kind="stable")
    edges = np.searchsorted(rows.round[order], np.arange(rows.rounds + 1))
    for index in range(rows.rounds):
        mine = order[edges[index] : edges[index + 1]]
        spent, answered = rows.latency_ns[mine], rows.answered[mine]
        ended = np.cumsum(spent)
        yield Round(
            index=index,
            facts={"order": "as in the table", "duration_ns": int(ended[-1])},
            query=np.arange(len(mine), dtype=np.int64),
            sample=rows.sample[mine],
            scheduled_ns=ended - spent,
            issued_ns=ended - spent,
            completed_ns=np.where(answered, ended, NONE),
            status=np.where(answered, Status.ok, Status.lost).astype(np.int8),
            output_id=rows.output[mine],
        )
