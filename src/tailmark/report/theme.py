"""How plots look: colours for day and night, and what the marks are called."""

from collections.abc import Mapping
from typing import Any

_AXIS_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

LIGHT = {
    "paper": "#fcfbf8",
    "ink": "#1f1d1a",
    "muted": "#655f56",
    "line": "#e4dfd5",
    "mean": "#0a62a6",
    "tail": "#bf4408",
    "ideal": "#655f56",
    "losses": ["#0a62a6", "#9cc9ea", "#f3c14b", "#e2831b", "#93510d", "#c98bb3", "#57524b"],
    "runs": ["#0a62a6", "#d1570c", "#00806a", "#a4478c", "#b58500", "#3c8fc4", "#57524b"],
}
"""Colours that a colour-blind reader tells apart (after Okabe & Ito, 2008), on paper."""

DARK = {
    "paper": "#171614",
    "ink": "#efece5",
    "muted": "#a8a196",
    "line": "#35322d",
    "mean": "#62b1ee",
    "tail": "#f58b4c",
    "ideal": "#a8a196",
    "losses": ["#4c9fdf", "#285a80", "#f0c65c", "#df8b33", "#9c6427", "#b9749f", "#858078"],
    "runs": ["#62b1ee", "#f58b4c", "#3fbfa3", "#dc8ec8", "#e2b94a", "#2d7db3", "#a8a196"],
}
"""The same at night."""


def theme(colors: Mapping[str, Any], *, legends: bool = False) -> dict[str, Any]:
    """A Vega-Lite configuration; the page tells its legends in words of its own.

    Args:
        colors: `LIGHT` or `DARK`.
        legends: Whether the chart draws its own.
    """
    ink, muted, line = colors["ink"], colors["muted"], colors["line"]
    return {
        "background": "transparent",
        "padding": 2,
        "font": _AXIS_FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": muted,
            "titleColor": muted,
            "gridColor": line,
            "domainColor": muted,
            "tickColor": muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelPadding": 5,
            "titlePadding": 10,
        },
        "axisY": {"domain": False, "ticks": False},
        "title": {
            "anchor": "start",
            "frame": "group",
            "color": ink,
            "subtitleColor": muted,
            "fontSize": 16,
            "fontWeight": 600,
            "subtitleFontSize": 12,
            "subtitlePadding": 5,
            "offset": 14,
        },
        "legend": {
            "disable": not legends,
            "orient": "bottom",
            "columns": 3,
            "labelColor": ink,
            "labelFontSize": 12,
        },
        "range": {"category": colors["runs"], "ordinal": colors["losses"]},
        "style": _styles(colors),
    }


def _styles(colors: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the marks are called, and how they look."""
    mean, tail, ink = colors["mean"], colors["tail"], colors["ink"]
    return {
        "mean": {"color": mean, "strokeWidth": 2.5, "strokeJoin": "round"},
        "tail": {"color": tail, "strokeWidth": 2, "strokeDash": [6, 4]},
        "interval": {"color": mean, "opacity": 0.35},
        "range": {"color": mean, "opacity": 0.14},
        "ideal": {"color": colors["ideal"], "strokeDash": [2, 3]},
        "deadline": {"color": ink, "strokeWidth": 1.5},
        "change": {"color": colors["muted"], "strokeWidth": 1, "strokeDash": [1, 3]},
        "measured": {"color": mean, "opacity": 0.22},
        "forecast": {"opacity": 0},
        "outline": {"color": mean, "strokeWidth": 1.5},
        "dot": {"color": mean, "opacity": 0.8, "size": 44},
        "percentile": {"color": mean, "fill": colors["paper"], "size": 60, "strokeWidth": 2},
        "note": {"color": colors["muted"], "fontSize": 12},
        "loss": {"stroke": colors["paper"], "strokeWidth": 1},
        "band": {"opacity": 0.2},
        "tails": {"strokeDash": [5, 4], "strokeWidth": 1.5},
        "line": {"strokeWidth": 2.5},
        "dots": {"opacity": 0.45, "size": 26},
        "thick": {"thickness": 4, "size": 44},
        "thin": {"thickness": 1.5, "size": 44},
        "name": {"color": ink, "fontSize": 12, "fontWeight": 600},
    }
