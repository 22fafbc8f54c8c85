"""What all plots are made of: a chart and its rows, axes for times and shares, a movable rule.

Charts name their data and their styles and hold neither: rows come beside them, so that the page
can swap a deadline's rows; colours come from a `theme`, so that one chart is light, dark or saved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt

from tailmark.report.theme import LIGHT, theme
from tailmark.units import format_duration, parse_duration

Rows = list[dict[str, Any]]

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
"""The version the specifications are written in."""

_WIDTH = 720
_LINE = 14
"""Of a note in a plot, in pixels."""
_SHARE = "format(datum.value * 100, '.4~g') + ' %'"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A chart and its rows, apart.

    Args:
        name: Of its file.
        chart: Draws named data.
        data: The rows by that name; what depends on the chosen deadline is as at the first.
    """

    name: str
    chart: alt.LayerChart | alt.Chart
    data: Mapping[str, Rows]

    def spec(self) -> dict[str, Any]:
        """The chart in Vega-Lite, without rows and colours."""
        spec: dict[str, Any] = self.chart.to_dict()
        spec.pop("config", None)
        return spec

    def drawn(self) -> dict[str, Any]:
        """The whole of it, of fixed width, on white."""
        return {
            **self.spec(),
            "width": _WIDTH,
            "datasets": dict(self.data),
            "config": theme(LIGHT, legends=True) | {"background": "white", "padding": 16},
        }


@dataclass(frozen=True)
class Unit:
    """The unit of a time axis."""

    name: str
    size_ns: int

    def of(self, ns: float) -> float:
        """A time in this unit, to six digits."""
        return float(f"{ns / self.size_ns:.6g}")


def unit_for(ns: int) -> Unit:
    """The unit that suits a time."""
    name = format_duration(ns).rsplit(" ", 1)[-1]
    return Unit(name, max(1, parse_duration(f"1{name}"))) if name != "0" else Unit("ns", 1)


def number(x: float, digits: int = 4) -> float | None:
    """To so many decimals; None for NaN."""
    return round(float(x), digits) if x == x else None  # noqa: PLR0124 - NaN is not itself


def time_axis(field: str, title: str, low: float, high: float, *, log: bool = True) -> alt.X:
    """Times from the one to the other."""
    if high <= low or low <= 0:
        low, high = 0.9 * high or 0.1, 1.1 * high or 1.0
    return alt.X(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(
            type="log" if log else "linear",
            domain=[low if log else 0, high],
            nice=False,
            clamp=False,
        ),
        axis=alt.Axis(grid=False, labelFlush=True, labelSeparation=8),
    )


def share_axis(**settings: Any) -> alt.Axis:
    """Shares, in per cent."""
    return alt.Axis(**{"labelExpr": _SHARE, "tickCount": 5, **settings})


def later_axis(least: float) -> alt.Y:
    """The share of queries later than t, a decade as high as the next."""
    return alt.Y(
        "later:Q",
        title="queries later than that",
        scale=alt.Scale(type="log", domain=[least or 0.1, 1], nice=False),
        axis=share_axis(values=[10.0**-power for power in range(10)]),
    )


def deadline_rule() -> alt.Chart:
    """A rule where the parameter ``deadline`` says."""
    rule: alt.Chart = (
        alt.Chart(alt.sequence(0, 1))
        .transform_calculate(t="deadline")
        .mark_rule(style="deadline", clip=True)
        .encode(x="t:Q")
    )
    return rule


def deadline_parameter(at: float) -> alt.Parameter:
    """Where the rule is at first, in the axis's unit."""
    return alt.param(name="deadline", value=at)


def noted_rules(name: str, style: str, rows: Rows) -> list[alt.Chart]:
    """A rule at each row's ``at``, with its ``note`` on the side where there is more room.

    Vega warns of a layer without rows, so there is none.

    Args:
        name: Of the data.
        style: Of the rules.
        rows: From `noted`.
    """
    held = alt.Chart(alt.NamedData(name))
    layers: list[alt.Chart] = [held.mark_rule(style=style).encode(x="at:Q")] if rows else []
    sides: tuple[tuple[Literal["left", "right"], int], ...] = (("left", 5), ("right", -5))
    for align, dx in sides:
        if any(row["align"] == align for row in rows):
            words = held.transform_filter(f"datum.align === '{align}'")
            layers.append(
                words.mark_text(style="note", align=align, baseline="top", dx=dx).encode(
                    x="at:Q", y=alt.Y("top:Q", scale=None), text="note:N"
                )
            )
    return layers


def noted(notes: Sequence[tuple[str, float]], middle: float) -> Rows:
    """Notes and where they stand, a line below each other."""
    return [
        {
            "at": number(at),
            "note": note,
            "align": "left" if at < middle else "right",
            "top": _LINE * line,
        }
        for line, (note, at) in enumerate(notes)
    ]


def finish(layers: Sequence[alt.Chart], title: str, words: str, *, height: int) -> alt.LayerChart:
    """Layers as one chart that is as wide as its place, and says what it shows."""
    chart: alt.LayerChart = alt.LayerChart(layer=list(layers)).properties(
        title=alt.TitleParams(text=title, subtitle=words),
        description=f"{title}; {words}",
        width="container",
        height=height,
    )
    return chart
