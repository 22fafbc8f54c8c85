"""A differential run as tables: on a terminal, or as Markdown."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.differential import Cell as Environment
from tailmark.analysis.differential import Differential
from tailmark.analysis.pairs import Pair
from tailmark.report.comparison_text import points_cell
from tailmark.report.differential_sentences import (
    KIND_WORDS,
    attribution_sentences,
    headline,
    plural,
)
from tailmark.report.sentences import deadline_name, metric_name
from tailmark.report.tables import Cell, Grid, drawn, markdown_table, prose, share_cell, time_cell
from tailmark.stats.estimate import Estimate

_MOST_FLIPS = 10
_JUDGED = ("fix", "break", "both_wrong")


def print_differential(found: Differential, console: Console) -> None:
    """Print it to a terminal."""
    console.print(prose(headline(found), "bold", console))
    for line in attribution_sentences(found):
        console.print(prose(line, "", console))
    console.print()
    for grid in grids(found):
        console.print(drawn(grid, console.width))
    for line in small_print(found):
        console.print(Padding(prose(line, "dim", console), (0, 0, 0, 0)))
    for warning in found.warnings:
        console.print(prose(f"! {warning}", "yellow", console))


def markdown(found: Differential) -> str:
    """The same for a README or a pull request."""
    parts = [
        f"**{headline(found)}**",
        *(f"- {line}" for line in attribution_sentences(found)),
        *map(markdown_table, grids(found)),
        *small_print(found),
        *(f"> {warning}" for warning in found.warnings),
    ]
    return "\n\n".join(parts) + "\n"


def grids(found: Differential) -> list[Grid]:
    """The tables: what each delivers, what flips, how far the numbers are apart, what failed."""
    made = [environments_grid(found), against_grid(found)]
    if len(found.measured) > 2:
        made.append(matrix_grid(found))
    listed = _flips(found)
    if listed.rows:
        made.append(listed)
    if found.failed:
        made.append(_failed(found))
    return made


def small_print(found: Differential) -> list[str]:
    """What the tables' words mean."""
    lines = []
    if found.against_baseline:
        lines.append(
            "Latencies are ratios of paired rounds, their intervals at 95 % each; p values are "
            "McNemar's exact test of what only one of the two has right, where no answer is wrong, "
            "adjusted for all pairs (Holm)."
        )
    if _has_oracle(found):
        lines.append(
            f"Errors are the largest difference of any output to that of {found.oracle}, for any "
            "sample."
        )
    if found.front and found.front.beaten_maybe:
        lines.append("A dagger (†) marks who may be beaten, as far as the intervals tell.")
    return lines


def settings_words(system: Mapping[str, Any]) -> str:
    """What an environment effectively is, in a few words."""
    kind, version = system.get("kind", ""), system.get("version", "")
    words = [f"{kind} {version}".strip()]
    words += [str(system[name]) for name in ("mode", "precision") if system.get(name)]
    level = system.get("optimization")
    if level:
        words.append(str(level).removeprefix("ORT_").lower())
    if system.get("threads"):
        words.append(plural(int(system["threads"]), "thread"))
    device = system.get("device")
    if device and str(device).upper() != "CPU":
        words.append(str(device))
    return ", ".join(words)


def environments_grid(found: Differential) -> Grid:
    """What each is in effect, and delivers."""
    first = found.measured[0].summary
    at = first.at[first.first] if first is not None else None
    graded = found.metric is not None
    value = metric_name(found.metric) if graded else "on time"
    header = ["", "in effect"]
    header += [f"{value}, no deadline"] if graded else []
    header += ["error"] if _has_oracle(found) else []
    header += [f"at {deadline_name(at)}" if at else "", "mean latency", "p99"]
    rows = []
    for cell in found.measured:
        summary = cell.summary
        if summary is None:
            continue
        row = [Cell(_name(found, cell)), Cell(settings_words(cell.system))]
        if graded:
            row.append(share_cell(summary.ideal) if summary.ideal else Cell("–"))
        if _has_oracle(found):
            pair = found.pair(found.oracle, cell.name)
            row.append(Cell(error_words(pair) if pair else "oracle"))
        if cell.environment.answers_only:
            row += [Cell("–")] * 3
        else:
            here = summary.at[summary.first]
            row.append(share_cell(here.mean or here.on_time))
            row += [
                time_cell(summary.latency.mean),
                time_cell(summary.latency.percentiles[99]),
            ]
        rows.append(row)
    return Grid("What each delivers", header, rows)


def _has_oracle(found: Differential) -> bool:
    """Whether numbers are held against another than the baseline's."""
    return found.oracle != found.baseline and found.oracle in {c.name for c in found.measured}


def _name(found: Differential, cell: Environment) -> str:
    marks = ""
    if found.front is not None:
        marks += " *" if cell.name in found.front.best else ""
        marks += " †" if cell.name in found.front.beaten_maybe else ""
    return f"{cell.name}{marks}"


def against_grid(found: Differential) -> Grid:
    """What flips, how far the numbers are apart, and what it costs in time."""
    graded = found.metric is not None
    header = ["", "flips"]
    header += [*(KIND_WORDS[kind] for kind in _JUDGED), "p"] if graded else []
    header.append("no answer")
    pairs = found.against_baseline
    ranked, boxed = any(pair.rankings for pair in pairs), any(pair.boxes for pair in pairs)
    header += ["top-k tau"] if ranked else []
    header += ["boxes alike"] if boxed else []
    header += ["largest error", "latency", "points on time"]
    rows = []
    for pair in pairs:
        row = [Cell(pair.b), Cell(f"{len(pair.flips)} of {pair.samples}")]
        if graded:
            row += [Cell(str(pair.counts.get(kind, 0))) for kind in _JUDGED]
            row.append(Cell(p_words(pair.p_adjusted)))
        row.append(Cell(str(pair.counts.get("missing", 0))))
        if ranked:
            row.append(Cell(f"{pair.rankings['kendall']:.3f}" if pair.rankings else "–"))
        if boxed:
            alike = pair.boxes["agreement"] if pair.boxes else None
            row.append(Cell("–" if alike is None else f"{100 * alike:.1f} %"))
        row.append(Cell(error_words(pair)))
        row.append(ratio_cell(pair.latency_ratio))
        row.append(points_cell(pair.at[_first(found)].difference) if pair.at else Cell("–"))
        rows.append(row)
    return Grid(f"Against {found.baseline}", header, rows)


def _first(found: Differential) -> int:
    summary = found.measured[0].summary
    return summary.first if summary is not None else 0


def p_words(p: float | None) -> str:
    """A p value, as short as it means something."""
    if p is None:
        return "–"
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def error_words(pair: Pair) -> str:
    """The largest difference of the models' own numbers; else how many are not finite in one."""
    if not pair.numeric:
        return "–"
    broken = sum(one["nan_mismatches"] + one["inf_mismatches"] for one in pair.numeric.values())
    if broken:
        return f"{broken:,} not finite"
    worst = max(float(one["max_abs"]) for one in pair.numeric.values())
    return "0" if worst == 0 else f"{worst:.1e}"


def ratio_cell(e: Estimate | None) -> Cell:
    """A ratio and its interval."""
    if e is None or e.value is None:
        return Cell("–")
    interval = f"{e.low:.2f}–{e.high:.2f}" if e.low is not None and e.high is not None else ""
    return Cell(f"× {e.value:.2f}", interval)


def matrix_grid(found: Differential) -> Grid:
    """How many samples flip between any two."""
    names = [cell.name for cell in found.measured]
    rows = [
        [Cell(name), *(Cell(str(count) if k != row else "·") for k, count in enumerate(counts))]
        for row, (name, counts) in enumerate(zip(names, found.flips, strict=True))
    ]
    return Grid(f"Flips of {found.samples} samples", ["", *names], rows)


def _flips(found: Differential) -> Grid:
    """The first few samples that flip, those that matter most first."""
    order = {kind: place for place, kind in enumerate(("break", "missing", "fix"))}
    listed = [(pair, flip) for pair in found.against_baseline for flip in pair.flips]
    listed.sort(key=lambda one: order.get(one[1].kind, len(order)))
    rows = [
        [
            Cell(flip.id),
            Cell(pair.b),
            Cell(KIND_WORDS[flip.kind]),
            Cell("–" if flip.reference is None else str(flip.reference)),
            Cell("none" if flip.a is None else str(flip.a)),
            Cell("none" if flip.b is None else str(flip.b)),
            Cell("–" if flip.margin_a is None else f"{flip.margin_a:.3g}"),
        ]
        for pair, flip in listed[:_MOST_FLIPS]
    ]
    more = len(listed) - len(rows)
    title = "Flipped samples" + (f" (and {more} more: see the report)" if more > 0 else "")
    header = ["", "environment", "flip", "right", found.baseline, "there", "margin"]
    return Grid(title, header, rows)


def _failed(found: Differential) -> Grid:
    rows = [
        [Cell(cell.name), Cell(str(cell.environment.stage)), Cell(str(cell.environment.error))]
        for cell in found.failed
    ]
    return Grid("Failed", ["", "at", "why"], rows)
