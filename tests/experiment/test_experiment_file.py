"""An experiment file means what it says, or the first thing wrong is named with its place."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tailmark
from tailmark.errors import ExperimentError
from tailmark.experiment_file import load_experiment
from tailmark.units import Percentile, parse_deadline
from tailmark.workload.preprocess import Preprocess

PLAIN: dict[str, Any] = {"workload": {"kind": "digits"}, "system": {"kind": "digits"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An experiment's folder."""
    np.savez(tmp_path / "samples.npz", inputs=np.arange(6), references=np.arange(6) % 3)
    return tmp_path


def load(folder: Path, document: Any, *overrides: str) -> tailmark.Experiment:
    """Write a file and read it."""
    file = folder / "experiment.yaml"
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return load_experiment(file, overrides)


def error(folder: Path, document: Any, *overrides: str) -> str:
    """What is said of a file that cannot be used: one sentence that names the file."""
    with pytest.raises(ExperimentError) as caught:
        load(folder, document, *overrides)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.exit_code == 2
    return text


def changed(*place: str, to: Any) -> dict[str, Any]:
    """The plain experiment with one setting changed."""
    document: dict[str, Any] = yaml.safe_load(yaml.safe_dump(PLAIN))
    inner = document
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
    inner[place[-1]] = to
    return document


def test_what_is_left_out_has_its_default(folder: Path) -> None:
    """The same as `measure`'s."""
    found = load(folder, PLAIN)
    assert found.workload == tailmark.Digits()
    assert found.system == tailmark.DigitsNetwork()
    assert found.decode == tailmark.Classes()
    assert (found.rounds, found.warmup, found.timed, found.sample_order) == (
        *(100, 50),
        *("inference", "shuffled"),
    )
    assert (found.seed, found.timeout_ns, found.isolate) == (0, 10**10, False)


def test_every_setting_arrives(folder: Path) -> None:
    """As the plug-ins' own types."""
    found = load(
        folder,
        """
        workload: {kind: images, path: pictures, labels: l.csv, classes: 10, order: fixed,
                   preprocess: {resize: 8, crop: 6, color: bgr, mean: [1, 2, 3], dtype: uint8}}
        system: {kind: onnxruntime, model: m.onnx, threads: 2, providers: [A, B], timeout: 300ms,
                 isolate: true, decode: {kind: classes, top: 3, offset: -1}}
        scenario: {kind: single-stream}
        rounds: 7
        warmup: 0
        timed: total
        quality: {metric: top5, deadlines: [5ms, p99], on_late: drop}
        require: {quality: ">= 0.75", at: 5ms, of: tail}
        seed: 3
        """,
    )
    assert found.workload == tailmark.Images(
        path=folder / "pictures",
        labels=folder / "l.csv",
        classes=10,
        preprocess=Preprocess(resize=8, crop=6, color="bgr", mean=(1, 2, 3), dtype="uint8"),
    )
    assert found.system == tailmark.OnnxRuntime(
        model=folder / "m.onnx", threads=2, providers=("A", "B")
    )
    assert found.decode == tailmark.Classes(top=3, offset=-1)
    assert (found.rounds, found.warmup, found.timed, found.order) == (7, 0, "total", "fixed")
    assert (found.seed, found.timeout_ns, found.isolate) == (3, 300_000_000, True)
    deadlines = [parse_deadline(d) for d in found.quality["deadlines"]]
    assert deadlines == [5_000_000, Percentile(99)]
    assert found.require is not None


def test_paths_are_relative_to_the_file_wherever_it_is_read_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to where the command is given; absolute ones and ~ stay what they are."""
    monkeypatch.chdir("/")
    document = changed("workload", to={"kind": "arrays", "path": "samples.npz", "classes": 3})
    found: Any = load(folder, document)
    assert len(found.workload.open()) == 6
    monkeypatch.setenv("HOME", "/home/somebody")
    for written, meant in (("/a/b.npz", "/a/b.npz"), ("~/b.npz", "/home/somebody/b.npz")):
        document["workload"]["path"] = written
        found = load(folder, document)
        assert found.workload.path == Path(meant)


@given(st.text("abc/._-", max_size=8), st.text("xyz/._-", min_size=1, max_size=8))
def test_a_variable_is_its_value_or_else_its_default(default: str, value: str) -> None:
    """As in a shell: an empty one counts as unset."""
    import tempfile

    name = "TAILMARK_TEST_VARIABLE"
    written = f"'before/${{{name}:-{default}}}/after'"
    text = f"workload: {{kind: arrays, path: {written}}}\nsystem: {{kind: digits}}"
    for held, meant in (({}, default), ({name: ""}, default), ({name: value}, value)):
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            patch.delenv(name, raising=False)
            for key, setting in held.items():
                patch.setenv(key, setting)
            found: Any = load(Path(folder), text)
            assert found.workload.path == Path(folder) / f"before/{meant}/after"
    assert name not in os.environ


def test_an_unset_variable_without_a_default_is_named(folder: Path) -> None:
    """With both ways out."""
    text = error(folder, changed("workload", "path", to="${TAILMARK_NOWHERE}/x"))
    assert "the variable 'TAILMARK_NOWHERE' is not set: set it, or write" in text
    assert "${TAILMARK_NOWHERE:-default}" in text


def test_settings_can_be_replaced_one_by_one(folder: Path) -> None:
    """At any depth, with the types YAML gives them, the last word counting."""
    found = load(
        folder,
        PLAIN,
        "rounds=3",
        "rounds=4",
        "system.threads=2",
        "system.decode.kind=classes",
        "system.decode.top=1",
        "quality.deadlines=[1ms, p90]",
        "workload.order=fixed",
        "timed=total",
    )
    assert found.rounds == 4
    assert found.system == tailmark.DigitsNetwork(threads=2)
    assert found.decode == tailmark.Classes(top=1)
    assert found.quality["deadlines"] == ["1ms", "p90"]
    assert (found.order, found.timed) == ("fixed", "total")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("rounds", "--set 'rounds' is no setting: write name=value"),
        ("=3", "--set '=3' is no setting"),
        ("rounds.x=3", "'rounds' holds one value, not settings"),
        ("rounds=[1", "'[1' is not a YAML value"),
        ("round=3", "no setting 'round' (did you mean 'rounds'?)"),
        ("system.thread=3", "no setting 'thread' (did you mean 'threads'?)"),
    ],
)
def test_a_replacement_that_cannot_be_made_is_named(folder: Path, override: str, says: str) -> None:
    """As the user typed it."""
    assert says in error(folder, {**PLAIN, "rounds": 5}, override)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (("workloud",), "no setting 'workloud' (did you mean 'workload'?)"),
        (("workload", "pth"), "workload has no setting 'pth'"),
        (("system", "thraeds"), "no setting 'thraeds' (did you mean 'threads'?)"),
        (("system", "timeuot"), "no setting 'timeuot' (did you mean 'timeout'?)"),
        (("system", "decode", "tpo"), "system.decode has no"),
        (("scenario", "target_qps"), "scenario has no setting 'target_qps'"),
        (("quality", "deadline"), "'quality.deadline' (did you mean 'deadlines'?)"),
        (("require", "qualty"), "qualty"),
    ],
)
def test_an_unknown_key_is_an_error_at_every_level(
    folder: Path, place: tuple[str, ...], says: str
) -> None:
    """A misspelt setting is never silently the default; the nearest is named."""
    document = changed(*place, to="x")
    if place[0] == "scenario":
        document["scenario"]["kind"] = "single-stream"
    if place[:2] == ("system", "decode"):
        document["system"]["decode"]["kind"] = "classes"
    if place[0] == "require":
        document["require"].update(quality=">= 0.5", at="5ms")
    text = error(folder, document)
    assert says in text
    assert "experiment.yaml" in text


def test_a_key_misspelt_two_levels_down_is_named_with_its_place(folder: Path) -> None:
    """In an image's preprocessing."""
    workload = {"kind": "images", "path": ".", "preprocess": {"colour": "bgr"}}
    text = error(folder, changed("workload", to=workload))
    assert "workload.preprocess has no setting 'colour' (did you mean 'color'?)" in text


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("rounds",), "many", "rounds is 'many'"),
        (("rounds",), 1.5, "rounds is 1.5"),
        (("rounds",), 0, "rounds is 0: give 1 or more"),
        (("warmup",), -1, "warmup is -1: give 0 or more"),
        (("seed",), -1, "seed is -1"),
        (("timed",), "all", "timed is 'all': it should be 'inference' or 'total'"),
        (("engine",), "locust", "engine is 'locust'"),
        (("workload",), None, "workload is None"),
        (("workload",), {}, "workload has no kind: write kind: and one of arrays, coco, "),
        (("workload", "kind"), "imags", "no workload is called 'imags' (did you mean 'images'?)"),
        (("workload", "order"), "random", "workload.order is 'random': fixed or"),
        (("system", "kind"), 3, "system has no kind"),
        (("system", "threads"), "two", "system.threads is 'two'"),
        (("system", "isolate"), "yes please", "system.isolate is 'yes please': true or false"),
        (("system", "timeout"), 10, "10 has no unit: write 10ms or 10s"),
        (("system", "timeout"), "0s", "give more than zero"),
        (("system", "timeout"), "-1s", "below zero"),
        (("system", "decode"), {"kind": "boxes"}, "no decoder is called 'boxes'"),
        (("quality", "metric"), "top2", "no metric is called 'top2'"),
        (("quality", "on_late"), "fial", "on_late 'fial' is no late policy (did you mean 'fail'?)"),
        (("quality", "on_late"), "linear", "'linear' does not say how long"),
        (("quality", "on_late"), {"linear": "5ms"}, "quality.on_late is {'linear': '5ms'}"),
        (("quality", "deadlines"), [5], "'5' has no unit"),
        (("quality", "deadlines"), ["-5ms"], "'-5ms' is below zero"),
        (("quality", "deadlines"), ["p100"], "'p100' is not a percentile"),
        (("quality", "deadlines"), "5ms", "quality.deadlines is '5ms'"),
        (("require",), {"quality": "more", "at": "5ms"}, "more"),
        (("require",), {"quality": ">= 0.5"}, "require has no 'at'"),
        (
            ("scenario",),
            {"kind": "serve"},
            "no scenario is called 'serve' (did you mean 'server'?)",
        ),
        (("scenario",), "single-stream", "scenario is 'single-stream'"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_place(
    folder: Path, place: tuple[str, ...], value: Any, says: str
) -> None:
    """Before anything is opened, let alone measured."""
    assert says in error(folder, changed(*place, to=value))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("workload: {kind: digits\nsystem: x", "experiment.yaml' line 2 is not YAML"),
        ("", "is no experiment: it needs workload and system"),
        ("- workload", "is no experiment"),
        ("just words", "is no experiment"),
        ("system: {kind: digits}", "workload is missing: give it"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("1: 2\nworkload: {kind: digits}\nsystem: {kind: digits}", "1"),
    ],
)
def test_a_file_that_is_no_experiment_says_so(folder: Path, text: str, says: str) -> None:
    """Not YAML, empty, a list, or code in disguise."""
    assert says in error(folder, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, or not text."""
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, says in {
        "absent.yaml": "does not exist: give an experiment file",
        ".": "cannot be read",
        "binary.yaml": "cannot be read",
    }.items():
        with pytest.raises(ExperimentError, match=says):
            load_experiment(tmp_path / name)


def test_the_file_that_init_writes_is_an_experiment() -> None:
    """It runs as it is."""
    from importlib.resources import as_file, files

    with as_file(files("tailmark") / "data" / "experiment.yaml") as file:
        assert load_experiment(file).rounds == 100
