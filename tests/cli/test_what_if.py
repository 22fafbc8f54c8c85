"""``tailmark what-if``."""

import json
import re
from pathlib import Path

import pytest

import tailmark
from cli.conftest import Command


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds of the digits as a server, at a low rate of constant arrivals."""
    out = tmp_path_factory.mktemp("measured") / "served"
    tailmark.measure(
        tailmark.Digits(),
        tailmark.DigitsNetwork(),
        out=out,
        rounds=2,
        scenario=tailmark.Server(target_qps=5_000, queries=300, arrivals="constant"),
        quality={"metric": "top1", "deadlines": ["10s"]},
    )
    return out


def test_json_is_what_the_library_says(command: Command, digits_run: Path) -> None:
    """One document on standard output and nothing else there."""
    done = command(
        "what-if", digits_run, "--json", "--load", "0.6", "--workers", "2", "--queries", "100",
        "--deadline", "p90,1ms",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    found = tailmark.what_if(digits_run, load=0.6, workers=2, queries=100, deadlines=["p90", "1ms"])
    assert json.loads(done.out) == json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert found.load == pytest.approx(0.6)
    assert found.queueing.workers == 2


def test_the_headline_leads_and_the_tables_follow(command: Command, digits_run: Path) -> None:
    """What comes, what is left of the quality, where the rest goes, and what is assumed."""
    done = command(
        "what-if", digits_run, "--load", "0.8", "--workers", "2", "--queries", "100",
        "--deadline", "p90",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    says = " ".join(done.out.split())
    assert re.match(
        r"At [\d,]+ queries a second \(80 % of what its 2 workers can serve\), at p90 \(.+\), "
        r"this system would deliver ",
        says,
    )
    for words in (
        "Foretold at the deadline (late answers count as wrong)",
        "Where the answers would go",
        "Latency, waiting included",
        "foretold from 3 recorded rounds by 201 simulated ones · 2 workers",
        "warning: it is taken that 2 workers do not slow each other",
    ):
        assert words in says
    assert "On trial" not in says
    assert "nan" not in says


def test_a_real_run_puts_it_on_trial(command: Command, digits_run: Path, served: Path) -> None:
    """Its rate is the one foretold; each quantity stands beside what was measured."""
    done = command("what-if", digits_run, "--against", served, "--deadline", "10s")
    assert (done.code, done.err) == (0, "")
    says = " ".join(done.out.split())
    assert says.startswith("At 5,000 queries a second")
    assert "On trial: served, 2 rounds measured at 5,000/s" in says
    for words in ("error in points", "in the interval", "workers busy", "Latency on trial"):
        assert words in says


def test_a_sweep_is_drawn(command: Command, digits_run: Path, tmp_path: Path) -> None:
    """Quality against the rate, as a table and as a picture."""
    asked = ("what-if", digits_run, "--load", "0.5", "--queries", "50", "--sweep", "3")
    done = command(*asked, "--quality", "0.1", "--deadline", "10s", "--plot", "rate.svg")
    assert (done.code, done.err) == (0, "")
    assert "Against the rate (top-1 accuracy)" in done.out
    assert "The highest of these rates that delivers, at 10 s" in done.out
    assert "against the rate" in (tmp_path / "rate.svg").read_text(encoding="utf-8")
    done = command(*asked, "--plot", "rate.png", "--json")
    assert len(json.loads(done.out)["curve"]) == 3
    assert (tmp_path / "rate.png").read_bytes().startswith(b"\x89PNG")


def test_recorded_arrivals_may_come(command: Command, digits_run: Path) -> None:
    """A trace instead of a rate."""
    Path("trace.csv").write_text(
        "time_s\n" + "\n".join(str(i / 100) for i in range(60)), encoding="utf-8"
    )
    done = command("what-if", digits_run, "--trace", "trace.csv", "--json", "--deadline", "10s")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert told["scenario"]["kind"] == "replay"
    assert told["qps"] == pytest.approx(100, rel=0.05)
    shown = command("what-if", digits_run, "--trace", "trace.csv", "--deadline", "10s")
    assert "replay arrivals" in shown.out


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ([], "nobody says what comes: give a rate"),
        (["--qps", "5", "--load", "0.5"], "qps and load are given"),
        (["--qps", "nan"], "qps is nan: give a number above 0"),
        (["--load", "0.5", "--batch", "8"], "give it by --batches"),
        (["--load", "0.5", "--deadline", "5"], "'5' has no unit"),
        (["--load", "0.5", "--quality", "high"], "--quality 'high' is no number"),
        (["--load", "0.5", "--against", "nowhere"], "'nowhere' is not a run"),
        (["--load", "0.5", "--batches", "nowhere"], "'nowhere' is not a run"),
        (["--trace", "nowhere.csv"], "nowhere.csv"),
        (["--load", "0.5", "--plot", "rate.pdf"], "name a file that ends in .svg or .png"),
    ],
)
def test_bad_input_is_one_sentence(
    asked: list[str], says: str, command: Command, digits_run: Path
) -> None:
    """The value, what is allowed, the way out; exit code 2."""
    assert says in command("what-if", digits_run, *asked).complaint


def test_a_plot_that_cannot_be_written_is_refused(command: Command, digits_run: Path) -> None:
    """Before anything is printed."""
    asked = ["--load", "0.5", "--queries", "20", "--sweep", "2", "--plot", "no/such/p.svg"]
    assert "cannot be written" in command("what-if", digits_run, *asked).complaint
