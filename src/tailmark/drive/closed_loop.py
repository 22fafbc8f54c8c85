"""The hot path: one query after another, each issued when the last completed.

Between two queries stands only what the next one needs; nothing is allocated that stays, so a
query costs 21 bytes (45 with stages) however many there are. The answer is decoded after the
completion is stamped, unless decoding itself is timed.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.drive.isolated import IsolatedService, Outcome
from tailmark.drive.service import Service, describe_failure
from tailmark.records.model import NONE, Int32s, Status

_FAILED = int(Status.failed)
_DISTINCT_FAILURES = 100

Number = Callable[[Any], int]
"""Turns a decoded answer into the number it is stored under."""


class Recording:
    """One round as it happens: preallocated columns, in nanoseconds of the clock."""

    def __init__(self, rows: int, *, stages: bool = False) -> None:
        self.issued = array("q", bytes(8 * rows))
        self.completed = array("q", bytes(8 * rows))
        self.status = bytearray(rows)
        self.output_id = array("i", [NONE]) * rows
        self.stages = tuple(array("q", bytes(8 * rows)) for _ in range(3 if stages else 0))
        self.failures: Counter[str] = Counter()

    def fail(self, row: int, cause: BaseException | str, status: int = _FAILED) -> None:
        """Note that a row has no answer, and why."""
        self.status[row] = status
        text = cause if isinstance(cause, str) else describe_failure(cause)
        if text in self.failures or len(self.failures) < _DISTINCT_FAILURES:
            self.failures[text] += 1

    def position(self) -> int:
        """The row in progress: rows before it have completed. Safe to ask from another thread."""
        return bisect_left(range(len(self.completed)), True, key=lambda i: not self.completed[i])

    def column(self, name: str) -> npt.NDArray[np.int64]:
        """A column of moments as an array (no copy)."""
        return np.frombuffer(getattr(self, name), dtype=np.int64)


def issue(
    order: Int32s,
    inputs: Sequence[Any],
    predict: Callable[[Any], Any],
    recording: Recording,
    now: Callable[[], int],
    decode: Callable[[Any], Any] | None = None,
    number: Number | None = None,
) -> None:
    """Time the calls of ``predict`` alone.

    Args:
        order: Samples in the order they are sent.
        inputs: By sample, what ``predict`` takes.
        predict: The system.
        recording: Filled row by row.
        now: The clock.
        decode: Reads an output, outside the clock; None keeps no outputs.
        number: Stores an answer.
    """
    issued, completed, output_id = recording.issued, recording.completed, recording.output_id
    keep = decode is not None and number is not None
    for row, sample in enumerate(order.data):
        one = inputs[sample]
        began = now()
        try:
            output = predict(one)
        except (Exception, SystemExit) as cause:  # noqa: BLE001 - the system may raise anything
            ended = now()
            recording.fail(row, cause)
        else:
            ended = now()
            if keep:
                try:
                    output_id[row] = number(decode(output))  # type: ignore[misc]
                except Exception as cause:  # noqa: BLE001 - so may a plug-in's decoder
                    recording.fail(row, cause)
        issued[row] = began
        completed[row] = ended


def issue_staged(
    order: Int32s, service: Service, recording: Recording, now: Callable[[], int], number: Number
) -> None:
    """Time preprocessing, inference and postprocessing, each and together."""
    inputs, prepare, decode = service.inputs, service.prepare, service.decode
    predict = service.predictor.predict
    preprocess, inference, postprocess = recording.stages
    for row, sample in enumerate(order.data):
        one = inputs[sample]
        began = prepared = inferred = now()
        answer = None
        try:
            batch = prepare(one)
            prepared = inferred = now()
            output = predict(batch)
            inferred = now()
            answer = decode(output)
        except (Exception, SystemExit) as cause:  # noqa: BLE001 - the system may raise anything
            recording.fail(row, cause)
        ended = now()
        if answer is not None:
            recording.output_id[row] = number(answer)
        preprocess[row] = prepared - began
        inference[row] = inferred - prepared
        postprocess[row] = ended - inferred
        recording.issued[row] = began
        recording.completed[row] = ended


def issue_isolated(
    order: Int32s,
    service: IsolatedService,
    recording: Recording,
    now: Callable[[], int],
    number: Number,
) -> None:
    """Time the calls of a service in another process, the hop included."""
    stages = recording.stages
    for row, sample in enumerate(order.data):
        began = now()
        outcome = service.ask(sample)
        ended = now()
        if not isinstance(outcome, Outcome):
            for column, name in zip(
                stages, ("preprocess", "inference", "postprocess"), strict=True
            ):
                column[row] = getattr(outcome, f"{name}_ns")
            if outcome.answer is not None:
                recording.output_id[row] = number(outcome.answer)
            else:
                recording.fail(row, outcome.failure or "failed")
        else:
            recording.fail(row, outcome.what, outcome.status)
            service.restart()
        recording.issued[row] = began
        recording.completed[row] = ended
