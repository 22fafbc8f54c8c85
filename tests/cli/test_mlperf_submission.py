"""``tailmark mlperf package`` and ``check`` print what the library finds, or refuse."""

import json
from pathlib import Path

import pytest

import tailmark
from cli.conftest import Command
from mlperf.genuine import ACCURACY, DETAIL, SUMMARY, needs_loadgen, run_loadgen, submission


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the digits as the LoadGen engine leaves it."""
    needs_loadgen()
    out = tmp_path_factory.mktemp("driven") / "run"
    run = tailmark.measure(tailmark.Digits(), tailmark.DigitsNetwork(), rounds=1, out=out)
    samples = len(run.references)
    run_loadgen(out / "loadgen/00000", "SingleStream", samples=samples, loaded=samples)
    run_loadgen(
        out / "loadgen/accuracy", "SingleStream", "AccuracyOnly", samples=samples, loaded=samples
    )
    return out


def package(command: Command, run: Path, *more: str | Path) -> str:
    """What packaging prints; it ends well, whatever the check finds."""
    words = ("--submitter", "Acme", "--benchmark", "digits", "--out", "submission")
    done = command("mlperf", "package", run, *words, *more)
    assert (done.code, done.err) == (0, "")
    return done.out


def test_a_package_is_written_and_what_remains_is_told(
    command: Command, driven: Path, tmp_path: Path
) -> None:
    """Where it is, what to fill in, and what a second of measuring cannot have."""
    out = " ".join(package(command, driven, "--system-name", "box").split())
    assert out.startswith("digits, SingleStream, on box: submission")
    assert "Nobody recorded these fields of systems/box.json" in out
    assert "NOT FIT – " in out
    assert "error min-duration: the run was to last 0 ns or more; a run lasts 600 s" in out
    folder = tmp_path / "submission/open/Acme/results/box/digits/SingleStream"
    for name in (f"performance/run_1/{DETAIL}", f"accuracy/{SUMMARY}", f"accuracy/{ACCURACY}"):
        assert (folder / name).is_file()


def test_check_as_json_is_the_library_s(command: Command, driven: Path, tmp_path: Path) -> None:
    """One document; errors end it with 1, and the package's findings are the same."""
    document = json.loads(package(command, driven, "--json"))
    done = command("mlperf", "check", "submission", "--json")
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)
    library = tailmark.check_submission(tmp_path / "submission")
    assert found["findings"] == [one.to_dict() for one in library]
    assert [one for one in document["findings"] if one["rule"] != "private"] == found["findings"]
    assert (found["rules"], found["fit"]) == ("v6.1", False)
    assert found["errors"] + found["warnings"] == len(library)


def test_a_submission_that_is_fit_ends_well(command: Command, tmp_path: Path) -> None:
    """Exit code 0 and one line."""
    needs_loadgen()
    (tmp_path / "good").mkdir()
    done = command("mlperf", "check", submission(tmp_path / "good", "open", ["SingleStream"]))
    assert (done.code, done.err) == (0, "")
    assert done.out == "FIT – no rule of MLPerf Inference v6.1 is broken\n"


def test_a_run_that_loadgen_did_not_drive_is_refused(command: Command, digits_run: Path) -> None:
    """In one sentence, with the way out."""
    done = command(
        "mlperf", "package", digits_run, "--submitter", "A", "--benchmark", "b", "--out", "o"
    )
    assert "engine: loadgen" in done.complaint
    assert "no directory" in command("mlperf", "check", "nowhere").complaint
