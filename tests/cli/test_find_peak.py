"""``tailmark find-peak``."""

import json
from pathlib import Path

import tailmark
from cli.conftest import Command

EASY = "require={quality: '>= 0.01', at: 9s}"
SERVER = ("--set", "scenario={kind: server, target_qps: 1}", "--set", "warmup=0")


def test_the_peak_of_the_built_in_network(command: Command, tmp_path: Path) -> None:
    """Rates a machine of any kind bears; their runs are there, and the plot."""
    file = tmp_path / "digits.yaml"
    file.write_text(
        "workload: {kind: digits}\nsystem: {kind: digits}\nrounds: 3\nwarmup: 5\n"
        "scenario: {kind: server, target_qps: 9, queries: 40}\n"
        "require: {quality: '>= 0.2', at: 9s}\n"
    )
    arguments = ("--from", "200", "--up-to", "400", "--out", "peak", "--plot", "peak.svg")
    done = command("find-peak", file, *arguments)
    assert (done.code, done.err) == (0, "")
    words = " ".join(done.out.split())
    assert words.startswith("The peak is 400 queries a second: top-1 accuracy at 9s is ")
    assert "400 queries a second pass, and no more were to be tried" in words
    assert words.endswith("The runs, side by side: tailmark report peak/qps-*")
    assert Path("peak.svg").read_text().startswith("<svg")
    assert sorted(p.name for p in Path("peak").iterdir()) == ["qps-00200", "qps-00400"]
    assert tailmark.judge("peak/qps-00400").outcome == "pass"
    document = json.loads(command("find-peak", file, *arguments, "--json").out)
    assert document["format"] == 1
    assert document["bracket"] == [400, None]
    assert [one["rounds"] for one in document["candidates"]] == [3, 3]


def test_without_a_peak_it_exits_with_1(command: Command, small: Path) -> None:
    """And says what the lowest rate delivers."""
    wanted = "require={quality: '>= 0.9', at: 1ns}"
    done = command("find-peak", small, "--set", wanted, *SERVER, "--from", "9000", "--out", "peak")
    assert done.code == 1
    assert "No rate tried meets the requirement: at 562.5 queries a second" in done.out


def test_bad_input_is_one_sentence(command: Command, small: Path) -> None:
    """Before anything is measured."""
    assert "there is no require" in command("find-peak", small, *SERVER).complaint
    assert "'single-stream' has no rate" in command("find-peak", small, "--set", EASY).complaint
    asked = ("find-peak", small, *SERVER, "--set", EASY)
    assert "'peak.pdf' is no plot" in command(*asked, "--plot", "peak.pdf").complaint
    assert "from is 0 queries" in command(*asked, "--from", "0").complaint
    assert "within is 7" in command(*asked, "--within", "7").complaint
    assert not Path("runs").exists()


def test_a_run_may_be_measured_until_it_is_decided(command: Command, small: Path) -> None:
    """The rule is for any experiment with a requirement; `check` says when it looks."""
    until = "rounds={until: {decided: true}, at_most: 20}"
    done = command("check", small, "--set", until, "--set", EASY)
    assert "takes 3 rounds at least and 14 to pass; looks 7 times" in done.out
    done = command("run", small, "--set", until, "--set", EASY, "--out", "out")
    assert done.code == 0
    said = "stopped after 14 of at most 20 rounds (168 inferences): the requirement is met, by 99"
    assert said in " ".join(done.out.split())
    assert (
        "wait for decided, and there is no require"
        in command("run", small, "--set", until).complaint
    )
