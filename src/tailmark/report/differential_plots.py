"""The plots of a differential run: how long each environment takes, and what that buys."""

import altair as alt

from tailmark.analysis.differential import Differential
from tailmark.report.charts import Plot, Rows, finish, number, share_axis, unit_for
from tailmark.report.sentences import metric_name

_ROW = 34


def latency_strips(found: Differential) -> Plot | None:
    """Each environment's latencies: quartiles, 5 to 95 %, and p99; None where nothing was timed."""
    timed = [cell for cell in found.measured if 0.5 in cell.spread_ns]
    if not timed:
        return None
    unit = unit_for(max(cell.spread_ns[0.5] for cell in timed))
    rows: Rows = [
        {
            "environment": cell.name,
            **{f"p{100 * share:g}": unit.of(ns) for share, ns in cell.spread_ns.items()},
        }
        for cell in timed
    ]
    held = alt.Chart(alt.NamedData("latencies"))
    y = alt.Y(
        "environment:N",
        title=None,
        sort=[cell.name for cell in timed],
        axis=alt.Axis(labelLimit=260, ticks=False, domain=False),
    )

    def x(name: str) -> alt.X:
        scale = alt.Scale(zero=False, nice=True)
        return alt.X(f"{name}:Q", title=f"latency ({unit.name})", scale=scale)

    def known(name: str) -> alt.Chart:
        """Of those environments that answered so many."""
        return held.transform_filter(f"isValid(datum.{name})")

    layers: list[alt.Chart] = [
        known("p95").mark_rule(style="line", strokeWidth=1.5).encode(y=y, x=x("p5"), x2="p95"),
        known("p75")
        .mark_bar(style="band", height=14, opacity=0.55)
        .encode(y=y, x=x("p25"), x2="p75"),
        held.mark_tick(style="line", thickness=2.5, height=20).encode(y=y, x=x("p50")),
        known("p99").mark_point(style="point", filled=True, size=26).encode(y=y, x=x("p99")),
    ]
    return Plot(
        name="latencies",
        chart=finish(
            layers,
            "Latency",
            "boxes: quartiles; lines: 5 to 95 %; dots: p99",
            height=_ROW * len(timed) + 10,
        ),
        data={"latencies": rows},
    )


def quality_time(found: Differential) -> Plot | None:
    """Quality at the headline's deadline against mean latency, with the front."""
    if found.front is None or len(found.front.points) < 2:
        return None
    front = found.front
    unit = unit_for(round(max(point.time.value or 1 for point in front.points)))

    def of(x: float | None) -> float | None:
        return None if x is None else unit.of(x)

    def share(x: float | None) -> float | None:
        return None if x is None else number(x)

    rows: Rows = [
        {
            "environment": point.name,
            "time": of(point.time.value),
            "quality": share(point.quality.value),
            "time_low": of(point.time.low),
            "time_high": of(point.time.high),
            "quality_low": share(point.quality.low),
            "quality_high": share(point.quality.high),
            "best": "front" if point.name in front.best else "beaten",
        }
        for point in front.points
    ]
    held = alt.Chart(alt.NamedData("points"))
    apart = alt.Scale(zero=False, padding=24)
    x = alt.X("time:Q", title=f"mean latency ({unit.name})", scale=apart)
    y = alt.Y(
        "quality:Q",
        title=metric_name(found.metric) + " on time",
        scale=apart,
        axis=share_axis(),
    )
    color = alt.Color("best:N", legend=None, scale=alt.Scale(domain=["front", "beaten"]))
    rules = held.mark_rule(opacity=0.6)
    layers: list[alt.Chart] = [
        held.transform_filter("datum.best == 'front'")
        .mark_line(style="ideal", strokeDash=[4, 4], interpolate="step-after")
        .encode(x=x, y=y, order="time:Q"),
        rules.encode(x=x, y="quality_low:Q", y2="quality_high:Q", color=color),
        rules.encode(y=y, x="time_low:Q", x2="time_high:Q", color=color),
        held.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, color=color),
        held.mark_text(style="note", align="left", baseline="bottom", dx=7, dy=-5).encode(
            x=x, y=y, text="environment:N"
        ),
    ]
    return Plot(
        name="quality-time",
        chart=finish(
            layers, "Quality against time", "what nothing beats in both is joined", height=320
        ),
        data={"points": rows},
    )
