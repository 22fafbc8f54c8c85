"""A summary as tables: on a terminal, or as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tailmark.analysis.summary import AtDeadline, Summary
from tailmark.report.sentences import (
    LOSS_WORDS,
    headline,
    metric_name,
    percent,
    percentile_names,
    policy_words,
    share_range,
    tied,
    time_range,
    with_range,
)
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_WIDE = 100


@dataclass(frozen=True)
class Cell:
    """A value, and its interval where it has one."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Grid:
    """A table before anyone draws it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def grids(summary: Summary) -> list[Grid]:
    """The summary's tables."""
    found = [_deadlines(summary), _latency(summary)]
    if any(at.loss for at in summary.at):
        found.insert(1, _losses(summary))
    if summary.reach:
        found.insert(1, _reach(summary))
    return found


def _deadlines(summary: Summary) -> Grid:
    graded = summary.ideal is not None
    quality = [metric_name(summary.metric), "5 % tail", "1 % tail", "worst round"] if graded else []
    rows = []
    for at in summary.at:
        cells = [_deadline(at), _share(at.on_time)]
        if at.mean is not None and at.tail is not None:
            cells += [_share(at.mean), _share(at.tail[0.05]), _share(at.tail[0.01])]
            cells += [Cell(percent(at.worst))]
        rate = f"{at.goodput_per_s.value or 0:,.0f}/s"
        rows.append([*cells, Cell(rate), Cell(f"{at.longest_late_streak}")])
    if summary.ideal is not None:
        nothing = [Cell("")] * 5
        rows.append([Cell("no deadline"), Cell(""), _share(summary.ideal), *nothing])
    title = f"At the deadline ({policy_words(summary.on_late)})"
    return Grid(title, ["deadline", "on time", *quality, "on-time rate", "late streak"], rows)


def _deadline(at: AtDeadline) -> Cell:
    return Cell(format_duration(at.deadline_ns), percentile_names(at))


def _share(e: Estimate) -> Cell:
    return Cell(percent(e.value), share_range(e))


def _losses(summary: Summary) -> Grid:
    """Where the samples of a round end up."""
    shown = [n for n in LOSS_WORDS if any((at.loss or {}).get(n, 0) >= 5e-4 for at in summary.at)]
    rows = [
        [
            _deadline(at),
            *(Cell(percent((at.loss or {}).get(name, 0.0))) for name in shown),
        ]
        for at in summary.at
    ]
    return Grid("Where the answers go", ["deadline", *(LOSS_WORDS[n] for n in shown)], rows)


def _reach(summary: Summary) -> Grid:
    rows = [[Cell(percent(q)), _time(e)] for q, e in summary.reach.items()]
    return Grid(
        "The shortest deadline that delivers", [metric_name(summary.metric), "deadline"], rows
    )


def _time(e: Estimate) -> Cell:
    if e.value is None:
        return Cell(e.reason or "–")
    return Cell(format_duration(e.value), time_range(e))


def _latency(summary: Summary) -> Grid:
    latency = summary.latency
    estimates = {"mean": latency.mean, **{f"p{p:g}": e for p, e in latency.percentiles.items()}}
    cells = [Cell(format_duration(e.value), time_range(e)) for e in estimates.values()]
    longest = Cell(format_duration(latency.max_ns))
    return Grid(
        f"Latency ({latency.time}, {latency.answered:,} answers)",
        [*estimates, "max"],
        [[*cells, longest]],
    )


def facts(summary: Summary) -> str:
    """The run in one line."""
    machine = summary.environment.get("processor", {})
    cold = summary.latency.cold_start
    parts = [
        f"{summary.rounds} rounds of {summary.samples} samples",
        str(machine.get("model") or "unknown processor"),
        f"{machine.get('usable_cores')} cores",
        f"opened in {format_duration(cold.get('open_ns'))}",
        f"first query {format_duration(cold.get('first_query_ns'))}",
    ]
    if "first_query_medians" in cold:
        parts[-1] += f" ({cold['first_query_medians']:.1f} medians)"
    return " · ".join(parts)


def notes(summary: Summary) -> list[str]:
    """Why some intervals are missing, each reason once."""
    estimates = [e for at in summary.at for e in [*(at.tail or {}).values(), at.on_time]]
    estimates += list(summary.latency.percentiles.values())
    reasons = (e.reason for e in estimates if e.reason and e.low is None)
    return list(dict.fromkeys(reasons))


def print_summary(summary: Summary, console: Console) -> None:
    """Draw a summary on a terminal."""

    def prose(text: str, style: str) -> Text:
        """Broken between words, and nowhere between a number and its unit (rich would)."""
        lines = fill(tied(text), console.width).replace("\N{NO-BREAK SPACE}", " ")
        return Text(lines, style=style)

    console.print(Padding(prose(headline(summary), "bold"), (1, 0)))
    for grid in grids(summary):
        console.print(_drawn(grid, console.width))
    console.print(prose(facts(summary), "dim"))
    reasons = notes(summary)
    if reasons:
        console.print(prose("no interval: " + "; ".join(reasons), "dim"))
    for warning in summary.warnings:
        console.print(prose(f"warning: {warning}", "yellow"))


def _drawn(grid: Grid, width: int) -> RenderableType:
    """Columns as wide as their cells; where that is too wide, the headers stand word under word."""
    columns = [[_in_two_lines(row[k]) for row in grid.rows] for k in range(len(grid.header))]
    widest = [max(len(line.plain) for cell in c for line in cell.split()) for c in columns]
    gap = 2 if width >= _WIDE else 1
    needed = sum(max(len(h), w) + gap for h, w in zip(grid.header, widest, strict=True))
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, gap, 0, 0))
    for k, name in enumerate(grid.header):
        shown = name if needed <= width else name.replace(" ", "\n").replace("\n%", " %")
        table.add_column(shown, justify="left" if k == 0 else "right")
    for cells in zip(*columns, strict=True):
        table.add_row(*cells)
    return Padding(Group(Text(grid.title, style="bold cyan"), table), (0, 0, 1, 0))


def _in_two_lines(cell: Cell) -> Text:
    """The interval under its value, without the unit that stands above it."""
    text = Text(cell.value)
    if cell.interval:
        unit = cell.value.partition(" ")[2]
        text.append(f"\n{cell.interval.removesuffix(f' {unit}')}", "dim")
    return text


def markdown(summary: Summary) -> str:
    """The same tables for a README or a pull request."""
    blocks = [f"**{headline(summary)}**"]
    for grid in grids(summary):
        rules = ["---", *(["---:"] * (len(grid.header) - 1))]
        rows = [map(Cell, grid.header), map(Cell, rules), *grid.rows]
        blocks.append("\n".join([f"{grid.title}:\n", *map(_line, rows)]))
    blocks.append(facts(summary))
    blocks += [f"> warning: {warning}" for warning in summary.warnings]
    return "\n\n".join(blocks) + "\n"


def _line(cells: Iterable[Cell]) -> str:
    texts = (with_range(cell.value, cell.interval) for cell in cells)
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
