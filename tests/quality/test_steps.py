"""A round's quality as a step function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailmark.quality.steps import Steps
from tailmark.records.model import NEVER

_EVENTS = st.lists(
    st.tuples(st.one_of(st.just(NEVER), st.integers(0, 5)), st.sampled_from([-1.0, 0.0, 0.5, 1.0])),
    max_size=8,
)


@settings(max_examples=200)
@given(events=_EVENTS, over=st.integers(1, 9))
def test_the_value_is_the_sum_of_gains_so_far(events: list[tuple[int, float]], over: int) -> None:
    """At every moment it is all that was gained by then, divided once; `NEVER` never counts."""
    at = np.array([moment for moment, _ in events], dtype=np.int64)
    gains = np.array([gain for _, gain in events])
    steps = Steps.rising(at, gains, over)
    for moment in (*range(7), NEVER):
        gained = sum(gain for when, gain in events if when <= moment and when != NEVER)
        assert steps.at(np.array([moment]))[0] == pytest.approx(gained / over, abs=1e-12)
    counted = Steps.rising(at, None, over)
    for moment in (*range(7), NEVER):
        assert (
            counted.at(np.array([moment]))[0]
            == sum(when <= moment and when != NEVER for when, _ in events) / over
        )


def test_nothing_ever_gained_is_zero() -> None:
    """Without events the value is 0 at every moment."""
    nothing = np.array([], dtype=np.int64)
    assert Steps.rising(nothing, None, 5).at(np.array([0, 9])).tolist() == [0.0, 0.0]
