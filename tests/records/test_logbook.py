"""A run in the making stays true of its rounds, whenever it is stopped."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailmark.records.logbook import Logbook
from tailmark.records.model import Manifest, References, Round, Status
from tailmark.records.store import RunWriter, open_run


def a_round(index: int) -> Round:
    """Two answered queries."""
    times = np.array([0, 5])
    return Round(
        index=index,
        query=np.arange(2),
        sample=np.arange(2, dtype=np.int32),
        scheduled_ns=times,
        issued_ns=times,
        completed_ns=times + 5,
        status=np.zeros(2, dtype=np.int8),
        output_id=np.zeros(2, dtype=np.int32),
    )


def manifest() -> Manifest:
    """The least a run says of itself."""
    empty: Any = {}
    return Manifest(
        tailmark="0",
        created="",
        experiment={"rounds": 3},
        design_id="",
        hashes=empty,
        environment=empty,
        system=empty,
        audit=empty,
        cold_start=empty,
    )


class PressingCtrlC(RunWriter):
    """The user presses Ctrl-C when the round is on the disk, and not yet counted."""

    def append(self, one: Round, new_outputs: Any) -> None:
        """Write, then be interrupted."""
        super().append(one, new_outputs)
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_while_a_round_is_written_waits_until_it_is_counted(tmp_path: Path) -> None:
    """The disk and the counts never tell different stories."""
    with PressingCtrlC(tmp_path / "run") as writer:
        log = Logbook(writer, manifest(), ("labels",))
        log.begin(References(ids=("a", "b")), ["a warning"])
        log.outputs.number((np.array([1]),))
        with pytest.raises(KeyboardInterrupt):
            log.add(a_round(0), {})
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert log.rounds == 1
        log.end("partial", "interrupted")
    run = open_run(tmp_path / "run")
    assert run.manifest.counts["ok"] == 2 == sum(len(one) for one in run.rounds())
    assert run.manifest.warnings == ("a warning",)
    assert run.manifest.ending == ("interrupted",)


def test_what_is_known_at_the_beginning_is_on_the_disk_from_the_beginning(tmp_path: Path) -> None:
    """A killed run has its warnings too."""
    with RunWriter(tmp_path / "run") as writer:
        log = Logbook(writer, manifest(), ("labels",))
        log.begin(References(ids=("a", "b")), ["a warning", "a warning"], audit={"cores": 2})
        log.outputs.number((np.array([1]),))
        log.add(a_round(0), {})
    run = open_run(tmp_path / "run")
    assert run.manifest.warnings == ("a warning",)
    assert run.manifest.audit == {"cores": 2}
    assert run.manifest.status == "partial"
    assert {s.name for s in Status} == {"ok", "failed", "timed_out", "lost", "shed"}


def test_where_nothing_was_begun_nothing_is_said(tmp_path: Path) -> None:
    """A failed start has no ending to write down."""
    with RunWriter(tmp_path / "run") as writer:
        Logbook(writer, manifest(), ("labels",)).end("partial", "no")
        assert not (tmp_path / "run" / "run.json").exists()
