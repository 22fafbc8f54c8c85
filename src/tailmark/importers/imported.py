"""What every importer ends with: arrays become a run directory, whole or not at all."""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.records.logbook import Logbook
from tailmark.records.model import NONE, Int32s, Manifest, References, Round, Run
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
        references: Labels, shape (samples,); None where nobody knows what is right.
        answers: The distinct answers in the order in which they are first seen, best label first,
            shape (answers, ranks); None where there are none.
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
    references: npt.NDArray[np.int64] | None
    answers: Labels | None
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
    with RunWriter(out) as writer:
        try:
            log = Logbook(writer, manifest, ("labels",))
            log.begin(References(ids=found.ids, values=found.references), found.warnings)
            known = 0
            for one in found.rounds():
                upto = max(known, int(one.output_id.max(initial=NONE)) + 1)
                if found.answers is not None:
                    for answer in found.answers[known:upto]:
                        log.outputs.number((answer,))
                known = upto
                log.add(one, {})
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


def agreement(references: npt.NDArray[np.int64] | None, answers: Labels | None) -> tuple[str, ...]:
    """A doubt where not one answer is a label that any sample has."""
    if references is None or answers is None or np.isin(answers, references).any():
        return ()
    return (
        "no answer is a label of any sample: outputs and references may be in different numberings",
    )


def _manifest(found: Imported) -> Manifest:
    ids = "\n".join(found.ids).encode()
    labels = found.references.tobytes() if found.references is not None else b""
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
            "quality": {},
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
