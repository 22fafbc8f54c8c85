"""``tailmark extremes``."""

import json
from pathlib import Path

import tailmark
from cli.conftest import Command


def test_json_is_what_the_library_says(command: Command, digits_run: Path) -> None:
    """One document; three rounds bear no tail, and it says so."""
    done = command("extremes", digits_run, "--json", "--deadline", "10s", "--horizon", "1e6")
    assert (done.code, done.err) == (0, "")
    found = tailmark.extremes(digits_run, deadlines=["10s"], horizon=1e6)
    assert json.loads(done.out) == found.to_dict()
    assert found.reason == "a tail needs 10 rounds, have 3"


def test_text_has_the_refusal(command: Command, digits_run: Path) -> None:
    """The headline says why nothing rarer can be told."""
    done = command("extremes", digits_run)
    assert (done.code, done.err) == (0, "")
    assert "tell nothing of rarer latencies: a tail needs 10 rounds, have 3." in done.out


def test_bad_input_is_one_sentence(command: Command, digits_run: Path) -> None:
    """The value, what is allowed, the way out."""
    assert "'many' is no number" in command("extremes", digits_run, "--horizon", "many").complaint
    assert "horizon 5.0 is none" in command("extremes", digits_run, "--horizon", "5").complaint
