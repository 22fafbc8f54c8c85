"""A run whose generator's lateness moves a conclusion is stamped generator-limited."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from analysis.handmade import drawn_run, hand_runs, make_round, make_run, with_experiment
from tailmark import judge, summarize
from tailmark.analysis.lateness import punctual
from tailmark.records.model import Run

QUERIES = 100


def issued_late(by: Sequence[Sequence[int]]) -> Run:
    """Rounds of queries that take 10 ns from their issue, each issued so late."""
    made = []
    for r, late in enumerate(by):
        n = len(late)
        due = [100 * j for j in range(n)]
        made.append(
            make_round(
                [10 + one for one in late],
                [0] * n,
                index=r,
                sample=[0] * n,
                scheduled=due,
                issued=[d + one for d, one in zip(due, late, strict=True)],
            )
        )
    return make_run(made, [0])


def late_share(share: float, *, by: int = 20, rounds: int = 6) -> Run:
    """Rounds alike: such a share of the queries is issued late."""
    n = round(share * QUERIES)
    return issued_late([[by] * n + [0] * (QUERIES - n)] * rounds)


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_lateness_that_decides_who_is_late_is_told(share: float) -> None:
    """With figures: what would be delivered had the queries been issued on time."""
    summary = summarize(late_share(share), deadlines=["15ns"])
    assert summary.generator_limited
    assert summary.to_dict()["generator_limited"] is True
    (sentence,) = (one for one in summary.warnings if one.startswith("generator-limited"))
    assert f"100.0 % would be delivered at 15 ns, not {100 - 100 * share:.1f} %" in sentence
    assert "at most 20 ns" in sentence


def test_lateness_far_from_the_deadline_moves_nothing() -> None:
    """As late, but the deadline is beyond: no warning."""
    summary = summarize(late_share(0.5), deadlines=["30ns", "1ns"])
    assert not summary.generator_limited
    assert summary.latency.lateness_ns["max_ns"] == 20
    assert not any("generator" in one for one in summary.warnings)


def test_lateness_within_the_interval_moves_nothing() -> None:
    """Rounds that differ by more than lateness costs: one query in a hundred does not decide."""
    random = np.random.default_rng(3)
    made = []
    for r in range(8):
        slow = int(random.integers(0, 60))
        latency = np.array([30] * slow + [10] * (QUERIES - slow))
        late = np.array([0] * (QUERIES - 1) + [20])
        due = 100 * np.arange(QUERIES)
        made.append(
            make_round(
                (latency + late).tolist(),
                [0] * QUERIES,
                index=r,
                sample=[0] * QUERIES,
                scheduled=due.tolist(),
                issued=(due + late).tolist(),
            )
        )
    assert not summarize(make_run(made, [0]), deadlines=["15ns"]).generator_limited


def test_without_an_interval_a_tenth_of_a_point_decides() -> None:
    """Of one round: one query of two thousand is borne, three are not."""
    for late, limited in ((1, False), (3, True)):
        run = issued_late([[20] * late + [0] * (2000 - late)])
        assert summarize(run, deadlines=["15ns"]).generator_limited == limited


def test_a_requirement_that_would_be_judged_otherwise_limits() -> None:
    """Whatever the deadlines that were asked for say."""
    run = late_share(0.3)
    strict = with_experiment(run, require={"latency": "p90 <= 15ns"})
    assert judge(strict).outcome == "fail"
    summary = summarize(strict, deadlines=["1us"])
    assert summary.generator_limited
    assert "the requirement would be judged pass, not fail" in summary.warnings[-1]
    loose = with_experiment(run, require={"latency": "p50 <= 1us"})
    assert not summarize(loose, deadlines=["1us"]).generator_limited


def test_without_references_the_share_on_time_decides() -> None:
    """Punctuality alone is told, and moved."""
    run = replace(late_share(0.3), references=make_run([make_round([1], [0])], None).references)
    summary = summarize(run, deadlines=["15ns"])
    assert summary.ideal is None
    assert any("100.0 % would be on time at 15 ns" in one for one in summary.warnings)


def test_a_generator_that_is_never_late_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed loop is graded once: nothing is read again."""
    run = drawn_run(np.random.default_rng(1), 4, 20)

    def refuse(_: Run) -> Run:
        pytest.fail("graded anew")

    monkeypatch.setattr("tailmark.analysis.lateness.punctual", refuse)
    assert not summarize(run).generator_limited


@settings(max_examples=50)
@given(run=hand_runs())
def test_without_its_lateness_a_run_is_never_later(run: Run) -> None:
    """Every latency is shorter by its lateness, and everything else is as it was."""
    for one, other in zip(run.rounds(), punctual(run).rounds(), strict=True):
        late = one.issued_ns - one.scheduled_ns
        there = one.answered
        assert (one.latency_ns() - late == other.latency_ns())[there].all()
        assert (other.issued_ns == other.scheduled_ns).all()
        assert other.completed_ns.tolist() == one.completed_ns.tolist()


def test_quality_is_told_under_the_summary_s_policy() -> None:
    """A worth that hardly fades does not move, so only punctuality is told; one that does is."""
    for fade, moved in (("linear:10us", "on time"), ("linear:10ns", "delivered")):
        summary = summarize(late_share(0.3), deadlines=["15ns"], on_late=fade)
        assert summary.generator_limited
        assert f"100.0 % would be {moved} at 15 ns" in summary.warnings[-1]
