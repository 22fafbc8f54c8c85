"""A summary as tables: on a terminal, or as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tailmark.analysis.latency import PERCENTILES
from tailmark.analysis.summary import Summary
from tailmark.report.sentences import (
    LOSS_WORDS,
    deadline_name,
    headline,
    metric_name,
    percent,
    policy_words,
    share_interval,
    time_interval,
)
from tailmark.units import format_duration


@dataclass(frozen=True)
class Grid:
    """A table before anyone draws it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


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
    name = metric_name(summary.metric)
    quality = [name, "5 % tail", "1 % tail", "worst round"] if graded else []
    rows = []
    for at in summary.at:
        cells = [deadline_name(at), share_interval(at.on_time)]
        if at.mean is not None and at.tail is not None:
            cells += [
                share_interval(at.mean),
                share_interval(at.tail[0.05]),
                share_interval(at.tail[0.01]),
                percent(at.worst),
            ]
        cells += [f"{at.goodput_per_s.value or 0:,.0f}/s", f"{at.longest_late_streak}"]
        rows.append(cells)
    if graded and summary.ideal is not None:
        cells = ["no deadline", "", share_interval(summary.ideal), "", "", "", "", ""]
        rows.append(cells)
    title = f"At the deadline ({policy_words(summary.on_late)})"
    return Grid(
        title, ["deadline", "on time", *quality, "on-time rate", "longest late streak"], rows
    )


def _losses(summary: Summary) -> Grid:
    """Where the samples of a round end up."""
    shown = [n for n in LOSS_WORDS if any((at.loss or {}).get(n, 0) >= 5e-4 for at in summary.at)]
    rows = [
        [deadline_name(at), *(percent((at.loss or {}).get(name, 0.0)) for name in shown)]
        for at in summary.at
    ]
    return Grid("Where the answers go", ["deadline", *(LOSS_WORDS[n] for n in shown)], rows)


def _reach(summary: Summary) -> Grid:
    rows = [
        [percent(q), time_interval(e) if e.value is not None else (e.reason or "–")]
        for q, e in summary.reach.items()
    ]
    return Grid(
        "The shortest deadline that delivers", [metric_name(summary.metric), "deadline"], rows
    )


def _latency(summary: Summary) -> Grid:
    latency = summary.latency
    header = ["", "mean", *(f"p{p:g}" for p in PERCENTILES), "max"]
    estimates = [latency.mean, *(latency.percentiles[p] for p in PERCENTILES)]
    values = [format_duration(e.value) for e in estimates]
    bounds = [
        f"{format_duration(e.low)}–{format_duration(e.high)}" if e.low is not None else ""
        for e in estimates
    ]
    longest = format_duration(latency.max_ns) if latency.max_ns is not None else "–"
    timed = "Latency" if latency.time in ("inference", "total") else f"Time of {latency.time}"
    return Grid(
        f"{timed} ({latency.time}, {latency.answered:,} answers)",
        header,
        [["", *values, longest], ["95 %", *bounds, ""]],
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
    console.print(Padding(Text(headline(summary), style="bold"), (1, 0)))
    for grid in grids(summary):
        console.print(_drawn(grid))
    console.print(Text(facts(summary), style="dim"))
    reasons = notes(summary)
    if reasons:
        console.print(Text("no interval: " + "; ".join(reasons), style="dim"))
    for warning in summary.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _drawn(grid: Grid) -> RenderableType:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for k, name in enumerate(grid.header):
        table.add_column(name, justify="left" if k == 0 else "right")
    for row in grid.rows:
        table.add_row(*row)
    return Padding(Group(Text(grid.title, style="bold cyan"), table), (0, 0, 1, 0))


def markdown(summary: Summary) -> str:
    """The same tables for a README or a pull request."""
    blocks = [f"**{headline(summary)}**"]
    for grid in grids(summary):
        lines = [_line(grid.header), _line(["---", *(["---:"] * (len(grid.header) - 1))])]
        blocks.append("\n".join([f"{grid.title}:\n", *lines, *(_line(row) for row in grid.rows)]))
    blocks.append(facts(summary))
    blocks += [f"> warning: {warning}" for warning in summary.warnings]
    return "\n\n".join(blocks) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
