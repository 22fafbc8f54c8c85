"""Rare latencies on a terminal."""

import math

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.extremes import Extremes, Late
from tailmark.report.sentences import time_range, with_range
from tailmark.report.tables import Cell, Grid, drawn, prose, time_cell
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_NOT_BORNE = Cell("not borne")


def headline(found: Extremes) -> str:
    """The rarest latency that can be told, or that none can."""
    borne = {n: e for n, e in found.levels.items() if e.value is not None}
    if found.reason or not borne:
        return f"These {found.queries:,} queries tell nothing of rarer latencies: {found.reason}."
    n, level = max(borne.items())
    took = with_range(format_duration(level.value), time_range(level))
    return f"Once in {n:,} queries this system takes {took} or longer."


def grids(found: Extremes) -> list[Grid]:
    """The tables: latencies by how rare they are, and deadlines by how rarely they are missed."""
    levels = [
        [Cell(f"{n:,}"), _NOT_BORNE if e.value is None else time_cell(e), Cell(_from(e))]
        for n, e in found.levels.items()
    ]
    tables = [Grid("Latency exceeded", ["once in … queries", "latency", "from"], levels)]
    if found.late:
        late = [
            [
                Cell(format_duration(one.deadline_ns)),
                _late(one),
                _every(one),
                Cell(_from(one.share)),
            ]
            for one in found.late
        ]
        header = ["deadline", "late", "once in … queries", "from"]
        tables.append(Grid("Deadlines missed", header, late))
    return tables


def _from(e: Estimate) -> str:
    if e.value is None:
        return ""
    return "fitted tail" if "Pareto" in e.method else "data"


def _late(one: Late) -> Cell:
    e = one.share
    if e.value is None:
        return _NOT_BORNE
    if e.low is None or e.high is None:
        return Cell(_share(e.value))
    return Cell(_share(e.value), f"{_share(e.low)[:-2]}–{_share(e.high)}")


def _share(share: float) -> str:
    """In per cent with two digits that count."""
    shown = 100 * share
    decimals = 1 if shown >= 1 or shown == 0 else 1 - math.floor(math.log10(shown))
    return f"{shown:.{decimals}f} %"


def _every(one: Late) -> Cell:
    e = one.share
    if not e.value:
        return Cell("")
    if not e.low or not e.high:
        return Cell(_count(1 / e.value))
    return Cell(_count(1 / e.value), f"{_count(1 / e.high)}–{_count(1 / e.low)}")


def _count(x: float) -> str:
    """With two digits that count."""
    size = 10 ** max(0, math.floor(math.log10(x)) - 1)
    return f"{round(x / size) * size:,.0f}"


def facts(found: Extremes) -> str:
    """What it rests on, in one line."""
    parts = [f"{found.queries:,} queries in {found.rounds} rounds"]
    if found.largest_ns is not None:
        parts.append(f"longest {format_duration(found.largest_ns)}")
    if found.threshold_ns is not None and found.percentile is not None:
        above = f"{format_duration(found.threshold_ns)} (p{found.percentile:.4g})"
        parts.append(
            f"tail above {above}: {found.exceedances:,} queries in {found.clusters:,} bursts, from "
            f"{found.exceeding_rounds} rounds, worth {found.independent:.0f} independent ones"
        )
    if found.shape.value is not None and found.p_value is not None:
        shape = f"{found.shape.value:.2f}".replace("-", "−")
        parts.append(f"shape {shape}, fit p = {found.p_value:.2g}")
    if found.horizon:
        parts.append(f"horizon once in {found.horizon:,}")
    return " · ".join(parts)


def notes(found: Extremes) -> list[str]:
    """Why something is not told, or without an interval; each reason once."""
    told = [*found.levels.values(), *(one.share for one in found.late)]
    reasons = {e.reason: e.value for e in told if e.reason and e.reason != found.reason}
    return [
        f"{'not borne' if value is None else 'no interval'}: {reason}"
        for reason, value in reasons.items()
    ]


def print_extremes(found: Extremes, console: Console) -> None:
    """Draw it on a terminal."""
    console.print(Padding(prose(headline(found), "bold", console), (1, 0)))
    for grid in grids(found):
        console.print(drawn(grid, console.width))
    console.print(prose(facts(found), "dim", console))
    for note in notes(found):
        console.print(prose(note, "dim", console))
    for warning in found.warnings:
        console.print(prose(f"warning: {warning}", "yellow", console))
