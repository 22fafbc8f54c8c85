"""A comparison on a terminal and as Markdown: whole numbers, and the sign in words."""

import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

import tailmark
from tailmark.report.comparison_text import (
    also_differs,
    headline,
    markdown,
    points_cell,
    print_comparison,
    time_difference_cell,
)
from tailmark.report.tables import Cell
from tailmark.stats.estimate import Estimate


@pytest.fixture(scope="session")
def slower(run: tailmark.Run, measured: Callable[..., tailmark.Run]) -> tailmark.Run:
    """As long as the other, and every answer 0.2 ms later."""
    other = measured(name="slower", rounds=len(run), seed=1)
    later = [replace(one, completed_ns=one.completed_ns + 200_000) for one in other.rounds()]
    return replace(other, stored=later)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_number_is_broken(run: tailmark.Run, slower: tailmark.Run, width: int) -> None:
    """At every width lines fit, and a value and its unit stay together."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    print_comparison(tailmark.compare(run, slower), console)
    for line in out.getvalue().splitlines():
        assert len(line) <= width
        assert "…" not in line.replace(", …)", "")
        assert not re.match(r"\s*(%|ms|µs|ns|s)\b", line)


def test_the_headline_says_which_is_which(run: tailmark.Run, slower: tailmark.Run) -> None:
    """Less of B is more of A: the verdict, the names and the sign agree."""
    there = headline(tailmark.compare(run, slower, deadlines=["1.2ms"]))
    back = headline(tailmark.compare(slower, run, deadlines=["1.2ms"]))
    points = re.findall(r"(\d+\.\d) points (?:less|more) on time than", there + back)
    assert points[0] == points[1]
    assert there.startswith(f"WORSE – at 1.2 ms slower delivers {points[0]} points less on time")
    assert " than run (−" in there
    assert back.startswith(f"BETTER – at 1.2 ms run delivers {points[0]} points more on time than")
    assert " than slower (+" in back


def test_the_headline_of_a_run_and_itself(run: tailmark.Run) -> None:
    """Equivalent is said with the margin, and the tail; two runs of one name are A and B."""
    says = headline(tailmark.compare(run, run, deadlines=["1.2ms"], margin=0.01))
    assert says.startswith("EQUIVALENT – at 1.2 ms B delivers as much on time as A (0.00 to 0.00)")
    assert says.endswith("within ±1.0 points; in its worst 5 % of rounds as much.")


def test_what_cannot_be_told_says_how_many_rounds_would(
    run: tailmark.Run, measured: Callable[..., tailmark.Run]
) -> None:
    """With the difference as it is."""
    again = measured(name="again", rounds=4, seed=2)
    short = replace(run, stored=[run.stored[r] for r in range(4)])
    says = headline(tailmark.compare(short, again, deadlines=["1.2ms"]))
    assert says.startswith("CANNOT TELL – ")
    assert re.search(r"; about [\d,]+ rounds of each would tell\.$", says)  # no word of a tail


def test_without_references_the_headline_is_of_punctuality(
    run: tailmark.Run, slower: tailmark.Run
) -> None:
    """Nobody knows what is right, but the queries on time are counted."""
    bare = [replace(x, references=replace(x.references, values=None)) for x in (run, slower)]
    says = headline(tailmark.compare(*bare, deadlines=["1.2ms"]))
    assert re.match(
        r"WORSE – at 1.2 ms slower answers \d+\.\d points less of its queries on time than run \(",
        says,
    )


def test_markdown_is_tables(run: tailmark.Run, slower: tailmark.Run) -> None:
    """Every table has as many cells in each row as in its header."""
    text = markdown(tailmark.compare(run, slower))
    assert text.startswith("**WORSE – ")
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("e", "cell"),
    [
        (Estimate(value=-0.182, low=-0.2, high=-0.1), Cell("−18.2", "−20.0 to −10.0")),
        (Estimate(value=0.001, low=-0.002, high=0.004), Cell("+0.10", "−0.20 to +0.40")),
        (Estimate(value=-0.00001, low=-0.2, high=0.1), Cell("0.0", "−20.0 to +10.0")),
        (Estimate(value=0.25), Cell("+25.0")),
        (Estimate(value=None, reason="no"), Cell("–")),
    ],
)
def test_a_difference_of_shares_is_in_points(e: Estimate, cell: Cell) -> None:
    """Signed, with two decimals where all is small; nothing is minus zero."""
    assert points_cell(e) == cell


@pytest.mark.parametrize(
    ("e", "cell"),
    [
        (Estimate(value=4.03e6, low=3.84e6, high=4.94e6), Cell("+4.03 ms", "+3.84 to +4.94 ms")),
        (Estimate(value=-2e5, low=-1.25e6, high=1e3), Cell("−0.2 ms", "−1.25 to +0.001 ms")),
        (Estimate(value=0.0, low=0.0, high=0.0), Cell("0 ns", "0 to 0 ns")),
        (Estimate(value=3e9), Cell("+3 s")),
        (Estimate(value=None, reason="no"), Cell("–")),
    ],
)
def test_a_difference_of_times_has_one_unit(e: Estimate, cell: Cell) -> None:
    """Signed, the ends in the value's unit."""
    assert time_difference_cell(e) == cell


def test_what_else_differs_is_one_line(run: tailmark.Run, slower: tailmark.Run) -> None:
    """Grouped, the first few named; nothing that barred the comparison."""
    other = replace(
        slower,
        manifest=replace(
            slower.manifest, environment={"packages": dict.fromkeys("abcdef", "1"), "os": {}}
        ),
    )
    said = also_differs(tailmark.compare(run, other).unlike)
    assert re.search(r"packages \((\w+, ){4}…\)", said)
    assert "\n" not in said
