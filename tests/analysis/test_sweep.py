"""A sweep's deadlines: quantiles of what was measured, each under its percentile."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from analysis.handmade import make_round, make_run, with_experiment
from tailmark import summarize
from tailmark.analysis.sweep import MOST, quantile_shares, sweep_percentiles
from tailmark.records.model import NEVER, Run
from tailmark.report.text import markdown, print_summary
from tailmark.stats.quantiles import latency_percentile


def _measured(rounds: int = 10, samples: int = 200, *, answered: int | None = None) -> Run:
    """Latencies that all differ, of a long tail; the last samples of a round have no answer."""
    random = np.random.default_rng(0)
    made = [
        make_round(
            (random.permutation(samples) * rounds + r + 10 ** random.integers(1, 7)).tolist(),
            [0 if i < (answered or samples) else None for i in range(samples)],
            index=r,
        )
        for r in range(rounds)
    ]
    return make_run(made, [i % 2 for i in range(samples)])


def _answered(run: Run) -> list[int]:
    return sorted(int(t) for one in run.rounds() for t in one.latency_ns()[one.answered])


@pytest.mark.parametrize("count", [2, 3, 20, 100])
def test_so_many_deadlines_within_the_data(count: int) -> None:
    """As many as asked for, ascending, the first the fastest answer, none beyond the slowest."""
    run = _measured(rounds=100)
    at = [one.deadline_ns for one in summarize(run, sweep=count).at]
    measured = _answered(run)
    assert len(at) == count
    assert at == sorted(set(at))
    assert at[0] == measured[0]
    assert set(at) <= set(measured)


@pytest.mark.parametrize("answered", [200, 150, 3])
def test_each_is_what_its_percentile_names(answered: int) -> None:
    """Asked for by the label it stands under, a deadline is the same; also where queries failed."""
    summary = summarize(_measured(answered=answered), sweep=20)
    for one in summary.at:
        (again,) = summarize(_measured(answered=answered), deadlines=[one.label]).at
        assert again.deadline_ns == one.deadline_ns
        assert again.mean == one.mean


@settings(max_examples=100)
@given(
    latency=st.lists(
        st.one_of(st.just(NEVER), st.integers(0, 20), st.integers(0, 10**6)), max_size=60
    ),
    count=st.one_of(st.integers(2, 30), st.just(MOST)),
)
def test_whatever_was_measured_each_deadline_was(latency: list[int], count: int) -> None:
    """Ties, failures, few or no answers: different latencies, all of them answered ones."""
    ordered = np.sort(np.array(latency, dtype=np.int64))
    found = sweep_percentiles(ordered, count)
    deadlines = [latency_percentile(ordered, one.percent) for one in found]
    assert deadlines == sorted(set(deadlines))
    assert len(deadlines) <= count
    assert set(deadlines) <= set(latency) - {NEVER}
    assert bool(deadlines) == any(t != NEVER for t in latency)


@given(count=st.integers(2, 500), finest=st.floats(1e-7, 0.999))
def test_shares_are_even_and_denser_in_the_tail(count: int, finest: float) -> None:
    """From 0 to all but the finest, rising, by steps that never grow."""
    shares = quantile_shares(count, finest)
    assert len(shares) == count
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1 - finest)
    steps = np.diff(shares)
    assert (steps > 0).all()
    assert (np.diff(steps) <= 1e-6).all()


def test_the_tail_is_looked_at_closely() -> None:
    """Of 20 deadlines some five lie beyond p95, up to p99.9, and all have short names."""
    labels = [one.label for one in summarize(_measured(samples=1000), sweep=20).at]
    percents = [float(label[1:]) for label in labels]
    assert percents[-1] == 99.9
    assert 4 <= sum(p > 95 for p in percents) <= 8
    assert 8 <= sum(p < 75 for p in percents) <= 12
    assert max(map(len, labels)) <= len("p99.99")


def test_what_is_asked_for_joins_the_sweep() -> None:
    """By the call or by the experiment; the headline speaks of it, and the rest is the sweep's."""
    run = _measured()
    summary = summarize(run, sweep=20, deadlines=["300ns", "p99"])
    assert summary.at[summary.first].label == "300ns"
    told = {one.label for k, one in enumerate(summary.at) if k not in summary.swept}
    assert told == {"300ns", "p99"}
    assert len(summary.at) == 22
    declared = with_experiment(run, quality={"deadlines": ["300ns"]})
    assert summarize(declared, sweep=5).at[summarize(declared, sweep=5).first].label == "300ns"
    assert summarize(run, deadlines=["300ns"]).swept == ()


def test_alone_its_headline_is_near_p90() -> None:
    """What is first of the default deadlines, or the nearest there is to it."""
    summary = summarize(_measured(), sweep=50)
    assert 85 <= float(summary.at[summary.first].label[1:]) <= 95
    assert summary.swept == tuple(range(50))


def test_a_run_of_failures_is_swept_too() -> None:
    """There is nothing to sweep, so it is summarized as without."""
    run = make_run([make_round([5, 5], [None, None], index=r) for r in range(3)], [0, 0])
    assert summarize(run, sweep=20).to_dict() == summarize(run).to_dict()


def test_every_deadline_has_a_line_and_only_what_was_asked_for_a_table() -> None:
    """Deadline, percentile, on time, quality, hard step and tail, in one table of its own."""
    summary = summarize(_measured(), sweep=20, deadlines=["300ns"], on_late="linear:1us")
    text = markdown(summary)
    _, table = text.split("Over the measured latencies:\n\n")
    lines = table.split("\n\n")[0].splitlines()
    assert lines[0] == (
        "| deadline | percentile | on time | top-1 accuracy | if late is wrong | 5 % tail |"
    )
    assert len(lines) == 2 + 21
    assert lines[2].startswith(f"| {_answered(_measured())[0]} ns | p0 | ")
    first = text.split("\n\n")[2].splitlines()
    assert len(first) == 2 + 1 + 1  # header, the one asked for, no deadline


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_of_it_is_broken(width: int) -> None:
    """A value, its interval and its unit stay together, however narrow the terminal."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    print_summary(summarize(_measured(rounds=80, samples=20), sweep=20, on_late="penalty"), console)
    lines = out.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    start = next(k for k, line in enumerate(lines) if "Over the measured latencies" in line)
    rows = [line for line in lines[start:] if " p" in line[:24] and "%" in line]
    assert len(rows) >= 20
