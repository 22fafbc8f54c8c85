"""Whatever happens in whatever order, LoadGen gets exactly one response to each question."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tailmark.drive.loadgen.desk import Desk, Held
from tailmark.drive.loadgen.ledger import Ledger, answer_bytes
from tailmark.drive.service import Opened, Service
from tailmark.drive.watchdog import OverdueError
from tailmark.records.model import NONE, Status

SAMPLES = 5


class Model:
    """Answers each sample's own number; sample 3 raises, sample 4 outlives its timeout."""

    fresh = True

    def predict(self, batch: Any) -> Any:
        """See `Predictor.predict`."""
        values = np.asarray(batch).reshape(-1)
        if 3 in values:
            raise ValueError("no such layer")
        if 4 in values:
            raise OverdueError
        return values[:, None]

    def check(self, batch: Any) -> None:
        """Anything fits."""

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {}


def decode(raw: Any, _sample: int) -> tuple[Any, ...]:
    """The number itself; what is 2 cannot be read."""
    if int(raw[0, 0]) == 2:
        raise ValueError("unreadable")
    return (raw[0].astype(np.int32),)


def desk_of(responses: list[tuple[int, bytes]], *, with_data: bool) -> Desk:
    """A desk whose LoadGen writes down what it is told."""
    import ctypes

    def respond(given: Sequence[tuple[int, int, int]]) -> None:
        responses.extend(
            (one, ctypes.string_at(address, size) if size else b"") for one, address, size in given
        )

    service = Service(
        predictor=Model(),
        inputs=[np.array([i]) for i in range(SAMPLES)],
        prepare=lambda raw: raw,
        decode=decode,
        hold=4,
        output_bytes=8,
        opened=Opened(system={}, warnings=(), open_ns=0, first_query_ns=0),
    )
    return Desk(
        service,
        "inference",
        Ledger(("labels",)),
        respond,
        with_data=with_data,
        timeout_ns=10**9,
    )


@given(
    samples=st.lists(st.integers(0, SAMPLES - 1), min_size=1, max_size=20),
    data=st.data(),
    with_data=st.booleans(),
)
def test_each_question_has_one_response(
    samples: list[int], data: st.DataObject, with_data: bool
) -> None:
    """Served, served again, given up before or after: the first counts, and its row says so."""
    responses: list[tuple[int, bytes]] = []
    desk = desk_of(responses, with_data=with_data)
    held: Held = deque()
    rows = desk.take([1000 + i for i in range(len(samples))], samples)
    given_up: dict[int, bool] = {}
    for row in data.draw(st.lists(st.sampled_from(rows), max_size=30)):
        if data.draw(st.booleans()):
            given_up.setdefault(row, True)
            desk.refuse((row,), "given up", Status.timed_out)
        else:
            given_up.setdefault(row, False)
            desk.serve((row,), desk.service.predictor.predict, held)
    for row in rows:
        given_up.setdefault(row, False)
        desk.serve((row,), desk.service.predictor.predict, held)
    desk.settle(held)

    assert Counter(one for one, _ in responses) == Counter(1000 + i for i in range(len(samples)))
    assert len(desk) == 0
    account = desk.ledger.close()
    told = {one - 1000: data for one, data in responses}
    for row, sample in enumerate(samples):
        failed = {2: Status.failed, 3: Status.failed, 4: Status.timed_out}
        expected = Status.timed_out if given_up[row] else failed.get(sample, Status.ok)
        assert account.status[row] == expected
        if expected == Status.ok:
            answer = account.outputs["labels"][account.output_id[row]]
            assert answer.tolist() == [sample]
            assert told[row] == (answer_bytes((answer,)) if with_data else b"")
        else:
            assert account.output_id[row] == NONE
            assert told[row] == b""


def test_a_batch_of_which_some_were_given_up_answers_the_others() -> None:
    """With their own outputs."""
    responses: list[tuple[int, bytes]] = []
    desk = desk_of(responses, with_data=False)
    held: Held = deque()
    rows = desk.take([10, 11, 12], [0, 1, 0])
    desk.refuse((rows[1],), "given up", Status.timed_out)
    desk.serve(rows, desk.service.predictor.predict, held)
    desk.settle(held)
    account = desk.ledger.close()
    assert [one for one, _ in responses] == [11, 10, 12]
    assert account.status.tolist() == [Status.ok, Status.timed_out, Status.ok]
    assert account.outputs["labels"][account.output_id[[0, 2]], 0].tolist() == [0, 0]


def test_an_answer_that_is_no_label_is_told_as_it_lies_in_memory() -> None:
    """Labels are eight bytes, little-endian."""
    assert answer_bytes((np.array([258, 3], dtype=np.int32),)) == bytes([2, 1, 0, 0, 0, 0, 0, 0])
    assert answer_bytes((np.array([-1], dtype=np.int32),)) == b"\xff" * 8
    boxes = np.array([0.5, 1.0], dtype=np.float32)
    assert answer_bytes((boxes, np.array([7], dtype=np.int8))) == boxes.tobytes() + b"\x07"
