"""``tailmark mlperf result``, and what ``summarize`` says under load."""

import json
from pathlib import Path

import pytest

import tailmark
from cli.conftest import Command


def test_an_invalid_result_exits_with_one(command: Command, digits_run: Path) -> None:
    """Its document is the library's all the same, and its table says what to do."""
    done = command("mlperf", "result", digits_run, "--json")
    assert (done.code, done.err) == (1, "")
    document = json.loads(done.out)
    assert document == json.loads(json.dumps(tailmark.mlperf_result(digits_run).to_dict()))
    assert document["result"] == "INVALID"
    told = command("mlperf", "result", digits_run)
    assert told.code == 1
    assert told.out.strip().startswith("INVALID – single-stream: p90 latency")
    assert "NOT MET · minimum duration: the 3 rounds lasted" in told.out
    assert "the 3 rounds count as one test" in told.out


def test_a_valid_result_exits_with_nought(command: Command, digits_run: Path) -> None:
    """With less time and fewer queries asked for; the percentile may be another."""
    asked = ["--min-duration", "0s", "--min-queries", "1000", "--percentile", "95"]
    done = command("mlperf", "result", digits_run, *asked)
    assert (done.code, done.err) == (0, "")
    assert done.out.strip().startswith("VALID – single-stream: p95 latency")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--bound", "15ms"], "only a server has a latency bound"),
        (["--min-duration", "10"], "'10' has no unit"),
        (["--percentile", "100"], "percentile is 100: give 1 to 99.999"),
    ],
)
def test_bad_input_is_one_sentence(
    command: Command, digits_run: Path, options: list[str], says: str
) -> None:
    """The value, what is allowed, the way out."""
    assert says in command("mlperf", "result", digits_run, *options).complaint


def test_a_closed_loop_has_no_steady_state(command: Command, digits_run: Path) -> None:
    """Nor blocks without one."""
    said = command("summarize", digits_run, "--steady", "1s").complaint
    assert "'single-stream' has none: measure server" in said
    assert "give its ramp" in command("summarize", digits_run, "--blocks", "3").complaint


def test_a_server_s_long_round_is_told_by_blocks(command: Command, tmp_path: Path) -> None:
    """By default as a round that starts empty; with a ramp left out as the steady state."""
    tailmark.measure(
        tailmark.Digits(),
        tailmark.DigitsNetwork(),
        scenario=tailmark.Server(target_qps=2000, duration="1s"),
        out=tmp_path / "server",
        rounds=1,
        quality={"metric": "top1", "deadlines": ["50ms"]},
    )
    whole = command("summarize", "server")
    assert "estimand – per round: each starts empty and drains" in whole.out
    blocks = command("summarize", "server", "--steady", "200ms", "--blocks", "8")
    assert (blocks.code, blocks.err) == (0, "")
    assert "after a ramp of 200 ms" in blocks.out
    assert "8 blocks, " in blocks.out
    bounded = command("mlperf", "result", "server", "--bound", "1s", "--min-duration", "900ms")
    assert "latency bound: p99 is" in bounded.out
