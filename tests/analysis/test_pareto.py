"""Nothing beats what is on the front, and what is beaten for sure is not there."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.analysis.pareto import pareto_front
from tailmark.stats.estimate import Estimate

PLACES = st.tuples(st.integers(0, 3), st.integers(0, 3))
HALVES = st.tuples(st.integers(0, 2), st.integers(0, 2))


def around(value: float, half: float | None = 0.0) -> Estimate:
    """A value and an interval to both sides; None for no interval."""
    if half is None:
        return Estimate(value=value)
    return Estimate(value=value, low=value - half, high=value + half)


@given(points=st.lists(st.tuples(PLACES, HALVES), min_size=1, max_size=6))
def test_the_front_is_what_every_pair_says(
    points: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    """By values, and by every place in the intervals: surely is everywhere, maybe is somewhere."""
    quality = {str(k): around(q, half) for k, ((q, _), (half, _)) in enumerate(points)}
    time = {str(k): around(t, half) for k, ((_, t), (_, half)) in enumerate(points)}
    found = pareto_front(quality=quality, time=time)

    def beats(k: int, other: int, *, sign: int) -> bool:
        """With the ends that are worst for k (-1), best for it (1), or neither."""
        (q, t), (dq, dt) = points[k]
        (q2, t2), (dq2, dt2) = points[other]
        one, two = (q + sign * dq, t - sign * dt), (q2 - sign * dq2, t2 + sign * dt2)
        return one[0] >= two[0] and one[1] <= two[1] and one != two

    every = range(len(points))
    best = {str(k) for k in every if not any(beats(j, k, sign=0) for j in every if j != k)}
    assert set(found.best) == best
    assert best, "something is never beaten"
    sure = {str(k): tuple(str(j) for j in every if j != k and beats(j, k, sign=-1)) for k in every}
    assert dict(found.beaten) == {k: by for k, by in sure.items() if by}
    maybe = {str(k) for k in every if any(beats(j, k, sign=1) for j in every if j != k)}
    assert set(found.beaten_maybe) == maybe - set(found.beaten)
    assert not best & set(found.beaten)
    assert set(found.best) | set(found.beaten) | set(found.beaten_maybe) == {str(k) for k in every}


def test_the_front_rises_with_time() -> None:
    """Of the best, the slower is the better one; names go by time."""
    quality = {"slow": around(0.9), "fast": around(0.7), "beaten": around(0.6)}
    time = {"slow": around(9.0), "fast": around(2.0), "beaten": around(3.0)}
    found = pareto_front(quality=quality, time=time)
    assert found.best == ("fast", "slow")
    assert dict(found.beaten) == {"beaten": ("fast",)}
    assert found.beaten_maybe == ()
    assert [point.name for point in found.points] == ["slow", "fast", "beaten"]


def test_equal_quality_known_exactly_leaves_time_to_decide() -> None:
    """Where all is on time and answers are the same, the faster one beats the slower for sure."""
    quality = {"a": around(0.95), "b": around(0.95)}
    found = pareto_front(quality=quality, time={"a": around(2.0, 0.1), "b": around(3.0, 0.1)})
    assert (found.best, dict(found.beaten), found.beaten_maybe) == (("a",), {"b": ("a",)}, ())
    close = pareto_front(quality=quality, time={"a": around(2.0, 0.6), "b": around(3.0, 0.6)})
    assert (close.best, dict(close.beaten), close.beaten_maybe) == (("a",), {}, ("a", "b"))


def test_two_that_are_the_same_are_both_on_the_front() -> None:
    """Neither beats the other."""
    same = {"a": around(1.0), "b": around(1.0)}
    found = pareto_front(quality=same, time=same)
    assert found.best == ("a", "b")
    assert found.beaten_maybe == ()


@pytest.mark.parametrize("missing", list(itertools.product([True, False], repeat=2)))
def test_without_an_interval_nothing_is_sure(missing: tuple[bool, bool]) -> None:
    """And what has no value, or no time, is no point."""
    halves = [None if gone else 0.0 for gone in missing]
    quality = {"a": around(0.9), "b": around(0.1, halves[0]), "c": Estimate(value=None)}
    time = {"a": around(1.0), "b": around(5.0, halves[1]), "c": around(1.0)}
    found = pareto_front(quality={**quality, "d": around(1.0)}, time=time)
    assert [point.name for point in found.points] == ["a", "b"]
    assert found.best == ("a",)
    assert ("b" in found.beaten) is not any(missing)
    assert ("b" in found.beaten_maybe) is any(missing)
    assert found.to_dict()["points"][1]["name"] == "b"
