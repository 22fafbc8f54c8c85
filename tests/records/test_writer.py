"""A run directory has one writer, who changes nothing that is not its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.errors import InputError, StoreError
from tailmark.records.store import RunWriter

WORKLOAD = tailmark.Arrays(inputs=np.arange(4), references=np.arange(4), classes=4)


def right(batch: Any) -> Any:
    """The sample's own class."""
    return np.eye(4)[[int(batch[0])]]


def measure(out: Path, **changes: Any) -> tailmark.Run:
    """Two small rounds."""
    return tailmark.measure(WORKLOAD, right, out=out, **{"rounds": 2, "warmup": 0, **changes})


def test_the_same_answer_is_stored_once(tmp_path: Path) -> None:
    """Four answers, however many rounds; later rounds add no file."""
    run = measure(tmp_path / "run", rounds=5)
    assert len(run.outputs["labels"]) == 4
    assert [f.name for f in (tmp_path / "run" / "outputs").iterdir()] == ["00000.parquet"]
    for one in run.rounds():
        assert np.array_equal(run.outputs["labels"][one.output_id, 0], one.sample)


def test_two_writers_of_one_directory_are_refused(tmp_path: Path) -> None:
    """The second is told; the first goes on undisturbed."""
    with RunWriter(tmp_path / "run"):
        for resume in (False, True):
            with pytest.raises(StoreError, match="is being written by another run: wait for it"):
                measure(tmp_path / "run", resume=resume)
    assert len(measure(tmp_path / "run")) == 2


def test_a_directory_that_holds_another_run_is_refused(tmp_path: Path) -> None:
    """Nothing of it is touched."""
    measure(tmp_path / "run")
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "run").rglob("*.*") if f.is_file()}
    with pytest.raises(StoreError, match="holds another run: go on with it by --resume, or give"):
        measure(tmp_path / "run")
    assert before.keys() <= set((tmp_path / "run").rglob("*"))
    assert all(f.stat().st_mtime_ns == time for f, time in before.items() if f.name[0] != ".")


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    """Whatever it is, it is not ours."""
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"holds other files \('thesis.tex'\): give --out a new"):
        measure(tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nothing/run"])
def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, out: str) -> None:
    """A file in the way, or a file system that takes no files."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"is a file|cannot be written") as caught:
        measure(tmp_path / out)
    assert repr(str(tmp_path / out)) in str(caught.value)


def test_a_failed_start_leaves_no_directory_behind(tmp_path: Path) -> None:
    """So the same command can be given again."""
    with pytest.raises(InputError):
        tailmark.measure(WORKLOAD, lambda _: 1 / 0, out=tmp_path / "run", rounds=1)
    assert not (tmp_path / "run").exists()


def test_a_failed_start_keeps_a_directory_that_was_there(tmp_path: Path) -> None:
    """An empty one that the user made, perhaps to mount a disk on, is the user's."""
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError):
        tailmark.measure(WORKLOAD, lambda _: 1 / 0, out=tmp_path / "run", rounds=1)
    assert (tmp_path / "run").is_dir()
    assert list((tmp_path / "run").iterdir()) == []


def test_an_empty_directory_is_a_new_one(tmp_path: Path) -> None:
    """It need not be removed first."""
    assert len(measure(tmp_path)) == 2


def test_nothing_half_written_is_left_when_a_run_goes_on(tmp_path: Path) -> None:
    """A part file of a killed writer is swept away."""
    measure(tmp_path / "run")
    left = tmp_path / "run" / "rounds" / "00002.parquet.part"
    left.write_bytes(b"PAR1")
    assert len(measure(tmp_path / "run", rounds=3, resume=True)) == 3
    assert not left.exists()
