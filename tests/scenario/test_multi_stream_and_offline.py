"""Queries of several samples: eight at a time in a closed loop, or everything at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tailmark
from tailmark.errors import InputError


@given(st.integers(1, 100), st.integers(1, 20), st.none() | st.integers(1, 30))
def test_a_multi_stream_query_holds_neighbours_and_waits_for_its_slowest(
    samples: int, per_query: int, queries: int | None
) -> None:
    """Every sample once, the last query with what is left; or so many queries, each full."""
    scenario = tailmark.MultiStream(samples_per_query=per_query, queries=queries)
    made = scenario.schedule(samples, order="fixed", seed=0, index=0)
    rows = samples if queries is None else queries * per_query
    assert made.sample.tolist() == [k % samples for k in range(rows)]
    assert made.per_query == per_query
    assert made.queries == (queries or -(-samples // per_query))
    assert made.together
    assert made.due_ns is None


@given(st.integers(1, 100), st.none() | st.integers(1, 300))
def test_offline_is_one_query_at_the_start(samples: int, asked: int | None) -> None:
    """Each of its samples counts from when its own answer is there."""
    made = tailmark.Offline(samples=asked).schedule(samples, order="fixed", seed=0, index=0)
    assert len(made) == (asked or samples)
    assert made.queries == 1
    assert made.due_ns is not None
    assert made.due_ns.tolist() == [0]
    assert not made.together


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tailmark.MultiStream(samples_per_query=0), "scenario.samples_per_query is 0: "),
        (lambda: tailmark.MultiStream(queries=0), "scenario.queries is 0: "),
        (lambda: tailmark.MultiStream(queries=10**8), "queries × samples_per_query is 800000000: "),
        (lambda: tailmark.Offline(samples=0), "scenario.samples is 0: give 1 or more"),
    ],
)
def test_queries_of_nothing_are_refused(make: object, says: str) -> None:
    """In one sentence that names the setting."""
    assert callable(make)
    with pytest.raises(InputError, match=says):
        make()
