"""The commands say beforehand when a rule looks, and afterwards why it stopped."""

import json
from pathlib import Path

import tailmark
from cli.conftest import Command

UNTIL = "rounds={until: {half_width: 0.3, of: on_time}, at_most: 45}"


def test_check_says_how_many_rounds_it_takes_at_least(command: Command, small: Path) -> None:
    """The looks and their confidence; nothing is measured."""
    done = command("check", small, "--set", UNTIL)
    assert (done.code, done.err) == (0, "")
    first, second = done.out.splitlines()
    assert first.startswith(f"{small} is fine: at most 45 rounds of 12 samples, about ")
    assert second == (
        "stops when the half-width of the share on time is 30 % or less, which takes 30 rounds at "
        "least; looks twice, after 30 and 45 rounds, with 97.5 % intervals, so that 95 % hold "
        "for all looks together"
    )
    document = json.loads(command("check", small, "--json", "--set", UNTIL).out)
    assert document["looks"] == [30, 45]
    assert document["rounds"] == {
        "until": {"half_width": 0.3, "of": "on_time"},
        "at_most": 45,
    }
    assert document["total_ns"] == document["query_ns"] * 12 * 45


def test_check_refuses_what_cannot_be_reached(command: Command, small: Path) -> None:
    """With the number that would do."""
    wanted = "rounds={until: {half_width: 0.01, of: tail}, at_most: 50}"
    said = command("check", small, "--set", wanted).complaint
    assert said.endswith(
        "half_width of tail needs 72 rounds at least, and at_most is 50: give at_most 72 or more"
    )
    assert command("run", small, "--out", "out", "--set", wanted).code == 2
    assert not Path("out").exists()


def test_run_says_why_it_stopped(command: Command, small: Path) -> None:
    """Once, in words, and again whenever the run is shown."""
    done = command("run", small, "--out", "out", "--set", UNTIL)
    assert (done.code, done.err) == (0, "")
    why = "stopped after 30 of at most 45 rounds (360 inferences): the share on time at 1 s is"
    assert done.out.count(why) == 1
    assert tailmark.open_run("out").complete
    assert command("summarize", "out").out.count(why) == 1
    assert command("summarize", "out", "--markdown").out.count(why) == 1
    document = json.loads(command("summarize", "out", "--json").out)
    assert document["stopping"]["reached"] is True
    assert document["stopping"]["inferences"] == 360
    assert document["stopping"]["says"].startswith(why)
    again = command("run", small, "--out", "out", "--resume", "--set", UNTIL)
    assert again.code == 0
    assert again.out.count(why) == 1


def test_run_says_what_it_did_not_reach(command: Command, small: Path) -> None:
    """The most rounds are measured, the run is whole, and the sentence says how far it is."""
    wanted = "rounds={until: {rjsd: 0.001, window: 1, every: 1, warm: 1}, at_most: 3}"
    done = command("run", small, "--out", "out", "--set", wanted)
    assert (done.code, done.err) == (0, "")
    assert "not reached in 3 rounds (36 inferences), the most allowed: rJSD is " in done.out
    assert "whether more rounds would do is unknown" in " ".join(done.out.split())
