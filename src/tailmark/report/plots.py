"""The plots of one run: the page embeds their specifications, `write_plots` draws them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import altair as alt
import vl_convert

from tailmark.errors import InputError, StoreError
from tailmark.records.model import Run
from tailmark.report.charts import (
    VEGA_LITE,
    Plot,
    Rows,
    Unit,
    deadline_parameter,
    deadline_rule,
    finish,
    later_axis,
    noted,
    noted_rules,
    number,
    share_axis,
    time_axis,
    unit_for,
)
from tailmark.report.findings import Findings, find
from tailmark.report.forecast_plot import forecast
from tailmark.report.sentences import LOSS_WORDS, metric_name, percent, sentence_case
from tailmark.units import format_duration

Format = Literal["png", "svg"]

_PNG_SCALE = 2


def write_plots(
    run: Run | str | Path,
    folder: str | Path,
    *,
    formats: Sequence[Format] = ("png", "svg"),
    metric: str | None = None,
    deadlines: Sequence[str | int] | None = None,
    on_late: str | None = None,
    time: str | None = None,
) -> list[Path]:
    """Write each plot of a run as a file.

    Args:
        run: A run, or its directory.
        folder: Where to; made if it is not there.
        formats: ``png`` (twice the size, for screens and slides) and ``svg``.
        metric: As for `tailmark.summarize`, and so for the rest.
        deadlines: The first of them is the one that by-round and loss plots are drawn at.
        on_late: The late policy.
        time: Which latency counts.

    Returns:
        The files.

    Raises:
        InputError: Another format, or something asked for is not there.
        StoreError: The folder cannot be written.
    """
    for one in formats:
        if one not in ("png", "svg"):
            raise InputError(f"format {one!r} cannot be written: png or svg")
    found = find(run, metric=metric, deadlines=deadlines, on_late=on_late, time=time)
    written = []
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for plot in plots(found):
            for one in formats:
                file = Path(folder) / f"{plot.name}.{one}"
                file.write_bytes(rendered(plot, one))
                written.append(file)
    except OSError as cause:
        raise StoreError(f"{str(folder)!r} cannot be written: {cause.strerror}") from cause
    return written


def rendered(plot: Plot, form: Format) -> bytes:
    """A plot as the content of a file."""
    if form == "png":
        png: bytes = vl_convert.vegalite_to_png(
            plot.drawn(), vl_version=VEGA_LITE, scale=_PNG_SCALE
        )
        return png
    svg: str = vl_convert.vegalite_to_svg(plot.drawn(), vl_version=VEGA_LITE)
    return svg.encode()


def plots(found: Findings) -> list[Plot]:
    """The plots of one run."""
    drawn = [quality_deadline(found), latency(found), rounds(found)]
    drawn += [loss(found)] if found.at[found.start].loss else []
    return [*drawn, forecast(found.prediction)] if found.prediction else drawn


def time_unit(found: Findings) -> Unit:
    """The unit that suits the deadline the headline speaks of."""
    return unit_for(found.at[found.start].deadline_ns)


def value_name(found: Findings) -> str:
    """What the curve is of."""
    return metric_name(found.summary.metric) if found.graded else "share on time"


def quality_deadline(found: Findings, *, log: bool = True) -> Plot:
    """Quality against the deadline: mean, its interval, the rounds' range, the tail, the ideal."""
    unit = time_unit(found)
    shown = [unit.of(int(found.curve.deadlines_ns[k])) for k in found.window]
    x = time_axis("t", f"deadline ({unit.name})", shown[0], shown[-1], log=log)
    base = alt.Chart(alt.NamedData("curve"))
    layers: list[alt.Chart] = [
        base.mark_area(style="range", clip=True).encode(
            x=x,
            y=alt.Y("worst:Q", title=value_name(found), axis=share_axis()),
            y2="best:Q",
        ),
        base.mark_area(style="interval", clip=True).encode(x=x, y="low:Q", y2="high:Q"),
        base.mark_line(style="tail", clip=True).encode(x=x, y="tail:Q"),
        base.mark_line(style="mean", clip=True).encode(x=x, y="mean:Q"),
        *(_ideal() if found.graded else []),
        deadline_rule(),
    ]
    title = f"{sentence_case(value_name(found))} against the deadline"
    words = (
        "line: mean over rounds, with its 95 % interval; light band: worst to best round; "
        "dashed: 5 % quantile over rounds"
    )
    return Plot(
        name="quality-deadline",
        chart=finish(layers, title, words, height=340).add_params(_parameter(found, unit)),
        data={"curve": curve_rows(found, unit), "ideal": _ideal_rows(found)},
    )


def latency(found: Findings) -> Plot:
    """The share of queries that are later than t, both axes logarithmic, percentiles marked."""
    unit = time_unit(found)
    rows = later_rows(found, unit)
    x = time_axis("t", f"latency ({unit.name})", rows[0]["t"], rows[-1]["t"])
    y = later_axis(rows[-1]["later"])
    marked = alt.Chart(alt.NamedData("percentiles"))
    layers = [
        alt.Chart(alt.NamedData("later")).mark_line(style="mean", clip=True).encode(x=x, y=y),
        marked.mark_point(style="percentile").encode(x="t:Q", y="later:Q"),
        marked.mark_text(style="note", align="left", dx=8, dy=-6).encode(
            x="t:Q", y="later:Q", text="name:N"
        ),
        deadline_rule(),
    ]
    title, words = "Latency, its tail", "share of queries later than t, percentiles marked"
    return Plot(
        name="latency",
        chart=finish(layers, title, words, height=320).add_params(_parameter(found, unit)),
        data={"later": rows, "percentiles": _percentile_rows(found, unit)},
    )


def rounds(found: Findings) -> Plot:
    """Each round at the chosen deadline, in order."""
    k = found.start
    changes = _change_rows(found)
    levels = alt.Chart(alt.NamedData("levels"))
    y = alt.Y(
        "value:Q",
        title=value_name(found),
        scale=alt.Scale(zero=False, padding=8),
        axis=share_axis(),
    )
    x = alt.X(
        "round:Q",
        title="round",
        scale=alt.Scale(domain=[-0.5, len(found.run) - 0.5], nice=False),
        axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
    )
    layers = [
        *noted_rules("changes", "change", changes),
        levels.mark_rule(style="mean").encode(y="mean:Q"),
        levels.mark_rule(style="tail").encode(y="tail:Q"),
        alt.Chart(alt.NamedData("rounds"))
        .mark_circle(style="dot")
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("round:Q", title="round"),
                alt.Tooltip("value:Q", title=value_name(found), format=".2%"),
            ],
        ),
    ]
    at = format_duration(found.at[k].deadline_ns)
    title = f"{sentence_case(value_name(found))} by round at {at}"
    return Plot(
        name="rounds",
        chart=finish(layers, title, "line: mean; dashed: 5 % quantile over rounds", height=220),
        data={
            "rounds": round_rows(found, k),
            "levels": [levels_at(found, k)],
            "changes": changes,
        },
    )


def loss(found: Findings) -> Plot:
    """Where every sample of a round ends up at the chosen deadline: one stacked bar."""
    words = [LOSS_WORDS[name] for name in found.losses]
    chart = (
        alt.Chart(alt.NamedData("loss"))
        .mark_bar(style="loss")
        .encode(
            x=alt.X(
                "share:Q",
                title=None,
                stack="zero",
                scale=alt.Scale(domain=[0, 1], nice=False, clamp=True),
                axis=share_axis(grid=False, labelFlush=True),
            ),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=words, range="ordinal"),
            ),
            order="order:O",
            tooltip=[
                alt.Tooltip("part:N", title="answers"),
                alt.Tooltip("share:Q", title="share", format=".2%"),
            ],
        )
    )
    at = format_duration(found.at[found.start].deadline_ns)
    title = f"Where the answers go at {at}"
    return Plot(
        name="loss",
        chart=finish([chart], title, "shares of all samples", height=64),
        data={"loss": loss_rows(found, found.start)},
    )


def round_rows(found: Findings, k: int) -> Rows:
    """Every round at one deadline of the curve."""
    return [{"round": r, "value": value} for r, value in enumerate(round_values(found, k))]


def round_values(found: Findings, k: int) -> list[float | None]:
    """The same without their numbers, to four decimals; None where a round has no value."""
    return [number(value) for value in found.values[:, k]]


def levels_at(found: Findings, k: int) -> dict[str, float | None]:
    """The mean and the tail over rounds at one deadline of the curve."""
    if not _told(found, k):
        return {"mean": None, "tail": None}
    return {"mean": number(found.curve.mean[k]), "tail": number(found.curve.tails[0, k])}


def loss_rows(found: Findings, k: int) -> Rows:
    """The loss split at one deadline of the curve."""
    shares = found.at[k].loss or {}
    return [
        {"part": LOSS_WORDS[name], "share": number(max(shares.get(name, 0.0), 0.0)), "order": order}
        for order, name in enumerate(found.losses)
    ]


def curve_rows(found: Findings, unit: Unit) -> Rows:
    """The curve within its window."""
    curve = found.curve
    columns = {
        "mean": curve.mean,
        "low": curve.low,
        "high": curve.high,
        "tail": curve.tails[0],
        "worst": curve.worst,
        "best": curve.best,
    }
    return [
        {"t": unit.of(int(curve.deadlines_ns[k]))}
        | {name: number(values[k]) if _told(found, k) else None for name, values in columns.items()}
        for k in found.window
    ]


def _told(found: Findings, k: int) -> bool:
    """Whether the quality is defined in every round (under ``drop`` it may not be)."""
    at = found.at[k]
    return at.mean is None or at.mean.value is not None


def _ideal_rows(found: Findings) -> Rows:
    ideal = found.summary.ideal
    if ideal is None or ideal.value is None:
        return []
    return [{"ideal": ideal.value, "name": f"ideal {percent(ideal.value)}"}]


def later_rows(found: Findings, unit: Unit) -> Rows:
    """Where some query is still to come, and where the last was answered."""
    late = [
        {"t": unit.of(one.deadline_ns), "later": number(1 - (one.on_time.value or 0.0), 6)}
        for one in found.at
        if one.deadline_ns > 0
    ]
    some = [row for row in late if row["later"]]
    return some or late[:1]


def _percentile_rows(found: Findings, unit: Unit) -> Rows:
    return [
        {"t": unit.of(e.value), "later": round(1 - p / 100, 6), "name": f"p{p:g}"}
        for p, e in found.summary.latency.percentiles.items()
        if e.value
    ]


def _change_rows(found: Findings) -> Rows:
    """Between the last round before and the first one after."""
    steady = found.summary.steadiness
    named = {"warm-up": steady.warm_up, "drift": steady.drift or steady.quality_drift}
    changes = [(name, change.at - 0.5) for name, change in named.items() if change]
    return noted(changes, steady.rounds / 2)


def _ideal() -> list[alt.Chart]:
    ideal = alt.Chart(alt.NamedData("ideal"))
    words = ideal.mark_text(style="note", align="left", baseline="bottom", dx=4, dy=-4)
    return [
        ideal.mark_rule(style="ideal").encode(y="ideal:Q"),
        words.encode(x=alt.value(0), y="ideal:Q", text="name:N"),
    ]


def _parameter(found: Findings, unit: Unit) -> alt.Parameter:
    return deadline_parameter(unit.of(found.at[found.start].deadline_ns))
