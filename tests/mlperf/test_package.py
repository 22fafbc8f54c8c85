"""Runs that LoadGen drove become a submission that only lacks what a short test cannot have."""

import hashlib
import json
import platform
import shutil
from pathlib import Path

import numpy as np
import pytest

import tailmark
from mlperf.conftest import scores
from mlperf.genuine import ACCURACY, DETAIL, SUMMARY, needs_loadgen
from tailmark.errors import InputError
from tailmark.mlperf import rules
from tailmark.mlperf.check.submission import check_submission
from tailmark.mlperf.package import Package, package_submission

ACCURATE = "accuracy=90.000%, good=54, total=60"


def packaged(runs: list[Path], out: Path, **options: object) -> Package:
    """As ``package_submission``, with what every test gives."""
    given: dict[str, object] = {"submitter": "Acme", "benchmark": "digits", "system_name": "box"}
    return package_submission(runs, out=out, **{**given, **options})  # type: ignore[arg-type]


def test_everything_is_where_the_rules_want_it(runs: dict[str, Path], tmp_path: Path) -> None:
    """Logs to the byte, the accuracy counted from its log, the settings, and the pages."""
    found = packaged(list(runs.values()), tmp_path / "out")
    home = tmp_path / "out" / "open" / "Acme"
    assert found.scenarios == ("SingleStream", "Server")
    for scenario, run in runs.items():
        folder, kept = home / "results/box/digits" / scenario, run / "loadgen"
        for log in (SUMMARY, DETAIL):
            performance = folder / "performance/run_1" / log
            assert performance.read_bytes() == (kept / "00000" / log).read_bytes()
            assert (folder / "accuracy" / log).read_bytes() == (
                kept / "accuracy" / log
            ).read_bytes()
        log_text = (kept / "accuracy" / ACCURACY).read_bytes()
        assert (folder / "accuracy/accuracy.txt").read_text().splitlines() == [
            ACCURATE,
            f"hash={hashlib.sha256(log_text).hexdigest()}",
        ]
        assert (folder / "user.conf").read_bytes() == (kept / "00000/user.conf").read_bytes()
        assert "round 1 of 1" in (folder / "README.md").read_text()
        assert set(rules.MEASUREMENT_FIELDS) <= set(
            json.loads((folder / "measurements.json").read_text())
        )
        settings = json.loads((home / "src/digits" / f"{scenario}.json").read_text())
        assert settings["experiment"]["workload"]["kind"] == "arrays"
    system = json.loads((home / "systems/box.json").read_text())
    assert set(rules.SYSTEM_FIELDS) <= set(system)
    measured = tailmark.open_run(runs["Server"])
    assert (
        system["host_processor_model_name"] == measured.manifest.environment["processor"]["model"]
    )
    assert platform.python_version() in system["other_software_stack"]
    assert "LoadGen" in system["other_software_stack"]


def test_only_what_a_short_test_cannot_have_remains(runs: dict[str, Path], tmp_path: Path) -> None:
    """Its duration, the fields nobody recorded, and what the benchmark stands for."""
    found = packaged(list(runs.values()), tmp_path / "out")
    remaining = {(one.severity, one.rule) for one in found.findings}
    assert remaining - {("warning", "private")} == {
        ("error", "min-duration"),
        ("error", "system-field"),
        ("warning", "benchmark-unknown"),
    }
    assert [one for one in found.findings if one.rule != "private"] == check_submission(found.path)
    unknown = found.to_complete["systems/box.json"]
    assert "cooling" in unknown
    assert "host_processor_model_name" not in unknown
    assert "starting_weights_filename" in found.to_complete["Server/measurements.json"]


def test_who_knows_fills_in_the_rest(runs: dict[str, Path], tmp_path: Path) -> None:
    """By mapping or by file; then nobody is asked for it, and the duration alone remains."""
    knows = dict.fromkeys(rules.SYSTEM_FIELDS[5:], "known") | {
        "number_of_nodes": 1,
        "accelerators_per_node": "0",
    }
    (tmp_path / "model.json").write_text(
        json.dumps(dict.fromkeys(rules.MEASUREMENT_FIELDS, "known"))
    )
    found = packaged(
        [runs["SingleStream"]],
        tmp_path / "out",
        benchmark="mobilenet",
        system=knows,
        measurements=tmp_path / "model.json",
    )
    assert found.to_complete == {}
    assert {one.rule for one in found.findings} - {"private"} == {
        "min-duration",
        "accuracy-samples",  # ImageNet has 50,000
    }


def test_a_submission_grows(runs: dict[str, Path], tmp_path: Path) -> None:
    """A second scenario is added; what somebody filled in by hand stays, also in pages."""
    out = tmp_path / "out"
    packaged([runs["SingleStream"]], out, suite="datacenter")
    path = out / "open/Acme/systems/box.json"
    system = json.loads(path.read_text()) | {"cooling": "a breeze", "system_name": "The Box"}
    path.write_text(json.dumps(system))
    page = out / "open/Acme/documentation/README.md"
    page.write_text("# My own\n")
    found = packaged([runs["Server"]], out, stands_for="resnet50", system={"hw_notes": "old"})
    after = json.loads(path.read_text())
    assert after == system | {"hw_notes": "old"}
    assert "cooling" not in found.to_complete["systems/box.json"]
    assert page.read_text() == "# My own\n"
    mapping = json.loads((out / "open/Acme/model_mapping.json").read_text())
    assert mapping == {"digits": "resnet"}
    with pytest.raises(InputError, match="there already"):
        packaged([runs["Server"]], out)
    path.write_text(json.dumps(system | {"operating_system": "Another 1.0"}))
    shutil.rmtree(out / "open/Acme/results/box/digits/Server")
    with pytest.raises(InputError, match="another system"):
        packaged([runs["Server"]], out)


def test_nothing_private_is_written(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders of the machine do not leave it; where a log names its host, the reader is warned."""
    run = tmp_path / "run"
    shutil.copytree(runs["SingleStream"], run)
    document = json.loads((run / "run.json").read_text())
    document["experiment"]["system"]["model"] = "/home/ada/secret/net.onnx"
    (run / "run.json").write_text(json.dumps(document))
    detail = run / "loadgen/00000" / DETAIL
    detail.write_text(detail.read_text().replace('"PySUT"', '"PySUT on adas-laptop"'))
    monkeypatch.setattr(platform, "node", lambda: "adas-laptop")
    monkeypatch.setenv("HOME", "/home/ada")
    found = packaged([run], tmp_path / "out")
    for path in found.path.rglob("*"):
        assert not path.is_file() or b"/home/ada" not in path.read_bytes()
    model = found.path / "open/Acme/results/box/digits/SingleStream/measurements.json"
    assert json.loads(model.read_text())["starting_weights_filename"] == "net.onnx"
    (told,) = [one for one in found.findings if one.rule == "private"]
    assert told.file.endswith(f"performance/run_1/{DETAIL}")
    assert "host" in told.found


def test_what_cannot_be_handed_in_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    """In a sentence that says what to do; and nothing is written."""
    out, good = tmp_path / "out", runs["SingleStream"]
    labels = np.arange(4)
    workload = tailmark.Arrays(inputs=labels[:, None], references=labels, classes=10)
    other = tmp_path / "other"
    tailmark.measure(
        workload,
        tailmark.Function(call=scores),
        rounds=1,
        warmup=0,
        out=other,
    )
    twin, moved = tmp_path / "twin", tmp_path / "moved"
    shutil.copytree(good, twin)
    shutil.copytree(runs["Server"], moved)
    document = json.loads((moved / "run.json").read_text())
    document["environment"]["processor"]["model"] = "Abacus"
    (moved / "run.json").write_text(json.dumps(document))
    broken = tmp_path / "broken"
    shutil.copytree(good, broken)
    (broken / "loadgen/accuracy" / ACCURACY).unlink()
    audited = tmp_path / "audited"
    shutil.copytree(good, audited)
    (audited / "loadgen/00000/audit.config").write_text("*.*.performance_issue_same = 1")
    for given, options, why in (
        ([other], {}, "engine: loadgen"),
        ([broken], {}, "does not exist"),
        ([audited], {}, "compliance test"),
        ([good, twin], {}, "both SingleStream"),
        ([good, moved], {}, "different systems"),
        ([], {}, "no run is given"),
        ([good], {"submitter": "../Acme"}, "names a folder"),
        ([good], {"benchmark": ""}, "names a folder"),
        ([good], {"system_name": "a/b"}, "names a folder"),
        ([good], {"division": "ajar"}, "open, closed or|closed, network or open"),
        ([good], {"suite": "home"}, "datacenter, edge"),
        ([good], {"category": "soon"}, "rdi"),
        ([good], {"stands_for": "restnet"}, "did you mean 'resnet'"),
        ([good], {"round_index": 3}, "from 0 to 0"),
        ([good], {"system": tmp_path / "no.json"}, "JSON object"),
    ):
        with pytest.raises(InputError, match=why):
            packaged(given, out, **options)
        assert not out.exists()


def test_what_cannot_be_counted_is_not_made_up(runs: dict[str, Path], tmp_path: Path) -> None:
    """An accuracy log that is cut is refused, unless somebody says what it reached."""
    run = tmp_path / "run"
    shutil.copytree(runs["SingleStream"], run)
    log = run / "loadgen/accuracy" / ACCURACY
    log.write_text(log.read_text()[:300])
    with pytest.raises(InputError, match="does not fit the run"):
        packaged([run], tmp_path / "out")
    found = packaged([run], tmp_path / "out", accuracy="accuracy=12.5%")
    path = found.path / "open/Acme/results/box/digits/SingleStream/accuracy/accuracy.txt"
    assert path.read_text().startswith("accuracy=12.5%\nhash=")


def test_what_the_engine_measured_is_packaged(tmp_path: Path) -> None:
    """From a measurement to a submission that lacks but 600 seconds and a known name."""
    needs_loadgen()
    run = tailmark.measure(
        tailmark.Digits(),
        tailmark.DigitsNetwork(),
        rounds=1,
        engine=tailmark.LoadGen(min_duration="100ms"),
        out=tmp_path / "run",
    )
    found = packaged([tmp_path / "run"], tmp_path / "out")
    assert {(one.severity, one.rule) for one in found.findings if one.rule != "private"} == {
        ("error", "min-duration"),
        ("warning", "benchmark-unknown"),
    }
    path = found.path / "open/Acme/results/box/digits/SingleStream/accuracy/accuracy.txt"
    ideal = tailmark.summarize(run, metric="top1").to_dict()["quality"]["ideal"]["value"]
    reached = float(path.read_text().removeprefix("accuracy=").partition("%")[0]) / 100
    assert reached == pytest.approx(
        ideal, abs=0.05
    )  # a round repeats some samples and omits others
