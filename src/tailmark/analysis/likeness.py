"""What two runs differ in, and which of it bars comparing them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.analysis.grading import check_time
from tailmark.analysis.load import scenario_words
from tailmark.errors import InputError, nearest
from tailmark.records.columns import content_of
from tailmark.records.model import Run

ALLOWABLE = ("contents", "labels", "timed", "scenario", "order")
"""What bars a comparison unless it is allowed; other sample ids always do."""

_SETTINGS = ("workload", "system", "engine", "warmup", "seed")
_ENVIRONMENT = ("os", "python", "packages", "variables")
_PROCESSOR = ("model", "cores", "usable_cores", "governor")


@dataclass(frozen=True, kw_only=True)
class Unlike:
    """One thing that two runs differ in.

    Args:
        name: ``order``, ``system.threads``.
        a: What it is in A, as plain data.
        b: In B.
        bars: Whether a comparison takes ``allow`` to be made; what does not is often what is
            compared.
    """

    name: str
    a: Any
    b: Any
    bars: bool

    @property
    def words(self) -> str:
        """A's and B's, as one would say them."""
        said = scenario_words if self.name == "scenario" else str
        return f"{said(self.a)} / {said(self.b)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "a": self.a, "b": self.b, "bars": self.bars}


def find_unlike(a: Run, b: Run, time: str | None) -> tuple[Unlike, ...]:
    """Everything two runs differ in: first what bars a comparison, then the rest.

    Args:
        a: The one run.
        b: The other.
        time: What a deadline applies to; where both can tell that, how each was timed does not
            matter.
    """
    one, other = _barring(a, time), _barring(b, time)
    told = [name for name in one if one[name] is not None and other[name] is not None]
    untold = [name for name in one if name not in told]
    rest = (_telling(a), _telling(b))
    return (
        *_differing(one, other, told, bars=True),
        *_unlike_labels(a.references.values, b.references.values),
        *_differing(one, other, untold, bars=False),
        *_differing(rest[0], rest[1], dict.fromkeys([*rest[0], *rest[1]]), bars=False),
    )


def check_alike(a: Run, b: Run, unlike: Iterable[Unlike], allow: Iterable[str]) -> None:
    """Refuse what cannot be compared fairly.

    Raises:
        InputError: Naming what differs; or a name in ``allow`` that is none.
    """
    allowed = set(allow)
    for name in allowed - {*ALLOWABLE, "samples"}:
        known = ", ".join(ALLOWABLE)
        raise InputError(f"{name!r} cannot be allowed{nearest(name, ALLOWABLE)}: {known}")
    barring = {one.name: one for one in unlike if one.bars}
    runs = f"{a.name!r} and {b.name!r}"
    if "samples" in barring:
        one = barring["samples"]
        raise InputError(
            f"{runs} were asked other samples ({one.a} / {one.b}), so nothing pairs them, and that "
            "cannot be allowed: measure both on one workload"
        )
    refused = [one for name, one in barring.items() if name not in allowed]
    if refused:
        what = "; ".join(f"{one.name} ({one.words})" for one in refused)
        names = ",".join(one.name for one in refused)
        raise InputError(
            f"{runs} differ in what must be alike: {what}: measure both alike, or compare them all "
            f"the same with --allow {names}"
        )


def _barring(run: Run, time: str | None) -> dict[str, Any]:
    """What must be alike, but for the labels; None where a run (an imported one) does not tell."""
    asked = run.manifest.experiment
    contents = run.manifest.hashes.get("samples")
    return {
        "samples": _Ids(run.references.ids),
        "timed": check_time(run, time),
        "scenario": asked.get("scenario"),
        "order": asked.get("workload", {}).get("order"),
        "contents": contents[:12] if contents else None,
    }


def _differing(
    a: Mapping[str, Any], b: Mapping[str, Any], names: Iterable[str], *, bars: bool
) -> list[Unlike]:
    """Entries that are not equal."""
    return [
        Unlike(name=name, a=_plain(a.get(name)), b=_plain(b.get(name)), bars=bars)
        for name in names
        if a.get(name) != b.get(name)
    ]


@dataclass(frozen=True)
class _Ids:
    """Sample ids, equal only if all are, told by their number and the first."""

    ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.ids)} from {self.ids[0]!r} on" if self.ids else "none"


def _plain(x: Any) -> Any:
    return str(x) if isinstance(x, _Ids) else x


def _unlike_labels(a: Any, b: Any) -> list[Unlike]:
    """What is right, where the runs disagree about it."""
    if a is None and b is None:
        return []
    if a is None or b is None:
        held = ["none" if values is None else f"{_rows(values)} labels" for values in (a, b)]
    else:
        if content_of(a) == content_of(b):
            return []
        held = [f"{_rows(a)} labels", _others(a, b)]
    return [Unlike(name="labels", a=held[0], b=held[1], bars=True)]


def _others(a: Any, b: Any) -> str:
    """How many references are others, where the runs have references of one kind."""
    columns = [values if isinstance(values, Mapping) else {"": values} for values in (a, b)]
    if columns[0].keys() != columns[1].keys():
        return "others"
    differ = np.zeros(min(_rows(a), _rows(b)), dtype=np.bool_)
    for name, one in columns[0].items():
        pairs = zip(one, columns[1][name], strict=False)
        differ |= np.array([not np.array_equal(x, y) for x, y in pairs], dtype=np.bool_)
    return f"{differ.sum()} of them others"


def _rows(values: Any) -> int:
    return len(next(iter(values.values()))) if isinstance(values, Mapping) else len(values)


def _telling(run: Run) -> dict[str, Any]:
    """What a reader may want to know differs: settings, effective settings, surroundings."""
    manifest = run.manifest
    found: dict[str, Any] = {"rounds": len(run)}
    if manifest.hashes.get("model"):
        found["model"] = manifest.hashes["model"][:12]
    for part in _SETTINGS:
        found |= _leaves(part, manifest.experiment.get(part))
    found.pop("workload.order", None)  # which bars
    asked = manifest.experiment.get("system", {})
    for key, value in manifest.system.items():
        if key not in asked:
            found[f"effective.{key}"] = value
    surroundings = manifest.environment
    processor = surroundings.get("processor", {})
    found |= {f"processor.{key}": processor.get(key) for key in _PROCESSOR if key in processor}
    for part in _ENVIRONMENT:
        found |= _leaves(part, surroundings.get(part))
    if "memory_bytes" in surroundings:
        found["memory_bytes"] = surroundings["memory_bytes"]
    return found


def _leaves(name: str, value: Any) -> dict[str, Any]:
    """Nested settings under dotted names."""
    if not isinstance(value, Mapping):
        return {name: value}
    found: dict[str, Any] = {}
    for key, held in value.items():
        found |= _leaves(f"{name}.{key}", held)
    return found
