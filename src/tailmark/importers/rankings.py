"""LightGCN: ranked items for each user, and the items that were right."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tailmark.errors import InputError
from tailmark.importers.batches import Batches, brief
from tailmark.importers.graded import Graded, each, whole
from tailmark.importers.imported import agreement
from tailmark.records.ragged import Ragged

METRICS = ("ndcg@20", "precision@20", "recall@20")


def read_light_gcn(answered: Batches, right: Batches | None) -> Graded:
    """An item is a user's recommendations, best first, its reference the relevant ones."""
    items = _lists(each(answered), "result")
    relevant = None if right is None else _lists(each(right), "reference")
    return Graded(
        outputs={"items": items},
        references=relevant,
        metrics=METRICS,
        notes=() if relevant is None else agreement(relevant.values, items.values),
    )


def _lists(users: Iterable[tuple[str, Any]], what: str) -> Ragged:
    return Ragged.of([_numbers(item, where, what) for where, item in users], np.int32)


def _numbers(item: object, where: str, what: str) -> list[int]:
    if not isinstance(item, list):
        raise InputError(f"{where} is the {what} {brief(item)}: it is the list of a user's items")
    return [whole(one, where, what, "the number of an item") for one in item]
