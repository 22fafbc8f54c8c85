"""The curve a report draws agrees with the summary a table prints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.handmade import hand_runs, make_round, make_run
from tailmark import summarize
from tailmark.analysis.at_deadline import TAILS
from tailmark.analysis.curve import quality_curve
from tailmark.records.model import Run


@settings(max_examples=60)
@given(
    run=hand_runs(),
    wanted=st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True),
    graded=st.booleans(),
)
def test_at_the_same_deadline_both_say_the_same(run: Run, wanted: list[int], graded: bool) -> None:
    """Mean, interval, tail, CVaR, worst and each round: one number, whoever is asked."""
    if not graded:
        run = make_run(list(run.rounds()), None, samples=len(run.references))
    curve = quality_curve(run, deadlines_ns=tuple(wanted))
    summary = summarize(run, deadlines=wanted)
    for at in summary.at:
        (k,) = np.flatnonzero(curve.deadlines_ns == at.deadline_ns)
        said = at.mean if graded else at.on_time
        assert said is not None
        assert curve.mean[k] == pytest.approx(said.value)
        if said.low is not None:
            assert curve.low[k] == pytest.approx(said.low)
            assert curve.high[k] == pytest.approx(said.high)
        if not graded:
            continue
        assert at.tail is not None
        assert at.cvar is not None
        for t, share in enumerate(TAILS):
            assert curve.tails[t, k] == pytest.approx(at.tail[share].value)
            assert curve.cvars[t, k] == pytest.approx(at.cvar[share].value)
        assert curve.worst[k] == at.worst
        assert curve.grades.quality is not None
        assert tuple(curve.grades.quality[:, k]) == at.rounds


@settings(max_examples=60)
@given(run=hand_runs(), points=st.integers(2, 60))
def test_the_points_span_every_latency(run: Run, points: int) -> None:
    """Ascending, from below the first answer to beyond the last, about as many as asked for."""
    curve = quality_curve(run, points=points)
    assert (np.diff(curve.deadlines_ns) > 0).all()
    assert len(curve.deadlines_ns) <= points + 4
    answered = [int(t) for one in run.rounds() for t in one.latency_ns()[one.answered]]
    if answered:
        assert curve.deadlines_ns[0] <= min(answered)
        assert curve.deadlines_ns[-1] >= max(answered)
        assert curve.grades.on_time[:, -1].tolist() == [
            one.answered.sum() / len(one) for one in run.rounds()
        ]


def test_the_band_holds_the_mean_and_the_extremes_hold_the_band() -> None:
    """At every point worst ≤ mean ≤ best, and low ≤ mean ≤ high within 0 and 1."""
    random = np.random.default_rng(0)
    made = [
        make_round(random.integers(1, 1000, size=30).tolist(), [0] * 30, index=r) for r in range(20)
    ]
    curve = quality_curve(make_run(made, [0, 1] * 15))
    assert (curve.worst <= curve.mean).all()
    assert (curve.mean <= curve.best).all()
    assert (curve.low <= curve.mean).all()
    assert (curve.mean <= curve.high).all()
    assert (curve.low >= 0).all()
    assert (curve.high <= 1).all()
    assert (curve.cvars <= curve.tails + 1e-12).all()
    assert (np.diff(curve.mean) >= 0).all()
