"""A queue of the newest sheds what no worker will take, and loses nothing."""

from queue import Empty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.drive.newest_queue import NewestQueue


@given(most=st.integers(1, 4), bursts=st.lists(st.integers(0, 9), max_size=8))
def test_what_is_put_is_taken_or_shed(most: int, bursts: list[int]) -> None:
    """Of each burst the last few, in their order; those before them are shed, in theirs."""
    shed: list[int] = []
    queue = NewestQueue(most, shed.append)
    for burst in bursts:
        rows = list(range(burst))
        for row in rows:
            queue.put(row)
        kept = rows[-most:]
        assert [queue.get() for _ in kept] == kept
        assert shed == rows[: burst - len(kept)]
        shed.clear()
        with pytest.raises(Empty):
            queue.get_nowait()


def test_the_end_comes_after_all_rows_and_is_never_shed() -> None:
    """One for each worker."""
    shed: list[int] = []
    queue = NewestQueue(1, shed.append)
    for row in (None, 1, None, 2):
        queue.put(row)
    assert [queue.get(), queue.get(), queue.get()] == [2, None, None]
    assert shed == [1]
