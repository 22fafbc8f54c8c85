"""Law: quality does not depend on the unit of time."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.oracle import DEADLINES, POLICIES, Game, games, scaled
from tailmark import quality_at_deadlines
from tailmark.quality.topk import TopK
from tailmark.records.model import NEVER, Int64s


def _graded(game: Game, policy: str, scale: int) -> Any:
    def longer(latency: Int64s) -> Int64s:
        return np.where(latency == NEVER, NEVER, np.where(latency == NEVER, 0, latency) * scale)

    return quality_at_deadlines(
        longer(game.array()),
        game.outputs,
        game.references,
        metric=TopK(game.k),
        deadlines_ns=np.array(DEADLINES) * scale,
        on_late=scaled(policy, scale),
        issue_order=game.order,
        fallback=(longer(game.array(game.other[0])), game.other[1]),
    )


@settings(max_examples=150)
@given(game=games(), policy=st.sampled_from(list(POLICIES)), scale=st.integers(1, 10**9))
def test_scaling_times_and_deadlines_changes_nothing(game: Game, policy: str, scale: int) -> None:
    """Latencies, deadlines and fades in seconds, milliseconds or hours give the same quality."""
    np.testing.assert_array_equal(_graded(game, policy, scale), _graded(game, policy, 1))


@settings(max_examples=100)
@given(data=st.data())
def test_a_fraction_of_a_nanosecond_is_not_lost(data: st.DataObject) -> None:
    """A latency between two whole nanoseconds is late at the lower and on time at the upper."""
    latency = data.draw(st.floats(0, 2**40, allow_nan=False))
    lower, upper = int(np.floor(latency)), int(np.ceil(latency))
    found = quality_at_deadlines([[latency]], [1], [1], deadlines_ns=[lower, upper])
    assert found.tolist() == [[float(lower == latency), 1.0]]
