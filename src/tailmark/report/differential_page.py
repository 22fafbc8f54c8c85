"""One page for a differential run, that opens offline from a double click; it runs no script.

A run may be a stranger's: whatever it holds is escaped, and the page's content security policy
admits neither a script nor an address.
"""

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
from markupsafe import Markup

from tailmark.analysis.differential import Cell, Differential
from tailmark.analysis.pairs import Pair
from tailmark.errors import StoreError
from tailmark.report.charts import VEGA_LITE, Plot
from tailmark.report.differential_plots import latency_strips, quality_time
from tailmark.report.differential_sentences import (
    KIND_WORDS,
    attribution_sentence,
    headline,
    plural,
)
from tailmark.report.differential_text import against_grid, environments_grid, small_print
from tailmark.report.html import resource, template
from tailmark.report.sections import picture
from tailmark.report.sentences import metric_name, tied
from tailmark.report.theme import DARK, LIGHT, theme

_STRONG = 62
_CARDS = 60
_SEEN = ("missing", "flip")
"""Kinds of flips that the answers themselves show."""

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def write_differential_report(found: Differential, out: str | Path) -> Path:
    """Write the page.

    Args:
        found: From `differential` or `open_differential`.
        out: The HTML file.

    Returns:
        The file.

    Raises:
        StoreError: It cannot be written.
    """
    out = Path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(_render(found), encoding="utf-8", newline="\n")
    except OSError as cause:
        raise StoreError(f"{str(out)!r} cannot be written: {cause.strerror}") from cause
    return out


def _render(found: Differential) -> str:
    strips, front = latency_strips(found), quality_time(found)
    against = against_grid(found)
    return template("differential.html.jinja").render(
        title=found.name,
        css=Markup(resource("page.css")),  # noqa: S704 - our own file
        own_css=Markup(resource("differential.css")),  # noqa: S704 - our own file
        policy=_POLICY,
        light=LIGHT,
        dark=DARK,
        version=version("tailmark"),
        headline=tied(headline(found)),
        partial=not found.complete,
        facts=_facts(found),
        warnings=[tied(one) for one in found.warnings],
        baseline=found.baseline,
        attributions=[_attribution(one) for one in found.attributions],
        samples=f"{found.samples:,}",
        legend="" if found.metric is None else "Point at a number to see fixes and breaks.",
        matrix=_matrix(found),
        environments=environments_grid(found),
        starred=_starred(found),
        against=against,
        small_print=[tied(line) for line in small_print(found)],
        latencies=_drawn(strips) if strips else None,
        front=_drawn(front) if front else None,
        front_words=_front_words(found),
        flips=_flips(found),
        flips_words=_flips_words(found),
        failed=[
            {
                "name": cell.name,
                "stage": cell.environment.stage,
                "error": cell.environment.error,
            }
            for cell in found.failed
        ],
        details=[{"name": cell.name, "facts": _details(cell)} for cell in found.cells],
    )


def _facts(found: Differential) -> list[str]:
    rounds = max((cell.summary.rounds for cell in found.measured if cell.summary), default=0)
    said = [plural(found.samples, "sample"), plural(rounds, "interleaved round")]
    if found.metric:
        said.append(metric_name(found.metric))
    return [*said, f"baseline {found.baseline}", f"oracle {found.oracle}"]


def _attribution(one: Mapping[str, Any]) -> dict[str, Any]:
    toggles = [
        {
            "axes": ", ".join(toggle["axes"]),
            "flips": toggle["error"] if toggle["flips"] is None else toggle["flips"],
        }
        for toggle in one["toggles"]
    ]
    return {
        "sentence": tied(attribution_sentence(one)),
        "b": one["b"],
        "flips": one["flips"],
        "toggles": toggles,
        "facts": [*_where(one.get("divergence")), *_contents(one.get("contents") or {})],
    }


def _where(divergence: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not divergence:
        return []
    return [
        (name.replace("_", " "), str(value))
        for name, value in divergence.items()
        if value not in (None, "", [], {})
    ]


def _contents(contents: Mapping[str, Sequence[Any]]) -> list[tuple[str, str]]:
    return [
        (name.replace("_", " "), f"{sides[0]} → {sides[1]}")
        for name, sides in contents.items()
        if not any(isinstance(side, Mapping | list) for side in sides)
    ]


def _matrix(found: Differential) -> dict[str, Any]:
    names = [cell.name for cell in found.measured]
    rows = []
    for a, counts in zip(names, found.flips, strict=True):
        cells = []
        for b, count in zip(names, counts, strict=True):
            heat = _heat(count, found.samples)
            cells.append(
                {
                    "same": a == b,
                    "text": "·" if a == b else str(count),
                    "heat": heat,
                    "strong": heat >= _STRONG,
                    "title": "" if a == b else _pair_words(found.pair(a, b)),
                }
            )
        rows.append({"name": a, "cells": cells})
    return {"names": names, "rows": rows}


def _heat(count: int, samples: int) -> int:
    """How strongly a cell is coloured, in per cent: by the root, so that one flip of 500 shows."""
    return 0 if not count else round(12 + 88 * math.sqrt(count / max(samples, 1)))


def _pair_words(pair: Pair | None) -> str:
    if pair is None:
        return ""
    kinds = [f"{count} {kind.replace('_', ' ')}" for kind, count in pair.counts.items()]
    return f"{pair.a} → {pair.b}: {', '.join(kinds) or 'no flips'}"


def _starred(found: Differential) -> str:
    if found.front is None:
        return ""
    return "Starred (*): nothing beats it in both quality on time and time."


def _front_words(found: Differential) -> str:
    if found.front is None:
        return ""
    best = ", ".join(found.front.best)
    return f"Nothing beats {best} in both quality on time and mean latency."


def _flips(found: Differential) -> list[dict[str, Any]]:
    """Samples that flip in any environment, those that most flip first."""
    by_sample: dict[int, list[tuple[Pair, Any]]] = {}
    for pair in found.against_baseline:
        for flip in pair.flips:
            by_sample.setdefault(flip.sample, []).append((pair, flip))
    ordered = sorted(by_sample.items(), key=lambda one: (-len(one[1]), one[0]))
    return [
        {
            "id": held[0][1].id,
            "picture": picture(found.pictures.get(sample)),
            "reference": held[0][1].reference,
            "a": _label(held[0][1].a),
            "others": [
                {"name": pair.b, "b": _label(flip.b), "kind": flip.kind, "words": _words(flip)}
                for pair, flip in held
            ],
        }
        for sample, held in ordered[:_CARDS]
    ]


def _label(label: int | str | None) -> str:
    return "no answer" if label is None else str(label)


def _words(flip: Any) -> str:
    said = [] if flip.kind in _SEEN else [KIND_WORDS[flip.kind]]
    if flip.margin_a is not None:
        said.append(f"by {flip.margin_a:.3g}")
    if flip.close:
        said.append("a close call")
    return f"({', '.join(said)})" if said else ""


def _flips_words(found: Differential) -> str:
    samples = {flip.sample for pair in found.against_baseline for flip in pair.flips}
    said = f"{plural(len(samples), 'sample')} flip in one environment or more"
    if len(samples) > _CARDS:
        said += f"; the {_CARDS} that flip in most are shown"
    return (
        f"{said}. A margin is by how much {found.baseline} preferred its own answer to the other; "
        "a close call is among the tenth it decided by least."
    )


def _details(cell: Cell) -> list[tuple[str, str]]:
    one = cell.environment
    facts = [(name, str(value)) for name, value in one.changes.items()]
    facts += [
        (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in cell.system.items()
        if not isinstance(value, Mapping)
    ]
    if one.made:
        facts += [
            (f"made by {step['step'].get('kind', 'a step')}", _tools(step))
            for step in one.made.get("steps", ())
        ]
    if one.contents:
        facts += [
            (name.replace("_", " "), str(value))
            for name, value in one.contents.items()
            if not isinstance(value, Mapping | list)
        ]
    return [(str(name), str(value)) for name, value in facts]


def _tools(step: Mapping[str, Any]) -> str:
    tools = ", ".join(f"{name} {number}" for name, number in step.get("tools", {}).items())
    return tools or "tailmark"


def _drawn(plot: Plot) -> dict[str, Markup]:
    """A plot as markup, by day and by night."""
    return {
        "light": _svg(plot, LIGHT),
        "dark": _svg(plot, DARK),
    }


def _svg(plot: Plot, colors: Mapping[str, Any]) -> Markup:
    spec = {
        **plot.drawn(),
        "width": 760,
        "title": None,
        "config": theme(colors, legends=True) | {"background": "transparent", "padding": 24},
    }
    drawn: str = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    return Markup(drawn)  # noqa: S704 - Vega escapes the texts it draws
