"""Files of the published tail-quality code: what they hold of each batch."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.importers.imported import check_size
from tailmark.importers.pickles import read_file, read_pickle

TIMERS = ("inference", "total")

Floats = npt.NDArray[np.float64]

Batches = dict[int, list[Any]]
"""The items of each batch, by batch, ascending."""

LARGEST_VALUES = 10**8
"""Numbers and texts in the items of all batches: more is a mistake, or made to fill the memory."""

_DEEPEST = 8

_LONGEST_ROUND_S = 9e9
"""Nanoseconds of a round fit an int64."""

_NUMBER = re.compile(r"[0-9]{1,18}")


Hook = Callable[[dict[str, Any]], Any]
"""What becomes of each dictionary of a JSON file as soon as it is read."""


def read_json(path: Path, hook: Hook | None = None) -> Any:
    """A JSON file's content.

    Args:
        path: The file.
        hook: Makes what is large small before the rest is read.

    Raises:
        InputError: It cannot be read, or is no JSON.
    """
    try:
        text = read_file(path).decode("utf-8-sig")  # the bytes are gone before anything is made
        return json.loads(text, object_hook=hook)
    except (ValueError, RecursionError):
        raise InputError(f"{str(path)!r} is not JSON, or is cut short: copy it anew") from None


def _read(path: Path, hook: Hook | None = None) -> Any:
    """A file's content: JSON by its name, else a pickle."""
    return read_json(path, hook) if path.suffix.lower() == ".json" else read_pickle(path)


def read_times(path: Path) -> tuple[list[int], dict[str, Floats]]:
    """The batches, ascending, and the seconds of each timer, shape (rounds, batches)."""
    held = _read(path)
    if not isinstance(held, dict) or not any(isinstance(held.get(t), list) for t in TIMERS):
        raise InputError(
            f"{str(path)!r} holds no times: All_Times.pickle is a dictionary with a list of rounds "
            "under 'inference' and 'total'"
        )
    lists = {timer: held[timer] for timer in TIMERS if timer in held}
    counts = {
        timer: len(rounds) if isinstance(rounds, list) else 0 for timer, rounds in lists.items()
    }
    if len(set(counts.values())) > 1 or not all(counts.values()):
        said = " and ".join(f"{n} of {timer!r}" for timer, n in counts.items())
        raise InputError(f"{str(path)!r} holds {said} rounds: give as many of each, 1 or more")
    first = _by_batch(next(iter(lists.values()))[0], f"{str(path)!r}, round 1")
    ids = list(first)
    check_size(len(ids), next(iter(counts.values())) * len(ids), repr(str(path)))
    return ids, {
        timer: np.stack([_seconds(one, ids, path, timer, r) for r, one in enumerate(rounds, 1)])
        for timer, rounds in lists.items()
    }


def _seconds(one: object, ids: Sequence[int], path: Path, timer: str, number: int) -> Floats:
    """One round's seconds, shape (batches,)."""
    where = f"{str(path)!r}, round {number} of {timer!r}"
    found = _by_batch(one, where)
    _same_batches(found, ids, where, "the first round")
    for batch, value in found.items():
        if type(value) not in (int, float) or not 0 <= value < _LONGEST_ROUND_S:
            raise InputError(
                f"{where}: batch {batch} took {brief(value)}: a time is in seconds, zero or more"
            )
    seconds: Floats = np.array(list(found.values()), dtype=np.float64)
    if seconds.sum() >= _LONGEST_ROUND_S:
        raise InputError(f"{where} took {seconds.sum():g} seconds: are they in another unit?")
    return seconds


def read_batches(path: Path, ids: Sequence[int], hook: Hook | None = None) -> Batches:
    """The items of each batch; what is no list is one item.

    Args:
        path: The file.
        ids: The batches that were timed.
        hook: As `read_json` has it.

    Raises:
        InputError: It cannot be read, is no dictionary by batch, or is of other batches.
    """
    where = repr(str(path))
    found = _by_batch(_read(path, hook), where)
    _same_batches(found, ids, where, "the times")
    listed = {batch: held if isinstance(held, list) else [held] for batch, held in found.items()}
    items = sum(map(len, listed.values()))
    check_size(items, items, where)
    values = _count(listed, _DEEPEST, {}, where)
    if values > LARGEST_VALUES:
        raise InputError(
            f"{where} holds {values:,} values, and at most {LARGEST_VALUES:,} are imported: import "
            "a part of it"
        )
    return listed


def _count(held: object, deepest: int, known: dict[int, int], where: str) -> int:
    """The values in it; of a list that a pickle names many times, as often as it is named."""
    if not isinstance(held, dict | list | tuple):
        return 1
    if id(held) not in known:
        if deepest == 0:
            raise InputError(
                f"{where} holds lists in lists, more than {_DEEPEST} deep: give the published "
                "code's file"
            )
        inner = held.values() if isinstance(held, dict) else held
        known[id(held)] = sum(_count(one, deepest - 1, known, where) for one in inner)
    return known[id(held)]


def _by_batch(held: object, where: str) -> dict[int, Any]:
    """A dictionary by batch, ascending; JSON writes the numbers of batches as text."""
    if not isinstance(held, dict) or not held:
        raise InputError(f"{where} is not a dictionary by batch: give the published code's file")
    found: dict[int, Any] = {}
    for key, value in held.items():
        batch = int(key) if isinstance(key, str) and _NUMBER.fullmatch(key) else key
        if type(batch) is not int or batch < 0:
            raise InputError(f"{where} has the batch {brief(key)}: batches are numbered 1, 2, …")
        if batch in found:
            raise InputError(f"{where} has batch {brief(batch)} twice: give each once")
        found[batch] = value
    return dict(sorted(found.items()))


def _same_batches(found: Mapping[int, Any], ids: Sequence[int], where: str, other: str) -> None:
    if found.keys() == set(ids):
        return
    lacking, beyond = sorted(set(ids) - found.keys()), sorted(found.keys() - set(ids))
    said = [f"lacks batch {brief(lacking[0])}"] if lacking else []
    said += [f"has batch {brief(beyond[0])}"] if beyond else []
    raise InputError(
        f"{where} {' and '.join(said)}, unlike {other} ({len(found)} and {len(ids)} batches): give "
        "files of one set of batches"
    )


def read_right(path: Path, answered: Batches) -> Batches:
    """The references of each batch, one for each of its items.

    Args:
        path: The file.
        answered: The results.

    Raises:
        InputError: It cannot be read, or is not of these results.
    """
    right = read_batches(path, list(answered))
    for batch, items in answered.items():
        if len(items) != len(right[batch]):
            raise InputError(
                f"batch {batch} has {len(items)} results and {len(right[batch])} references: give "
                "files of the same pass"
            )
    return right


def brief(value: object) -> str:
    """A stranger's value, short."""
    if isinstance(value, dict | list | tuple | set | frozenset):
        return f"{type(value).__name__.strip('_').lower()} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits"  # Python refuses to print the longest
    text = repr(value[:40]) if isinstance(value, str | bytes) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
