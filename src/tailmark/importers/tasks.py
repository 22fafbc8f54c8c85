"""What the items of each published task say, as labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError, nearest
from tailmark.importers.batches import Batches, brief
from tailmark.importers.classes import number_labels
from tailmark.importers.imported import Labels


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What the answers and references of a task say, in numbers.

    Args:
        answers: Best label first, shape (items, ranks).
        references: Shape (items,); None where none are given.
        names: The labels, where they were text.
    """

    answers: Labels
    references: npt.NDArray[np.int64] | None
    names: tuple[str, ...] | None = None


Read = Callable[[Batches, Batches | None], Graded]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One of the published tasks.

    Args:
        read: What its items mean; None where no metric here can grade them.
        items: Whether a batch is a list of samples; else it is one sample.
        note: What is graded otherwise than it is published.
    """

    read: Read | None = None
    items: bool = True
    note: str | None = None


def choose_task(task: str | None, *, asked: bool) -> Task:
    """The task of this name; any spelling of its letters will do."""
    if task is None:
        if asked:
            raise InputError(
                f"results are given and their task is not: give --task, one of {', '.join(TASKS)}"
            )
        return Task()
    plain = {_letters(name): one for name, one in TASKS.items()}
    if _letters(task) not in plain:
        raise InputError(
            f"there is no task {task!r}{nearest(task, TASKS)}: give {', '.join(TASKS)}"
        )
    return plain[_letters(task)]


def task_named(folder: str) -> str | None:
    """The task of a directory like ``MobileNet_PyTorch``; None where its name says none."""
    model = _letters(folder.partition("_")[0])
    return next((name for name in TASKS if _letters(name) == model), None)


def _letters(task: str) -> str:
    return task.lower().replace("-", "").replace("_", "")


def _each(batches: Batches) -> Iterator[tuple[str, Any]]:
    """Every item with where it stands."""
    for batch, items in batches.items():
        for number, item in enumerate(items):
            yield f"item {number} of batch {batch}", item


def _label(value: object, where: str, what: str) -> int:
    """A class number; whole floats are some frameworks' way to write it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise InputError(f"{where} is the {what} {brief(value)}: it is a class number")
    return value


def _right_labels(right: Batches | None) -> npt.NDArray[np.int64] | None:
    if right is None:
        return None
    labels = [_label(item, where, "reference") for where, item in _each(right)]
    return np.array(labels, dtype=np.int64)


def _mobilenet(answered: Batches, right: Batches | None) -> Graded:
    """An item is ``([best], [best five])``."""
    ranked = []
    for where, item in _each(answered):
        pair = item if isinstance(item, list | tuple) and len(item) == 2 else None
        one, five = pair if pair is not None else (None, None)
        if not (isinstance(one, list) and len(one) == 1 and isinstance(five, list) and five):
            raise InputError(
                f"{where} is the result {brief(item)}: it is ([best], [best, second, …])"
            )
        best = _label(one[0], where, "result")
        tried = [_label(label, where, "result") for label in five]
        if best not in tried:
            raise InputError(f"{where} has the best answer {best} and it is not among {tried}")
        # Equal scores may stand in another order in the five than for the best alone.
        ranked.append([best, *(label for label in tried if label != best)])
        if len(ranked[-1]) != len(ranked[0]):
            raise InputError(
                f"{where} has {len(ranked[-1])} distinct answers and the first has "
                f"{len(ranked[0])}: give as many of each"
            )
    return Graded(answers=np.array(ranked, dtype=np.int32), references=_right_labels(right))


def _emotion_flow(answered: Batches, right: Batches | None) -> Graded:
    """An item is a class number."""
    labels = [[_label(item, where, "result")] for where, item in _each(answered)]
    return Graded(answers=np.array(labels, dtype=np.int32), references=_right_labels(right))


def _vicuna(answered: Batches, right: Batches | None) -> Graded:
    """An item is one letter."""
    tried = [_letter(item, where, "result") for where, item in _each(answered)]
    known = [_letter(item, where, "reference") for where, item in _each(right)] if right else []
    numbering = number_labels(known, tried)
    number = numbering.number
    return Graded(
        answers=np.array([[number[text]] for text in tried], dtype=np.int32),
        references=np.array([number[text] for text in known], dtype=np.int64) if right else None,
        names=numbering.names,
    )


def _letter(value: object, where: str, what: str) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise InputError(f"{where} is the {what} {brief(value)}: it is one letter, as 'A'")
    return value


TASKS: Mapping[str, Task] = {
    "mobilenet": Task(read=_mobilenet),
    "emotion-flow": Task(
        read=_emotion_flow,
        note="graded by top-1 accuracy, where the published metric is the weighted F1",
    ),
    "vicuna": Task(read=_vicuna),
    "detr": Task(items=False),
    "lightgcn": Task(),
    "hybridnets": Task(items=False),
}
