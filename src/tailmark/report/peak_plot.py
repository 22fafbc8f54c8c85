"""The plot of a search for a peak: what is required against the rate."""

from pathlib import Path
from typing import get_args

import altair as alt

from tailmark.analysis.gate import Verdict
from tailmark.analysis.peak import FindPeak
from tailmark.errors import InputError, StoreError
from tailmark.quality.requirement import LatencyRequirement
from tailmark.report.charts import Plot, Rows, finish, number, share_axis, unit_for
from tailmark.report.peak_text import in_short, part_name
from tailmark.report.plots import Format, rendered
from tailmark.report.theme import LIGHT
from tailmark.units import format_duration

_OUTCOMES = ["pass", "undecided", "fail"]


def write_peak_plot(found: FindPeak, file: str | Path) -> Path:
    """Draw the required quality, or latency, of every rate tried, beside what is required.

    Of several requirements, the one that bounds the peak.

    Raises:
        InputError: Neither a ``.png`` nor a ``.svg``.
        StoreError: The file cannot be written.
    """
    file = check_plot_file(file)
    form: Format = "png" if file.suffix.lower() == ".png" else "svg"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(rendered(peak(found), form))
    except OSError as cause:
        raise StoreError(f"{str(file)!r} cannot be written: {cause.strerror}") from cause
    return file


def check_plot_file(file: str | Path) -> Path:
    """Refuse what cannot be drawn, before an hour is spent on it.

    Raises:
        InputError: Neither a ``.png`` nor a ``.svg``.
    """
    file = Path(file)
    if file.suffix.lower().removeprefix(".") not in get_args(Format):
        raise InputError(f"{str(file)!r} is no plot: give a file that ends in .svg or .png")
    return file


def peak(found: FindPeak) -> Plot:
    """Points with intervals by rate, coloured by verdict; the requirement as a line."""
    k = _bounding(found)
    parts = [one.parts[k] for one in found.candidates]
    late = isinstance(parts[0].requirement, LatencyRequirement)
    unit = unit_for(round(parts[0].target))
    name = part_name(found.metric, parts[0])

    def told(value: float | None) -> float | None:
        if value is None:
            return None
        return unit.of(value) if late else number(value)

    rows = [
        {
            "qps": one.qps,
            "value": told(part.estimate.value),
            "low": told(part.estimate.low),
            "high": told(part.estimate.high),
            "outcome": one.outcome,
        }
        for one, part in zip(found.candidates, parts, strict=True)
    ]
    y = alt.Y(
        "value:Q",
        title=f"{name} ({unit.name})" if late else name,
        scale=alt.Scale(zero=False, nice=False, padding=16, type="log" if late else "linear"),
        axis=alt.Axis() if late else share_axis(),
    )
    x = alt.X(
        "qps:Q",
        title="queries a second",
        scale=alt.Scale(type="log", padding=16, nice=False),
        axis=alt.Axis(grid=False),
    )
    scale = alt.Scale(
        domain=_OUTCOMES, range=[str(LIGHT[name]) for name in ("mean", "muted", "tail")]
    )
    color = alt.Color("outcome:N", title=None, scale=scale)
    shapes = alt.Scale(domain=_OUTCOMES, range=["circle", "square", "triangle-down"])
    base = alt.Chart(alt.NamedData("rates"))
    asked = alt.Chart(alt.NamedData("required"))
    layers = [
        asked.mark_rule(style="deadline").encode(y="target:Q"),
        asked.mark_text(style="note", align="left", dx=4, dy=-8 if late else 10).encode(
            x=alt.value(0), y="target:Q", text="note:N"
        ),
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(x=x, y="low:Q", y2="high:Q", color=color),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            x=x,
            y=y,
            color=color,
            shape=alt.Shape("outcome:N", title=None, scale=shapes),
            tooltip=[alt.Tooltip("qps:Q"), alt.Tooltip("value:Q"), alt.Tooltip("outcome:N")],
        ),
    ]
    title = f"{name if late else name[:1].upper() + name[1:]} against the rate"
    return Plot(
        name="peak",
        chart=finish(layers, title, in_short(found), height=340),
        data={"rates": rows, "required": _required(parts[0], told(parts[0].target), late=late)},
    )


def _bounding(found: FindPeak) -> int:
    """The part of the requirement that does not pass where the peak ends; the first if all do."""
    limit = found.limit
    if limit is None:
        return 0
    return next((k for k, part in enumerate(limit.parts) if part.outcome != "pass"), 0)


def _required(part: Verdict, target: float | None, *, late: bool) -> Rows:
    shown = format_duration(part.target) if late else f"{100 * part.target:.4g} %"
    return [{"target": target, "note": f"required: {shown} or {'less' if late else 'more'}"}]
