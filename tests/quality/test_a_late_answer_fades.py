"""Laws: what fades lies between the hard step and no deadline, and becomes the one or the other."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.oracle import DEADLINES, SLOWEST, Game, games
from tailmark import quality_at_deadlines
from tailmark.quality.fading import Decays, Ramps
from tailmark.quality.steps import Steps
from tailmark.quality.topk import TopK
from tailmark.records.model import NEVER

FADING = st.sampled_from(["linear", "exponential"])
FADES = st.integers(1, 20)


def _graded(game: Game, policy: str, *, deadlines: Any = DEADLINES, scale: int = 1) -> Any:
    latency = game.array()
    there = latency != NEVER
    latency[there] *= scale
    return quality_at_deadlines(
        latency,
        game.outputs,
        game.references,
        metric=TopK(game.k),
        deadlines_ns=np.array(deadlines),
        on_late=policy,
    )


@settings(max_examples=60)
@given(game=games(), kind=FADING, fade=FADES)
def test_it_is_worth_no_less_than_under_the_hard_step(game: Game, kind: str, fade: int) -> None:
    """And no more than without a deadline."""
    soft, hard = _graded(game, f"{kind}:{fade}ns"), _graded(game, "fail")
    assert (soft >= hard).all()
    assert (soft <= _graded(game, "fail", deadlines=[NEVER]) + 1e-12).all()


@settings(max_examples=60)
@given(game=games(), kind=FADING, fade=FADES)
def test_it_never_falls_as_the_deadline_or_the_time_to_fade_grows(
    game: Game, kind: str, fade: int
) -> None:
    """More time costs nothing, to the last rounding of an exponential."""
    here = _graded(game, f"{kind}:{fade}ns")
    assert (np.diff(here, axis=1) >= (0 if kind == "linear" else -1e-15)).all()
    assert (_graded(game, f"{kind}:{fade + 1}ns") >= here - 1e-15).all()


@settings(max_examples=60)
@given(game=games())
def test_what_fades_at_once_is_the_hard_step(game: Game) -> None:
    """Where an answer is late by no less than the whole time to fade, or by many times that."""
    np.testing.assert_array_equal(_graded(game, "linear:1ns"), _graded(game, "fail"))
    scale = 10**6
    far = [d * scale for d in DEADLINES]
    soft = _graded(game, "exponential:1ns", deadlines=far, scale=scale)
    np.testing.assert_array_equal(soft, _graded(game, "fail"))


@settings(max_examples=60)
@given(game=games(), kind=FADING)
def test_what_hardly_fades_has_no_deadline(game: Game, kind: str) -> None:
    """Over a year, some nanoseconds cost nothing."""
    slow = _graded(game, f"{kind}:{365 * 24 * 60}min")
    ideal = np.broadcast_to(_graded(game, "fail", deadlines=[NEVER]), slow.shape)
    np.testing.assert_allclose(slow, ideal, rtol=1e-12)


@settings(max_examples=60)
@given(game=games(), fade=FADES)
def test_a_straight_line_is_the_hard_step_averaged(game: Game, fade: int) -> None:
    """Over the deadlines from d on, as many whole nanoseconds as it takes to fade."""
    hard = _graded(game, "fail", deadlines=range(len(DEADLINES) + fade))
    expected = np.stack([hard[:, d : d + fade].mean(axis=1) for d in DEADLINES], axis=1)
    np.testing.assert_allclose(_graded(game, f"linear:{fade}ns"), expected, rtol=1e-13)


@settings(max_examples=60)
@given(game=games())
def test_the_penalty_is_a_product(game: Game) -> None:
    """Quality where late is wrong times the share on time, to the bit."""
    on_time = quality_at_deadlines(
        game.array(), game.references, game.references, deadlines_ns=DEADLINES
    )
    expected = _graded(game, "fail") * on_time
    np.testing.assert_array_equal(_graded(game, "penalty"), expected)


@settings(max_examples=150)
@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.just(NEVER), st.integers(0, SLOWEST), st.integers(0, 10**13)),
            st.floats(0, 1),
        ),
        min_size=1,
        max_size=8,
    ),
    fade=st.sampled_from([1, 3, 1000, 10**9, 10**13]),
    deadline=st.one_of(st.integers(0, SLOWEST), st.integers(0, 10**13)),
)
def test_partial_credit_fades_alike(
    rows: list[tuple[int, float]], fade: int, deadline: int
) -> None:
    """From microseconds to hours in one round, parts of a point are weighed as points are."""
    at = np.array([spent for spent, _ in rows], dtype=np.int64)
    worths = np.array([worth for _, worth in rows])
    late = [None if t == NEVER else max(t - deadline, 0) for t, _ in rows]
    line = [0 if t is None else max(0.0, 1 - t / fade) for t in late]
    curve = [0 if t is None else math.exp(-t / fade) for t in late]
    there = np.array([deadline])
    count = len(rows)
    for kind, weights in ((Ramps, line), (Decays, curve)):
        found = kind.rising(at, worths, count, fade).at(there)[0]
        assert found == pytest.approx(worths @ weights / count, abs=1e-12)


def test_where_nothing_is_on_its_way_nothing_rises() -> None:
    """Tenths do not cancel to the last bit, and three hours later that would be seen."""
    at, worths = np.array([5, 5, 6, 10**13]), np.array([0.1, 0.2, 0.3, 0.4])
    found = Ramps.rising(at, worths, 1, 3).at(np.array([6, 10**12, 10**13 - 3, 10**13]))
    assert found == pytest.approx([0.6, 0.6, 0.6, 1.0], abs=1e-12)


def _hours(rounds: int) -> npt.NDArray[np.int64]:
    random = np.random.default_rng(0)
    return random.integers(0, 5 * 3600 * 10**9, size=(rounds, 1000))


@pytest.mark.parametrize("policy", ["linear:1us", "exponential:1us", "exponential:1ns"])
def test_hours_of_latency_and_microseconds_to_fade_cost_no_digit(policy: str) -> None:
    """Nothing overflows or warns, and each value is that of weighing row by row."""
    latency = _hours(3)
    deadlines = np.sort(latency.ravel())[::100] - 300
    labels = np.zeros(latency.shape[1], dtype=np.int64)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = quality_at_deadlines(
            latency, labels, labels, deadlines_ns=deadlines, on_late=policy
        )
    fade = 1000 if policy.endswith("us") else 1
    late = np.maximum(latency[:, None, :] - deadlines[:, None], 0) / fade
    weights = np.maximum(1 - late, 0) if policy.startswith("linear") else np.exp(-late)
    np.testing.assert_allclose(found, weights.mean(axis=2), rtol=1e-12)


@pytest.mark.parametrize("policy", ["linear:1ns", "linear:150000000min", "exponential:1ns"])
def test_the_longest_times_there_are_fit(policy: str) -> None:
    """Latencies, deadlines and fades up to the largest integer wrap around nowhere."""
    latency = [[0, 5, NEVER - 1, NEVER]]
    found = quality_at_deadlines(
        latency, [1] * 4, [1] * 4, deadlines_ns=[0, 5, NEVER - 1, NEVER], on_late=policy
    )
    hard = [0.25, 0.5, 0.75, 0.75]
    if policy == "linear:150000000min":
        assert found[0, 2:].tolist() == hard[2:]
        assert (found[0, :2] >= hard[:2]).all()
        assert (found[0] <= 0.75).all()
    else:
        np.testing.assert_allclose(found, [hard], atol=0.1)


@pytest.mark.parametrize("kind", [Ramps, Decays, Steps])
def test_nothing_that_ever_came_is_worth_nothing(kind: Any) -> None:
    """At every deadline, also at the longest; and so is an empty round."""
    deadlines = np.array([0, 5, NEVER])
    for at in (np.array([NEVER, NEVER]), np.array([], dtype=np.int64)):
        fade = () if kind is Steps else (7,)
        found = kind.rising(at, np.ones(len(at)), len(at), *fade).at(deadlines)
        assert found.tolist() == [0.0, 0.0, 0.0]
