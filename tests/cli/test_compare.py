"""``tailmark compare`` prints what the library finds, and refuses what it refuses."""

import json
import shutil
from pathlib import Path

import pytest

import tailmark
from cli.conftest import Command


@pytest.fixture
def twin(digits_run: Path, tmp_path: Path) -> Path:
    """The same run under another design: measured apart, for all that is known."""
    path = tmp_path / "twin"
    shutil.copytree(digits_run, path)
    _change(path, design_id="f" * 32)
    return path


def _change(run: Path, **changes: object) -> None:
    document = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**document, **changes}), encoding="utf-8")


def test_compare_as_json_is_the_library_s_document(
    command: Command, digits_run: Path, twin: Path
) -> None:
    """One document on standard output and nothing else there; the same as ``to_dict``."""
    done = command("compare", digits_run, twin, "--json", "--deadline", "10s", "--margin", "0.01")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    library = tailmark.compare(digits_run, twin, deadlines=["10s"], margin=0.01)
    assert document == json.loads(json.dumps(library.to_dict()))
    assert document["verdict"] == "equivalent"
    assert document["paired_by"] == "sample"
    assert document["flips"]["differ"] == 0


def test_compare_as_a_table_leads_with_the_verdict(
    command: Command, digits_run: Path, twin: Path
) -> None:
    """First the verdict in words, then the tables, then how the runs pair."""
    done = command("compare", digits_run, twin, "--deadline", "10s")
    assert (done.code, done.err) == (0, "")
    assert done.out.strip().startswith("EQUIVALENT – at 10 s twin delivers as much on time as ")
    for title in ("At the deadline", "Flips", "Latency"):
        assert title in done.out
    assert "measured apart, so paired by sample only" in " ".join(done.out.split())


def test_compare_as_markdown(command: Command, digits_run: Path) -> None:
    """For a pull request; a run beside itself pairs by round."""
    done = command("compare", digits_run, digits_run, "--markdown", "--deadline", "10s")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("**EQUIVALENT – ")
    assert "| no deadline |" in done.out
    assert "paired by round" in done.out


def test_unlike_runs_need_allowing(command: Command, digits_run: Path, twin: Path) -> None:
    """Refused with the option that would allow it, which does."""
    experiment = tailmark.open_run(twin).manifest.experiment
    workload = {**experiment["workload"], "order": "fixed"}
    _change(twin, experiment={**experiment, "workload": workload})
    said = command("compare", digits_run, twin).complaint
    assert "differ in what must be alike: order (shuffled / fixed)" in said
    assert said.endswith("--allow order")
    done = command("compare", digits_run, twin, "--allow", "order,timed")
    assert done.code == 0
    assert "warning: compared all the same, though order differs (shuffled / fixed)" in done.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--json", "--markdown"], "both given: choose one"),
        (["--margin", "5"], "margin 5.0 is no share"),
        (["--margin", "half"], "Invalid value for '--margin'"),
        (["--allow", "order,everything"], "'everything' cannot be allowed"),
        (["--deadline", "5"], "'5' has no unit"),
        (["--metric", "top"], "no metric is called 'top'"),
    ],
)
def test_a_question_that_has_no_answer_is_refused(
    options: list[str], says: str, command: Command, digits_run: Path
) -> None:
    """In one sentence, which could be asked."""
    assert says in command("compare", digits_run, digits_run, *options).complaint


def test_what_is_no_run_is_refused(command: Command, digits_run: Path) -> None:
    """Either of the two, and one alone."""
    assert "'nope' is not a run" in command("compare", digits_run, "nope").complaint
    assert "'nope' is not a run" in command("compare", "nope", digits_run).complaint
    assert "Missing argument 'RUN_B'" in command("compare", digits_run).complaint
