"""``tailmark predict``, and ``summarize --about``."""

import json
import re
from pathlib import Path

import pytest

import tailmark
from cli.conftest import Command


def test_json_is_what_the_library_says(command: Command, digits_run: Path) -> None:
    """One document on standard output and nothing else there."""
    done = command(
        "predict", digits_run, "--json", "--deadline", "p90", "--train-rounds", "2",
        "--target", "0.5", "--target", "0.8",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    found = tailmark.predict(digits_run, deadline="p90", train_rounds=2, targets=[0.5, 0.8])
    assert json.loads(done.out) == json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(found.to_dict()["quality"]["at_least"]) == ["0.5", "0.8"]


def test_the_headline_leads_and_the_tables_follow(command: Command, digits_run: Path) -> None:
    """What the rounds ahead deliver, their latency, and what it was learnt from."""
    done = command("predict", digits_run, "--deadline", "p90", "--target", "0.5")
    assert (done.code, done.err) == (0, "")
    says = " ".join(done.out.split())
    assert says.startswith("In the next 1,000 rounds, at p90 (")
    assert "this system will deliver" in says
    for words in (
        "What a round delivers (top-1 accuracy)",
        "worst of 1,000",
        "P(≥ 50.0 %)",
        "Latency over the rounds ahead",
        "round-effects, learnt from 3 rounds.",
    ):
        assert words in says
    assert "On trial" not in says
    assert "nan" not in says


def test_models_on_trial_stand_in_a_table(command: Command, digits_run: Path) -> None:
    """One line each, the best of them named, and what came."""
    done = command("predict", digits_run, "--holdout", "1", "--model", "bootstrap")
    assert (done.code, done.err) == (0, "")
    assert "On trial: 1 round held out" in done.out
    assert done.out.count("(best)") == 1
    for name in ("round-effects", "independent", "kde", "bootstrap", "what came"):
        assert re.search(rf"^{name}\b", done.out, re.MULTILINE)
    assert done.out.strip().splitlines()[0].startswith("In the next round, at p90 (")
    few = " ".join(command("predict", digits_run, "--rounds-ahead", "5").out.split())
    assert few.startswith("In the next 5 rounds, at p90 (")
    assert "on average; in the worst of them about" in few


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--deadline", "5"], "'5' has no unit"),
        (["--model", "kdee"], "'kdee' is no model (did you mean 'kde'?)"),
        (["--rounds-ahead", "0"], "rounds_ahead is 0: give 1 or more"),
        (["--holdout", "3"], "of 3 rounds, 0 cannot be learnt from and 3 held out"),
        (["--train-rounds", "9"], "of 3 rounds, 9 cannot be learnt from"),
        (["--target", "75"], "target 75 is no quality"),
        (["--metric", "top"], "no metric is called 'top'"),
        (["--time", "total"], "measure with timed: total"),
    ],
)
def test_bad_input_is_one_sentence(
    asked: list[str], says: str, command: Command, digits_run: Path
) -> None:
    """The value, what is allowed, the way out; exit code 2."""
    assert says in command("predict", digits_run, *asked).complaint


def test_what_is_no_run_is_refused(command: Command) -> None:
    """As every command refuses it."""
    assert "'nowhere' is not a run" in command("predict", "nowhere").complaint


# Summarize --about


def test_a_summary_may_be_about_the_population(command: Command, digits_run: Path) -> None:
    """The document and the text say so, and intervals are wider."""
    asked = ("summarize", digits_run, "--deadline", "p90")
    these, population = (
        json.loads(command(*asked, "--json", "--about", about).out)
        for about in ("samples", "population")
    )
    assert these == json.loads(command(*asked, "--json").out)
    assert (these["about"], population["about"]) == ("samples", "population")
    narrow, wide = (one["quality"]["ideal"] for one in (these, population))
    assert wide["value"] == narrow["value"]
    assert wide["low"] < narrow["low"] <= narrow["high"] < wide["high"]
    says = " ".join(command(*asked, "--about", "population").out.split())
    assert "about the population that these" in says


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--about", "poplation"], "about is 'poplation' (did you mean 'population'?)"),
        (["--about", "population", "--on-late", "drop"], "use on_late fail, or about samples"),
        (["--about", "population", "--quality", "0.5"], "ask for it apart, about samples"),
    ],
)
def test_a_claim_that_cannot_be_about_it_is_refused(
    asked: list[str], says: str, command: Command, digits_run: Path
) -> None:
    """What is known sample by sample, and what is not."""
    assert says in command("summarize", digits_run, *asked).complaint
