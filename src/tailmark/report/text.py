"""A summary as tables: on a terminal, or as Markdown."""

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.at_deadline import AtDeadline
from tailmark.analysis.summary import Summary
from tailmark.report.reported_text import beside
from tailmark.report.sentences import (
    LOSS_WORDS,
    deadline_name,
    hard_words,
    headline,
    metric_name,
    percent,
    percentile_names,
    policy_words,
    share_range,
    sureness_sentence,
    with_range,
)
from tailmark.report.tables import (
    Cell,
    Grid,
    drawn,
    markdown_table,
    prose,
    share_cell,
    time_cell,
    time_range_cell,
)
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration


def grids(summary: Summary) -> list[Grid]:
    """The summary's tables."""
    found = [_deadlines(summary)]
    if summary.swept:
        found.append(_sweep(summary))
    if summary.also:
        found.append(also_grid(summary))
    if summary.reach:
        found.append(_reach(summary))
    if any(at.loss for at in summary.at):
        found.append(_losses(summary))
    return [*found, _latency(summary)]


def _told(summary: Summary) -> list[AtDeadline]:
    """Those told in full: what was asked for, and what the headline speaks of."""
    return [at for k, at in enumerate(summary.at) if k not in summary.swept or k == summary.first]


def _deadlines(summary: Summary) -> Grid:
    graded = summary.ideal is not None
    hard = _hard_name(summary)
    tails = ["5 % tail", "1 % tail", "worst round"]
    quality = [metric_name(summary.metric), *hard, *tails] if graded else []
    rows = []
    for at in _told(summary):
        cells = [_deadline(at), share_cell(at.on_time)]
        if at.mean is not None and at.tail is not None:
            cells += [share_cell(at.mean)]
            cells += [share_cell(at.hard)] if at.hard is not None else []
            cells += [share_cell(at.tail[0.05]), share_cell(at.tail[0.01])]
            cells += [Cell(percent(at.worst))]
        rate = f"{at.goodput_per_s.value or 0:,.0f}/s"
        rows.append([*cells, Cell(rate), Cell(f"{at.longest_late_streak}")])
    if summary.ideal is not None:
        nothing = [Cell("")] * (len(hard) + 5)
        rows.append([Cell("no deadline"), Cell(""), share_cell(summary.ideal), *nothing])
    title = f"At the deadline ({policy_words(summary.on_late)})"
    return Grid(title, ["deadline", "on time", *quality, "on-time rate", "late streak"], rows)


def _hard_name(summary: Summary) -> list[str]:
    """The header of the hard step's column, where it is told."""
    told = any(at.hard is not None for at in summary.at)
    return [hard_words(summary.on_late)] if told else []


def _sweep(summary: Summary) -> Grid:
    """Every deadline, a line each."""
    hard = _hard_name(summary)
    header = ["deadline", "percentile", "on time"]
    if summary.ideal is not None:
        header += [metric_name(summary.metric), *hard, "5 % tail"]
    rows = []
    for at in summary.at:
        cells = [format_duration(at.deadline_ns), percentile_names(at), percent(at.on_time.value)]
        if at.mean is not None and at.tail is not None:
            cells += [_in_one_line(at.mean)]
            cells += [percent(at.hard.value)] if at.hard is not None else []
            cells += [_in_one_line(at.tail[0.05])]
        rows.append([Cell(text) for text in cells])
    return Grid("Over the measured latencies", header, rows)


def _in_one_line(e: Estimate) -> str:
    return with_range(percent(e.value), share_range(e).removesuffix(" %"))


def _deadline(at: AtDeadline) -> Cell:
    return Cell(format_duration(at.deadline_ns), percentile_names(at))


def _losses(summary: Summary) -> Grid:
    """Where the samples of a round end up."""
    shown = [
        n for n in LOSS_WORDS if any((at.loss or {}).get(n, 0) >= 5e-4 for at in _told(summary))
    ]
    rows = [
        [
            _deadline(at),
            *(Cell(percent((at.loss or {}).get(name, 0.0))) for name in shown),
        ]
        for at in _told(summary)
    ]
    return Grid("Where the answers go", ["deadline", *(LOSS_WORDS[n] for n in shown)], rows)


def also_grid(summary: Summary) -> Grid:
    """All metrics side by side, at the deadlines told in full; the tail at the headline's."""
    told = [k for k, at in enumerate(summary.at) if at in _told(summary)]
    header = ["metric", "no deadline"]
    for k in told:
        header += [
            f"at {deadline_name(summary.at[k])}",
            *(["5 % tail"] if k == summary.first else []),
        ]
    every = [(summary.metric, summary.ideal, summary.at)]
    every += [(one.metric, one.ideal, one.at) for one in summary.also]
    rows = []
    for metric, ideal, at in every:
        cells = [Cell(metric_name(metric)), share_cell(ideal) if ideal else Cell("")]
        for k in told:
            mean, tail = at[k].mean, at[k].tail
            cells.append(share_cell(mean) if mean else Cell(""))
            if k == summary.first:
                cells.append(share_cell(tail[0.05]) if tail else Cell(""))
        rows.append(cells)
    return Grid("Every metric", header, rows)


def _reach(summary: Summary) -> Grid:
    rows = [[Cell(percent(q)), time_cell(e)] for q, e in summary.reach.items()]
    return Grid(
        "The shortest deadline that delivers", [metric_name(summary.metric), "deadline"], rows
    )


def _latency(summary: Summary) -> Grid:
    latency = summary.latency
    estimates = {"mean": latency.mean, **{f"p{p:g}": e for p, e in latency.percentiles.items()}}
    cells = [time_range_cell(e) for e in estimates.values()]
    longest = Cell(format_duration(latency.max_ns))
    return Grid(
        f"Latency ({latency.time}, {latency.answered:,} answers)",
        [*estimates, "max"],
        [[*cells, longest]],
    )


def _extent(summary: Summary) -> str:
    """How much was measured; under load, rounds do not send every sample once."""
    if summary.estimand is None:
        return f"{summary.rounds} rounds of {summary.samples} samples"
    parts = "blocks" if summary.estimand.startswith("steady") else "rounds"
    return f"{summary.rounds} {parts}, {summary.queries:,} queries of {summary.samples} samples"


def estimand(summary: Summary) -> str:
    """What a number of a run under open load is about; else nothing."""
    return f"estimand – {summary.estimand}" if summary.estimand else ""


def facts(summary: Summary) -> str:
    """The run in one line; of an imported run little is known."""
    machine = summary.environment.get("processor", {})
    cold = summary.latency.cold_start
    parts = [
        _extent(summary),
        summary.load,
        str(machine.get("model") or "unknown processor"),
    ]
    if machine.get("usable_cores"):
        parts.append(f"{machine['usable_cores']} cores")
    if "open_ns" in cold:
        parts.append(f"opened in {format_duration(cold['open_ns'])}")
    if "first_query_ns" in cold:
        parts.append(f"first query {format_duration(cold['first_query_ns'])}")
    if "first_query_medians" in cold:
        parts[-1] += f" ({cold['first_query_medians']:.1f} medians)"
    return " · ".join(parts)


def stopping(summary: Summary) -> str:
    """Why measuring stopped, where a rule said when; else nothing."""
    return str((summary.stopping or {}).get("says", ""))


def notes(summary: Summary) -> list[str]:
    """Why some intervals are missing, each reason once."""
    estimates = [e for at in summary.at for e in [*(at.tail or {}).values(), at.on_time]]
    estimates += list(summary.latency.percentiles.values())
    reasons = (e.reason for e in estimates if e.reason and e.low is None)
    return list(dict.fromkeys(reasons))


def print_summary(summary: Summary, console: Console) -> None:
    """Draw a summary on a terminal."""
    console.print(Padding(prose(headline(summary), "bold", console), (1, 0)))
    for grid in grids(summary):
        console.print(drawn(grid, console.width))
    console.print(prose(facts(summary), "dim", console))
    console.print(prose(sureness_sentence(summary), "dim", console))
    if about := estimand(summary):
        console.print(prose(about, "dim", console))
    if stop := stopping(summary):
        console.print(prose(stop, "", console))
    if line := beside(summary.reported):
        console.print(prose(line, "", console))
    reasons = notes(summary)
    if reasons:
        console.print(prose("no interval: " + "; ".join(reasons), "dim", console))
    for warning in summary.warnings:
        console.print(prose(f"warning: {warning}", "yellow", console))


def markdown(summary: Summary) -> str:
    """The same tables for a README or a pull request."""
    blocks = [f"**{headline(summary)}**"]
    blocks += [markdown_table(grid) for grid in grids(summary)]
    said = (
        facts(summary),
        sureness_sentence(summary),
        estimand(summary),
        stopping(summary),
        beside(summary.reported),
    )
    blocks += [one for one in said if one]
    blocks += [f"> warning: {warning}" for warning in summary.warnings]
    return "\n\n".join(blocks) + "\n"
