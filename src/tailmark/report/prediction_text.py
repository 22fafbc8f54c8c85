"""A prediction as a sentence and small tables."""

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.prediction import Holdout, Prediction
from tailmark.report.sentences import metric_name, percent, share_interval, with_range
from tailmark.report.tables import Cell, Grid, drawn, prose, share_cell, time_range_cell
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_TAILED = 20
"""Of fewer rounds, the worst 5 % are no more than the worst."""


def prediction_headline(found: Prediction) -> str:
    """What the rounds ahead will deliver."""
    ahead, delivers = found.rounds_ahead, share_interval(found.mean)
    when = f"In the next {f'{ahead:,} rounds' if ahead > 1 else 'round'}, at {_deadline(found)}"
    says = f"{when} this system will deliver {delivers}"
    if ahead == 1:
        return f"{says}."
    worst = percent(found.worst.value)
    if ahead < _TAILED:
        return f"{says} on average; in the worst of them about {worst}."
    return (
        f"{says} on average; in the worst 5 % of them {share_interval(found.quantiles[0.05])} or "
        f"less, in the very worst about {worst}."
    )


def overdispersion_sentence(e: Estimate) -> str:
    """How far chance is from explaining what rounds do."""
    if e.value is None:
        return f"Overdispersion cannot be told: {e.reason}."
    interval = "" if e.low is None or e.high is None else f"{e.low:.1f}–{e.high:.1f}"
    says = f"Rounds differ {with_range(f'{e.value:.1f}', interval)} times as much as chance alone"
    if e.low is not None and e.low > 1:
        return f"{says} would have them: what they share decides, not single answers."
    return f"{says} would have them."


def print_prediction(found: Prediction, console: Console) -> None:
    """Draw a prediction on a terminal."""
    console.print(Padding(prose(prediction_headline(found), "bold", console), (1, 0)))
    for grid in (_quality(found), _times(found), *_trials(found)):
        console.print(drawn(grid, console.width))
    facts = (
        f"{found.model}, learnt from {found.trained_on} rounds. "
        f"{overdispersion_sentence(found.overdispersion)}"
    )
    console.print(prose(facts, "dim", console))
    reasons = dict.fromkeys(e.reason for e in found.time.values() if e.reason)
    if reasons:
        console.print(prose("no interval: " + "; ".join(map(str, reasons)), "dim", console))
    for warning in found.warnings:
        console.print(prose(f"warning: {warning}", "yellow", console))


def _deadline(found: Prediction) -> str:
    time = format_duration(found.deadline_ns)
    asked = found.label if found.label.startswith("p") else ""
    return with_range(asked, time) if asked else time


def _quality(found: Prediction) -> Grid:
    levels = {
        **{f"{100 * level:g} %": e for level, e in found.quantiles.items()},
        f"worst of {found.rounds_ahead:,}": found.worst,
    }
    header = ["", "mean", *levels]
    cells = [Cell("delivers"), share_cell(found.mean), *map(share_cell, levels.values())]
    for target, e in found.chances.items():
        header.append(f"P(≥ {percent(target)})")
        cells.append(share_cell(e))
    name = metric_name(found.metric)
    return Grid(f"What a round delivers ({name}): so many of them at most", header, [cells])


def _times(found: Prediction) -> Grid:
    cells = [time_range_cell(e) for e in found.time.values()]
    return Grid(
        "Latency over the rounds ahead: so many queries at most",
        ["", *(f"p{p:g}" for p in found.time)],
        [[Cell("takes"), *cells]],
    )


def _trials(found: Prediction) -> list[Grid]:
    """How each model did on what was held out."""
    held = found.holdout
    return [] if held is None else [_trial(held)]


def _trial(held: Holdout) -> Grid:
    rows = [
        [
            Cell(name + (" (best)" if name == held.best else "")),
            Cell(percent(score.mean)),
            Cell(percent(score.tail)),
            Cell(f"{100 * score.tail_error:+.1f}"),
            Cell(percent(score.coverage[0.05], 0)),
            Cell(percent(score.coverage[0.5], 0)),
            Cell(percent(score.coverage[0.95], 0)),
            Cell(f"{100 * score.crps:.2f}"),
            Cell(f"{score.divergence:.2f}"),
        ]
        for name, score in held.scores.items()
    ]
    came = [Cell("what came"), Cell(percent(held.mean)), Cell(percent(held.tail))]
    rows.append([*came, *[Cell("")] * 6])
    return Grid(
        f"On trial: {held.rounds} {'rounds' if held.rounds > 1 else 'round'} held out",
        ["model", "mean", "5 % tail", "error", "≤ 5 %", "≤ 50 %", "≤ 95 %", "CRPS", "JSD"],
        rows,
    )
