"""``tailmark import``: what it makes, every command accepts."""

import json
import pickle
import re
from pathlib import Path

import pytest

import tailmark
from cli.conftest import Command
from importers.published import emotion_flow, mobilenet, some_times, write
from loadgen.written import accuracy_test, performance_test, queries

TABLE = """\
round,sample,latency_ms,output,reference
1,a,2,cat,cat
1,b,3.5,dog,cat
2,a,2.5,cat,cat
2,b,,,cat
3,a,2.25,cat,cat
3,b,1,cat,cat
"""


@pytest.fixture
def runs(command: Command, tmp_path: Path) -> dict[str, str]:
    """One run of each kind, imported by the commands."""
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    mobilenet(sizes=(4, 4, 4), rounds=6).write(tmp_path / "MobileNet_PyTorch")
    write(tmp_path / "All_Times.pickle", some_times(5, 4))
    made = {
        "csv": ("csv", "table.csv"),
        "tail-quality": ("tail-quality", "MobileNet_PyTorch"),
        "times": ("tail-quality", "--times", "All_Times.pickle"),
    }
    for name, words in made.items():
        done = command("import", *words, "--out", name)
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines()[-1] == name
        assert "warning: imported: in which environment it was measured is not known" in done.out
    return {name: name for name in made}


@pytest.mark.parametrize("name", ["csv", "tail-quality", "times"])
def test_every_command_accepts_an_imported_run(
    name: str, runs: dict[str, str], command: Command
) -> None:
    """It is shown as text, Markdown and JSON, reported on, predicted from and compared."""
    run = runs[name]
    for words in (
        ("summarize", run),
        ("summarize", run, "--markdown"),
        ("summarize", run, "--deadline", "2ms", "--on-late", "drop"),
        ("summarize", run, "--time", "total"),
        ("compare", run, run),
        ("extremes", run),
        ("report", run),
    ):
        done = command(*words)
        assert done.err == "", words
        assert done.code in (0, 1), words
        assert "None" not in done.out
        assert "nan" not in done.out
    predicted = command("predict", run, "--deadline", "10ms")
    if name == "times":
        assert "has no references" in predicted.complaint
    else:
        assert (predicted.code, predicted.err) == (0, "")
    document = json.loads(command("summarize", run, "--json").out)
    assert document["environment"] == document["cold_start"] == {}
    assert (document["quality"] is None) == (name == "times")
    assert command("summarize", run).out.count("unknown processor") == 1


def test_both_timers_are_there(runs: dict[str, str], command: Command) -> None:
    """The total and the inference within it; a stage that nobody timed is refused."""
    means = {}
    for timer in ("total", "inference"):
        done = command("summarize", runs["times"], "--json", "--time", timer)
        latency = json.loads(done.out)["latency"]
        assert latency["time"] == timer
        means[timer] = latency["mean"]["value"]
    assert means["inference"] < means["total"]
    refused = command("summarize", runs["times"], "--time", "preprocess").complaint
    assert refused == "time 'preprocess' is not measured: inference, total"


def test_options_name_columns_and_files(command: Command, tmp_path: Path) -> None:
    """Each option of the library has one of the commands."""
    text = TABLE.replace("round,sample,latency_ms,output,reference", "r,s,t,o,g")
    (tmp_path / "other.csv").write_text(text, encoding="utf-8")
    options = ("--round", "r", "--sample", "s", "--latency", "t", "--unit", "ms")
    labels = ("--output", "o", "--reference", "g", "--timed", "inference")
    assert command("import", "csv", "other.csv", "--out", "one", *options, *labels).code == 0
    emotion_flow().write(tmp_path / "flow", ".json")
    files = ("--times", "flow/All_Times.pickle", "--results", "flow/result.json")
    graded = ("--references", "flow/golden.json", "--task", "emotion-flow")
    assert command("import", "tail-quality", *files, *graded, "--out", "two").code == 0
    one, two = tailmark.open_run("one"), tailmark.open_run("two")
    assert one.manifest.experiment["timed"] == "inference"
    assert two.references.values is not None


def test_a_run_without_a_name_gets_one(command: Command, tmp_path: Path) -> None:
    """By default it lies in ``runs``, under the file's name and the time."""
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    done = command("import", "csv", "table.csv")
    assert done.code == 0
    (made,) = Path("runs").iterdir()
    assert re.fullmatch(r"table-\d{8}-\d{6}", made.name)
    assert done.out.splitlines()[-1] == str(made)


def test_what_cannot_be_imported_is_one_sentence(command: Command, tmp_path: Path) -> None:
    """Exit code 2, no run, and a pickle that wants to run something is refused by name."""
    evil = b"cos\nsystem\n(S'touch marker'\ntR."
    (tmp_path / "evil.pickle").write_bytes(evil)
    (tmp_path / "late.csv").write_text("round,sample,latency_ms\n1,a,soon\n", encoding="utf-8")
    for words, says in (
        (("tail-quality", "--times", "evil.pickle"), "asks for 'os.system' and was refused"),
        (("tail-quality",), "give a directory or --times FILE"),
        (("csv", "late.csv"), "row 1: the latency is 'soon'"),
        (("csv", "nowhere.csv"), "'nowhere.csv' does not exist"),
    ):
        assert says in command("import", *words, "--out", "run").complaint
        assert not Path("run").exists()
    assert not Path("marker").exists()
    pickle.loads(evil)  # it is live
    assert Path("marker").exists()


def test_the_help_names_both_kinds(command: Command) -> None:
    """``import`` alone and asked for help."""
    done = command("import", "--help")
    assert done.code == 0
    for kind in ("csv", "tail-quality"):
        assert kind in done.out
        assert command("import", kind, "--help").code == 0


LIBRARY = [(k, k, k.to_bytes(4, "little")) for k in range(10)]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of LoadGen's logs: two performance tests with traces, and an accuracy test."""
    for number in (1, 2):
        performance_test(tmp_path / f"logs/performance/run_{number}", queries(40))
    accuracy_test(tmp_path / "logs/accuracy", LIBRARY)
    (tmp_path / "labels.txt").write_text("\n".join(map(str, range(10))), encoding="utf-8")
    return tmp_path / "logs"


def test_loadgens_logs_are_a_run_like_any_other(logs: Path, command: Command) -> None:
    """With a trace and labels every command accepts it, and LoadGen's result stands beside."""
    done = command("import", "loadgen", logs, "--labels", "labels.txt", "--out", "run")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "run"
    assert "LoadGen reported 2 tests: VALID" in done.out
    assert "warning: the 4 bytes of each answer are taken as a label of type int32" in done.out
    for words in (
        ("summarize", "run", "--markdown"),
        ("summarize", "run", "--deadline", "1.2ms"),
        ("compare", "run", "run"),
        ("predict", "run", "--deadline", "1.2ms"),
        ("report", "run"),
        ("mlperf", "result", "run"),
    ):
        done = command(*words)
        assert (done.err, done.code in (0, 1)) == ("", True), words
    document = json.loads(command("summarize", "run", "--json").out)
    assert document["quality"]["ideal"]["value"] == 1.0
    assert [one["round"] for one in document["reported"]] == [None, 0, 1]
    told = command("import", "loadgen", logs, "--dtype", "int32", "--out", "told")
    assert "are taken as a label" not in told.out


def test_logs_without_a_trace_show_what_was_reported(logs: Path, command: Command) -> None:
    """As text, as Markdown and as one JSON document; what needs times is refused in a sentence."""
    for trace in logs.glob("**/mlperf_log_trace.json"):
        trace.unlink()
    done = command("import", "loadgen", logs, "--labels", "labels.txt", "--out", "run")
    assert (done.code, done.err) == (0, "")
    assert "LoadGen reported 2 single-stream tests: VALID; top-1 accuracy 100.00 %" in done.out
    assert done.out.splitlines()[-1] == "run"
    assert command("summarize", "run").out in done.out
    assert command("summarize", "run", "--markdown").out.startswith("**LoadGen reported 2 ")
    document = json.loads(command("summarize", "run", "--json").out)
    assert document["timed"] == "none"
    assert document["statistics"]["p90"]["value"] == 1_360_000
    assert document["quality"]["at"][0]["ideal"]["value"] == 1.0
    for words in (
        ("summarize", "run", "--deadline", "5ms"),
        ("summarize", "run", "--steady", "5s"),
        ("predict", "run", "--deadline", "5ms"),
        ("compare", "run", "run"),
        ("extremes", "run"),
        ("report", "run"),
        ("mlperf", "result", "run"),
        ("what-if", "run", "--qps", "10"),
    ):
        assert "LogSettings.enable_trace" in command(*words).complaint, words


def test_logs_that_cannot_be_imported_are_refused_in_a_sentence(
    logs: Path, command: Command
) -> None:
    """And leave nothing behind."""
    for words in (
        ("loadgen", "gone"),
        ("loadgen", "labels.txt"),
        ("loadgen", logs, "--dtype", "text"),
        ("loadgen", logs, "--labels", "gone.txt"),
        ("loadgen", logs, "--accuracy", "gone"),
        ("loadgen", logs / "performance", "--labels", "labels.txt"),
    ):
        assert command("import", *words, "--out", "run").complaint
        assert not Path("run").exists()
    assert Path(command("import", "loadgen", logs).out.splitlines()[-1]).parts[0] == "runs"
