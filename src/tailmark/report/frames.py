"""What the page says at each deadline, printed: the script looks it up and computes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tailmark.analysis.at_deadline import AtDeadline
from tailmark.report import plots
from tailmark.report.charts import Plot
from tailmark.report.findings import Findings
from tailmark.report.forecast_plot import forecast
from tailmark.report.sentences import LOSS_WORDS, headline, percent, share_range, tied
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

TENTHOUSANDTHS = 10_000
READOUT_DIGITS = 4
_VISIBLE = 0.0005
"""A share below this would print as 0.0 %."""


def looked_up(found: Findings, name: str) -> dict[str, Any]:
    """Everything about one run that moves with the deadline, and its plots."""
    unit = plots.time_unit(found)
    log, linear = (plots.quality_deadline(found, log=log) for log in (True, False))
    ahead = [forecast(found.prediction)] if found.prediction else []
    drawn = embedded([log, plots.latency(found), plots.rounds(found), plots.loss(found), *ahead])
    drawn["specs"]["quality-deadline-linear"] = linear.spec()
    return {
        "name": name,
        **drawn,
        "start": found.window.index(found.start) if found.start in found.window else 0,
        "at": [unit.of(found.at[k].deadline_ns) for k in found.window],
        "frames": [_frame(found, k) for k in found.window],
        "losses": [LOSS_WORDS[part] for part in found.losses],
        "rounds": [
            [None if q is None else round(q * TENTHOUSANDTHS) for q in plots.round_values(found, k)]
            for k in found.window
        ],
    }


def embedded(drawn: Sequence[Plot]) -> dict[str, Any]:
    """The plots' specifications by name, and the rows they draw."""
    data: dict[str, Any] = {}
    for plot in drawn:
        data |= plot.data
    return {"specs": {plot.name: plot.spec() for plot in drawn}, "data": data}


def _frame(found: Findings, k: int) -> dict[str, Any]:
    """All that the page says at one deadline, printed."""
    at = found.at[k]
    shares = at.loss or {}
    sentence, key = emphasised_headline(found, at)
    return {
        "ns": at.deadline_ns,
        "readout": tied(format_duration(at.deadline_ns, READOUT_DIGITS)),
        "sentence": sentence,
        "key": key,
        "tiles": [(tile.text, tile.note, tile.hint) for tile in tiles(found, k)],
        "levels": plots.levels_at(found, k),
        "loss": [
            (round(max(share, 0.0), 4), tied(percent(share)) if share >= _VISIBLE else "")
            for share in (shares.get(part, 0.0) for part in found.losses)
        ],
    }


def emphasised_headline(found: Findings, at: AtDeadline) -> tuple[str, str]:
    """The sentence and the number in it that matters."""
    told = at.mean or at.on_time
    return tied(headline(found.summary, at)), tied(percent(told.value))


@dataclass(frozen=True)
class Tile:
    """A number large enough to read from afar.

    Args:
        name: What it is.
        text: The number.
        note: Its interval, or what it counts.
        hint: Why there is no interval.
    """

    name: str
    text: str
    note: str = ""
    hint: str = ""


def tiles(found: Findings, k: int) -> list[Tile]:
    """The numbers at one deadline of the curve, as many and in the same order at each."""
    at = found.at[k]
    on_time = _share_tile("on time", at.on_time)
    if at.mean is not None and at.tail is not None:
        told = [
            _share_tile("on average", at.mean),
            _share_tile("worst 5 % of rounds", at.tail[0.05]),
            Tile("worst round", tied(percent(defined(at.worst)))),
            on_time,
        ]
    else:
        told = [
            on_time,
            Tile("worst 5 % of rounds", tied(percent(float(found.curve.tails[0, k])))),
            Tile("worst round", tied(percent(float(found.curve.worst[k])))),
        ]
    streak = Tile("longest late streak", f"{at.longest_late_streak:,}", "in any round")
    return [*told, _rate_tile("goodput", at.goodput_per_s), streak]


def _share_tile(name: str, e: Estimate) -> Tile:
    if e.low is None or e.high is None:
        return Tile(name, tied(percent(e.value)), "no interval", e.reason or "")
    return Tile(name, tied(percent(e.value)), tied(share_range(e)))


def _rate_tile(name: str, e: Estimate) -> Tile:
    text = _rate(e.value) + "/s"
    if e.low is None or e.high is None:
        return Tile(name, text, "no interval", e.reason or "")
    return Tile(name, text, f"{_rate(e.low)}–{_rate(e.high)}/s")


def _rate(per_s: float | None) -> str:
    if per_s is None:
        return "–"
    return f"{per_s:,.0f}" if abs(per_s) >= 100 else f"{per_s:.3g}"


def defined(x: float | None) -> float | None:
    """None for NaN."""
    return x if x is not None and x == x else None  # noqa: PLR0124 - NaN is not itself
