"""What the page says once of each run: its headline, tables, samples and environment."""

import base64
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from tailmark.analysis.gate import Verdict
from tailmark.analysis.samples import SampleRecord
from tailmark.records.model import Manifest
from tailmark.report import plots
from tailmark.report.facts import groups
from tailmark.report.findings import Findings
from tailmark.report.frames import emphasised_headline, tiles
from tailmark.report.outlook import beyond_the_data, rounds_to_come
from tailmark.report.sentences import (
    LOSS_WORDS,
    deadline_name,
    metric_name,
    percent,
    policy_words,
    sureness_sentence,
    tied,
    time_range,
    verdict_sentence,
)
from tailmark.report.text import also_grid, stopping
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_CHANCE = {
    "sample": "goes with the sample: some inputs are slower than others",
    "round": "goes with the round: the machine was slower in some than in others",
    "rest": "is neither the sample's nor the round's: chance on this machine",
}


def section(found: Findings, name: str) -> dict[str, Any]:
    """One run's section, but for what moves with the deadline."""
    summary, manifest = found.summary, found.run.manifest
    at = summary.at[summary.first]
    sentence, key = emphasised_headline(found, at)
    asked = {one.deadline_ns for one in summary.at}
    return {
        "name": name,
        "headline": emphasised(sentence, key),
        "verdict": badge(found.verdict),
        "partial": "" if summary.complete else _partial(found),
        "facts": _facts_line(found),
        "sureness": [tied(one) for one in (sureness_sentence(summary), stopping(summary)) if one],
        "doubts": [one for one in found.doubts if "the run is partial" not in one],
        "graded": found.graded,
        "value": plots.value_name(found),
        "ideal": summary.ideal,
        "jumps": [
            (found.window.index(k), one.label, tied(deadline_name(one)))
            for k, one in enumerate(found.at)
            if k in found.window and one.deadline_ns in asked
        ],
        "tiles": tiles(found, found.start),
        "losses": [LOSS_WORDS[part] for part in found.losses],
        "split": at.loss is not None,
        "percentiles": _percentiles(found),
        "cards": _cards(found),
        "late": tied(deadline_name(at)),
        "ahead": rounds_to_come(found),
        "beyond_data": beyond_the_data(found),
        "chance": _chance(summary.latency.shares),
        "beyond": _beyond(found),
        "groups": groups(manifest),
        "also": also_grid(summary) if summary.also else None,
        "several": len(found.run) > 1,
    }


def emphasised(sentence: str, key: str) -> Markup:
    """A sentence with the number in it that matters."""
    strong = Markup("<strong>{}</strong>").format(key)
    before, found, after = sentence.partition(key)
    return escape(before) + (strong if found else "") + escape(after)


def badge(verdict: Verdict | None) -> dict[str, str] | None:
    """How a run stands to its requirement, where it has one."""
    if verdict is None:
        return None
    _, _, words = verdict_sentence(verdict).partition(" – ")
    return {"outcome": verdict.outcome, "words": tied(words)}


def _partial(found: Findings) -> str:
    asked = found.run.manifest.rounds_asked
    return f"This run is partial: {found.summary.rounds} of {asked} rounds are there."


def _facts_line(found: Findings) -> list[str]:
    summary, manifest = found.summary, found.run.manifest
    timed = {
        "inference": "inference timed, samples prepared before",
        "total": "preprocessing and postprocessing timed too",
    }
    graded = [metric_name(summary.metric), policy_words(summary.on_late)] if found.graded else []
    rounds = "1 round" if summary.rounds == 1 else f"{summary.rounds:,} rounds"
    extent = [f"{rounds} × {summary.samples:,} samples"]
    if summary.estimand is not None:  # under load, rounds do not send every sample once
        queries = f"{summary.queries:,} queries of {summary.samples:,} samples"
        extent = [rounds, queries, summary.estimand]
    return [
        *extent,
        summary.load,
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
        name: {"name": name, "value": tied(format_duration(ns)), "interval": "", "hint": ""}
        for name, ns in ends.items()
    }
    return [plain["shortest"], *rows, plain["longest"]]


def _percentile(name: str, e: Estimate) -> dict[str, str]:
    low, high = e.low, e.high
    bounded = low is not None and high is not None
    interval = time_range(e)
    return {
        "name": name,
        "value": tied(format_duration(e.value)),
        "interval": tied(interval),
        "hint": "" if bounded else e.reason or "",
    }


def _chance(shares: Mapping[str, float] | None) -> str:
    """The largest part of the latency's variance, in a sentence."""
    if not shares:
        return ""
    largest = max(shares, key=lambda part: shares[part])
    return tied(f"{percent(shares[largest], 0)} of the latency's variance {_CHANCE[largest]}.")


def _cards(found: Findings) -> list[dict[str, Any]]:
    varied = found.varied if len(found.run) > 1 else ()
    kinds = [("Slowest on average", found.slowest), ("Most variable", varied)]
    return [
        {"title": title, "cards": [_card(one) for one in samples]}
        for title, samples in kinds
        if samples
    ]


def _card(one: SampleRecord) -> dict[str, Any]:
    right = None if one.right is None else _rightness(one.right, one.alone)
    return {
        "id": one.id,
        "picture": picture(one.thumbnail),
        "mean": tied(format_duration(one.mean_ns)),
        "spread": tied(percent(one.spread, 0)),
        "max": tied(format_duration(one.max_ns)),
        "late": tied(percent(one.late, 0)),
        "right": right,
    }


def _rightness(share: float, alone: bool) -> str:
    if alone:
        return tied(f"by itself {percent(share, 0)} right")
    if share in (0, 1):
        return "answered rightly" if share else "answered wrongly"
    return tied(f"right {percent(share, 0)} of the time")


def picture(content: bytes | None) -> str | None:
    """A data address, for what truly is a PNG or a JPEG."""
    for signature, kind in _SIGNATURES.items():
        if content and content.startswith(signature):
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return None
