"""A run that is not whole says which file, and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.errors import StoreError


def next_class(batch: Any) -> Any:
    """Scores that single out one of 200 classes by the sample's number."""
    scores = np.zeros((1, 200))
    scores[0, int(batch[0])] = 1
    return scores


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three rounds; every round has outputs of its own."""
    calls = iter(range(10_000))
    path = tmp_path_factory.mktemp("damage") / "run"
    tailmark.measure(
        tailmark.Arrays(inputs=np.arange(4), references=np.arange(4), classes=200),
        lambda _: next_class(np.array([next(calls)])),
        out=path,
        rounds=3,
        warmup=0,
    )
    assert len(list((path / "outputs").iterdir())) == 3
    return path


@pytest.fixture
def run(measured: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(measured, tmp_path / "run"))


def halve(file: Path) -> None:
    """Keep the first half of a file."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def read_all(path: Path) -> int:
    """Rows that can be read, with their outputs."""
    opened = tailmark.open_run(path)
    outputs = opened.outputs["labels"]
    return sum(len(outputs[one.output_id]) for one in opened.rounds())


def test_the_copy_is_whole(run: Path) -> None:
    """What the other tests break can be read before."""
    assert read_all(run) == 12


@pytest.mark.parametrize(
    ("file", "break_it", "says"),
    [
        ("rounds/00001.parquet", halve, "is damaged"),
        ("rounds/00001.parquet", Path.unlink, "is missing: restore it from a copy"),
        ("rounds/00000.parquet", Path.unlink, "is missing: restore it from a copy"),
        ("rounds/00002.parquet", lambda f: f.write_bytes(b""), "is damaged"),
        ("outputs/00000.parquet", halve, "is damaged"),
        ("references.parquet", halve, "is damaged"),
        ("references.parquet", Path.unlink, "is missing"),
        ("run.json", halve, "is damaged"),
        ("run.json", lambda f: f.write_text("[]"), "measure it again"),
        ("run.json", lambda f: f.write_text('{"format": 1}'), "is damaged"),
        ("run.json", lambda f: f.write_bytes(b"\xff\xff"), "is damaged"),
    ],
)
def test_a_damaged_file_is_named(
    run: Path, file: str, break_it: Callable[[Path], object], says: str
) -> None:
    """Cut in half, emptied, or gone; the sentence ends with the way out."""
    break_it(run / file)
    with pytest.raises(StoreError, match=says) as caught:
        read_all(run)
    text = str(caught.value)
    assert str(run / file) in text or (file == "run.json" and str(run) in text)
    assert "\n" not in text
    assert "measure" in text or "restore" in text


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_missing_file_of_outputs_never_gives_a_row_another_answer(run: Path, index: int) -> None:
    """Without it the later ones would move up; that is noticed."""
    (run / "outputs" / f"{index:05}.parquet").unlink()
    with pytest.raises(StoreError, match=r"outputs.* missing a file"):
        read_all(run)


def test_a_run_of_a_newer_format_says_to_upgrade(run: Path) -> None:
    """It is not read as something it may not be."""
    document = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**document, "format": 2}))
    with pytest.raises(StoreError, match="has run format 2 and this tailmark reads 1: upgrade"):
        tailmark.open_run(run)


def test_a_directory_that_is_no_run_says_so(tmp_path: Path) -> None:
    """Empty, missing, or a file."""
    (tmp_path / "file").touch()
    for name in (".", "absent", "file"):
        with pytest.raises(StoreError, match=r"is not a run: it has no run.json"):
            tailmark.open_run(tmp_path / name)


def test_a_run_cut_before_its_first_round_says_so(run: Path) -> None:
    """There is a beginning and nothing to grade."""
    for file in (run / "rounds").iterdir():
        file.unlink()
    with pytest.raises(StoreError, match="holds no finished round: measure it again, or go on"):
        tailmark.open_run(run)


def test_outputs_of_a_round_that_was_never_finished_are_no_part_of_the_run(run: Path) -> None:
    """They are written before the round, whose file is the commit."""
    before = tailmark.open_run(run).outputs["labels"]
    (run / "rounds" / "00002.parquet").unlink()
    after = tailmark.open_run(run)
    assert len(after) == 2
    assert np.array_equal(after.outputs["labels"], before[: len(after.outputs["labels"])])
    assert len(after.outputs["labels"]) == 8


def test_resuming_a_damaged_run_is_refused_as_reading_it_is(run: Path) -> None:
    """Nothing is measured onto a broken beginning."""
    workload = tailmark.Arrays(inputs=np.arange(4), references=np.arange(4), classes=200)
    again = run.with_name("again")
    tailmark.measure(workload, next_class, out=again, rounds=2, warmup=0)
    halve(again / "rounds" / "00001.parquet")
    with pytest.raises(StoreError, match=r"00001\.parquet' is damaged"):
        tailmark.measure(workload, next_class, out=again, rounds=3, warmup=0, resume=True)
