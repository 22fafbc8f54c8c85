"""One page for one run or several, that opens offline from a double click.

Every number on it is found by `tailmark.analysis` and printed here; the page's script looks them up
by deadline and computes none. A run may be a stranger's: whatever it holds is escaped, and the page
forbids itself, by its content security policy, any script but its own two and any address.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup, escape

from tailmark.analysis.gate import Verdict
from tailmark.analysis.grading import LOSSES
from tailmark.analysis.samples import SampleRecord
from tailmark.analysis.summary import AtDeadline
from tailmark.errors import InputError, StoreError
from tailmark.records.model import Manifest, Run
from tailmark.report import plots
from tailmark.report.facts import groups
from tailmark.report.findings import Findings, find
from tailmark.report.sentences import (
    deadline_name,
    headline,
    metric_name,
    percent,
    policy_words,
    share_interval,
    time_interval,
    verdict_sentence,
)
from tailmark.report.text import LOSS_WORDS
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_TENTHOUSANDTHS = 10_000
_READOUT_DIGITS = 4
_VISIBLE = 0.00005
"""A share below this prints as 0.0 %."""

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_UNIT_AFTER_NUMBER = re.compile(r"(?<=\d) (?=%|ns|µs|ms|s\b)")
_CHANCE = {
    "sample": "goes with the sample: some inputs are slower than others",
    "round": "goes with the round: the machine was slower in some than in others",
    "rest": "is neither the sample's nor the round's: chance on this machine",
}


def write_report(
    runs: Run | str | Path | Sequence[Run | str | Path],
    out: str | Path,
    *,
    metric: str | None = None,
    deadlines: Sequence[str | int] | None = None,
    on_late: str | None = None,
    time: str | None = None,
) -> Path:
    """Write the page; with several runs, a comparison comes first.

    Args:
        runs: A run or its directory, or several.
        out: The HTML file.
        metric: As for `tailmark.summarize`, and so for the rest.
        deadlines: The first of them is the headline's.
        on_late: The late policy.
        time: Which latency counts.

    Returns:
        The file.

    Raises:
        InputError: No run, or something asked for is not there.
        StoreError: The file cannot be written.
    """
    several = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not several:
        raise InputError("no run is given: name one or more to report on")
    found = [
        find(one, metric=metric, deadlines=deadlines, on_late=on_late, time=time) for one in several
    ]
    page = render(found)
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(page, encoding="utf-8", newline="\n")
    except OSError as cause:
        raise StoreError(f"{str(out)!r} cannot be written: {cause.strerror}") from cause
    return Path(out)


def render(found: Sequence[Findings]) -> str:
    """The page as text."""
    names = _names(found)
    compared = plots.overlay(found, names) if len(found) > 1 else None
    data = {
        "themes": {
            "light": plots.theme(plots.LIGHT),
            "dark": plots.theme(plots.DARK),
            "saved": plots.theme(plots.LIGHT, legends=True)
            | {"background": "white", "padding": 16},
        },
        "runs": [_looked_up(one, name) for one, name in zip(found, names, strict=True)],
        "comparison": _embedded([compared]) if compared else None,
    }
    script, vega = _resource("page.js"), _vega()
    return _template().render(
        title=" and ".join(names),
        css=Markup(_resource("page.css")),  # noqa: S704 - our own file
        vega=Markup(vega),  # noqa: S704 - the bundle
        script=Markup(script),  # noqa: S704 - our own file
        policy=_policy(vega, script),
        data=_script_json(data),
        light=plots.LIGHT,
        dark=plots.DARK,
        runs=[_shown(one, name) for one, name in zip(found, names, strict=True)],
        rows=[_compared(one, name) for one, name in zip(found, names, strict=True)],
        version=version("tailmark"),
    )


def _names(found: Sequence[Findings]) -> list[str]:
    """The runs' names, made distinct."""
    names: list[str] = []
    for one in found:
        name, number = one.run.name, 2
        while name in names:
            name, number = f"{one.run.name} ({number})", number + 1
        names.append(name)
    return names


# What the script looks up.


def _looked_up(found: Findings, name: str) -> dict[str, Any]:
    """Everything about one run that moves with the deadline, and its plots."""
    unit = plots.time_unit(found)
    drawn = [
        plots.quality_deadline(found),
        plots.quality_deadline(found, log=False),
        plots.latency(found),
        plots.rounds(found),
        plots.loss(found),
    ]
    embedded = _embedded(drawn)
    embedded["specs"]["quality-deadline-linear"] = drawn[1].spec()
    embedded["specs"]["quality-deadline"] = drawn[0].spec()
    return {
        "name": name,
        **embedded,
        "start": found.window.index(found.start) if found.start in found.window else 0,
        "at": [unit.of(found.at[k].deadline_ns) for k in found.window],
        "frames": [_frame(found, k) for k in found.window],
        "losses": [LOSS_WORDS[part] for part in LOSSES],
        "rounds": [
            [
                None if q is None else round(q * _TENTHOUSANDTHS)
                for q in plots.round_values(found, k)
            ]
            for k in found.window
        ],
    }


def _embedded(drawn: Sequence[plots.Plot]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for plot in drawn:
        data |= plot.data
    return {"specs": {plot.name: plot.spec() for plot in drawn}, "data": data}


def _frame(found: Findings, k: int) -> dict[str, Any]:
    """All that the page says at one deadline, printed."""
    at = found.at[k]
    shares = at.loss or {}
    sentence, key = _headline(found, at)
    return {
        "readout": _tied(format_duration(at.deadline_ns, _READOUT_DIGITS)),
        "sentence": sentence,
        "key": key,
        "tiles": [(tile.text, tile.note, tile.hint) for tile in _tiles(found, k)],
        "levels": plots.levels_at(found, k),
        "loss": [
            (round(share, 4), _tied(percent(share)) if share >= _VISIBLE else "")
            for share in (shares.get(part, 0.0) for part in LOSSES)
        ],
    }


def _headline(found: Findings, at: AtDeadline) -> tuple[str, str]:
    """The sentence and the number in it that matters."""
    told = at.mean or at.on_time
    return _tied(headline(found.summary, at)), _tied(percent(told.value))


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


def _tiles(found: Findings, k: int) -> list[Tile]:
    at = found.at[k]
    on_time = _share_tile("on time", at.on_time)
    if at.mean is not None and at.tail is not None:
        told = [
            _share_tile("delivered, on average", at.mean),
            _share_tile("in the worst 5 % of rounds", at.tail[0.05]),
            Tile("in the worst round", _tied(percent(_defined(at.worst)))),
            on_time,
        ]
    else:
        told = [
            on_time,
            Tile("in the worst 5 % of rounds", _tied(percent(float(found.curve.tails[0, k])))),
            Tile("in the worst round", _tied(percent(float(found.curve.worst[k])))),
        ]
    streak = Tile("late in a row, at most", f"{at.longest_late_streak:,}", "in any round")
    return [*told, _rate_tile("answers on time", at.goodput_per_s), streak]


def _share_tile(name: str, e: Estimate) -> Tile:
    if e.low is None or e.high is None:
        return Tile(name, _tied(percent(e.value)), "no interval", e.reason or "")
    return Tile(name, _tied(percent(e.value)), _tied(share_interval(e).split("(")[1].rstrip(")")))


def _rate_tile(name: str, e: Estimate) -> Tile:
    text = _rate(e.value) + "/s"
    if e.low is None or e.high is None:
        return Tile(name, text, "no interval", e.reason or "")
    return Tile(name, text, f"{_rate(e.low)}–{_rate(e.high)}/s")


def _rate(per_s: float | None) -> str:
    if per_s is None:
        return "–"
    return f"{per_s:,.0f}" if abs(per_s) >= 100 else f"{per_s:.3g}"


def _defined(x: float | None) -> float | None:
    return x if x is not None and x == x else None  # noqa: PLR0124 - NaN is not itself


# What the template shows.


def _shown(found: Findings, name: str) -> dict[str, Any]:
    """One run's section, but for what moves with the deadline."""
    summary, manifest = found.summary, found.run.manifest
    at = summary.at[summary.first]
    sentence, key = _headline(found, at)
    partial = "" if summary.complete else _partial(found)
    return {
        "name": name,
        "headline": _emphasised(sentence, key),
        "verdict": _badge(found.verdict),
        "partial": partial,
        "facts": _facts_line(found),
        "doubts": [one for one in found.doubts if "the run is partial" not in one],
        "graded": found.graded,
        "value": plots.value_name(found),
        "ideal": summary.ideal,
        "jumps": [
            (found.window.index(k), one.label, _tied(deadline_name(one)))
            for k, one in enumerate(found.at)
            if k in found.window and one in summary.at
        ],
        "tiles": _tiles(found, found.start),
        "losses": [LOSS_WORDS[part] for part in LOSSES],
        "split": at.loss is not None,
        "percentiles": _percentiles(found),
        "cards": _cards(found, _tied(deadline_name(at))),
        "chance": _chance(summary.latency.shares),
        "beyond": _beyond(found),
        "groups": groups(manifest),
        "several": len(found.run) > 1,
    }


def _compared(found: Findings, name: str) -> dict[str, Any]:
    """One run's row in a comparison."""
    summary = found.summary
    at = summary.at[summary.first]
    sentence, key = _headline(found, at)
    tail = at.tail[0.05] if at.tail else None
    return {
        "name": name,
        "headline": _emphasised(sentence, key),
        "deadline": _tied(deadline_name(at)),
        "mean": _tied(share_interval(at.mean)) if at.mean else "–",
        "tail": _tied(percent(tail.value)) if tail else "–",
        "ideal": _tied(percent(summary.ideal.value)) if summary.ideal else "–",
        "on_time": _tied(percent(at.on_time.value)),
        "verdict": _badge(found.verdict),
    }


def _emphasised(sentence: str, key: str) -> Markup:
    strong = Markup("<strong>{}</strong>").format(key)
    before, found, after = sentence.partition(key)
    return escape(before) + (strong if found else "") + escape(after)


def _badge(verdict: Verdict | None) -> dict[str, str] | None:
    if verdict is None:
        return None
    _, _, words = verdict_sentence(verdict).partition(" – ")
    return {"outcome": verdict.outcome, "words": _tied(words)}


def _partial(found: Findings) -> str:
    asked = found.run.manifest.experiment.get("rounds")
    return f"This run is partial: {found.summary.rounds} of {asked} rounds are there."


def _facts_line(found: Findings) -> list[str]:
    summary, manifest = found.summary, found.run.manifest
    timed = {
        "inference": "inference timed, samples prepared before",
        "total": "preprocessing and postprocessing timed too",
    }
    graded = [metric_name(summary.metric), policy_words(summary.on_late)] if found.graded else []
    return [
        f"{summary.rounds:,} {'round' if summary.rounds == 1 else 'rounds'}"
        f" × {summary.samples:,} samples",
        _system_words(manifest),
        manifest.created[:16].replace("T", " ") + " UTC",
        timed.get(summary.latency.time, f"{summary.latency.time} timed"),
        *graded,
    ]


def _system_words(manifest: Manifest) -> str:
    asked, ran = manifest.experiment.get("system", {}), manifest.system
    parts = [ran.get("kind") or asked.get("kind"), ran.get("version")]
    what = asked.get("model") or asked.get("call")
    said = " ".join(str(part) for part in parts if part)
    return f"{what} on {said}" if what else said


def _beyond(found: Findings) -> str:
    """What lies right of the plot over deadlines."""
    last, longest = found.at[found.window[-1]].deadline_ns, found.summary.latency.max_ns
    if longest is None or longest <= last:
        return ""
    return f"The slowest queries, to {format_duration(longest)}, lie beyond this plot."


def _percentiles(found: Findings) -> list[dict[str, str]]:
    latency = found.summary.latency
    rows = [_percentile("mean", latency.mean)]
    rows += [_percentile(f"p{p:g}", e) for p, e in latency.percentiles.items()]
    ends = {"shortest": latency.min_ns, "longest": latency.max_ns}
    plain = {
        name: {"name": name, "value": _tied(format_duration(ns)), "interval": "", "hint": ""}
        for name, ns in ends.items()
    }
    return [plain["shortest"], *rows, plain["longest"]]


def _percentile(name: str, e: Estimate) -> dict[str, str]:
    low, high = e.low, e.high
    bounded = low is not None and high is not None
    interval = time_interval(e).partition("(")[2].rstrip(")") if bounded else ""
    return {
        "name": name,
        "value": _tied(format_duration(e.value)),
        "interval": _tied(interval),
        "hint": "" if bounded else e.reason or "",
    }


def _chance(shares: Mapping[str, float] | None) -> str:
    """The largest part of the latency's variance, in a sentence."""
    if not shares:
        return ""
    largest = max(shares, key=lambda part: shares[part])
    return _tied(f"{percent(shares[largest], 0)} of the latency's variance {_CHANCE[largest]}.")


def _cards(found: Findings, deadline: str) -> list[dict[str, Any]]:
    late = f"later than {deadline}"
    kinds = [("Slowest on average", found.slowest), ("Most variable", found.varied)]
    return [
        {"title": title, "cards": [_card(one, late) for one in samples]}
        for title, samples in kinds
        if samples
    ]


def _card(one: SampleRecord, late: str) -> dict[str, Any]:
    right = None if one.right is None else _rightness(one.right)
    return {
        "id": one.id,
        "picture": _picture(one.thumbnail),
        "mean": _tied(format_duration(one.mean_ns)),
        "spread": _tied(percent(one.spread, 0)),
        "max": _tied(format_duration(one.max_ns)),
        "late": _tied(percent(one.late, 0)),
        "late_words": late,
        "right": right,
    }


def _rightness(share: float) -> str:
    if share in (0, 1):
        return "answered rightly" if share else "answered wrongly"
    return _tied(f"right {percent(share, 0)} of the time")


def _picture(content: bytes | None) -> str | None:
    """A data address, for what truly is a PNG or a JPEG."""
    for signature, kind in _SIGNATURES.items():
        if content and content.startswith(signature):
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return None


def _tied(text: str) -> str:
    """Keep a number and its unit on one line."""
    return _UNIT_AFTER_NUMBER.sub("\u00a0", text)


# The file.


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_resource("page.html.jinja"))


def _resource(name: str) -> str:
    return (files("tailmark.report") / "page" / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    bundle: str = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;", vl_version=plots.VEGA_LITE
    )
    return bundle.replace("</script", "<\\/script")


def _policy(*scripts: str) -> str:
    """The page's content security policy: these scripts, inline styles and pictures, no address.

    Vega compiles its expressions, hence ``unsafe-eval``; they come from our charts alone.
    """
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in scripts
    ]
    return (
        f"default-src 'none'; script-src {' '.join(hashes)} 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _script_json(data: object) -> Markup:
    """JSON that cannot end the script element it stands in; all but ASCII is escaped."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - no markup is left in it
