"""Tasks whose items are labels: MobileNetV2, EmotionFlow and Vicuna."""

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.importers.batches import Batches, brief
from tailmark.importers.classes import number_labels
from tailmark.importers.graded import Graded, each, whole
from tailmark.importers.imported import agreement

_FIVE = 5


def read_mobilenet(answered: Batches, right: Batches | None) -> Graded:
    """An item is ``([best], [best five])``, its reference a class number."""
    ranked = []
    for where, item in each(answered):
        pair = item if isinstance(item, list | tuple) and len(item) == 2 else None
        one, five = pair if pair is not None else (None, None)
        if not (isinstance(one, list) and len(one) == 1 and isinstance(five, list) and five):
            raise InputError(
                f"{where} is the result {brief(item)}: it is ([best], [best, second, …])"
            )
        best = whole(one[0], where, "result")
        tried = [whole(label, where, "result") for label in five]
        if best not in tried:
            raise InputError(f"{where} has the best answer {best} and it is not among {tried}")
        # Equal scores may stand in another order in the five than for the best alone.
        ranked.append([best, *(label for label in tried if label != best)])
        if len(ranked[-1]) != len(ranked[0]):
            raise InputError(
                f"{where} has {len(ranked[-1])} distinct answers and the first has "
                f"{len(ranked[0])}: give as many of each"
            )
    return _graded(
        ranked, _numbers(right), ("top1", "top5") if len(ranked[0]) >= _FIVE else ("top1",)
    )


def read_emotion_flow(answered: Batches, right: Batches | None) -> Graded:
    """A batch is a dialogue, an item the class number of an utterance."""
    labels = [[whole(item, where, "result")] for where, item in each(answered)]
    return _graded(labels, _numbers(right), ("f1_weighted",))


def read_vicuna(answered: Batches, right: Batches | None) -> Graded:
    """An item is one letter."""
    tried = [_letter(item, where, "result") for where, item in each(answered)]
    known = [_letter(item, where, "reference") for where, item in each(right)] if right else []
    numbering = number_labels(known, tried)
    number = numbering.number
    return _graded(
        [[number[text]] for text in tried],
        np.array([number[text] for text in known], dtype=np.int64) if right else None,
        ("top1",),
        numbering.names,
    )


def _graded(
    ranked: list[list[int]],
    references: npt.NDArray[np.int64] | None,
    metrics: tuple[str, ...],
    names: tuple[str, ...] | None = None,
) -> Graded:
    labels = np.array(ranked, dtype=np.int32)
    return Graded(
        outputs={"labels": labels},
        references=references,
        metrics=metrics,
        names=names,
        notes=agreement(references, labels),
    )


def _numbers(right: Batches | None) -> npt.NDArray[np.int64] | None:
    if right is None:
        return None
    labels = [whole(item, where, "reference") for where, item in each(right)]
    return np.array(labels, dtype=np.int64)


def _letter(value: object, where: str, what: str) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise InputError(f"{where} is the {what} {brief(value)}: it is one letter, as 'A'")
    return value
