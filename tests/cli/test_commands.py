"""Every command does what its help says."""

import json
import re
from pathlib import Path

import pytest
import yaml

import tailmark
from cli.conftest import Command


def test_init_writes_a_file_that_passes_its_own_check(command: Command) -> None:
    """The commented starting file is an experiment as it stands."""
    written = command("init")
    assert written.code == 0
    assert written.out == "experiment.yaml is written; next: tailmark run experiment.yaml\n"
    checked = command("check", "experiment.yaml")
    assert checked.code == 0
    assert checked.out.startswith("experiment.yaml is fine: 100 rounds of 360 samples, about ")
    assert checked.err == ""


def test_init_never_writes_over_a_file(command: Command) -> None:
    """What is there stays; a folder that is not there is not made."""
    Path("mine.yaml").write_text("precious", encoding="utf-8")
    assert (
        "'mine.yaml' is there already: give another name" in command("init", "mine.yaml").complaint
    )
    assert Path("mine.yaml").read_text(encoding="utf-8") == "precious"
    assert "cannot be written" in command("init", "nowhere/mine.yaml").complaint


def test_check_as_json_is_one_document(command: Command, small: Path) -> None:
    """What was found: samples, rounds, times, the settings in effect, warnings."""
    done = command("check", small, "--json", "--set", "rounds=7")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    assert set(document) == {
        "format",
        "samples",
        "rounds",
        "query_ns",
        "total_ns",
        "system",
        "warnings",
    }
    assert (document["samples"], document["rounds"]) == (12, 7)
    assert document["system"]["kind"] == "onnxruntime"
    assert document["total_ns"] == document["query_ns"] * 12 * 7
    assert not Path("out").exists()


def test_run_measures_shows_and_says_where(command: Command, small: Path) -> None:
    """The run is complete on disk, its table on standard output, its path in the last line."""
    done = command("run", small, "--out", "out", "--set", "rounds=3")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "out"
    assert "At 1 s this system delivers 100.0 %" in done.out
    run = tailmark.open_run("out")
    assert run.complete
    assert len(run) == 3
    assert run.manifest.experiment["rounds"] == 3


def test_a_run_without_a_name_gets_one(command: Command, small: Path) -> None:
    """By default it lies in ``runs``, under the experiment's name and the time."""
    done = command("run", small)
    assert done.code == 0
    (made,) = Path("runs").iterdir()
    assert re.fullmatch(r"small-\d{8}-\d{6}", made.name)
    assert done.out.splitlines()[-1] == str(made)


@pytest.mark.parametrize(
    ("require", "rounds", "code", "says"),
    [
        ("{quality: '>= 0.9', at: 9s}", 3, 0, "PASS – required: 90.0 % or more at 9s on average"),
        ("{quality: '>= 0.9', at: 0ms}", 3, 1, "FAIL – required: 90.0 % or more at 0ms"),
        ("{quality: '>= 0.9', at: 9s}", 1, 1, "UNDECIDED – required: 90.0 % or more at 9s"),
        ("{quality: '>= 0.9', at: 9s, of: tail}", 3, 1, "about 72 rounds would decide"),
    ],
)
def test_a_requirement_decides_the_exit_code(
    require: str, rounds: int, code: int, says: str, command: Command, small: Path
) -> None:
    """Passed is 0; failed and undecided are 1; the run stands in each case."""
    done = command(
        "run", small, "--out", "out", "--set", f"require={require}", "--set", f"rounds={rounds}"
    )
    assert (done.code, done.err) == (code, "")
    assert says in done.out
    assert tailmark.open_run("out").complete


def test_summarize_as_json_is_the_library_s_document(command: Command, digits_run: Path) -> None:
    """One document on standard output and nothing else there; the same as ``to_dict``."""
    done = command("summarize", digits_run, "--json", "--quality", "0.5,0.8", "--deadline", "p90")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    library = tailmark.summarize(digits_run, deadlines=["p90"], quality=[0.5, 0.8])
    assert document == json.loads(json.dumps(library.to_dict()))
    assert document["quality"]["ideal"]["value"] == pytest.approx(0.9, abs=0.01)
    assert [one["quality"] for one in document["quality"]["reach"]] == [0.5, 0.8]


def test_options_may_be_repeated_or_joined_by_commas(command: Command, digits_run: Path) -> None:
    """``--deadline 1s --deadline p90`` and ``--deadline 1s,p90`` ask the same."""
    apart = command("summarize", digits_run, "--json", "--deadline", "1s", "--deadline", "p90")
    joined = command("summarize", digits_run, "--json", "--deadline", "1s, p90")
    assert apart.out == joined.out


def test_summarize_as_a_table_leads_with_the_headline(command: Command, digits_run: Path) -> None:
    """First what a manager reads, then the tables, then what stands against it."""
    done = command("summarize", digits_run, "--quality", "0.5")
    assert (done.code, done.err) == (0, "")
    first = done.out.strip().splitlines()[0]
    assert first.startswith("At p90 (")
    for title in ("At the deadline", "The shortest deadline that delivers", "Where the answers go"):
        assert title in done.out
    assert "needs 72 rounds" in " ".join(done.out.split())


def test_summarize_as_markdown_is_tables(command: Command, digits_run: Path) -> None:
    """Every table has as many cells in each row as in its header."""
    done = command("summarize", digits_run, "--markdown")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("**At p90 (")
    tables = re.findall(r"(?:^\|.*\|\n)+", done.out, re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        rows = table.splitlines()
        assert len({row.count("|") for row in rows}) == 1
        assert set(rows[1]) <= set("|-: ")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("fail", "count as wrong"),
        ("drop", "are left out"),
        ("stale", "the newest one there was"),
        ("linear:2ms", "loses its worth evenly over 2 ms"),
        ("exponential:500us", "keeps 37 % of its worth every 500 µs"),
        ("penalty", "multiplied by the share on time"),
    ],
)
def test_a_late_policy_is_said_in_words(
    policy: str, words: str, command: Command, digits_run: Path
) -> None:
    """The table's title says what a late answer counted as."""
    done = command("summarize", digits_run, "--on-late", policy)
    assert done.code == 0
    assert words in done.out


def test_a_sweep_asks_at_quantiles(command: Command, digits_run: Path) -> None:
    """As JSON all deadlines stand in one list; as a table they have one of their own."""
    document = json.loads(command("summarize", digits_run, "--sweep", "5", "--json").out)
    library = tailmark.summarize(digits_run, sweep=5)
    assert document == json.loads(json.dumps(library.to_dict()))
    *swept, asked = [at["deadline_ns"] for at in document["quality"]["at"]]
    assert swept[0] == document["latency"]["min_ns"]
    assert swept[-1] <= document["latency"]["max_ns"] < asked == 10**10
    assert "Over the measured latencies" in command("summarize", digits_run, "--sweep", "5").out
    refused = command("summarize", digits_run, "--sweep", "1")
    assert "sweep is 1: give a whole number of deadlines from 2" in refused.complaint


def test_a_run_may_lend_itself_its_answers(command: Command, digits_run: Path) -> None:
    """Under ``fallback`` by the same run, nothing changes but the policy's name."""
    plain = json.loads(command("summarize", digits_run, "--json").out)["quality"]
    lent = json.loads(
        command(
            "summarize", digits_run, "--json", "--on-late", "fallback", "--fallback", digits_run
        ).out
    )["quality"]
    assert [at["rounds"] for at in lent["at"]] == [at["rounds"] for at in plain["at"]]
    assert lent["on_late"] == "fallback"


def test_audit_as_json_is_one_document(command: Command) -> None:
    """What the machine can resolve, in nanoseconds, with its warnings."""
    done = command("audit", "--json")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    assert document["format"] == 1
    assert {"timer_cost_ns", "wakeup_p99_ns", "harness_p50_ns", "hop_p50_ns"} <= set(document)
    assert isinstance(document["warnings"], list)
    assert document["timer_cost_ns"] > 0
    assert document["hop_p50_ns"] > document["harness_p50_ns"] > 0


def test_audit_as_a_table_names_what_it_measured(command: Command) -> None:
    """Timer, sleep, our own cost, the hop, and the shortest deadline worth asking about."""
    done = command("audit")
    assert (done.code, done.err) == (0, "")
    for words in ("reading the timer", "waking from a sleep", "isolated", "can be measured here"):
        assert words in done.out


def test_report_writes_one_page(command: Command, digits_run: Path) -> None:
    """One HTML file that asks nothing of the network, at the path that is printed."""
    done = command("report", digits_run, "-o", "page.html")
    assert (done.code, done.err) == (0, "")
    assert done.out == "page.html\n"
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert not re.search(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:""", page)


def test_report_writes_every_plot_in_two_forms(command: Command, digits_run: Path) -> None:
    """Each plot is there as PNG and as SVG, and each file's path is printed."""
    done = command("report", digits_run, "-o", "page.html", "--plots", "plots")
    assert (done.code, done.err) == (0, "")
    _, *files = map(Path, done.out.splitlines())
    assert set(files) == set(Path("plots").iterdir())
    assert {f.stem for f in files if f.suffix == ".png"} == {
        f.stem for f in files if f.suffix == ".svg"
    }
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in files if f.suffix == ".png")


def test_the_demo_measures_and_reports(tmp_path: Path) -> None:
    """Two rounds of it: a complete run, the network's accuracy, and a report beside it."""
    from tailmark.study.demo import lesson

    run = tailmark.demo(tmp_path / "demo", rounds=2)
    assert run.complete
    assert len(run) == 2
    summary = tailmark.summarize(run)
    assert summary.ideal is not None
    assert summary.ideal.value == pytest.approx(0.989, abs=0.01)
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
    assert all(sentence.endswith((".", "!", "?")) for sentence in lesson(summary))


def test_help_shows_every_command_and_the_exit_codes(command: Command) -> None:
    """Asked for or not, the help names them all."""
    done = command("--help")
    assert (done.code, done.err) == (0, "")
    for name in ("demo", "init", "check", "run", "summarize", "report", "audit"):
        assert name in done.out
        assert command(name, "--help").code == 0
    assert "2 bad input" in " ".join(done.out.split())
    asked_nothing = command()
    assert asked_nothing.code == 2
    assert "Usage" in asked_nothing.out + asked_nothing.err


def test_the_starting_file_shows_settings_that_exist(command: Command) -> None:
    """What its comments suggest is known to the schema: each top-level key is one of it."""
    command("init")
    document = yaml.safe_load(Path("experiment.yaml").read_text(encoding="utf-8"))
    assert set(document) <= {
        "workload",
        "system",
        "scenario",
        "rounds",
        "warmup",
        "timed",
        "engine",
        "quality",
        "require",
        "seed",
    }
