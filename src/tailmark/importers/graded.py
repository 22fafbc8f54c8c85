"""What the files of a task say, in columns, and how their items are read one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tailmark.errors import InputError
from tailmark.importers.batches import Batches, brief
from tailmark.records.model import Column, Columns


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What the answers and references of a task say.

    Args:
        outputs: By column, each of length (items,).
        references: As `References.values` has them, of length (items,); None where none are given.
        metrics: The published ones, the first before all.
        ids: One an item; None where items are known by their batch alone.
        names: The labels of numbers 0, 1, …, where they were text.
        notes: Sentences for the reader.
    """

    outputs: Columns
    references: Column | Columns | None
    metrics: tuple[str, ...]
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def each(batches: Batches) -> Iterator[tuple[str, Any]]:
    """Every item with where it stands."""
    for batch, items in batches.items():
        for number, item in enumerate(items):
            yield f"item {number} of batch {batch}", item


def whole(value: object, where: str, what: str, is_a: str = "a class number") -> int:
    """A number of something; whole floats are some frameworks' way to write it.

    Args:
        value: What is there.
        where: In which item.
        what: ``result`` or ``reference``.
        is_a: What it should be.

    Raises:
        InputError: It is something else.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise InputError(f"{where} is the {what} {brief(value)}: it is {is_a}")
    return value
