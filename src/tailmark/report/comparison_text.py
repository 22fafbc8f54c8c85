"""A comparison as tables: on a terminal, or as Markdown. Differences are B − A, in words too."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.comparison import ComparedAt, Comparison, Standing
from tailmark.analysis.likeness import Unlike
from tailmark.report.sentences import deadline_name, metric_name, percentile_names, policy_words
from tailmark.report.tables import Cell, Grid, drawn, markdown_table, prose, share_cell, time_cell
from tailmark.stats.differences import decide
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_SHOWN = {"mean": "", "tail_0.05": "  5 % tail", "on_time": "  on time"}
_NOTHING = [Cell("")] * 4
_PERCENTILES = ("mean", "p50", "p90", "p99", "p99.9")
_UNITS = (("s", 10**9), ("ms", 10**6), ("µs", 10**3), ("ns", 1))
_MOST_NAMED = 4
_LEVEL = "as much"


def headline(comparison: Comparison) -> str:
    """The verdict, and the difference it is about, in words."""
    at = comparison.at[comparison.first]
    e, standing = at.differences[at.asked], at.standing
    a, b = _names(comparison)
    by = f"{standing.verdict.upper()} – at {deadline_name(at.a)} {b}"
    if e.value is None:
        return f"{by} and {a} cannot be told apart: {e.reason}."
    does = "delivers" if at.asked == "mean" else "answers"
    what = "on time" if at.asked == "mean" else "of its queries on time"
    more = _more(e)
    says = f"{by} {does} {more} {what} {'as' if more == _LEVEL else 'than'} {a}{_between(e)}"
    if standing.verdict == "equivalent":
        says += f", within ±{_digits(comparison.margin, comparison.margin)} points"
    elif standing.verdict == "cannot tell":
        says += f"; {_way_out(standing)}"
    tail = at.differences.get("tail_0.05")
    if tail is not None and tail.low is not None:  # few rounds tell a tail too badly to claim it
        says += f"; in its worst 5 % of rounds {_more(tail)}"
    return f"{says}."


def _names(comparison: Comparison) -> tuple[str, str]:
    a, b = comparison.a.run, comparison.b.run
    return ("A", "B") if a == b else (a, b)


def _more(e: Estimate) -> str:
    value = e.value or 0.0
    points = _digits(abs(value), _size(e))
    if float(points) == 0:
        return _LEVEL
    return f"{points} points {'more' if value > 0 else 'less'}"


def _between(e: Estimate) -> str:
    return f" ({_points_range(e)})" if e.low is not None else ""


def _way_out(standing: Standing) -> str:
    if standing.rounds_to_tell is None:
        return "no number of rounds would tell"
    return f"about {standing.rounds_to_tell:,} rounds of each would tell"


def _size(e: Estimate) -> float:
    return max(abs(x) for x in (e.value, e.low, e.high) if x is not None)


def _digits(share: float, size: float) -> str:
    """A share in points; two decimals where all that is said is small."""
    return f"{100 * share:.{2 if size < 0.0095 else 1}f}"


def _signed(share: float, size: float) -> str:
    text = _digits(share, size)
    if float(text) == 0:
        return text.lstrip("-")
    return text.replace("-", "−") if share < 0 else f"+{text}"


def _points_range(e: Estimate) -> str:
    if e.low is None or e.high is None:
        return ""
    return f"{_signed(e.low, _size(e))} to {_signed(e.high, _size(e))}"


def points_cell(e: Estimate) -> Cell:
    """A difference of shares and its interval, in points."""
    if e.value is None:
        return Cell("–")
    return Cell(_signed(e.value, _size(e)), _points_range(e))


def time_difference_cell(e: Estimate) -> Cell:
    """A difference of times and its interval, all in one unit."""
    if e.value is None:
        return Cell("–")
    unit, size = next((u for u in _UNITS if _size(e) >= u[1] * 0.9995), _UNITS[-1])

    def signed(ns: float) -> str:
        text = f"{abs(ns) / size:.3g}"
        return text if float(text) == 0 else f"{'−' if ns < 0 else '+'}{text}"

    value = f"{signed(e.value)} {unit}"
    if e.low is None or e.high is None:
        return Cell(value)
    return Cell(value, f"{signed(e.low)} to {signed(e.high)} {unit}")


def standing_cell(standing: Standing) -> Cell:
    """A verdict, and how many rounds would tell where there is none."""
    if standing.verdict != "cannot tell":
        return Cell(standing.verdict)
    needed = standing.rounds_to_tell
    return Cell("cannot tell", "" if needed is None else f"~{needed:,} rounds")


def grids(comparison: Comparison) -> list[Grid]:
    """The comparison's tables."""
    return [_deadlines(comparison), _flips(comparison), _latency(comparison)]


def _deadlines(comparison: Comparison) -> Grid:
    quality = f"  {metric_name(comparison.a.metric)}"
    rows: list[list[Cell]] = []
    for at in comparison.at:
        rows.append([Cell(deadline_name(at.a)), *_NOTHING])
        for name, label in _SHOWN.items():
            if name not in at.differences:
                continue
            a, b = at.estimates[name]
            rows.append(
                [
                    Cell(label or quality),
                    share_cell(a),
                    share_cell(b),
                    points_cell(at.differences[name]),
                    standing_cell(at.standings[name]),
                ]
            )
    ideal = comparison.differences.get("ideal")
    if ideal is not None and comparison.a.ideal and comparison.b.ideal:
        rows.append([Cell("no deadline"), *_NOTHING])
        rows.append(
            [
                Cell(quality),
                share_cell(comparison.a.ideal),
                share_cell(comparison.b.ideal),
                points_cell(ideal),
                Cell(ideal_words(comparison)),
            ]
        )
    title = f"At the deadline ({policy_words(comparison.a.on_late)})"
    return Grid(title, ["", "A", "B", "B − A, points", "B is"], rows)


def ideal_words(comparison: Comparison) -> str:
    """How B stands to A with no deadline: a claim about samples like these, where any differs."""
    if comparison.flips is not None and comparison.flips.differ == 0:
        return "the same"
    ideal = comparison.differences["ideal"]
    return "" if ideal.low is None else decide(ideal, comparison.margin)


def _deadline(at: ComparedAt) -> Cell:
    return Cell(format_duration(at.a.deadline_ns), percentile_names(at.a))


def _flips(comparison: Comparison) -> Grid:
    right = "on time" if comparison.at[0].asked == "on_time" else "right and on time"
    rows = [
        [_deadline(at), share_cell(at.flips.lost), share_cell(at.flips.gained)]
        for at in comparison.at
    ]
    flips = comparison.flips
    if flips and flips.breaks is not None and flips.fixes is not None:
        counts = (f"{len(ids)} of {flips.samples}" for ids in (flips.breaks, flips.fixes))
        rows.append([Cell("no deadline"), *map(Cell, counts)])
    return Grid(
        f"Flips ({right} in one and not in the other)", ["deadline", "A only", "B only"], rows
    )


def _latency(comparison: Comparison) -> Grid:
    rows = []
    for name, summary in (("A", comparison.a), ("B", comparison.b)):
        held = {f"p{p:g}": e for p, e in summary.latency.percentiles.items()}
        held["mean"] = summary.latency.mean
        rows.append([Cell(name), *(time_cell(held[column]) for column in _PERCENTILES)])
    differences = (comparison.differences[f"latency_{column}"] for column in _PERCENTILES)
    rows.append([Cell("B − A"), *map(time_difference_cell, differences)])
    return Grid(f"Latency ({comparison.a.latency.time})", ["", *_PERCENTILES], rows)


def answers(comparison: Comparison) -> str:
    """What became of the answers, whatever the time."""
    flips = comparison.flips
    if flips is None:
        return "answers: not kept by both runs, so they cannot be compared"
    says = f"answers: {flips.differ} of {flips.samples} samples are answered differently"
    if flips.fixes is None or flips.breaks is None or flips.both_wrong is None:
        return says
    says += (
        f", {len(flips.breaks)} right in A only, {len(flips.fixes)} in B only, "
        f"{len(flips.both_wrong)} wrong in both"
    )
    if flips.both_right:
        says += f", {len(flips.both_right)} right in both"
    return f"{says} (McNemar's exact test: p {_p(flips.p_value)})"


def _p(p: float | None) -> str:
    if p is None:
        return "unknown"
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def facts(comparison: Comparison) -> str:
    """The runs, how they pair, and what the intervals are about, in one paragraph."""
    a, b = comparison.a, comparison.b
    pairing = (
        "measured interleaved, so paired by round"
        if comparison.paired_by == "round"
        else "measured apart, so paired by sample only"
    )
    parts = [
        f"A {a.run}: {a.rounds} rounds",
        f"B {b.run}: {b.rounds} rounds",
        f"{a.samples} samples",
        pairing,
    ]
    if "ideal" in comparison.differences:
        parts.append(
            "intervals are over rounds, for these samples; with no deadline the difference is "
            "exact for these, and its interval is over samples like them"
        )
    return " · ".join(parts)


def also_differs(unlike: Iterable[Unlike]) -> str:
    """What else differs, by its groups; often it is what is compared."""
    groups: dict[str, list[str]] = {}
    for one in unlike:
        if one.bars:
            continue
        group, _, leaf = one.name.partition(".")
        groups.setdefault(group, []).append(leaf)
    return ", ".join(_group(group, leaves) for group, leaves in groups.items())


def _group(name: str, leaves: Sequence[str]) -> str:
    if leaves == [""]:
        return name
    more = ", …" if len(leaves) > _MOST_NAMED else ""
    return f"{name} ({', '.join(leaves[:_MOST_NAMED])}{more})"


def notes(comparison: Comparison) -> list[str]:
    """Why some intervals are missing, each reason once; verdicts say themselves what they need."""
    shown = ["ideal", *(f"latency_{column}" for column in _PERCENTILES)]
    held = comparison.differences
    estimates = [held[name] for name in shown if name in held]
    for at in comparison.at:
        estimates += [at.flips.lost, at.flips.gained]
        estimates += [
            at.differences[name]
            for name in _SHOWN
            if name in at.differences and at.standings[name].rounds_to_tell is None
        ]
    reasons = (e.reason for e in estimates if e.reason and e.low is None)
    return list(dict.fromkeys(reasons))


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Draw a comparison on a terminal."""
    console.print(Padding(prose(headline(comparison), "bold", console), (1, 0)))
    for grid in grids(comparison):
        console.print(drawn(grid, console.width))
    for line in small_print(comparison):
        console.print(prose(line, "dim", console))
    for warning in comparison.warnings:
        console.print(prose(f"warning: {warning}", "yellow", console))


def markdown(comparison: Comparison) -> str:
    """The same tables for a README or a pull request."""
    blocks = [f"**{headline(comparison)}**"]
    blocks += [markdown_table(grid) for grid in grids(comparison)]
    blocks += small_print(comparison)
    blocks += [f"> warning: {warning}" for warning in comparison.warnings]
    return "\n\n".join(blocks) + "\n"


def small_print(comparison: Comparison) -> list[str]:
    """What stands under the tables."""
    lines = [answers(comparison), facts(comparison)]
    others = also_differs(comparison.unlike)
    if others:
        lines.append(f"also differ: {others}")
    reasons = notes(comparison)
    if reasons:
        lines.append("no interval: " + "; ".join(reasons))
    return lines
