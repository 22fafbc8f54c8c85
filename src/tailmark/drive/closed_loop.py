"""The hot path: one query after another, each issued when the last completed.

Between two queries stands only what the next one needs, and nothing is allocated that stays.
Unless decoding itself is timed, outputs are decoded after their completion is stamped, and many at
a time: what decoding leaves in the caches slows the query after it, so those are made few.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tailmark.drive.isolated import IsolatedService, Outcome
from tailmark.drive.recording import Recording
from tailmark.drive.service import Service
from tailmark.drive.watchdog import STOPS
from tailmark.records.model import Int32s

Number = Callable[[Any], int]
"""Turns a decoded answer into the number it is stored under."""


def issue(
    order: Int32s,
    inputs: Sequence[Any],
    predict: Callable[[Any], Any],
    recording: Recording,
    now: Callable[[], int],
    decode: Callable[[Any], Any] | None = None,
    number: Number | None = None,
    hold: int = 1,
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
        hold: How many outputs may wait to be decoded.
    """
    issued, completed = recording.issued, recording.completed
    keep = decode is not None and number is not None
    held: list[tuple[int, Any]] = []

    def settle() -> None:
        for row, output in held:
            try:
                recording.output_id[row] = number(decode(output))  # type: ignore[misc]
            except Exception as cause:  # noqa: BLE001 - a plug-in's decoder may raise anything
                recording.fail(row, cause)
        held.clear()

    for row, sample in enumerate(order.data):
        one = inputs[sample]
        began = now()
        try:
            output = predict(one)
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            ended = now()
            recording.fail(row, cause)
        else:
            ended = now()
            if keep:
                held.append((row, output))
                if len(held) >= hold:
                    settle()
        issued[row] = began
        completed[row] = ended
    settle()


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
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
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
