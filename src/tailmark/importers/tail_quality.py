"""Result files of the published tail-quality code (github.com/Jason-Young-AI/Tail-Quality).

``All_Times.pickle`` holds ``{'inference': [{batch: seconds}, … a round each], 'total': […]}``; its
``result`` and ``golden`` files hold ``{batch: [item, …]}``, as JSON or as pickles by their names,
but for two tasks: DETR's golden file is COCO's annotations, and HybridNets has none. Every item of
a batch took its batch's time. One batch follows the other, so a round's clock is the sum of its
batches.

The published evaluation says what a late answer counts as, and the metrics here do the same: a
label is wrong; an image's boxes are dropped and its objects stay; all utterances of a dialogue get
a label outside every class; a list has no hit; a mask overlaps nothing. Where nothing at all is on
time its detections have no value (NaN), and here they are worth 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.importers.batches import TIMERS, Floats, read_times
from tailmark.importers.graded import Graded
from tailmark.importers.imported import Imported, check_size, write_run
from tailmark.importers.tasks import TASKS, choose_task, task_named
from tailmark.records.model import NONE, Int64s, Round, Run, Status

_TIMES = "All_Times.pickle"
_RESULTS = ("result.json", "result.pkl", "result.pickle")
_REFERENCES = ("golden.json", "golden.pkl", "golden.pickle")


def import_tail_quality(
    directory: str | Path | None = None,
    *,
    out: str | Path,
    times: str | Path | None = None,
    results: str | Path | None = None,
    references: str | Path | None = None,
    task: str | None = None,
) -> Run:
    """Turn result files of the published tail-quality code into a run.

    Args:
        directory: Where its files lie under their usual names: ``All_Times.pickle``,
            ``result.json`` or ``.pkl``, ``golden.json`` or ``.pkl``. A file that is named is taken
            instead.
        out: The run directory; made, and not left behind on an error.
        times: The seconds of every batch in every round.
        results: The answers, by batch; without them each batch counts as one sample.
        references: What is right, by batch; of ``detr`` COCO's annotations, of ``hybridnets``
            nothing.
        task: ``mobilenet``, ``emotion-flow``, ``vicuna``, ``detr``, ``lightgcn`` or ``hybridnets``;
            by default as the directory is named (``MobileNet_PyTorch``).

    Returns:
        The run, graded as published where nobody names another metric. Its latency is ``total``;
        ``inference`` is kept as a stage.

    Raises:
        InputError: A file cannot be read, is not what it should be, or does not fit the others.
        StoreError: The run directory cannot be written.
    """
    files = _Files(
        times=Path(times) if times else None,
        results=Path(results) if results else None,
        references=Path(references) if references else None,
        task=task,
    )
    if directory is not None:
        files = files.completed(Path(directory))
    if files.times is None:
        raise InputError(f"no times are given: give --times FILE, or the directory with {_TIMES}")
    ids, seconds = read_times(files.times)
    sizes, graded = _samples(files, ids)
    count = len(next(iter(seconds.values())))
    whole = sum(sizes.values())
    check_size(whole, count * whole, repr(str(files.times)))
    by_batch = (
        f"{batch}.{item}" if sizes[batch] > 1 else str(batch)
        for batch in ids
        for item in range(sizes[batch])
    )
    batch_of = np.repeat(np.arange(len(ids)), [sizes[batch] for batch in ids])
    spent = {timer: np.rint(values * 1e9).astype(np.int64) for timer, values in seconds.items()}
    found = Imported(
        source="tail-quality",
        files=tuple(file for file in (files.times, files.results, files.references) if file),
        ids=(graded.ids if graded else None) or tuple(by_batch),
        references=graded.references if graded else None,
        answers=graded.outputs if graded else None,
        metrics=graded.metrics if graded else (),
        names=graded.names if graded else None,
        count=count,
        rounds=lambda: _rounds(spent, batch_of, answered=graded is not None),
        timed="total" if "total" in spent else "inference",
        workload={"task": files.task, "order": "fixed", "batches": len(ids)},
        scenario="single-stream",
        warnings=(*_doubts(files, seconds), *(graded.notes if graded else ())),
    )
    return write_run(found, out)


@dataclass(frozen=True, kw_only=True)
class _Files:
    """What is imported, and what it is of."""

    times: Path | None
    results: Path | None
    references: Path | None
    task: str | None

    def completed(self, folder: Path) -> "_Files":
        """With what a directory holds under its usual names."""
        if not folder.is_dir():
            raise InputError(f"{str(folder)!r} is no directory: give one, or --times FILE")

        def first(names: Sequence[str]) -> Path | None:
            return next((folder / name for name in names if (folder / name).exists()), None)

        here = folder.resolve()
        return replace(
            self,
            times=self.times or folder / _TIMES,
            results=self.results or first(_RESULTS),
            references=self.references or first(_REFERENCES),
            # The published scripts write to MODEL_FRAMEWORK, or to a folder in it.
            task=self.task or task_named(here.name) or task_named(here.parent.name),
        )


def _samples(files: _Files, ids: Sequence[int]) -> tuple[Mapping[int, int], Graded | None]:
    """How many samples each batch has, and what their answers say where they are given."""
    if files.task is None and (files.results or files.references):
        raise InputError(
            f"results are given and their task is not: give --task, one of {', '.join(TASKS)}"
        )
    task = None if files.task is None else choose_task(files.task)
    if files.results is None or task is None:
        if files.references:
            raise InputError("references are given without results, so there is nothing to grade")
        return dict.fromkeys(ids, 1), None
    answered = task.results(files.results, ids)
    sizes = {batch: len(items) for batch, items in answered.items()}
    if not any(sizes.values()):
        raise InputError(f"{str(files.results)!r} holds no answer: give the file of a whole pass")
    if files.references and task.references:
        return sizes, task.grade(answered, task.references(files.references, answered))
    return sizes, task.grade(answered, None)


def _doubts(files: _Files, seconds: Mapping[str, Floats]) -> list[str]:
    said = []
    if files.results is None:
        said.append("no results are given, so each batch counts as one sample")
    if files.references and files.task and choose_task(files.task).references is None:
        said.append(
            f"{files.references.name!r} is not read: what is right stands in the results of "
            f"{files.task!r}"
        )
    if len(seconds) < len(TIMERS):
        said.append(f"only {next(iter(seconds))!r} was timed")
    elif shorter := int((seconds["total"] < seconds["inference"]).sum()):
        said.append(f"{shorter} batches took less time in total than in inference alone")
    return said


def _rounds(
    spent: Mapping[str, Int64s], batch_of: npt.NDArray[np.int64], *, answered: bool
) -> Iterator[Round]:
    """The rounds: batches one after another, each row with its batch's times."""
    rows = len(batch_of)
    sample = np.arange(rows, dtype=np.int32)
    inference = spent.get("inference")
    for index, took in enumerate(spent.get("total", next(iter(spent.values())))):
        ended = np.cumsum(took)
        began = (ended - took)[batch_of]
        yield Round(
            index=index,
            facts={"order": "fixed", "duration_ns": int(ended[-1])},
            query=batch_of,
            sample=sample,
            scheduled_ns=began,
            issued_ns=began,
            completed_ns=ended[batch_of],
            status=np.full(rows, Status.ok, dtype=np.int8),
            output_id=sample if answered else np.full(rows, NONE, dtype=np.int32),
            # Beside a total only: alone it is the latency itself.
            inference_ns=inference[index][batch_of]
            if inference is not None and "total" in spent
            else None,
        )
