"""What a worker does with a batch: stamp, call, stamp. One closure for each place a service can be.

Each row gets the batch's moments. What the system raises becomes failed rows; nothing is decoded
here unless decoding itself is timed.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tailmark.drive.backlog import Backlog, Number
from tailmark.drive.isolated import IsolatedService, Outcome
from tailmark.drive.recording import Recording
from tailmark.drive.service import Service, Timed
from tailmark.drive.watchdog import STOPS
from tailmark.records.model import Int32s
from tailmark.system.base import joined, split

Serve = Callable[[Sequence[int]], None]
"""Answers a batch of rows, and stamps them."""


def server(
    service: Service | IsolatedService,
    timed: Timed,
    order: Int32s,
    recording: Recording,
    now: Callable[[], int],
    backlog: Backlog | None,
    number: Number,
) -> Serve:
    """How this service's batches are answered.

    Args:
        service: What answers.
        timed: Whether the clock holds inference alone.
        order: The sample of each row.
        recording: Filled.
        now: The clock.
        backlog: Where outputs wait to be decoded; only an untimed decoder needs one.
        number: Stores an answer that is decoded already; must be safe for the caller's threads.
    """
    if isinstance(service, IsolatedService):
        return _isolated(service, order, recording, now, number)
    if timed == "total":
        return _staged(service, order, recording, now, number)
    if backlog is None:
        raise ValueError("outputs that are decoded untimed need a backlog")
    return _inferring(service, order, recording, now, backlog)


def _stamp(recording: Recording, rows: Sequence[int], began: int, ended: int) -> None:
    started, completed = recording.started, recording.completed
    for row in rows:
        if started is not None:
            started[row] = began
        completed[row] = ended


def _inferring(  # noqa: C901 - two closures of one frame: a call between them costs every query
    service: Service,
    order: Int32s,
    recording: Recording,
    now: Callable[[], int],
    backlog: Backlog,
) -> Serve:
    inputs, predict, samples = service.inputs, service.predictor.predict, order.data
    started, completed, append = recording.started, recording.completed, backlog.append
    at_once = not service.predictor.fresh

    def fail(rows: Sequence[int], began: int, cause: BaseException) -> None:
        _stamp(recording, rows, began, now())
        for row in rows:
            recording.fail(row, cause)

    def serve_one(rows: Sequence[int]) -> None:
        row = rows[0]
        one = inputs[samples[row]]
        began = now()
        try:
            output: Any = predict(one)
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            fail(rows, began, cause)
        else:
            completed[row] = now()
            if started is not None:
                started[row] = began
            append((row, output))
            if at_once:
                backlog.settle()

    def serve(rows: Sequence[int]) -> None:
        if len(rows) == 1:
            serve_one(rows)
            return
        began = now()
        try:
            output: Any = predict(joined([inputs[samples[row]] for row in rows]))
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            fail(rows, began, cause)
        else:
            _stamp(recording, rows, began, now())
            append((rows, output))
            if at_once:
                backlog.settle()

    return serve


def _staged(
    service: Service,
    order: Int32s,
    recording: Recording,
    now: Callable[[], int],
    number: Number,
) -> Serve:
    predict, decode = service.predictor.predict, service.decode
    preprocess, inference, postprocess = recording.stages

    def serve(rows: Sequence[int]) -> None:
        samples = [order[row] for row in rows]
        answers: list[Any] = []
        began = prepared = inferred = now()
        try:
            batch = service.prepared(samples, "total")
            prepared = inferred = now()
            output = predict(batch)
            inferred = now()
            answers = list(map(decode, split(output, len(rows)), samples))
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            for row in rows:
                recording.fail(row, cause)
        ended = now()
        _stamp(recording, rows, began, ended)
        for row in rows:
            preprocess[row] = prepared - began
            inference[row] = inferred - prepared
            postprocess[row] = ended - inferred
        for row, answer in zip(rows, answers, strict=False):
            recording.output_id[row] = number(answer)

    return serve


def _isolated(
    service: IsolatedService,
    order: Int32s,
    recording: Recording,
    now: Callable[[], int],
    number: Number,
) -> Serve:
    preprocess, inference, postprocess = recording.stages

    def serve(rows: Sequence[int]) -> None:
        began = now()
        outcome = service.ask([int(order[row]) for row in rows])
        _stamp(recording, rows, began, now())
        if isinstance(outcome, Outcome):
            for row in rows:
                recording.fail(row, outcome.what, outcome.status)
            service.restart()
            return
        for place, row in enumerate(rows):
            preprocess[row] = outcome.preprocess_ns
            inference[row] = outcome.inference_ns
            postprocess[row] = outcome.postprocess_ns
            if outcome.failure is None:
                recording.output_id[row] = number(outcome.answers[place])
            else:
                recording.fail(row, outcome.failure)

    return serve
