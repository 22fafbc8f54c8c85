"""What another harness reported, on a terminal or as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.reported import Reported
from tailmark.report.sentences import metric_name, share_interval
from tailmark.report.tables import Cell, Grid, drawn, markdown_table, prose, time_range_cell
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_HARNESSES = {"loadgen": "LoadGen"}


def headline(found: Reported) -> str:
    """What was reported, and what the answers were worth."""
    by = _by(found.by)
    says = []
    if found.tests:
        verdicts = _verdicts(found.valid)
        one = (
            f"a {found.scenario} test"
            if found.tests == 1
            else f"{found.tests} {found.scenario} tests"
        )
        says.append(f"{by} reported {one}: {verdicts}")
    for answered in found.quality:
        of = f" in {answered.test!r}" if len(found.quality) > 1 else ""
        says.append(
            f"{metric_name(found.quality_metric)} {share_interval(answered.quality, 2)} of "
            f"{answered.answers:,} answers{of}, whenever they came"
        )
    return f"{'; '.join(says) or f'{by} reported no result'}."


def _by(name: object) -> str:
    return _HARNESSES.get(str(name), str(name))


def _verdicts(valid: Sequence[bool | None]) -> str:
    words = {True: "VALID", False: "INVALID", None: "without a verdict"}
    counted = {words[v]: valid.count(v) for v in (True, False, None) if v in valid}
    if len(counted) == 1:
        return next(iter(counted))
    return ", ".join(f"{n} {word}" for word, n in counted.items())


def grids(found: Reported) -> list[Grid]:
    """Its latencies and its other figures."""
    over = "its test" if found.tests == 1 else f"{found.tests} tests"
    made = []
    if found.statistics:
        names = [n for n in found.statistics if n != "max"]
        names += [n for n in found.statistics if n == "max"]
        of = "queries" if found.scenario == "multi-stream" else "samples"
        cells = [time_range_cell(found.statistics[name]) for name in names]
        made.append(Grid(f"Latency of {of} as reported, over {over}", names, [cells]))
    figures = {**found.metric, **found.rates}
    if figures:
        rows = [[Cell(name), _figure_cell(name, e)] for name, e in figures.items()]
        made.append(Grid(f"Also reported, over {over}", ["", "mean"], rows))
    return made


def _figure_cell(name: str, e: Estimate) -> Cell:
    if name.endswith("(ns)"):
        return time_range_cell(e)
    ends = "" if e.low is None or e.high is None else f"{e.low:,.6g}–{e.high:,.6g}"
    return Cell("–" if e.value is None else f"{e.value:,.8g}", ends)


def facts(found: Reported) -> str:
    """The tests in one line."""
    versions = dict.fromkeys(str(one["version"]) for one in found.each if one.get("version"))
    parts = [f"LoadGen {', '.join(versions)}"] if versions and found.by == "loadgen" else []
    if name := found.system.get("name"):
        parts.append(f"system {name}")
    parts += [
        f"{name} {found.parameters[name]}"
        for name in ("target_qps", "samples_per_query", "min_query_count")
        if name in found.parameters
    ]
    return " · ".join(parts)


def notes(found: Reported) -> list[str]:
    """Why intervals are missing, each reason once."""
    figures = [*found.statistics.values(), *found.metric.values(), *found.rates.values()]
    return list(dict.fromkeys(e.reason for e in figures if e.reason and e.low is None))


def print_reported(found: Reported, console: Console) -> None:
    """Draw it on a terminal."""
    console.print(Padding(prose(headline(found), "bold", console), (1, 0)))
    for grid in grids(found):
        console.print(drawn(grid, console.width))
    if line := facts(found):
        console.print(prose(line, "dim", console))
    if reasons := notes(found):
        console.print(prose("no interval: " + "; ".join(reasons), "dim", console))
    for warning in found.warnings:
        console.print(prose(f"warning: {warning}", "yellow", console))


def markdown(found: Reported) -> str:
    """The same for a README or a pull request."""
    blocks = [f"**{headline(found)}**", *(markdown_table(grid) for grid in grids(found))]
    blocks += [line for line in (facts(found),) if line]
    blocks += [f"> warning: {warning}" for warning in found.warnings]
    return "\n\n".join(blocks) + "\n"


def beside(each: Sequence[Mapping[str, Any]]) -> str:
    """One line beside what we measured: what the other harness said of the same tests."""
    told = [one for one in each if one.get("valid") is not None or one.get("metric")]
    if not told:
        return ""
    by = _by(told[0].get("by", "another harness"))
    verdicts = _verdicts([one.get("valid") for one in told])
    figures = [
        f"{name.removesuffix(' (ns)')} {_value(name, value)}"
        for name, value in (told[0].get("metric") or {}).items()
    ]
    if len(told) > 1:
        return f"{by} reported {len(told)} tests: {verdicts}"
    return f"{by} reported: {', '.join([verdicts, *figures])}"


def _value(name: str, value: float) -> str:
    return format_duration(value, 4) if name.endswith("(ns)") else f"{value:,.8g}"
