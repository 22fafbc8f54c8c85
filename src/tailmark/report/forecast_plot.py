"""The plot of a prediction."""

import math
from bisect import bisect_right

import altair as alt

from tailmark.analysis.prediction import Prediction
from tailmark.report.charts import Plot, Rows, finish, noted, noted_rules, number, share_axis
from tailmark.report.sentences import metric_name
from tailmark.units import format_duration

_BINS = 40


def forecast(found: Prediction) -> Plot:
    """What a round to come delivers: the forecast over the rounds it was learnt from.

    A rootogram (Tukey, 1977): the roots of shares vary alike by chance whatever their size, and a
    rare bad round is seen beside the many good ones.
    """
    binned = _bin_rows(found)
    quantiles = _quantile_rows(found, binned)
    bins = alt.Chart(alt.NamedData("bins"))
    x = alt.X(
        "low:Q",
        title=metric_name(found.metric),
        scale=alt.Scale(zero=False, nice=False, padding=6),
        axis=share_axis(grid=False, labelFlush=True),
    )
    y = alt.Y(
        "measured:Q",
        title="rounds",
        scale=alt.Scale(type="sqrt", domainMin=0, nice=False),
        axis=share_axis(values=[0, 0.01, 0.05, 0.2, 0.5, 1]),
    )
    tooltip = [
        alt.Tooltip("low:Q", title="from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("ahead:Q", title="forecast", format=".2%"),
        alt.Tooltip("measured:Q", title="measured", format=".2%"),
    ]
    layers = [
        bins.mark_rect(style="measured").encode(
            x=x, x2="high:Q", y=y, y2=alt.datum(0), tooltip=tooltip
        ),
        bins.mark_rect(style="forecast").encode(
            x=x, x2="high:Q", y="ahead:Q", y2=alt.datum(0), tooltip=tooltip
        ),
        alt.Chart(alt.NamedData("outline"))
        .mark_line(style="outline", interpolate="step-after")
        .encode(x="low:Q", y="ahead:Q"),
        *noted_rules("quantiles", "tail", quantiles),
    ]
    title = f"A round to come at {format_duration(found.deadline_ns)}"
    words = "outline: forecast; bars: rounds measured; rules: 1 %, 5 % and 50 % quantile"
    return Plot(
        name="forecast",
        chart=finish(layers, title, words, height=240),
        data={
            "bins": binned,
            "outline": _outline_rows(binned),
            "quantiles": quantiles,
        },
    )


def _bin_rows(found: Prediction) -> Rows:
    """Forecast and measured shares of rounds, in bins of as many of the forecast's values.

    The forecast is of a lattice, as so many samples are right or are not: bins of one width would
    hold now more of its values, now fewer.
    """
    values = [value for value, _ in found.density]
    some = math.ceil(len(values) / _BINS)
    # From above, where most rounds are: what is left over is the lowest bin.
    ends = list(range(len(values), 0, -some))[::-1]
    starts = [0, *ends[:-1]]
    step = (values[-1] - values[0]) / max(len(values) - 1, 1) or 1 / len(found.trained)
    edges = [(values[k - 1] + values[k]) / 2 for k in starts[1:]]
    edges = [min(values[0], *found.trained) - step / 2, *edges]
    edges.append(max(values[-1], *found.trained) + step / 2)
    inside = [bisect_right(edges, value) - 1 for value in found.trained]
    return [
        {
            "low": number(low, 5),
            "high": number(high, 5),
            "ahead": number(sum(chance for _, chance in found.density[start:end]), 5),
            "measured": number(inside.count(k) / len(inside), 5),
        }
        for k, (low, high, start, end) in enumerate(
            zip(edges[:-1], edges[1:], starts, ends, strict=True)
        )
    ]


def _outline_rows(bins: Rows) -> Rows:
    """From the ground over every bin and down again."""
    ends = [{"low": bins[0]["low"], "ahead": 0}, {"low": bins[-1]["high"], "ahead": 0}]
    steps = [{"low": one["low"], "ahead": one["ahead"]} for one in bins]
    return [ends[0], *steps, {"low": bins[-1]["high"], "ahead": bins[-1]["ahead"]}, ends[1]]


def _quantile_rows(found: Prediction, bins: Rows) -> Rows:
    levels = [(f"{100 * p:g} %", found.quantiles[p].value or 0.0) for p in (0.01, 0.05, 0.5)]
    return noted(levels, (bins[0]["low"] + bins[-1]["high"]) / 2)
