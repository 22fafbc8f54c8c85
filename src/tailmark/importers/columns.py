"""Which column of a table is what, by its name."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import InputError, nearest

UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
"""Nanoseconds of each unit that a column may be in."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column is what, by its name in the file; None or empty where there is none."""

    round: str
    sample: str
    latency: str
    unit: str
    outputs: tuple[str, ...]
    reference: str | None

    @property
    def all(self) -> list[str]:
        """Those that are read."""
        references = [self.reference] if self.reference else []
        names = [self.round, self.sample, self.latency, *self.outputs, *references]
        return list(dict.fromkeys(names))


def read_header(file: Path, content: bytes) -> tuple[list[str], str]:
    """The columns' names, and what separates them."""
    first = content.split(b"\n", 1)[0].rstrip(b"\r")
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{str(file)!r} is not UTF-8 text: give a CSV or TSV file") from None
    delimiter = max("\t,;", key=text.count)
    names = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    if not any(names):
        raise InputError(f"{str(file)!r} has no header: name its columns in the first line")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{str(file)!r} has two columns {twice[0]!r}: name each once")
    return names, delimiter


def find_columns(header: Sequence[str], asked: Columns, file: str) -> Columns:
    """Which column is what.

    Raises:
        InputError: One that is needed or was named is not there.
    """
    # Where several differ in case only, the one in plain letters is meant.
    plain = {name.strip().lower(): name for name in header} | {name: name for name in header}

    def column(name: str, given: str | None) -> str | None:
        if not given:
            return plain.get(name)
        if given in header:
            return given
        if given.strip().lower() in plain:
            return plain[given.strip().lower()]
        raise _lacking(file, given, header)

    def needed(name: str, given: str | None) -> str:
        found = column(name, given)
        if found is None:
            raise _lacking(file, name, header, f"--{name} COLUMN")
        return found

    latency, unit = _latency_column(plain, asked, column, header, file)
    ranked = [plain[f"output_{k}"] for k in _ranks(plain)]
    given = tuple(needed("output", name) for name in asked.outputs)
    single = (plain["output"],) if "output" in plain else ()
    if ranked and single and not given:
        raise InputError(
            f"{file!r} has a column {single[0]!r} and one {ranked[0]!r}: say which by --output"
        )
    return Columns(
        round=needed("round", asked.round),
        sample=needed("sample", asked.sample),
        latency=latency,
        unit=unit,
        outputs=given or single or tuple(ranked),
        reference=column("reference", asked.reference),
    )


def _ranks(plain: Mapping[str, str]) -> list[int]:
    """1, 2, … as far as there is an ``output_1``, ``output_2``, … without a gap."""
    ranks: list[int] = []
    while f"output_{len(ranks) + 1}" in plain:
        ranks.append(len(ranks) + 1)
    return ranks


def _latency_column(
    plain: Mapping[str, str], asked: Columns, column: Any, header: Sequence[str], file: str
) -> tuple[str, str]:
    """The column of latencies and its unit."""
    if asked.unit and asked.unit not in UNITS:
        raise InputError(f"unit {asked.unit!r} is unknown: give {', '.join(UNITS)}")
    if asked.latency:
        found = column("latency", asked.latency)
    else:
        there = [n for n in ("latency", *(f"latency_{u}" for u in UNITS)) if n in plain]
        if not there:
            raise _lacking(file, "latency_ms", header, "--latency COLUMN --unit ms")
        if len(there) > 1:
            raise InputError(
                f"{file!r} has the columns {' and '.join(map(repr, there))}: say which by --latency"
            )
        found = plain[there[0]]
    suffix = found.strip().lower().rpartition("_")[2]
    own = suffix if suffix in UNITS else ""
    if own and asked.unit not in ("", own):
        raise InputError(
            f"unit {asked.unit!r} is not what the column {found!r} says: leave --unit out, or "
            "rename the column"
        )
    unit = own or asked.unit
    if not unit:
        raise InputError(
            f"{file!r} does not say in what unit its column {found!r} is: give --unit "
            f"({', '.join(UNITS)})"
        )
    return found, unit


def _lacking(file: str, name: str, header: Sequence[str], way_out: str = "") -> InputError:
    hint = nearest(name, header)
    shown = ", ".join(map(repr, header[:12])) + (", …" if len(header) > 12 else "")
    end = f"; name it by {way_out}" if way_out else ""
    return InputError(f"{file!r} has no column {name!r}{hint}: it has {shown}{end}")
