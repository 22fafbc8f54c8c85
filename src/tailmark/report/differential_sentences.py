"""What a differential run found, in sentences."""

from collections.abc import Mapping
from typing import Any

from tailmark.analysis.differential import Differential

KIND_WORDS = {
    "fix": "fixed",
    "break": "broken",
    "both_wrong": "both wrong",
    "both_right": "both right",
    "missing": "no answer",
    "flip": "other answer",
}
"""What a flip is, by the kinds of `analysis.pairs`."""


def plural(count: int, noun: str) -> str:
    """``1 label``, ``2 labels``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def headline(found: Differential) -> str:
    """How many environments there were, and how many of them answer alike."""
    pairs = found.against_baseline
    other = [pair for pair in pairs if pair.flips]
    said = f"{plural(len(found.measured), 'environment')} measured"
    if found.failed:
        said += f", {len(found.failed)} failed"
    if not pairs:
        return f"{said}: nothing to compare {found.baseline} with."
    if not other:
        return f"{said}: every one answers all {found.samples} samples as {found.baseline} does."
    worst = max(other, key=lambda pair: len(pair.flips))
    return (
        f"{said}: {len(other)} of {len(pairs)} answer otherwise than {found.baseline}, most of "
        f"all {worst.b} ({len(worst.flips)} of {worst.samples} samples)."
    )


def attribution_sentences(found: Differential) -> list[str]:
    """One sentence for each environment whose answers were looked into."""
    return [attribution_sentence(one) for one in found.attributions]


def attribution_sentence(one: Mapping[str, Any]) -> str:
    """What causes the flips of one environment, and where they begin."""
    flips, missing = int(one["flips"]), int(one["missing"])
    verb = "flips" if flips == 1 else "flip"
    noun = "label" if one.get("labels", True) else "answer"
    answers = plural(int(one["samples"]), noun)
    said = [f"{flips} of {answers} {verb} between {one['a']} and {one['b']}"]
    if not flips:
        said = [f"{one['b']} answers as {one['a']} does, and takes longer"]
    if missing:
        said.append(f"{missing} of them have no answer in {one['b']}")
    said.append(_cause(one, flips) if flips else "")
    if one.get("undeclared"):
        said.append(str(one["undeclared"]))
    contents = _contents(one.get("contents") or {})
    if contents:
        said.append(contents)
    divergence = one.get("divergence")
    if divergence and divergence.get("operator"):
        said.append(f"first divergence at {divergence['operator']} ({divergence['op_type']})")
    slower = one.get("slower")
    if slower and slower.get("operator"):
        said.append(f"{slower['operator']} ({slower['op_type']}) takes most of the extra time")
    return "; ".join(part for part in said if part) + "."


def _cause(one: Mapping[str, Any], flips: int) -> str:
    cause, explained = list(one["cause"]), int(one["explained"])
    if not cause:
        return "" if one.get("undeclared") else "no declared setting explains them"
    axes = one["axes"]
    words = " and ".join(axis_words(name, *axes[name]) for name in cause)
    verb = "explains" if len(cause) == 1 else "explain"
    if explained == flips:
        return f"{words} {verb} {'it' if flips == 1 else f'all {flips}'}"
    return f"{words} {verb} {explained} of them"


def axis_words(name: str, a: Any, b: Any) -> str:
    """``precision bfloat16 (for float32)``."""
    if name.startswith("make."):
        return f"the conversion {name.removeprefix('make.')}"
    if name == "make":
        return f"{_steps(b)} (for {_value(a)})"
    short = name.removeprefix("system.").removeprefix("workload.")
    return f"{short} {_value(b)} (for {_value(a)})"


def _steps(steps: Any) -> str:
    if not steps:
        return "no conversion"
    return f"the conversion{'s' if len(steps) > 1 else ''} {_value(steps)}"


def _value(value: Any) -> str:
    if value is None:
        return "the default"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, Mapping):
        return str(value.get("kind", dict(value)))
    text = str(value)
    return text.rpartition("/")[2] if "/" in text else text


def _contents(contents: Mapping[str, Any]) -> str:
    """What the weights are in, where that is another."""
    sides = contents.get("weights_precision")
    if not sides or None in sides:
        return ""
    return f"its weights are {sides[1]} (for {sides[0]})"
