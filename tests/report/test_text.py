"""The summary on a terminal: whole numbers, whatever the width."""

import io
import re

import pytest
from rich.console import Console

import tailmark
from tailmark.report.sentences import share_range, time_range
from tailmark.report.text import print_summary
from tailmark.stats.estimate import Estimate


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_number_is_broken(run: tailmark.Run, width: int) -> None:
    """At every width a value and its unit, and the ends of an interval, stay together."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    print_summary(tailmark.summarize(run, quality=[0.1]), console)
    for line in out.getvalue().splitlines():
        assert len(line) <= width
        assert "…" not in line
        assert not re.match(r"\s*(%|ms|µs|ns|s)\b", line)


def test_what_is_no_terminal_gets_plain_spaces(run: tailmark.Run) -> None:
    """A log is to be searched."""
    out = io.StringIO()
    print_summary(tailmark.summarize(run), Console(file=out, width=160))
    assert "\N{NO-BREAK SPACE}" not in out.getvalue()


def test_an_interval_names_a_unit_once() -> None:
    """Unless its ends have different ones; without an interval there is nothing to say."""
    assert time_range(Estimate(value=5e6, low=4.9e6, high=5.2e6)) == "4.9–5.2 ms"
    assert time_range(Estimate(value=9e5, low=5.88e5, high=4.52e6)) == "588 µs–4.52 ms"
    assert time_range(Estimate(value=5e9, low=4e9, high=6e9)) == "4–6 s"
    assert time_range(Estimate(value=5e6)) == share_range(Estimate(value=0.5)) == ""
    assert share_range(Estimate(value=0.7, low=0.689, high=0.73)) == "68.9–73.0 %"
