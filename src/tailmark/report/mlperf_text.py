"""MLPerf's result of a run on a terminal."""

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.mlperf import Condition, MlperfResult
from tailmark.report.sentences import time_range, with_range
from tailmark.report.tables import Cell, Grid, drawn, prose
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration


def headline(result: MlperfResult) -> str:
    """Valid or not, and MLPerf's number."""
    valid = "VALID" if result.valid else "INVALID"
    says = f"{valid} – {result.scenario}: {result.metric} {_value(result)}"
    if result.discarded is not None:
        says += f", MLPerf's early-stopping estimate over {result.queries:,} queries"
    if result.scheduled_per_s is not None:
        says += f", scheduled {_rate(result.scheduled_per_s)}"
    return f"{says}."


def _value(result: MlperfResult) -> str:
    if result.value is None:
        return "unknown"
    return format_duration(result.value, 4) if result.unit == "ns" else _rate(result.value)


def _rate(per_s: float | None) -> str:
    return "–" if per_s is None else f"{per_s:,.6g} samples/s"


def condition_line(one: Condition) -> str:
    """A condition, whether it is met, and its figures."""
    return f"{'met' if one.met else 'NOT MET'} · {one.name}: {one.says}"


def over_rounds(result: MlperfResult) -> list[str]:
    """What pooling the rounds means, and how the metric varies between them."""
    if result.rounds < 2:
        return []
    said = []
    if (at := result.percentile) is not None:
        value = with_range(format_duration(at.value), time_range(at))
        said.append(f"p{result.percent:g} over rounds: {value}{_why(at)}")
    if (rate := result.rate) is not None:
        ends = "" if rate.low is None or rate.high is None else f"{rate.low:,.6g}–{rate.high:,.6g}"
        said.append(f"rate over rounds: {with_range(_rate(rate.value), ends)}{_why(rate)}")
    pooled = "as one test, their queries together and their durations added up"
    return [*said, f"the {result.rounds} rounds count {pooled}; intervals are over rounds"]


def _why(e: Estimate) -> str:
    return f" (no interval: {e.reason})" if e.reason and e.low is None else ""


def _latency(result: MlperfResult) -> Grid:
    times = {
        "min": result.min_ns,
        "mean": result.mean_ns,
        **{f"p{p:g}": ns for p, ns in result.statistics.items()},
        "max": result.max_ns,
    }
    of = "queries" if result.scenario == "multi-stream" else "samples"
    cells = [Cell(format_duration(ns)) for ns in times.values()]
    return Grid(f"Latency of {result.queries:,} {of}", list(times), [cells])


def print_mlperf(result: MlperfResult, console: Console) -> None:
    """Draw a result on a terminal."""
    console.print(Padding(prose(headline(result), "bold", console), (1, 0)))
    for one in result.conditions:
        console.print(prose(condition_line(one), "" if one.met else "yellow", console))
    console.print()
    console.print(drawn(_latency(result), console.width))
    for line in over_rounds(result):
        console.print(prose(line, "dim", console))
