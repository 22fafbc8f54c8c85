"""Which samples are slow, and which vary."""

from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.handmade import hand_runs, labels, make_round, make_run, told
from tailmark import summarize
from tailmark.analysis.samples import notable_samples
from tailmark.records.model import Run


@given(run=hand_runs(), deadline=st.integers(0, 12))
def test_each_record_is_a_walk_over_the_sample_s_rows(run: Run, deadline: int) -> None:
    """Mean, spread, maximum, late and right, from the rows of that sample alone."""
    assert run.references.values is not None
    slow, varied = notable_samples(run, deadline_ns=deadline, most=99)
    assert {r.index for r in slow} == {r.index for r in varied}
    for record in slow:
        rows = [
            (told(one)[j], labels(one)[j])
            for one in run.rounds()
            for j in range(len(one))
            if one.sample[j] == record.index
        ]
        spent = [t for t, _ in rows if t is not None]
        truth = run.references.values[record.index]
        assert record.id == run.references.ids[record.index]
        assert record.mean_ns == pytest.approx(fmean(spent))
        if fmean(spent) > 0:
            assert record.spread == pytest.approx(pstdev(spent) / fmean(spent), abs=1e-6)
        assert record.max_ns == max(spent)
        assert record.late == pytest.approx(
            sum(t is None or t > deadline for t, _ in rows) / len(rows)
        )
        assert record.right == pytest.approx(sum(a == truth for _, a in rows) / len(rows))
        assert record.thumbnail is None


@given(run=hand_runs(), deadline=st.integers(0, 12), most=st.integers(1, 4))
def test_they_are_sorted_and_few(run: Run, deadline: int, most: int) -> None:
    """The slowest first, the most variable first, and no more than asked for."""
    slow, varied = notable_samples(run, deadline_ns=deadline, most=most)
    means, spreads = [r.mean_ns for r in slow], [r.spread for r in varied]
    assert means == sorted(means, reverse=True)
    assert spreads == sorted(spreads, reverse=True)
    assert len(slow) <= most
    assert len(varied) <= most


def test_lateness_by_sample_adds_up_to_the_summary_s() -> None:
    """Where each sample is sent once a round, the mean of their lateness is the run's."""
    made = [make_round([3 + r, 20 - r, 9], [0, 1, 0], index=r) for r in range(6)]
    run = make_run(made, [0, 1, 2])
    slow, _ = notable_samples(run, deadline_ns=9, most=3)
    on_time = summarize(run, deadlines=[9]).at[0].on_time.value
    assert on_time is not None
    assert fmean(r.late for r in slow) == pytest.approx(1 - on_time)


def test_without_references_nobody_is_right_or_wrong() -> None:
    """``right`` is unknown, not 0."""
    run = make_run([make_round([3, 4], [0, 1])], None)
    slow, _ = notable_samples(run, deadline_ns=9)
    assert [r.right for r in slow] == [None, None]
