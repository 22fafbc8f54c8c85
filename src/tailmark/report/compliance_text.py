"""What checks of compliance found, on a terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.agreement import Differing
from tailmark.analysis.compliance import Check, Compliance, Condition
from tailmark.report.sentences import percent, with_range
from tailmark.report.tables import Cell, Grid, drawn, prose
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_MOST_NAMED = 5
_WORDS = {"pass": "PASS", "fail": "FAIL", "undecided": "UNDECIDED"}
_STYLES = {"pass": "", "fail": "red", "undecided": "yellow"}


def headline(found: Compliance) -> str:
    """How many checks pass, and which do not."""
    passed = [one.name for one in found.checks if one.outcome == "pass"]
    says = f"{_WORDS[found.outcome]} – {len(passed)} of {len(found.checks)} checks pass"
    for outcome in ("fail", "undecided"):
        named = [one.name for one in found.checks if one.outcome == outcome]
        if named:
            says += f"; {outcome}: {', '.join(named)}"
    return f"{says}."


def check_lines(one: Check) -> Iterator[str]:
    """What was done, what was found, which samples, and how to mend it."""
    yield f"{one.outcome} · {one.name}: {one.says}"
    telling = [c for c in one.conditions if c.outcome == one.outcome and c.agreement.found]
    if telling:
        most = max(telling, key=lambda c: (c.agreement.differ, len(c.agreement.found)))
        yield f"  {most.name}: {_named(most)}"
    if one.mend:
        yield f"  → {one.mend}"


def _named(condition: Condition) -> str:
    found = condition.agreement.found
    said = [_sample(one) for one in found[:_MOST_NAMED]]
    more = len(found) - len(said)
    return "; ".join(said) + (f"; and {more:,} more (--json names all)" if more else "")


def _sample(one: Differing) -> str:
    return f"sample {one.id} {_answers(one.accuracy)} alone, {_answers(one.given)} there"


def _answers(counts: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{answer} ×{times}" for answer, times in counts[:3]) or "nothing"


def _grid(conditions: list[tuple[Check, Condition]], metric: str | None) -> Grid:
    header = ["condition", "outcome", "samples", "answers", "other label", "other scores"]
    header += ["by chance"] + ([metric] if metric else [])
    rows = []
    for check, one in conditions:
        seen = one.agreement
        cells = [f"{check.name}: {one.name}", one.outcome, f"{seen.compared:,}"]
        cells += [f"{seen.answers:,}", f"{seen.differ:,}", f"{seen.whole_differ:,}"]
        cells += [f"{seen.restless:,}"]
        rows.append([*map(Cell, cells), *([_quality(one.quality)] if metric else [])])
    return Grid("Answers beside those of the accuracy passes", header, rows)


def _quality(e: Estimate | None) -> Cell:
    if e is None or e.value is None:
        return Cell("–")
    return Cell(percent(e.value, 2))


def _times(check: Check) -> Grid | None:
    seen = check.caching
    if seen is None or seen.ratio.value is None:
        return None
    e = seen.ratio
    between = "" if e.low is None or e.high is None else f"{e.low:.3f}–{e.high:.3f}"
    cells = [
        Cell(check.name),
        Cell(check.outcome),
        Cell(f"{seen.samples:,}"),
        Cell(format_duration(seen.first_ns)),
        Cell(format_duration(seen.again_ns)),
        Cell(with_range(f"{e.value:.3f}", between)),
    ]
    header = ["condition", "outcome", "samples", "new", "again", "ratio"]
    return Grid("Samples that come again", header, [cells])


def print_compliance(found: Compliance, console: Console) -> None:
    """Draw what was found on a terminal."""
    console.print(Padding(prose(headline(found), "bold", console), (1, 0)))
    for check in found.checks:
        if grid := _times(check):
            console.print(drawn(grid, console.width))
    conditions = [(check, one) for check in found.checks for one in check.conditions]
    if conditions:
        console.print(drawn(_grid(conditions, found.metric), console.width))
    for check in found.checks:
        for line in check_lines(check):
            console.print(prose(line, _STYLES[check.outcome], console))
    for warning in found.warnings:
        console.print(prose(f"warning: {warning}", "yellow", console))
