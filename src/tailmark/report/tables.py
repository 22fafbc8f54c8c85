"""Tables before anyone draws them, and how a terminal and Markdown draw them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tailmark.report.sentences import percent, share_range, tied, time_range, with_range
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


def share_cell(e: Estimate) -> Cell:
    """A share and its interval, in per cent."""
    return Cell(percent(e.value), share_range(e))


def time_cell(e: Estimate) -> Cell:
    """A time and its interval; the reason where there is no time."""
    if e.value is None:
        return Cell(e.reason or "–")
    return Cell(format_duration(e.value), time_range(e))


def time_range_cell(e: Estimate) -> Cell:
    """A time and its interval; a dash where there is no time."""
    return Cell(format_duration(e.value), time_range(e))


def prose(text: str, style: str, console: Console) -> Text:
    """Broken between words, and nowhere between a number and its unit (rich would)."""
    lines = fill(tied(text), console.width).replace("\N{NO-BREAK SPACE}", " ")
    return Text(lines, style=style)


def drawn(grid: Grid, width: int) -> RenderableType:
    """Columns as wide as their cells; where that is too wide, the headers stand word under word."""
    columns = [[_in_two_lines(row[k]) for row in grid.rows] for k in range(len(grid.header))]
    widest = [max((len(x.plain) for cell in c for x in cell.split()), default=0) for c in columns]
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


def markdown_table(grid: Grid) -> str:
    """The same table for a README or a pull request."""
    rules = ["---", *(["---:"] * (len(grid.header) - 1))]
    rows = [map(Cell, grid.header), map(Cell, rules), *grid.rows]
    return "\n".join([f"{grid.title}:\n", *map(_line, rows)])


def _line(cells: Iterable[Cell]) -> str:
    texts = (with_range(cell.value, cell.interval) for cell in cells)
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
