"""How much of the latency goes with the sample, with the round, with neither."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.handmade import make_round, make_run
from tailmark.analysis.latency import observe
from tailmark.records.model import Run


def _run(table: list[list[int]]) -> Run:
    rounds = [make_round(row, [0] * len(row), index=r) for r, row in enumerate(table)]
    return make_run(rounds, [0] * len(table[0]))


@given(data=st.data(), rounds=st.integers(2, 6), samples=st.integers(2, 6))
def test_they_are_those_of_a_two_way_layout(data: st.DataObject, rounds: int, samples: int) -> None:
    """Sums of squares of row means, column means and residuals, each over the total."""
    row = st.lists(st.integers(0, 10**6), min_size=samples, max_size=samples)
    table = data.draw(st.lists(row, min_size=rounds, max_size=rounds))
    shares = observe(_run(table), "inference").shares
    y = np.array(table, dtype=float)
    grand, by_round, by_sample = y.mean(), y.mean(axis=1), y.mean(axis=0)
    total = ((y - grand) ** 2).sum()
    if total == 0:
        assert shares is None
        return
    residual = y - by_round[:, None] - by_sample[None, :] + grand
    assert shares == pytest.approx(
        {
            "sample": rounds * ((by_sample - grand) ** 2).sum() / total,
            "round": samples * ((by_round - grand) ** 2).sum() / total,
            "rest": (residual**2).sum() / total,
        },
        abs=1e-6,
    )


def test_a_small_variance_on_long_latencies_is_not_lost() -> None:
    """A nanosecond between two samples that take ten seconds is all of the variance there is."""
    table = [[10**10, 10**10 + 1, 10**10], [10**10, 10**10 + 1, 10**10]]
    shares = observe(_run(table), "inference").shares
    assert shares == pytest.approx({"sample": 1.0, "round": 0.0, "rest": 0.0})


@given(constant=st.integers(0, 10**10), rounds=st.integers(2, 9), samples=st.integers(2, 50))
@example(constant=2760181408, rounds=2, samples=43)
def test_latencies_that_never_vary_have_no_shares(constant: int, rounds: int, samples: int) -> None:
    """Where there is no variance, none of it is given to anything."""
    assert observe(_run([[constant] * samples] * rounds), "inference").shares is None


def test_an_incomplete_layout_has_no_shares() -> None:
    """One round, one sample, a failure or a repeat leave no two-way layout."""
    assert observe(_run([[1, 2, 3]]), "inference").shares is None
    assert observe(_run([[1], [2]]), "inference").shares is None
    failed = [make_round([1, 2], [0, None]), make_round([2, 1], [0, 0], index=1)]
    assert observe(make_run(failed, [0, 0]), "inference").shares is None
    for sent in ([0, 0], [0, 1, 1]):
        again = make_round([1, 2, 3][: len(sent)], [0] * len(sent), sample=sent)
        run = make_run([again, make_round([2, 1], [0, 0], index=1)], [0, 0])
        assert observe(run, "inference").shares is None
