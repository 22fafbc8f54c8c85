"""What a run was measured with, as labelled rows a reader can scan."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailmark.records.model import Manifest
from tailmark.units import format_duration

_HASH_SHOWN = 12
_SAID = {
    "usable_cores": "usable cores",
    "mhz": "clock now (MHz)",
    "call": "function",
    "p50": "median",
}


@dataclass(frozen=True)
class Fact:
    """One row.

    Args:
        name: What it is.
        text: Its value, short.
        whole: The value in full, where ``text`` is not.
    """

    name: str
    text: str
    whole: str = ""


@dataclass(frozen=True)
class Group:
    """Facts that belong together.

    Args:
        title: Of what.
        facts: In order.
        folded: A long list that is out of the way at first, with its name.
    """

    title: str
    facts: Sequence[Fact]
    folded: tuple[str, str] | None = None


def groups(manifest: Manifest) -> list[Group]:
    """Everything in a manifest that made the numbers, but for what has no value."""
    environment = manifest.environment
    processor = _mapping(environment.get("processor"))
    flags = processor.get("flags") or []
    python = _mapping(environment.get("python"))
    found = [
        Group(
            "Machine",
            [
                *facts({k: v for k, v in processor.items() if k != "flags"}, "processor"),
                *facts({"memory_bytes": environment.get("memory_bytes")}),
                *facts(_mapping(environment.get("os")), "os"),
            ],
            (f"{len(flags)} processor flags", " ".join(map(str, flags))) if flags else None,
        ),
        Group("System, as it ran", list(facts(manifest.system))),
        Group(
            "Software",
            [
                *facts({"python": python.get("version")}),
                *facts(_mapping(environment.get("packages"))),
                *facts(_mapping(environment.get("variables"))),
            ],
        ),
        Group("Experiment, as resolved", list(facts(manifest.experiment))),
        Group("Audit just before the run", list(facts(manifest.audit))),
        Group("Cold start", list(facts(manifest.cold_start))),
        Group("Identity", [*_git(environment.get("git")), *_hashes(manifest)]),
    ]
    return [group for group in found if group.facts]


def facts(held: Mapping[str, Any], prefix: str = "") -> Iterator[Fact]:
    """Flatten nested settings to rows; what is null or empty is left out."""
    for key, value in held.items():
        name = f"{prefix} {_label(key)}".strip()
        if isinstance(value, Mapping):
            yield from facts(value, name)
        elif value not in (None, "", [], ()):
            yield Fact(name, _text(key, value))


def _label(key: str) -> str:
    bare = key.removesuffix("_ns").removesuffix("_bytes")
    return _SAID.get(bare) or bare.replace("_", " ").replace("p50", "median")


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if key.endswith("_ns"):
            return format_duration(value)
        if key.endswith("_bytes"):
            return f"{value / 2**30:.1f} GiB"
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(_text("", one) for one in value)
    return str(value)


def _git(commit: Any) -> list[Fact]:
    commit = _mapping(commit)
    whole = str(commit.get("commit") or "")
    changed = " with changes of its own" if commit.get("dirty") else ""
    return [Fact("git commit", whole[:_HASH_SHOWN] + changed, whole)] if whole else []


def _hashes(manifest: Manifest) -> list[Fact]:
    named = {**manifest.hashes, "design": manifest.design_id}
    return [Fact(name, str(h)[:_HASH_SHOWN], str(h)) for name, h in named.items() if h]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
