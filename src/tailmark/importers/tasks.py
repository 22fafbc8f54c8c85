"""The published tasks: how the files of each are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import InputError, nearest
from tailmark.importers.annotations import read_annotations
from tailmark.importers.batches import Batches, read_batches, read_right
from tailmark.importers.detections import read_boxes, read_detr
from tailmark.importers.driving import read_hybridnets, read_images
from tailmark.importers.graded import Graded
from tailmark.importers.labels import read_emotion_flow, read_mobilenet, read_vicuna
from tailmark.importers.rankings import read_light_gcn


@dataclass(frozen=True, kw_only=True)
class Task:
    """One of the published tasks.

    Args:
        grade: What its items and references say.
        results: Reads the results of the batches that were timed, an item a sample.
        references: Reads what is right of these results; None where the results hold it.
    """

    grade: Callable[[Batches, Any], Graded]
    results: Callable[[Path, Sequence[int]], Batches] = read_batches
    references: Callable[[Path, Batches], Any] | None = read_right


TASKS: Mapping[str, Task] = {
    "mobilenet": Task(grade=read_mobilenet),
    "emotion-flow": Task(grade=read_emotion_flow),
    "vicuna": Task(grade=read_vicuna),
    "detr": Task(grade=read_detr, results=read_boxes, references=read_annotations),
    "lightgcn": Task(grade=read_light_gcn),
    "hybridnets": Task(grade=read_hybridnets, results=read_images, references=None),
}


def choose_task(task: str) -> Task:
    """The task of this name; any spelling of its letters will do.

    Raises:
        InputError: There is none.
    """
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
