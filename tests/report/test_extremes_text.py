"""Rare latencies as a reader sees them on a terminal."""

from io import StringIO

from rich.console import Console

from analysis.test_extremes import tailed
from tailmark.analysis.extremes import extremes
from tailmark.records.model import Run
from tailmark.report.extremes_text import print_extremes


def shown(run: Run, width: int = 120, **asked: object) -> str:
    """The terminal's text."""
    written = StringIO()
    print_extremes(extremes(run, **asked), Console(file=written, width=width))  # type: ignore[arg-type]
    return written.getvalue()


def test_the_headline_is_the_rarest_that_is_borne() -> None:
    """It names the horizon's level with its interval; the table says where each number is from."""
    text = shown(tailed(), deadlines=["2ms", "12ms", "60s"])
    found = extremes(tailed())
    assert f"Once in {found.horizon:,} queries this system takes " in text
    assert " ms) or longer." in text
    assert "fitted tail" in text
    assert "data" in text
    assert "Deadlines missed" in text
    told = " ".join(text.split())
    assert f"not borne: rarer than the horizon, once in {found.horizon:,} queries" in told


def test_a_refusal_stands_in_the_headline() -> None:
    """Where no tail is borne, the reason comes first and the data's own shares stay."""
    text = shown(tailed(rounds=5))
    assert "tell nothing of rarer latencies: a tail needs 10 rounds, have 5." in text
    assert "not borne" in text


def test_no_line_is_wider_than_the_terminal() -> None:
    """On a narrow terminal too."""
    for width in (80, 120):
        for line in shown(tailed(), width, deadlines=["12ms"], horizon=1e9).splitlines():
            assert len(line) <= width
