"""Where answers come among deadlines, and what is remembered of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tailmark.quality.counted import slots
from tailmark.quality.remembered import Latest, Remembered
from tailmark.records.model import Int32s, Int64s
from tailmark.records.ragged import Ragged

TIMES = st.integers(0, 9) | st.sampled_from([-1, 2**40, 2**61, 2**62, 2**63 - 2])


@given(at=st.lists(TIMES), deadlines=st.lists(TIMES))
def test_an_answer_is_there_from_the_first_deadline_on(at: list[int], deadlines: list[int]) -> None:
    """However long it took; of equal deadlines the first."""
    ascending = np.array(sorted(deadlines), dtype=np.int64)
    given_at = np.array(at, dtype=np.int64)
    found = slots(given_at, ascending)
    np.testing.assert_array_equal(found, np.searchsorted(ascending, given_at))


PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6)


@given(several=st.lists(PAIRS, max_size=4))
def test_each_pair_is_asked_of_once(several: list[list[tuple[int, int]]]) -> None:
    """And is answered as if it were asked of each time, in columns of both kinds."""
    asked: list[tuple[int, int]] = []

    def product(samples: Int32s, outputs: Int32s) -> Int64s:
        asked.extend(zip(samples.tolist(), outputs.tolist(), strict=True))
        return samples.astype(np.int64) * outputs

    def repeated(samples: Int32s, outputs: Int32s) -> Ragged:
        pairs = zip(samples.tolist(), outputs.tolist(), strict=True)
        return Ragged.of(([s] * o for s, o in pairs), np.int64)

    numbers, rows = Remembered(product), Remembered(repeated)
    for pairs in several:
        samples, outputs = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
        assert numbers(samples, outputs).tolist() == [s * o for s, o in pairs]
        assert [row.tolist() for row in rows(samples, outputs)] == [[s] * o for s, o in pairs]
    assert sorted(asked) == sorted({pair for pairs in several for pair in pairs})


def test_what_was_asked_last_is_not_asked_again() -> None:
    """Unless the rows are others, be it in the very array that was asked of."""
    asked = []

    def total(rows: Int64s) -> int:
        asked.append(rows.tolist())
        return int(rows.sum())

    latest, rows = Latest(total), np.array([1, 2])
    assert [latest(rows), latest(rows.copy())] == [3, 3]
    rows[0] = 5
    assert latest(rows) == 7
    assert latest(rows[:1]) == 5
    assert asked == [[1, 2], [5, 2], [5]]
