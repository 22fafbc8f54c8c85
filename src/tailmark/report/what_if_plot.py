"""The plot of quality against the rate."""

from pathlib import Path

import altair as alt

from tailmark.analysis.what_if import WhatIf
from tailmark.errors import InputError, StoreError
from tailmark.report.charts import Plot, Rows, finish, number, share_axis
from tailmark.report.plots import Format, rendered
from tailmark.report.sentences import metric_name, percent, sentence_case
from tailmark.units import format_duration


def write_what_if_plot(found: WhatIf, file: str | Path) -> Path:
    """Write the plot of a sweep.

    Args:
        found: With a curve.
        file: Ending in ``.svg`` or ``.png``.

    Raises:
        InputError: Another ending, or no curve.
        StoreError: The file cannot be written.
    """
    file, form = Path(file), plot_format(file)
    if not found.curve:
        raise InputError("there is nothing to plot: ask for several rates by --sweep 12")
    try:
        file.write_bytes(rendered(quality_rate(found), form))
    except OSError as cause:
        raise StoreError(f"{str(file)!r} cannot be written: {cause.strerror}") from cause
    return file


def plot_format(file: str | Path) -> Format:
    """What a file's name asks for.

    Raises:
        InputError: Neither of the two.
    """
    formats: dict[str, Format] = {".svg": "svg", ".png": "png"}
    file = Path(file)
    if file.suffix not in formats:
        raise InputError(f"{file.name!r} is no plot: name a file that ends in .svg or .png")
    return formats[file.suffix]


def quality_rate(found: WhatIf) -> Plot:
    """Quality against the rate, a line for each deadline."""
    name = metric_name(found.metric) if found.ideal is not None else "share on time"
    top = found.curve[-1].qps
    x = alt.X(
        "qps:Q",
        title="queries a second",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(grid=False, labelFlush=True),
    )
    names = [format_duration(at.deadline_ns) for at in found.at]
    color = alt.Color("deadline:N", title=None, scale=alt.Scale(domain=names))
    curve = alt.Chart(alt.NamedData("curve"))
    layers: list[alt.Chart] = [
        curve.mark_area(style="band", clip=True).encode(
            x=x, y=alt.Y("low:Q", title=name, axis=share_axis()), y2="high:Q", color=color
        ),
        curve.mark_line(style="line", clip=True).encode(x=x, y="value:Q", color=color),
    ]
    if _ideal(found):
        ideal = alt.Chart(alt.NamedData("ideal"))
        layers.append(ideal.mark_rule(style="ideal").encode(y="ideal:Q"))
        layers.append(
            ideal.mark_text(style="note", align="left", baseline="bottom", dx=4, dy=-4).encode(
                x=alt.value(0), y="ideal:Q", text="name:N"
            )
        )
    title = f"{sentence_case(name)} against the rate"
    words = f"foretold from {found.recorded} recorded rounds; bands: 95 % intervals"
    return Plot(
        name="quality-rate",
        chart=finish(layers, title, words, height=340),
        data={"curve": _curve(found), "ideal": _ideal(found)},
    )


def _curve(found: WhatIf) -> Rows:
    return [
        {
            "qps": number(one.qps),
            "deadline": format_duration(at.deadline_ns),
            **{
                end: None if x is None else number(x)
                for end, x in (("value", e.value), ("low", e.low), ("high", e.high))
            },
        }
        for one in found.curve
        for at in one.at
        for e in [at.mean or at.on_time]
    ]


def _ideal(found: WhatIf) -> Rows:
    if found.ideal is None or found.ideal.value is None:
        return []
    return [{"ideal": found.ideal.value, "name": f"ideal {percent(found.ideal.value)}"}]
