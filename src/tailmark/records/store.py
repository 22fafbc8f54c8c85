"""A run on disk: the directory's layout, and how it is written so that nothing is lost.

Format history:
    1: run.json, references.parquet, outputs/NNNNN.parquet, rounds/NNNNN.parquet (2026).
       References of several columns (``reference.NAME``), lists of different lengths and
       ``sequence`` came later; runs without them read as before.

A round's file is its commit: it is written whole under another name, flushed to the disk and then
renamed. The outputs first seen in a round are written, the same way, before it. So whatever kills
the writer, the rounds that are there are whole, and every output they refer to is there too.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from tailmark.errors import StoreError
from tailmark.records.columns import from_arrow, to_arrow
from tailmark.records.model import (
    NONE,
    Column,
    Columns,
    Manifest,
    Outputs,
    References,
    Round,
    Run,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1
_LOCK = ".writer.lock"
_FOLDERS = ("rounds", "outputs")
_NAMED = "reference."


def open_run(path: str | Path) -> Run:
    """Open a run directory for reading.

    Raises:
        StoreError: Not a run, of another format, or damaged; the file is named.
    """
    path = Path(path)
    manifest = read_manifest(path)
    rounds = count_rounds(path)
    if not rounds and not manifest.reported:
        raise StoreError(
            f"{str(path)!r} holds no finished round: measure it again, or go on with --resume"
        )
    outputs = _read_outputs(path, rounds)
    return Run(
        path=path,
        manifest=manifest,
        references=_read_references(path / "references.parquet"),
        outputs=outputs,
        stored=_StoredRounds(path, rounds, outputs=len(next(iter(outputs.values()), ()))),
    )


def as_run(run: Run | str | Path) -> Run:
    """A run as it is, or opened from its directory.

    Raises:
        StoreError: As `open_run`.
    """
    return run if isinstance(run, Run) else open_run(run)


def read_manifest(path: Path) -> Manifest:
    """Read ``run.json``.

    Raises:
        StoreError: Missing, not JSON, or of another format.
    """
    file = path / "run.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"{str(path)!r} is not a run: it has no run.json (give the directory that --out named)"
        ) from None
    except (OSError, ValueError) as cause:
        raise _damaged(file, f"damaged ({cause})") from cause
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        newer = isinstance(found, int) and found > FORMAT
        way_out = "upgrade tailmark to read it" if newer else "measure it again"
        raise StoreError(
            f"{str(path)!r} has run format {found!r} and this tailmark reads {FORMAT}: {way_out}"
        )
    known = {f.name for f in fields(Manifest)}
    try:
        held = {key: value for key, value in document.items() if key in known}
        for several in ("warnings", "ending", "anomalies", "reported"):
            held[several] = tuple(held.get(several, ()))
        return Manifest(**held)
    except TypeError as cause:
        raise _damaged(file, f"damaged ({cause})") from cause


class _StoredRounds:
    """The rounds of a directory, read when asked for."""

    def __init__(self, path: Path, rounds: int, outputs: int) -> None:
        self._path = path
        self._rounds = rounds
        self._outputs = outputs

    def __len__(self) -> int:
        return self._rounds

    def __getitem__(self, index: int) -> Round:
        one = Round.from_arrow(index, read_table(_round_file(self._path, index)))
        # Outputs are numbered through all files, so one that is gone shows in the highest number.
        if one.output_id.max(initial=NONE) >= self._outputs:
            raise _damaged(self._path / "outputs", "missing a file")
        return one


def count_rounds(path: Path) -> int:
    """How many rounds are finished: the files are numbered without a gap.

    Raises:
        StoreError: A file is missing in the middle.
    """
    numbers = sorted(int(file.stem) for file in (path / "rounds").glob("[0-9]*.parquet"))
    if numbers != list(range(len(numbers))):
        missing = next(i for i, number in enumerate(numbers) if i != number)
        raise _damaged(_round_file(path, missing), "missing")
    return len(numbers)


def read_table(file: Path) -> pa.Table:
    """Read one Parquet file.

    Raises:
        StoreError: It is missing or damaged.
    """
    try:
        return pq.read_table(file, partitioning=None)
    except FileNotFoundError:
        raise _damaged(file, "missing") from None
    except (OSError, pa.ArrowException) as cause:
        first = str(cause).splitlines()[0].rstrip(".")
        raise _damaged(file, f"damaged ({first})") from cause


def _damaged(file: Path, how: str) -> StoreError:
    return StoreError(f"{str(file)!r} is {how}: restore it from a copy, or measure the run again")


def _round_file(path: Path, index: int) -> Path:
    return path / "rounds" / f"{index:05}.parquet"


def _read_references(file: Path) -> References:
    table = read_table(file)
    columns = set(table.column_names)
    return References(
        ids=tuple(table.column("id").to_pylist()),
        values=_right(table),
        sequences=table.column("sequence").to_numpy() if "sequence" in columns else None,
        thumbnails=tuple(table.column("thumbnail").to_pylist()) if "thumbnail" in columns else None,
    )


def _right(table: pa.Table) -> Column | Columns | None:
    """What is right: one column, or several by name, or none."""
    if "reference" in table.column_names:
        return from_arrow(table.column("reference"))
    named = [name for name in table.column_names if name.startswith(_NAMED)]
    return {n.removeprefix(_NAMED): from_arrow(table.column(n)) for n in named} or None


def _read_outputs(path: Path, rounds: int) -> Outputs:
    """Outputs of the finished rounds; those of a round never finished are no part of the run."""
    files = sorted((path / "outputs").glob("[0-9]*.parquet"))
    tables = [read_table(file) for file in files if int(file.stem) < rounds]
    if not tables:
        return {}
    table = pa.concat_tables(tables)
    return {name: from_arrow(table.column(name)) for name in table.column_names}


class RunWriter:
    """The one writer of a run directory; use it as a context manager.

    Entering it locks the directory; another writer is refused. Leaving it releases the lock.
    """

    def __init__(self, path: str | Path, *, resume: bool = False) -> None:
        self.path = Path(path)
        self._resume = resume
        self._manifest: Manifest | None = None
        self._made = False

    @cached_property
    def _lock(self) -> FileLock:
        return FileLock(self.path / _LOCK, timeout=0)

    def __enter__(self) -> Self:
        """Lock the directory, made if need be.

        Raises:
            StoreError: It cannot be written, is being written, or holds what is not ours to change.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise StoreError(f"{str(self.path)!r} is a file: give --out a new directory")
            holds = {p.name for p in self.path.iterdir()} if self.path.exists() else set()
            foreign = holds and not ("run.json" in holds or holds <= {_LOCK, *_FOLDERS})
            if foreign:
                raise StoreError(
                    f"{str(self.path)!r} holds other files ({min(holds)!r}): "
                    "give --out a new directory"
                )
            self._made = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise StoreError(
                f"{str(self.path)!r} is being written by another run: wait for it, "
                "or give another --out"
            ) from None
        except OSError as cause:
            raise _unwritable(self.path, cause) from cause
        try:
            self._claim("run.json" in holds)
        except BaseException:
            self._lock.release()
            raise
        return self

    def _claim(self, holds_run: bool) -> None:
        if holds_run and not self._resume:
            raise StoreError(
                f"{str(self.path)!r} holds another run: go on with it by --resume, "
                "or give another --out"
            )
        try:
            for folder in _FOLDERS:
                (self.path / folder).mkdir(exist_ok=True)
                for left in (self.path / folder).glob("*.part"):
                    left.unlink()
        except OSError as cause:
            raise _unwritable(self.path, cause) from cause

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unlock; where nothing was begun, leave nothing behind."""
        self._lock.release()
        if not (self.path / "run.json").exists():
            with suppress(OSError):  # somebody else's file in it keeps the directory
                (self.path / "references.parquet").unlink(missing_ok=True)
                (self.path / _LOCK).unlink(missing_ok=True)
                for folder in _FOLDERS:
                    (self.path / folder).rmdir()
                if self._made:
                    self.path.rmdir()

    def earlier(self) -> Manifest | None:
        """The manifest of the run to go on with, or None where there is none."""
        if self._resume and (self.path / "run.json").exists():
            self._manifest = read_manifest(self.path)
        return self._manifest

    def begin(self, manifest: Manifest, references: References) -> None:
        """Write what is known before the first round."""
        columns: dict[str, Any] = {"id": pa.array(references.ids, pa.string())}
        right = references.values
        if isinstance(right, Mapping):
            columns |= {f"{_NAMED}{name}": to_arrow(values) for name, values in right.items()}
        elif right is not None:
            columns["reference"] = to_arrow(right)
        if references.sequences is not None:
            columns["sequence"] = pa.array(references.sequences)
        if references.thumbnails is not None:
            columns["thumbnail"] = pa.array(references.thumbnails, pa.binary())
        self._write_table(self.path / "references.parquet", pa.table(columns))
        self.update(manifest)

    def update(self, manifest: Manifest | None = None, **changes: Any) -> None:
        """Replace ``run.json``, whole or not at all."""
        current = manifest or self._manifest
        if current is None:
            raise RuntimeError("begin() comes before update()")
        self._manifest = replace(current, **changes)
        document = {"format": FORMAT, **asdict(self._manifest)}
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        self._write(self.path / "run.json", lambda part: part.write_text(text, encoding="utf-8"))

    def append(self, one: Round, new_outputs: Columns) -> None:
        """Write a finished round, and before it the outputs first seen in it.

        Raises:
            StoreError: The disk is full or was taken away; the earlier rounds stand.
        """
        file = self.path / "outputs" / f"{one.index:05}.parquet"
        if new_outputs:
            table = pa.table({name: to_arrow(values) for name, values in new_outputs.items()})
            self._write_table(file, table)
        else:
            file.unlink(missing_ok=True)
        self._write_table(_round_file(self.path, one.index), one.to_arrow())

    def _write_table(self, file: Path, table: pa.Table) -> None:
        # Moments and numbers rise: their differences are small, and their values all distinct.
        whole = [f.name for f in table.schema if pa.types.is_integer(f.type)]
        self._write(
            file,
            lambda part: pq.write_table(
                table,
                part,
                compression="zstd",
                use_dictionary=[f.name for f in table.schema if f.name not in whole],
                column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
            ),
        )

    def _write(self, file: Path, write: "Callable[[Path], object]") -> None:
        part = file.with_name(file.name + ".part")
        try:
            write(part)
            _flush(part)
            part.replace(file)
            _flush(file.parent)
        except (OSError, pa.ArrowException) as cause:
            part.unlink(missing_ok=True)
            raise _unwritable(self.path, cause) from cause


def _flush(path: Path) -> None:
    """Force a file, or a directory's names, to the disk (where the system lets us)."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, cause: Exception) -> StoreError:
    reason = getattr(cause, "strerror", None) or str(cause).splitlines()[0]
    done = len(list((path / "rounds").glob("[0-9]*.parquet"))) if path.is_dir() else 0
    kept = f"; its {done} finished rounds stand, go on with --resume" if done else ""
    return StoreError(f"{str(path)!r} cannot be written: {reason}{kept}")
