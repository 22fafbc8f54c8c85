"""A peak on a terminal: the rate, what bounds it, and every rate that was tried."""

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.gate import Verdict
from tailmark.analysis.peak import Candidate, FindPeak
from tailmark.quality.requirement import LatencyRequirement
from tailmark.report.sentences import metric_name, percent, share_interval, time_range, with_range
from tailmark.report.tables import Cell, Grid, drawn, prose, share_cell, time_cell
from tailmark.units import format_duration

_ENDS = {"pass": "passes", "fail": "fails", "undecided": "is undecided"}


def headline(found: FindPeak) -> str:
    """What a manager reads: the rate, and what it delivers there."""
    peak, limit = found.peak, found.limit
    if peak is None:
        said = "No rate tried meets the requirement"
        if limit is not None:
            said += f": at {limit.qps:g} queries a second {_delivers(found, limit)}"
        return f"{said}."
    said = f"The peak is {peak.qps:g} queries a second: {_delivers(found, peak)}"
    if limit is None:
        return f"{said}; nothing that was tried is too much."
    return f"{said}; {limit.qps:g} {_ENDS[limit.outcome]}."


def in_short(found: FindPeak) -> str:
    """The bracket, for a plot."""
    low, limit = found.peak_qps, found.limit
    said = "no rate tried passes" if low is None else f"peak: {low:g} queries a second"
    return said if limit is None else f"{said}; {limit.qps:g} {_ENDS[limit.outcome]}"


def _delivers(found: FindPeak, one: Candidate) -> str:
    return "; ".join(f"{part_name(found.metric, p)} {_held(p)}" for p in one.parts)


def _held(part: Verdict) -> str:
    e = part.estimate
    if isinstance(part.requirement, LatencyRequirement):
        value = with_range(format_duration(e.value), time_range(e))
        return f"is {value}, required {format_duration(part.target)} or less"
    return f"is {share_interval(e)}, required {percent(part.target)} or more"


def part_name(metric: str, part: Verdict) -> str:
    """What a part of the requirement is about: ``top-1 accuracy at 20ms``."""
    wanted = part.requirement
    if isinstance(wanted, LatencyRequirement):
        return f"p{wanted.percent:g} latency"
    tail = ", 5 % tail" if wanted.of == "tail" else ""
    return f"{metric_name(metric)} at {wanted.at}{tail}"


def grid(found: FindPeak) -> Grid:
    """Every rate that was tried, ascending."""
    names = [part_name(found.metric, part) for part in found.candidates[0].parts]
    rows = [
        [
            Cell(f"{one.qps:g}/s"),
            Cell(one.outcome + (" (short rounds)" if one.shortened else "")),
            *(_cell(part) for part in one.parts),
            Cell(f"{one.rounds}"),
            Cell(f"{one.queries:,}"),
        ]
        for one in found.candidates
    ]
    header = ["rate", "requirement", *names, "rounds", "queries"]
    return Grid("Rates tried, each with a run of its own", header, rows)


def _cell(part: Verdict) -> Cell:
    if isinstance(part.requirement, LatencyRequirement):
        return time_cell(part.estimate) if part.estimate.value is not None else Cell("never")
    return share_cell(part.estimate)


def notes(found: FindPeak) -> list[str]:
    """Where the search began, why it ended, and what its intervals hold."""
    capacity = found.capacity_qps
    began = (
        f"one after another, this system answers about {capacity:,.0f} queries a second; "
        if capacity is not None
        else ""
    )
    sure = found.candidates[0].verdict.estimate.confidence
    looked = (
        f"intervals are of {100 * sure:.4g} %, since rounds are looked at several times: a wrong "
        "verdict has a chance of 5 % at most at each rate"
    )
    return [f"{began}searched from {found.start_qps:g}; {found.ended}", looked]


def print_peak(found: FindPeak, console: Console) -> None:
    """Draw what was found on a terminal."""
    console.print(Padding(prose(headline(found), "bold", console), (1, 0)))
    console.print(drawn(grid(found), console.width))
    for note in notes(found):
        console.print(prose(note, "dim", console))
    for warning in found.warnings:
        console.print(prose(f"warning: {warning}", "yellow", console))
