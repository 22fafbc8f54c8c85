"""Whatever waits to be read, every answer ends in its own row."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.drive.closed_loop import issue
from tailmark.drive.recording import Recording
from tailmark.records.model import Status
from tailmark.testing import VirtualClock

KINDS = st.sampled_from(["fine", "raises", "unreadable"])


@given(st.lists(KINDS, min_size=1, max_size=40), st.integers(1, 17))
def test_each_row_has_its_own_answer_or_its_own_failure(kinds: list[str], hold: int) -> None:
    """However many outputs wait to be decoded together."""
    clock = VirtualClock()

    def predict(sample: int) -> int:
        clock.advance(sample + 1)
        if kinds[sample] == "raises":
            raise OSError("down")
        return sample

    def decode(sample: int, asked: int) -> int:
        assert sample == asked
        clock.advance(1000)  # outside the clock
        if kinds[sample] == "unreadable":
            raise ValueError("NaN")
        return sample

    rows = len(kinds)
    order = np.arange(rows, dtype=np.int32)[::-1].copy()
    recording = Recording(rows)
    issue(
        order, range(rows), predict, recording, clock.now_ns, decode, lambda s: s + 100, hold=hold
    )
    spent = recording.column("completed") - recording.column("issued")
    assert spent.tolist() == (order + 1).tolist()
    for row, sample in enumerate(order):
        fine = kinds[sample] == "fine"
        assert recording.status[row] == (Status.ok if fine else Status.failed)
        assert recording.output_id[row] == (sample + 100 if fine else -1)
    counted = Counter({"OSError: down": kinds.count("raises")})
    counted["ValueError: NaN"] = kinds.count("unreadable")
    assert recording.failures == +counted
    assert recording.position() is None


@pytest.mark.parametrize("hold", [1, 4])
def test_ctrl_c_is_the_users_and_not_the_systems(hold: int) -> None:
    """It ends the loop; the rows before it are complete."""

    def predict(sample: int) -> int:
        if sample == 5:
            raise KeyboardInterrupt
        return sample

    recording = Recording(8)
    clock = VirtualClock()
    with pytest.raises(KeyboardInterrupt):
        issue(
            np.arange(8, dtype=np.int32),
            range(8),
            predict,
            recording,
            clock.now_ns,
            lambda output, _: output,
            lambda output: output,
            hold=hold,
        )
    assert recording.position() == 5
    assert not recording.failures


def test_a_null_query_keeps_nothing() -> None:
    """Without a decoder there are only times."""
    recording = Recording(3)
    clock = VirtualClock()
    nothing: Any = [None]
    issue(np.zeros(3, np.int32), nothing, lambda _: None, recording, clock.now_ns)
    assert list(recording.output_id) == [-1, -1, -1]
    assert recording.position() is None
