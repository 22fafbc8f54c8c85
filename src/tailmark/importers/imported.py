"""What every importer ends with: arrays become a run directory, whole or not at all."""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.records.columns import content_of
from tailmark.records.logbook import Logbook
from tailmark.records.model import (
    NONE,
    Column,
    Columns,
    Int32s,
    Manifest,
    References,
    Round,
    Run,
)
from tailmark.records.ragged import Ragged
from tailmark.records.store import RunWriter, open_run

LARGEST_ROWS = 10**9
LARGEST_SAMPLES = 10**7
"""Of a run: more is a mistake, or a file made to fill a disk or the memory."""

Labels = npt.NDArray[np.int32]

_CHUNK_BYTES = 2**20
_UNKNOWN = "imported: in which environment it was measured is not known"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A run as it was found elsewhere.

    Args:
        source: Whose files they were: ``tail-quality``, ``csv``, ``loadgen``.
        files: Which.
        ids: One a sample; unique.
        references: As `References.values` has them; None where nobody knows what is right.
        answers: By column, in the order in which they are first seen; None where there are none.
        metrics: By which they are graded where nobody says, the first before all.
        names: The labels of numbers 0, 1, …, where they were text.
        count: How many rounds.
        rounds: Makes the rounds; their ``output_id`` is a row of ``answers``.
        timed: ``total`` or ``inference``; ``none`` where rows have no times.
        workload: What else is known of the samples and their order.
        scenario: How queries were sent.
        settings: What else is known of that.
        require: What the test demanded of itself (see `quality.requirement`).
        system: What is known of the system.
        reported: See `Manifest.reported`.
        warnings: Sentences for the reader.
    """

    source: str
    files: tuple[Path, ...]
    ids: tuple[str, ...]
    references: Column | Columns | None
    answers: Columns | None
    metrics: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    count: int
    rounds: Callable[[], Iterator[Round]]
    timed: str
    workload: Mapping[str, Any] = field(default_factory=dict)
    scenario: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    require: Mapping[str, Any] | None = None
    system: Mapping[str, Any] = field(default_factory=dict)
    reported: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


def write_run(found: Imported, out: str | Path) -> Run:
    """Write a run directory.

    Args:
        found: What was found.
        out: The directory; on any error nothing of it is left.

    Returns:
        The run, opened.

    Raises:
        StoreError: It cannot be written, or holds something else.
    """
    manifest = _manifest(found)
    answers = dict(found.answers or {})
    ragged = [name for name, column in answers.items() if isinstance(column, Ragged)]
    # Row by row the number that the run knows an answer by; the last stands for `NONE`, as -1 does.
    number = np.full(len(next(iter(answers.values()), ())) + 1, NONE, dtype=np.int32)
    with RunWriter(out) as writer:
        try:
            log = Logbook(writer, manifest, tuple(answers), ragged)
            log.begin(References(ids=found.ids, values=found.references), found.warnings)
            known = 0
            for one in found.rounds():
                upto = max(known, int(one.output_id.max(initial=NONE)) + 1)
                for row in range(known, upto):
                    answer = tuple(np.asarray(column[row]) for column in answers.values())
                    number[row] = log.outputs.number(answer)
                known = upto
                log.add(replace(one, output_id=number[one.output_id]), {})
            log.end("complete")
        except BaseException:
            _unwrite(writer.path)
            raise
    return open_run(writer.path)


def check_size(samples: int, rows: int, what: str) -> None:
    """Refuse what no measurement has.

    Args:
        samples: Of the run to be.
        rows: Of all its rounds.
        what: Where they come from.

    Raises:
        InputError: Too many.
    """
    if samples > LARGEST_SAMPLES or rows > LARGEST_ROWS:
        raise InputError(
            f"{what} would be a run of {samples:,} samples and {rows:,} rows, and at most "
            f"{LARGEST_SAMPLES:,} and {LARGEST_ROWS:,} are imported: import a part of it"
        )


def distinct(answers: Labels) -> tuple[Labels, Int32s]:
    """Each answer once, in the order in which they are first seen, and which of them each row is.

    Args:
        answers: Shape (rows, ranks).

    Returns:
        Shapes (answers, ranks) and (rows,).
    """
    values, first, inverse = np.unique(answers, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return values[order], place[inverse.reshape(-1)]


def agreement(
    references: npt.NDArray[np.integer[Any]] | None, answers: npt.NDArray[np.integer[Any]] | None
) -> tuple[str, ...]:
    """A doubt where not one answer is a label that any sample has."""
    if references is None or answers is None or np.isin(answers, references).any():
        return ()
    return (
        "no answer is a label of any sample: outputs and references may be in different numberings",
    )


def _manifest(found: Imported) -> Manifest:
    ids = "\n".join(found.ids).encode()
    labels = content_of(found.references) if found.references is not None else b""
    decode = {"decode": {"kind": "imported", "classes": list(found.names)}} if found.names else {}
    return Manifest(
        tailmark=version("tailmark"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        experiment={
            "workload": {
                "kind": "imported",
                "from": found.source,
                "files": [file.name for file in found.files],
                **found.workload,
            },
            "system": {"kind": "imported", **found.system},
            "scenario": {"kind": found.scenario, **found.settings},
            **decode,
            "rounds": found.count,
            "timed": found.timed,
            "quality": _quality(found.metrics),
            **({"require": dict(found.require)} if found.require else {}),
        },
        design_id=uuid.uuid4().hex,
        hashes={
            # The inputs are not in the files; who names and labels them alike has the same ones.
            "samples": hashlib.sha256(ids + b"\0" + labels).hexdigest(),
            "ids": hashlib.sha256(ids).hexdigest(),
            "labels": hashlib.sha256(labels).hexdigest() if labels else "",
            "model": "",
            "source": _digest(found.files),
        },
        environment={},
        system={},
        audit={},
        cold_start={},
        reported=found.reported,
        warnings=(_UNKNOWN,),
    )


def _quality(metrics: tuple[str, ...]) -> dict[str, Any]:
    """What the experiment declares of them."""
    if not metrics:
        return {}
    first, *others = metrics
    return {"metric": first, **({"also": others} if others else {})}


def _digest(files: tuple[Path, ...]) -> str:
    """SHA-256 of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _unwrite(path: Path) -> None:
    """Take back what was written; the writer found the directory without a run."""
    with suppress(OSError):
        for pattern in ("rounds/*.parquet*", "outputs/*.parquet*", "run.json*", "*.parquet.part"):
            for file in path.glob(pattern):
                file.unlink()
