"""What the page says of several runs side by side, and what of it moves with the deadline."""

from dataclasses import dataclass
from typing import Any

from tailmark.analysis.comparison import Comparison, Standing
from tailmark.report import comparison_text
from tailmark.report.charts import number
from tailmark.report.comparison_plots import comparison_plots, levels_at
from tailmark.report.frames import (
    READOUT_DIGITS,
    TENTHOUSANDTHS,
    defined,
    embedded,
    emphasised_headline,
)
from tailmark.report.plots import time_unit, value_name
from tailmark.report.sections import badge, emphasised
from tailmark.report.sentences import percent, tied
from tailmark.report.side_by_side import Beside, Shared, SideBySide
from tailmark.report.tables import Cell, share_cell, time_cell
from tailmark.stats.differences import decide
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_PACE = {"better": "slower", "worse": "faster"}


@dataclass(frozen=True)
class Held:
    """A number of one run, and how it stands to the first run's.

    Args:
        text: The number.
        note: Its interval.
        difference: To the first's.
        range: Its interval.
        verdict: What that says.
        way_out: What would tell, where it says nothing.
    """

    text: str = ""
    note: str = ""
    difference: str = ""
    range: str = ""
    verdict: str = ""
    way_out: str = ""


def comparison_section(several: SideBySide) -> dict[str, Any]:
    """The section, but for what moves with the deadline."""
    graded = several.first.graded
    asked = {ns: label for ns, label in several.asked.items() if ns in several.deadlines_ns}
    value = value_name(several.first)
    return {
        "runs": [_headline(one) for one in several.runs],
        "first": several.runs[0].name,
        "value": value,
        "graded": graded,
        "jumps": [
            (several.deadlines_ns.index(ns), label, tied(format_duration(ns)))
            for ns, label in asked.items()
        ],
        "columns": [
            "on average",
            "worst 5 % of rounds",
            *(["with no deadline"] if graded else []),
            "p99 latency",
        ],
        "rows": [(one.name, _moving(several, one, several.start)) for one in several.runs],
        "fixed": [_fixed(one) for one in several.runs],
        "details": [_details(one, one.comparison) for one in several.runs if one.comparison],
    }


def comparison_looked_up(several: SideBySide) -> dict[str, Any]:
    """What moves with the deadline, and the plots; the shape of `frames.looked_up`."""
    unit = time_unit(several.first)
    count = len(several.deadlines_ns)
    return {
        "name": "runs",
        **embedded(comparison_plots(several)),
        "start": several.start,
        "at": [unit.of(ns) for ns in several.deadlines_ns],
        "frames": [_frame(several, k) for k in range(count)],
        "names": [one.name for one in several.runs],
        "rounds": [
            [
                []
                if one.shared is None
                else [
                    None if (q := number(value)) is None else round(q * TENTHOUSANDTHS)
                    for value in one.shared.rounds[:, k]
                ]
                for one in several.runs
            ]
            for k in range(count)
        ],
    }


def _frame(several: SideBySide, k: int) -> dict[str, Any]:
    ns = several.deadlines_ns[k]
    cells = [held for one in several.runs for held in _moving(several, one, k)]
    return {
        "ns": ns,
        "readout": tied(format_duration(ns, READOUT_DIGITS)),
        "levels": levels_at(several, k),
        "cells": [(c.text, c.note, c.difference, c.range, c.verdict, c.way_out) for c in cells],
    }


def _headline(one: Beside) -> dict[str, Any]:
    """The first run's own; of another, how it stands to the first, or why it cannot be told."""
    summary = one.found.summary
    sentence, key = emphasised_headline(one.found, summary.at[summary.first])
    verdict, words = "", ""
    if one.comparison is not None:
        verdict, _, words = comparison_text.headline(one.comparison).partition(" – ")
    return {
        "name": one.name,
        "load": summary.load,
        "headline": emphasised(sentence, key),
        "gate": badge(one.found.verdict),
        "verdict": verdict.lower(),
        "words": tied(words),
        "refused": one.refused,
    }


def _moving(several: SideBySide, one: Beside, k: int) -> tuple[Held, Held]:
    """The mean and the tail at the k-th deadline; only those asked for are compared."""
    if one.shared is None:
        return Held("–"), Held("–")
    at = several.compared_at(one, k)
    if at is None:
        mean, tail = _uncompared(several, one, one.shared, k)
        return _alone(share_cell(mean)), _alone(share_cell(tail))

    def against(name: str) -> Held:
        cell = share_cell(at.estimates[name][1])
        return _against(cell, at.differences[name], at.standings[name])

    if at.asked != "mean":  # without references, the tail of punctuality is not compared
        _, tail = _uncompared(several, one, one.shared, k)
        return against(at.asked), _alone(share_cell(tail))
    return against("mean"), against("tail_0.05")


def _uncompared(
    several: SideBySide, one: Beside, shared: Shared, k: int
) -> tuple[Estimate, Estimate]:
    """As the first run's summary has them, where it has; else as the curve does."""
    ns = several.deadlines_ns[k]
    if one.found is several.first:
        for at in several.first.summary.at:
            if at.deadline_ns == ns and at.mean is not None and at.tail is not None:
                return at.mean, at.tail[0.05]
    mean, tail, low, high = (
        defined(float(drawn[k])) for drawn in (shared.mean, shared.tail, shared.low, shared.high)
    )
    if len(shared.rounds) == 1:
        low = high = None
    return Estimate(value=mean, low=low, high=high), Estimate(value=tail)


def _fixed(one: Beside) -> list[Held]:
    """What has no deadline: the ideal where there is one, and p99 latency."""
    summary, compared = one.found.summary, one.comparison
    p99 = _alone(time_cell(summary.latency.percentiles[99]))
    if compared is not None:
        slower = compared.differences["latency_p99"]
        pace = decide(slower, 0.0)
        p99 = _with(
            p99,
            comparison_text.time_difference_cell(slower),
            "" if slower.low is None else _PACE.get(pace, pace),
        )
    if summary.ideal is None:
        return [p99]
    ideal = Held(tied(percent(summary.ideal.value)))
    if compared is not None and "ideal" in compared.differences:
        e = compared.differences["ideal"]
        ideal = _with(ideal, _points(e), comparison_text.ideal_words(compared))
    return [ideal, p99]


def _alone(cell: Cell) -> Held:
    return Held(tied(cell.value), tied(cell.interval))


def _against(cell: Cell, e: Estimate, standing: Standing) -> Held:
    way_out = comparison_text.standing_cell(standing).interval
    way_out = f"{way_out} would tell" if way_out else ""
    return _with(_alone(cell), _points(e), standing.verdict, way_out)


def _points(e: Estimate) -> Cell:
    cell = comparison_text.points_cell(e)
    return Cell(f"{cell.value} points", cell.interval) if e.value is not None else cell


def _with(held: Held, difference: Cell, verdict: str, way_out: str = "") -> Held:
    ends = (tied(difference.value), tied(difference.interval))
    return Held(held.text, held.note, *ends, verdict, way_out)


def _details(one: Beside, comparison: Comparison) -> dict[str, Any]:
    """The whole comparison, on demand."""
    return {
        "name": one.name,
        "grids": comparison_text.grids(comparison),
        "lines": [tied(line) for line in comparison_text.small_print(comparison)],
        "warnings": [tied(warning) for warning in comparison.warnings],
    }
