"""The plots of several runs: a colour each."""

import altair as alt

from tailmark.report.charts import (
    Plot,
    Rows,
    Unit,
    deadline_parameter,
    deadline_rule,
    finish,
    later_axis,
    number,
    share_axis,
    time_axis,
)
from tailmark.report.plots import curve_rows, later_rows, time_unit, value_name
from tailmark.report.side_by_side import SideBySide
from tailmark.units import format_duration

_DRAWN = ("t", "mean", "low", "high", "tail")
_STRIP = 74
"""Of one run, in pixels, its name above its dots."""
_NAME = 24
_LOWER = 8


def comparison_plots(several: SideBySide) -> list[Plot]:
    """All of them."""
    return [overlay(several), latencies(several), strips(several)]


def overlay(several: SideBySide) -> Plot:
    """The curves of several runs in one plot."""
    unit = time_unit(several.first)
    rows: Rows = [
        {"run": one.name, **{name: row[name] for name in _DRAWN}}
        for one in several.runs
        for row in curve_rows(one.found, unit)
    ]
    base = alt.Chart(alt.NamedData("curves"))
    at = [unit.of(ns) for ns in several.deadlines_ns]
    x = time_axis("t", f"deadline ({unit.name})", at[0], at[-1])
    kinds = {value_name(one.found) for one in several.runs}
    title = kinds.pop() if len(kinds) == 1 else "quality, or share on time"
    y = alt.Y("mean:Q", title=title, axis=share_axis())
    color = _color(several)
    layers = [
        base.mark_area(style="band", clip=True).encode(x=x, y="low:Q", y2="high:Q", color=color),
        base.mark_line(style="tails", clip=True).encode(x=x, y="tail:Q", color=color),
        base.mark_line(style="line", clip=True).encode(x=x, y=y, color=color),
        deadline_rule(),
    ]
    words = "line: mean over rounds, with its 95 % interval; dashed: 5 % quantile over rounds"
    return Plot(
        name="comparison",
        chart=finish(layers, "Against the deadline", words, height=340).add_params(
            _parameter(several, unit)
        ),
        data={"curves": rows},
    )


def latencies(several: SideBySide) -> Plot:
    """The latency tails of several runs in one plot, both axes logarithmic."""
    unit = time_unit(several.first)
    rows: Rows = [
        {"run": one.name, **row} for one in several.runs for row in later_rows(one.found, unit)
    ]
    times = [row["t"] for row in rows]
    x = time_axis("t", f"latency ({unit.name})", min(times), max(times))
    y = later_axis(min(row["later"] or 1 for row in rows))
    layers = [
        alt.Chart(alt.NamedData("later"))
        .mark_line(style="line", clip=True)
        .encode(x=x, y=y, color=_color(several)),
        deadline_rule(),
    ]
    return Plot(
        name="latencies",
        chart=finish(
            layers, "Latency, its tails", "share of queries later than t", height=300
        ).add_params(_parameter(several, unit)),
        data={"later": rows},
    )


def strips(several: SideBySide) -> Plot:
    """Each run's rounds at the chosen deadline: a dot a round, in order from top to bottom."""
    names = [one.name for one in several.runs]
    y = alt.Y("run:N", title=None, axis=None, scale=alt.Scale(domain=names, padding=0.2))
    x = alt.X(
        "value:Q",
        title=value_name(several.first),
        scale=alt.Scale(zero=False, padding=8),
        axis=share_axis(grid=True, labelFlush=True),
    )
    color = _color(several)
    levels = alt.Chart(alt.NamedData("levels"))
    layers = [
        alt.Chart(alt.NamedData("strips"))
        .mark_circle(style="dots")
        .encode(
            x=x,
            y=y,
            yOffset=alt.YOffset("lane:Q", scale=alt.Scale(domain=[-0.37, 1])),
            color=color,
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("round:Q"),
                alt.Tooltip("value:Q", title=value_name(several.first), format=".2%"),
            ],
        ),
        levels.mark_tick(style="thin", orient="vertical", yOffset=_LOWER).encode(
            x="tail:Q", y=y, color=color
        ),
        levels.mark_tick(style="thick", orient="vertical", yOffset=_LOWER).encode(
            x="mean:Q", y=y, color=color
        ),
        levels.mark_text(style="name", align="left", dy=-_NAME).encode(
            x=alt.value(2), y=y, text="run:N"
        ),
    ]
    at = format_duration(several.deadlines_ns[several.start])
    words = "dot: a round; thick: mean over rounds; thin: 5 % quantile over rounds"
    return Plot(
        name="strips",
        chart=finish(layers, f"Rounds at {at}", words, height=_STRIP * len(names)),
        data={"strips": strip_rows(several), "levels": levels_at(several, several.start)},
    )


def strip_rows(several: SideBySide) -> Rows:
    """Every run's rounds at the first deadline."""
    rows: Rows = []
    for one in several.runs:
        values = [] if one.shared is None else one.shared.rounds[:, several.start].tolist()
        rows += [
            {
                "run": one.name,
                "round": r,
                "lane": round(r / len(values), 3),
                "value": number(value),
            }
            for r, value in enumerate(values)
        ]
    return rows


def levels_at(several: SideBySide, k: int) -> Rows:
    """The mean and the tail over each run's rounds at the k-th deadline."""
    return [
        {
            "run": one.name,
            "mean": number(one.shared.mean[k]),
            "tail": number(one.shared.tail[k]),
        }
        for one in several.runs
        if one.shared is not None
    ]


def _color(several: SideBySide) -> alt.Color:
    names = [one.name for one in several.runs]
    return alt.Color("run:N", title=None, scale=alt.Scale(domain=names, range="category"))


def _parameter(several: SideBySide, unit: Unit) -> alt.Parameter:
    return deadline_parameter(unit.of(several.deadlines_ns[several.start]))
