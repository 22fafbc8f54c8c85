"""The hot path: one query after another, each issued when the last completed.

Between two queries stands only what the next one needs, and nothing is allocated that stays.
Unless decoding itself is timed, outputs are decoded after their completion is stamped, and many at
a time: what decoding leaves in the caches slows the query after it, so those are made few.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tailmark.drive.backlog import Backlog, Number
from tailmark.drive.recording import Recording
from tailmark.drive.serving import Serve
from tailmark.drive.watchdog import STOPS
from tailmark.records.model import Int32s
from tailmark.scenario.base import Schedule


def issue(
    order: Int32s,
    inputs: Sequence[Any],
    predict: Callable[[Any], Any],
    recording: Recording,
    now: Callable[[], int],
    decode: Callable[[Any, int], Any] | None = None,
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
        decode: Reads an output of a sample, outside the clock; None keeps no outputs.
        number: Stores an answer.
        hold: How many outputs may wait to be decoded.
    """
    issued, completed = recording.issued, recording.completed
    keep = decode is not None and number is not None
    held: list[tuple[int, Any]] = []

    def settle() -> None:
        for row, output in held:
            try:
                recording.output_id[row] = number(decode(output, order[row]))  # type: ignore[misc]
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


def issue_queries(
    schedule: Schedule,
    serve: Serve,
    recording: Recording,
    now: Callable[[], int],
    backlog: Backlog | None,
    batch: int = 1,
) -> None:
    """Send query after query, its samples in batches, one after another.

    Args:
        schedule: A closed loop's.
        serve: Answers a batch.
        recording: Filled row by row.
        now: The clock.
        backlog: Settled between queries whenever it is full.
        batch: The most samples answered at once.
    """
    rows, issued, due = len(schedule), recording.issued, recording.due
    for first in range(0, rows, schedule.per_query):
        last = min(first + schedule.per_query, rows)
        began = now()
        for row in range(first, last):
            issued[row] = due[row] = began
        if batch == 1:
            for row in range(first, last):
                serve((row,))
        else:
            for begin in range(first, last, batch):
                serve(range(begin, min(begin + batch, last)))
        if backlog is not None and backlog.full:
            backlog.settle()
    if backlog is not None:
        backlog.settle()
