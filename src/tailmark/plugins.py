"""Finds workloads, systems, conversions, scenarios, decoders, metrics … by name, ours too.

A plug-in is an entry point in one of `GROUPS`. Nothing is imported before it is asked for.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from tailmark.errors import InputError, UnknownNameError, nearest

GROUPS = (
    "workloads",
    "systems",
    "conversions",
    "scenarios",
    "decoders",
    "metrics",
    "stopping",
)


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"tailmark.{group}")}


def names(group: str) -> list[str]:
    """The names a group holds, sorted."""
    return sorted(_entries(group))


def _one(group: str) -> str:
    return "stopping rule" if group == "stopping" else group.removesuffix("s")


def load(group: str, name: str) -> Any:
    """Import the plug-in ``name`` of ``group``.

    Raises:
        UnknownNameError: No such name; the known ones are listed.
        InputError: The plug-in is there and cannot be imported; chained to its cause.
    """
    entries = _entries(group)
    if name not in entries:
        known = ", ".join(names(group))
        raise UnknownNameError(
            f"no {_one(group)} is called {name!r}{nearest(name, entries)}: known are {known}"
        )
    try:
        return entries[name].load()
    except Exception as cause:
        raise InputError(
            f"the {_one(group)} {name!r} cannot be loaded: {type(cause).__name__}: {cause}"
        ) from cause


@contextmanager
def first_on_path(folder: Path) -> Iterator[None]:
    """Where modules are looked for first meanwhile."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
