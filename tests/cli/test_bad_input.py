"""Whatever the user can mend ends in one sentence, exit code 2, and nothing half-written."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import SMALL, Command, write_model
from tailmark.records.store import RunWriter

Spoil = Callable[[Path], None]
"""Makes a folder's experiment, ``small.yaml``, one that cannot be measured."""


def replace(old: str, new: str) -> Spoil:
    """Edit the experiment."""

    def spoil(folder: Path) -> None:
        assert old in SMALL
        (folder / "small.yaml").write_text(SMALL.replace(old, new), encoding="utf-8")

    return spoil


def remove(name: str) -> Spoil:
    """Lose a file."""
    return lambda folder: (folder / name).unlink()


def corrupt(name: str) -> Spoil:
    """Put something else in its place."""

    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(b"not what it says it is")

    return spoil


def arrays(**changes: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Spoil:
    """Change the samples."""

    def spoil(folder: Path) -> None:
        with np.load(folder / "samples.npz") as held:
            there = dict(held)
        np.savez(folder / "samples.npz", **{**there, **changes})

    return spoil


def images(labels: str, *, broken: bool = False) -> Spoil:
    """Make it a workload of one image, labelled by this CSV."""

    def spoil(folder: Path) -> None:
        (folder / "images").mkdir()
        Image.new("RGB", (2, 2)).save(folder / "images" / "a.png")
        if broken:
            (folder / "images" / "a.png").write_bytes(b"\x89PNG and no more")
        (folder / "labels.csv").write_text(labels, encoding="utf-8")
        text = SMALL.replace(
            "{kind: arrays, path: samples.npz, classes: 10}",
            "{kind: images, path: images, labels: labels.csv, classes: 10}",
        )
        (folder / "small.yaml").write_text(text, encoding="utf-8")

    return spoil


def nine_classes(folder: Path) -> None:
    """Give the model one class too few."""
    write_model(folder / "model.onnx", np.ones((4, 9), dtype=np.float32))


EXPERIMENTS: dict[str, tuple[Spoil, str]] = {
    "missing file": (remove("small.yaml"), "'small.yaml' does not exist: give an experiment"),
    "no YAML": (replace("{kind: arrays", "{kind: [arrays"), "is not YAML"),
    "missing model": (remove("model.onnx"), "model 'model.onnx' does not exist: give an .onnx"),
    "corrupt ONNX": (corrupt("model.onnx"), "model 'model.onnx' cannot be loaded"),
    "missing arrays": (remove("samples.npz"), "'samples.npz' does not exist: give an .npz"),
    "corrupt arrays": (corrupt("samples.npz"), "'samples.npz' cannot be read as .npz"),
    "missing image": (images("file,class_index\nb.png,1\n"), "image 'b.png' is not in 'images'"),
    "unreadable image": (
        images("file,class_index\na.png,1\n", broken=True),
        "image 'a.png' cannot be decoded: replace it",
    ),
    "missing labels": (
        replace("{kind: arrays, path: samples.npz,", "{kind: images, path: ., labels: l.csv,"),
        "'l.csv' does not exist",
    ),
    "no label column": (images("file,label\na.png,1\n"), "has no column 'class_index'"),
    "label that is no number": (
        images("file,class_index\na.png,cat\n"),
        "line 2 has label 'cat': labels are whole numbers",
    ),
    "label not in the file": (
        images("file,class_index\na.png\n"),
        "line 2 has label None: labels are whole numbers",
    ),
    "label beyond the classes": (
        arrays(references=np.full(12, 10)),
        "sample 0 has label 10, labels are 0 to 9 (classes: 10)",
    ),
    "misspelt key": (replace("rounds:", "round:"), "no setting 'round' (did you mean 'rounds'?)"),
    "misspelt setting": (replace("model:", "modle:"), "no setting 'modle' (did you mean 'model'?)"),
    "misspelt kind": (replace("kind: arrays", "kind: array"), "did you mean 'arrays'?"),
    "wrong type": (replace("rounds: 2", "rounds: many"), "rounds is 'many'"),
    "wrong type within": (
        replace("model: model.onnx", "model: model.onnx, threads: two"),
        "system.threads is 'two'",
    ),
    "negative deadline": (replace("[1s]", "[-1ms]"), "'-1ms' is below zero"),
    "no unit": (replace("[1s]", "[5]"), "'5' has no unit: write 5ms or 5s"),
    "no unit in require": (
        replace("[1s]}", "[1s]}\nrequire: {quality: '>= 0.5', at: 5}"),
        "'5' has no unit: write 5ms or 5s",
    ),
    "no such percentile": (replace("[1s]", "[p100]"), "'p100' is not a percentile"),
    "zero rounds": (replace("rounds: 2", "rounds: 0"), "rounds is 0: give 1 or more"),
    "negative warm-up": (replace("warmup: 0", "warmup: -1"), "warmup is -1: give 0 or more"),
    "no timeout": (replace("model.onnx}", "model.onnx, timeout: 0s}"), "give more than zero"),
    "unknown metric": (
        replace("{deadlines:", "{metric: top-1, deadlines:"),
        "'top-1' (did you mean 'top1'?)",
    ),
    "unset variable": (
        replace("samples.npz", "'${TAILMARK_NOWHERE}/samples.npz'"),
        "the variable 'TAILMARK_NOWHERE' is not set",
    ),
    "wrong input shape": (
        arrays(inputs=np.zeros((12, 5), dtype=np.float32)),
        "input 'x' takes float32 [1, 4] and the workload gives float32 [1, 5]",
    ),
    "wrong input dtype": (
        arrays(inputs=np.zeros((12, 4), dtype=np.float64)),
        "input 'x' takes float32 [1, 4] and the workload gives float64 [1, 4]",
    ),
    "class-count mismatch": (nine_classes, "the model has 9 classes"),
    "lengths that differ": (
        arrays(references=np.zeros(11, dtype=np.int64)),
        "arrays differ in length (inputs 12, references 11)",
    ),
    "unknown provider": (
        replace("model.onnx}", "model.onnx, providers: [CPU]}"),
        "has no provider 'CPU'",
    ),
}


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_an_experiment_that_cannot_be_measured_is_refused(
    name: str, command: Command, small: Path
) -> None:
    """``run`` says what is wrong in one sentence, and makes no run."""
    spoil, says = EXPERIMENTS[name]
    spoil(small.parent)
    assert says in command("run", "small.yaml", "--out", "out").complaint
    assert not Path("out").exists()


OPENED = ("corrupt ONNX", "wrong input shape", "class-count mismatch", "unreadable image")


@pytest.mark.parametrize("name", ["missing model", "zero rounds", "no unit in require", *OPENED])
def test_check_finds_it_without_measuring(name: str, command: Command, small: Path) -> None:
    """``check`` says the same sentence, from a process of its own where the model is opened."""
    spoil, says = EXPERIMENTS[name]
    spoil(small.parent)
    assert says in command("check", "small.yaml").complaint


SETTINGS = {
    "rounds": "--set 'rounds' is no setting: write name=value",
    "rounds=[": "'[' is not a YAML value",
    "rounds.of=3": "'rounds' holds one value, not settings",
    "rounds=0": "rounds is 0",
    "system.thread=1": "did you mean 'threads'?",
}


@pytest.mark.parametrize("setting", list(SETTINGS))
def test_a_setting_that_cannot_be_made_is_refused(
    setting: str, command: Command, small: Path
) -> None:
    """``--set`` is checked as the file is."""
    said = command("run", small, "--set", setting, "--out", "out").complaint
    assert SETTINGS[setting] in said
    assert not Path("out").exists()


def cut_round(run: Path) -> None:
    """Lose the second half of a round's file."""
    file = run / "rounds" / "00001.parquet"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def lose_round(run: Path) -> None:
    """Lose a round in the middle."""
    (run / "rounds" / "00001.parquet").unlink()


def no_rounds(run: Path) -> None:
    """Keep none."""
    shutil.rmtree(run / "rounds")


def cut_manifest(run: Path) -> None:
    """Lose the second half of run.json."""
    text = (run / "run.json").read_text(encoding="utf-8")
    (run / "run.json").write_text(text[: len(text) // 2], encoding="utf-8")


def newer(run: Path) -> None:
    """Come from a later tailmark."""
    document = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**document, "format": 99}), encoding="utf-8")


def cut_outputs(run: Path) -> None:
    """Lose most of the outputs."""
    file = run / "outputs" / "00000.parquet"
    file.write_bytes(file.read_bytes()[:8])


def no_references(run: Path) -> None:
    """Lose the references' file."""
    (run / "references.parquet").unlink()


RUNS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut round": (cut_round, "00001.parquet' is damaged"),
    "lost round": (lose_round, "00001.parquet' is missing: restore it from a copy"),
    "no round": (no_rounds, "holds no finished round: measure it again, or go on with --resume"),
    "cut manifest": (cut_manifest, "run.json' is damaged"),
    "newer format": (newer, "has run format 99 and this tailmark reads 1: upgrade tailmark"),
    "cut outputs": (cut_outputs, "outputs/00000.parquet' is damaged"),
    "lost references": (no_references, "references.parquet' is missing"),
    "no run": (shutil.rmtree, "is not a run: it has no run.json"),
}


@pytest.mark.parametrize("name", list(RUNS))
@pytest.mark.parametrize("reader", [["summarize", "--json"], ["report", "-o", "page.html"]])
def test_a_damaged_run_is_refused(
    name: str, reader: list[str], command: Command, digits_run: Path, tmp_path: Path
) -> None:
    """The file is named, nothing of the rest is shown as if it were whole, no page is written."""
    damage, says = RUNS[name]
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    damage(run)
    assert says in command(reader[0], run, *reader[1:]).complaint
    assert not Path("page.html").exists()


QUESTIONS: dict[str, tuple[list[str], str]] = {
    "no unit": (["--deadline", "5"], "'5' has no unit"),
    "negative": (["--deadline=-5ms"], "'-5ms' is below zero"),
    "no percentile": (["--deadline", "p100"], "'p100' is not a percentile"),
    "metric": (["--metric", "top"], "no metric is called 'top'"),
    "policy": (["--on-late", "forgive"], "'forgive' is no late policy"),
    "no lender": (["--on-late", "fallback"], "give --fallback RUN"),
    "lender": (["--on-late", "fallback", "--fallback", "nope"], "'nope' is not a run"),
    "stage": (["--time", "total"], "measure with timed: total"),
    "no number": (["--quality", "good"], "--quality 'good' is no number"),
    "beyond": (["--quality", "1.5"], "quality 1.5 cannot be asked for"),
    "nan": (["--quality", "nan"], "quality nan cannot be asked for"),
    "two forms": (["--json", "--markdown"], "both given: choose one"),
    "no such option": (["--jsn"], "No such option: --jsn"),
}


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_a_question_that_has_no_answer_is_refused(
    name: str, command: Command, digits_run: Path
) -> None:
    """``summarize`` says which, and what could be asked."""
    options, says = QUESTIONS[name]
    assert says in command("summarize", digits_run, *options).complaint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["summarize"], "Missing argument 'RUN'"),
        (["run"], "Missing argument 'EXPERIMENT.yaml'"),
        (["--frob"], "No such option: --frob"),
    ],
)
def test_a_command_that_is_none_is_refused(
    arguments: list[str], says: str, command: Command
) -> None:
    """The parser's complaints look as all others do."""
    assert says in command(*arguments).complaint


def test_another_run_is_not_written_over(command: Command, small: Path) -> None:
    """An output directory that holds a run keeps it, to the byte."""
    assert command("run", small, "--out", "out").code == 0
    before = {file: file.read_bytes() for file in Path("out").rglob("*.parquet")}
    said = command("run", small, "--out", "out").complaint
    assert "'out' holds another run: go on with it by --resume, or give another --out" in said
    assert {file: file.read_bytes() for file in Path("out").rglob("*.parquet")} == before


def test_other_people_s_files_are_not_written_among(command: Command, small: Path) -> None:
    """A directory that holds something else, or is a file, is no place for a run."""
    Path("photos").mkdir()
    Path("photos/cat.png").touch()
    assert (
        "'photos' holds other files ('cat.png')"
        in command("run", small, "--out", "photos").complaint
    )
    assert [p.name for p in Path("photos").iterdir()] == ["cat.png"]
    assert (
        "'small.yaml' is a file: give --out a new directory"
        in command("run", "small.yaml", "--out", "small.yaml").complaint
    )
    assert "cannot be written" in command("run", small, "--out", "small.yaml/out").complaint


def test_two_runs_do_not_write_one_directory(command: Command, small: Path, tmp_path: Path) -> None:
    """While one writes, the other is refused, and the first is not disturbed."""
    with RunWriter(tmp_path / "out"):
        said = command("run", small, "--out", "out").complaint
    assert "'out' is being written by another run: wait for it, or give another --out" in said


def test_a_directory_that_cannot_be_made_is_refused(command: Command, small: Path) -> None:
    """Where nobody may write, that is said before anything is measured."""
    assert "cannot be written" in command("run", small, "--out", "/proc/nowhere/out").complaint


def test_resuming_needs_a_run_of_the_same_experiment(command: Command, small: Path) -> None:
    """Without ``--out``, with other settings or with fewer rounds, it is refused."""
    assert "give --out RUN" in command("run", small, "--resume").complaint
    assert command("run", small, "--out", "out").code == 0
    said = command("run", small, "--set", "seed=5", "--out", "out", "--resume").complaint
    assert "is a run of another experiment (what differs: seed)" in said
    said = command("run", small, "--set", "rounds=1", "--out", "out", "--resume").complaint
    assert "was begun for 2 rounds and 1 are asked for" in said
    assert command("run", small, "--set", "rounds=3", "--out", "out", "--resume").code == 0
    assert len(list(Path("out/rounds").iterdir())) == 3


@pytest.mark.parametrize("blocks", [0, 2])
def test_a_full_disk_leaves_nothing_half_written(blocks: int, script: Path, small: Path) -> None:
    """The operating system refuses to write on: one sentence, exit code 2, no directory.

    A limit on the size of a file fails a write as a full disk does.
    """
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f {blocks} && exec {script} run small.yaml --out out"],
        cwd=small.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("tailmark: 'out' cannot be written: ")
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (small.parent / "out").exists()
