"""What another load would do, as a sentence and tables."""

import math

from rich.console import Console
from rich.padding import Padding

from tailmark.analysis.trial import Held, Trial
from tailmark.analysis.what_if import Foretold, WhatIf
from tailmark.report.sentences import (
    LOSS_WORDS,
    claim,
    metric_name,
    percent,
    policy_words,
    share_interval,
    with_range,
)
from tailmark.report.tables import Cell, Grid, drawn, prose, share_cell, time_range_cell
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_SEEN = 5e-4


def what_if_headline(found: WhatIf) -> str:
    """What the load would leave of the quality."""
    at = found.at[found.first]
    by = f"{_coming(found)}, at {_deadline(at)}, this system would"
    if at.mean is None or found.ideal is None:
        return f"{by} answer {share_interval(at.on_time)} of its queries on time."
    says = f"{by} deliver {share_interval(at.mean)}"
    ideal, mean = found.ideal.value or 0.0, at.mean.value
    if mean is not None and abs(ideal - mean) < _SEEN:
        return f"{says}, all of the {percent(ideal)} {claim(found.metric)} claims."
    return f"{says}, not the {percent(ideal)} {claim(found.metric)} claims."


def _coming(found: WhatIf) -> str:
    workers = found.queueing.workers
    who = "its worker" if workers == 1 else f"its {workers} workers"
    if not math.isfinite(found.qps):
        return "Asked for everything at once"
    share = f"{100 * found.load:.0f} % of what {who} can serve"
    return f"At {_rate(found.qps)} queries a second ({share})"


def _rate(qps: float) -> str:
    return f"{qps:,.0f}" if qps >= 10 else f"{qps:.3g}"


def _deadline(at: Foretold) -> str:
    time = format_duration(at.deadline_ns)
    asked = ", ".join(name for name in at.label.split(", ") if name.startswith("p"))
    return with_range(asked, time) if asked else time


def grids(found: WhatIf) -> list[Grid]:
    """The tables."""
    shown = [_deadlines(found)]
    if any(at.loss for at in found.at):
        shown.append(_losses(found))
    shown.append(_latency(found))
    if found.curve:
        shown.append(_curve(found))
    if found.holds:
        shown.append(_holds(found))
    if found.trial:
        shown += [_trial(found, found.trial), _times(found.trial)]
    return shown


def _deadlines(found: WhatIf) -> Grid:
    header = ["deadline", "on time"]
    if found.ideal is not None:
        header += [metric_name(found.metric), "5 % tail"]
    rows = []
    for at in found.at:
        cells = [Cell(_deadline(at)), share_cell(at.on_time)]
        if at.mean is not None and at.tail is not None:
            cells += [share_cell(at.mean), share_cell(at.tail)]
        rows.append(cells)
    if found.ideal is not None:
        rows.append([Cell("no deadline"), Cell(""), share_cell(found.ideal), Cell("")])
    return Grid(f"Foretold at the deadline ({policy_words(found.on_late)})", header, rows)


def _losses(found: WhatIf) -> Grid:
    """Where the samples of a round would end up."""
    shown = [n for n in LOSS_WORDS if any((at.loss or {}).get(n, 0) >= _SEEN for at in found.at)]
    rows = [
        [Cell(_deadline(at)), *(Cell(percent((at.loss or {}).get(name, 0.0))) for name in shown)]
        for at in found.at
    ]
    return Grid("Where the answers would go", ["deadline", *(LOSS_WORDS[n] for n in shown)], rows)


def _latency(found: WhatIf) -> Grid:
    cells = [time_range_cell(e) for e in found.latency.values()]
    header = ["", *(f"p{p:g}" for p in found.latency), "workers busy"]
    return Grid(
        "Latency, waiting included",
        header,
        [[Cell("takes"), *cells, share_cell(found.utilisation)]],
    )


def _curve(found: WhatIf) -> Grid:
    """A line a rate."""
    name = metric_name(found.metric) if found.ideal is not None else "on time"
    header = ["rate", "of capacity", *(f"at {_deadline(at)}" for at in found.at)]
    rows = [
        [
            Cell(f"{_rate(one.qps)}/s"),
            Cell(f"{100 * one.load:.0f} %"),
            *(share_cell(at.mean or at.on_time) for at in one.at),
        ]
        for one in found.curve
    ]
    return Grid(f"Against the rate ({name})", header, rows)


def _holds(found: WhatIf) -> Grid:
    rows = [
        [Cell(percent(quality)), Cell("none of these" if qps is None else f"{_rate(qps)}/s")]
        for quality, qps in found.holds.items()
    ]
    at = _deadline(found.at[found.first])
    return Grid(
        f"The highest of these rates that delivers, at {at}",
        [metric_name(found.metric), "rate"],
        rows,
    )


def _trial(found: WhatIf, trial: Trial) -> Grid:
    """Foretold and measured, side by side."""
    words = {"on_time": "on time", "mean": metric_name(found.metric), "tail": "5 % tail"}
    rows = []
    for at in found.at:
        for name, held in trial.at[at.deadline_ns].items():
            first = _deadline(at) if name == "on_time" else ""
            rows.append([Cell(first), Cell(words[name]), *_held(held)])
    rows.append([Cell(""), Cell("workers busy"), *_held(trial.utilisation)])
    rounds = f"{trial.rounds} round{'s' if trial.rounds != 1 else ''}"
    return Grid(
        f"On trial: {trial.run}, {rounds} measured at {_rate(trial.qps)}/s",
        ["deadline", "", "foretold", "measured", "error in points", "in the interval"],
        rows,
    )


def _held(held: Held) -> list[Cell]:
    inside = {True: "yes", False: "no", None: "–"}[held.inside]
    return [share_cell(held.foretold), share_cell(held.measured), _points(held.error), Cell(inside)]


def _points(e: Estimate) -> Cell:
    if e.value is None:
        return Cell("–")
    if e.low is None or e.high is None:
        return Cell(f"{100 * e.value:+.1f}")
    return Cell(f"{100 * e.value:+.1f}", f"{100 * e.low:+.1f} to {100 * e.high:+.1f}")


def _times(trial: Trial) -> Grid:
    rows = [
        [Cell(who), *(time_range_cell(getattr(held, which)) for held in trial.latency.values())]
        for who, which in (("foretold", "foretold"), ("measured", "measured"))
    ]
    return Grid("Latency on trial", ["", *(f"p{p:g}" for p in trial.latency)], rows)


def facts(found: WhatIf) -> str:
    """What it was made of, in one line."""
    queueing = found.queueing
    workers = queueing.workers
    parts = [
        f"foretold from {found.recorded} recorded rounds by {found.simulated} simulated ones",
        f"{workers} worker{'s' if workers > 1 else ''}",
        f"{_rate(found.capacity_qps)} a second at most",
    ]
    if queueing.batch > 1:
        wait = format_duration(queueing.batch_wait_ns)
        parts.append(
            f"batches up to {queueing.batch}, waiting {wait}: {found.batch:.1f} on average"
        )
    if found.scenario is not None:
        parts.append(f"{found.scenario.get('kind', 'arrivals')} arrivals")
    else:
        parts.append(f"{found.arrivals} arrivals")
    return " · ".join(parts)


def print_what_if(found: WhatIf, console: Console) -> None:
    """Draw it on a terminal."""
    console.print(Padding(prose(what_if_headline(found), "bold", console), (1, 0)))
    for grid in grids(found):
        console.print(drawn(grid, console.width))
    console.print(prose(facts(found), "dim", console))
    reasons = _reasons(found)
    if reasons:
        console.print(prose("no interval: " + "; ".join(reasons), "dim", console))
    for warning in (*found.warnings, *(found.trial.unlike if found.trial else ())):
        console.print(prose(f"warning: {warning}", "yellow", console))


def _reasons(found: WhatIf) -> list[str]:
    """Why some intervals are missing, each reason once."""
    first = found.at[found.first]  # the others' reasons differ in a number at most
    estimates = [e for e in (first.on_time, first.mean, first.tail) if e is not None]
    estimates += found.latency.values()
    return list(dict.fromkeys(e.reason for e in estimates if e.reason and e.low is None))
