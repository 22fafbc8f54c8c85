"""A run in memory: columns of facts, frozen. Knows nothing of files, systems or statistics."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from tailmark.records.ragged import Ragged

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int8s = npt.NDArray[np.int8]

Column = npt.NDArray[Any] | Ragged
"""A value a row: of one shape, or of different lengths."""

Columns = Mapping[str, Any]
"""Several `Column` by name, of as many rows each."""

NONE = -1
"""Stands in integer columns where there is no value: no completion, no output, no stage time."""

NEVER = np.iinfo(np.int64).max
"""The latency of a query that was never answered: later than every deadline."""


class Status(IntEnum):
    """How a query ended."""

    ok = 0
    failed = 1
    timed_out = 2
    lost = 3
    shed = 4


STAGES = ("preprocess", "inference", "postprocess")
"""The stages a system may report; the column of each is called ``STAGE_ns``."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One repetition of the scenario over the workload; row j is the j-th (query, sample) issued.

    Times are integer nanoseconds of a monotonic clock since the round began; `NONE` in all of them
    where nobody wrote them down (an imported run whose ``timed`` is ``none``).

    Args:
        index: Which round of the run, from 0.
        facts: What is true of the whole round: ``seed``, ``began`` (UTC), ``duration_ns``;
            ``open_loop`` if queries were sent without waiting for answers, ``together`` if a query
            is answered when its last row is, ``own_time`` if an answer takes what the system's own
            process says that inference took, and not the way there and back.
        query: Shape (rows,). Rows of one query share its number.
        sample: Shape (rows,). Index into the workload.
        scheduled_ns: When the scenario wanted it sent.
        issued_ns: When it was handed over.
        completed_ns: When its output was ready on the host; `NONE` if that never came.
        status: `Status` codes.
        output_id: Row of the run's outputs; `NONE` unless ok and kept.
        started_ns: When a worker began it, where there is a queue.
        preprocess_ns: Stage time where reported, and so for the next two.
        inference_ns: The model alone.
        postprocess_ns: From raw output to answer.
    """

    index: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    query: Int64s
    sample: Int32s
    scheduled_ns: Int64s
    issued_ns: Int64s
    completed_ns: Int64s
    status: Int8s
    output_id: Int32s
    started_ns: Int64s | None = None
    preprocess_ns: Int64s | None = None
    inference_ns: Int64s | None = None
    postprocess_ns: Int64s | None = None

    def __len__(self) -> int:
        """Rows."""
        return len(self.sample)

    def of_rows(self, rows: npt.NDArray[np.integer[Any]]) -> Self:
        """The same round, had only these rows been sent."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        kept: Any = {name: None if c is None else c[rows] for name, c in columns.items()}
        return replace(self, **kept)

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Which rows have an answer; shape (rows,)."""
        return np.equal(self.status, Status.ok)

    def latency_ns(self, time: str | None = None) -> Int64s:
        """Latency of every row, `NEVER` where there is no answer; shape (rows,).

        Where a query is answered together (``facts["together"]``), that of its slowest row.

        Args:
            time: ``"total"`` (or None) is completed − scheduled; a stage's name is that stage.
        """
        spent = self._whole_ns() if time in (None, "total") else getattr(self, f"{time}_ns")
        latency = np.where(self.answered & (self.completed_ns != NONE), spent, NEVER)
        if not self.facts.get("together") or time not in (None, "total"):
            return latency
        first = np.flatnonzero(np.diff(self.query, prepend=self.query[0] - 1))
        slowest = np.maximum.reduceat(latency, first)
        return np.repeat(slowest, np.diff(first, append=len(self)))

    def _whole_ns(self) -> Int64s:
        if self.facts.get("own_time") and self.inference_ns is not None:
            began_ns = self.issued_ns if self.started_ns is None else self.started_ns
            return began_ns - self.scheduled_ns + self.inference_ns
        return self.completed_ns - self.scheduled_ns

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with nulls for `NONE`; the facts are its schema's metadata."""
        import pyarrow as pa

        columns = {}
        for name in COLUMNS:
            values = getattr(self, name)
            if values is None:
                continue
            if name == "status":
                columns[name] = pa.DictionaryArray.from_arrays(values, [s.name for s in Status])
            else:
                missing = values == NONE if name in _NULLABLE else None
                columns[name] = pa.array(values, mask=missing)
        return pa.table(columns, metadata={"tailmark": json.dumps(dict(self.facts))})

    @classmethod
    def from_arrow(cls, index: int, table: Any) -> Self:
        """The inverse of `to_arrow`; columns it does not know are left out.

        Args:
            index: Which round.
            table: A `pyarrow.Table`.
        """
        columns: dict[str, Any] = {}
        for name in table.column_names:
            column = table.column(name).combine_chunks()
            if name == "status":
                codes = [Status[text] for text in column.dictionary.to_pylist()]
                indices = column.indices.to_numpy(zero_copy_only=False)
                columns[name] = np.array(codes, dtype=np.int8)[indices]
            elif name in COLUMNS:
                filled = column.fill_null(NONE) if column.null_count else column
                columns[name] = filled.to_numpy(zero_copy_only=False)
        facts = json.loads((table.schema.metadata or {}).get(b"tailmark", b"{}"))
        return cls(index=index, facts=facts, **columns)


COLUMNS = tuple(f.name for f in fields(Round) if f.name not in ("index", "facts"))
"""The columns of a round, in the order they are stored."""

_NULLABLE = frozenset(COLUMNS) - {"query", "sample", "status"}


class Rounds(Protocol):
    """Where a run's rounds are: on disk, or in memory."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int) -> Round:
        """Read one."""
        ...


@dataclass(frozen=True, kw_only=True)
class References:
    """What each sample is, and what is right.

    Args:
        ids: One a sample; unique.
        values: A `Column` of as many rows as there are samples, or several by name (boxes and what
            they show); None where nobody knows what is right.
        thumbnails: A small PNG or JPEG a sample, where it can be pictured.
        sequences: Which sequence each belongs to, such as a video; None where they have no order.
    """

    ids: tuple[str, ...]
    values: Any = None
    thumbnails: tuple[bytes, ...] | None = None
    sequences: Int32s | None = None

    def __len__(self) -> int:
        """Samples."""
        return len(self.ids)


Outputs = Columns
"""The distinct outputs of a run by column, each of length (outputs,)."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is true of a whole run; ``run.json``.

    Args:
        tailmark: Version that measured it.
        created: UTC, ISO 8601.
        experiment: Everything needed to measure it again, resolved.
        design_id: Runs of one interleaved design share it; a run measured alone has its own.
        hashes: ``model``, ``labels``, ``samples``, ``experiment``; SHA-256.
        environment: Everything that made the numbers (see `environment.capture`).
        system: The system's effective settings, read back from the runtime.
        audit: What the machine could resolve just before the run.
        cold_start: ``open_ns`` and ``first_query_ns``.
        status: ``complete`` or ``partial``.
        counts: Queries by status, over the finished rounds.
        anomalies: ``{"what", "count"}`` of everything that went wrong.
        warnings: Sentences for the reader, known before the first round.
        ending: Sentences on how it ended: what stopped it, what went unanswered.
        stopping: Where a rule said when to stop: the rule, its looks, and why it stopped.
        reported: What another harness said of its own tests, one mapping a test: of LoadGen, what
            `loadgen.summary.Summary.to_dict` has, the test's name, and its ``round`` here.
    """

    tailmark: str
    created: str
    experiment: Mapping[str, Any]
    design_id: str
    hashes: Mapping[str, str]
    environment: Mapping[str, Any]
    system: Mapping[str, Any]
    audit: Mapping[str, Any]
    cold_start: Mapping[str, int]
    status: str = "partial"
    counts: Mapping[str, int] = field(default_factory=dict)
    anomalies: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    stopping: Mapping[str, Any] | None = None
    reported: tuple[Mapping[str, Any], ...] = ()

    @property
    def rounds_asked(self) -> int | None:
        """How many rounds were asked for, at most; None where that is not known."""
        asked = self.experiment.get("rounds")
        return asked["at_most"] if isinstance(asked, Mapping) else asked


@dataclass(frozen=True, kw_only=True)
class Run:
    """All rounds of one experiment. `tailmark.open_run` reads one; nothing changes one.

    Args:
        path: Its directory, or None for a run held in memory.
        manifest: What is true of the whole run.
        references: Samples and what is right.
        outputs: The distinct outputs its rows refer to.
        stored: Its rounds, read one at a time.
    """

    path: Path | None
    manifest: Manifest
    references: References
    outputs: Outputs
    stored: Rounds

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name if self.path else "run"

    @property
    def complete(self) -> bool:
        """Whether every round that was asked for is there."""
        return self.manifest.status == "complete"

    def __len__(self) -> int:
        """Rounds."""
        return len(self.stored)

    def rounds(self) -> Iterator[Round]:
        """Read the rounds one by one, so that a long run need not fit in memory."""
        for index in range(len(self.stored)):
            yield self.stored[index]

    def to_arrow(self) -> Any:
        """All rows as one `pyarrow.Table`, with a ``round`` column before the stored ones."""
        import pyarrow as pa

        tables = []
        for one in self.rounds():
            table = one.to_arrow().replace_schema_metadata()
            index = pa.array(np.full(len(one), one.index, dtype=np.int32))
            tables.append(table.add_column(0, "round", index))
        return pa.concat_tables(tables)
