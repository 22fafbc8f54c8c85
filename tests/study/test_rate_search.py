"""Which rate is tried next: whatever answers come, the search ends, and finds what there is."""

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.analysis.gate import Outcome
from tailmark.analysis.peak import bracket
from tailmark.errors import InputError
from tailmark.study.rate_search import RateSearch

OUTCOMES: tuple[Outcome, ...] = ("pass", "fail", "undecided")


def searched(search: RateSearch, answer: Callable[[float], Outcome]) -> dict[float, Outcome]:
    """Every rate tried, in order."""
    found: dict[float, Outcome] = {}
    while (qps := search.next(found)) is not None:
        assert qps not in found
        found[qps] = answer(qps)
        assert len(found) <= search.at_most
    assert search.ended(found)
    return found


@given(
    start=st.floats(0.01, 1e6),
    ratio=st.floats(1 / 15, 1_000),
    within=st.sampled_from([0.01, 0.05, 0.1, 0.5]),
)
def test_the_peak_is_bracketed_within_the_tolerance(
    start: float, ratio: float, within: float
) -> None:
    """Wherever it is, up or down from the start."""
    search = RateSearch(start_qps=start, within=within, at_most=60)
    peak = start * ratio
    found = searched(search, lambda qps: "pass" if qps <= peak else "fail")
    low, high = bracket(found)
    assert low is not None
    assert high is not None
    assert low <= peak < high <= low * (1 + within)
    assert search.ended(found) == f"the bracket is within {100 * within:g} %"
    # Doubling or halving, and a bisection of what is left of a factor of two.
    doublings = abs(math.log2(ratio)) + 2
    assert len(found) <= doublings + math.log2(math.log(2) / math.log(1 + within)) + 2


@given(answers=st.lists(st.sampled_from(OUTCOMES), min_size=40), at_most=st.integers(1, 30))
def test_whatever_is_answered_it_ends(answers: list[Outcome], at_most: int) -> None:
    """Noise too: no rate is tried twice, and no more are tried than allowed."""
    replies = itertools.cycle(answers)
    searched(RateSearch(start_qps=100, at_most=at_most), lambda _: next(replies))


@given(outcomes=st.dictionaries(st.floats(1, 100), st.sampled_from(OUTCOMES)))
def test_the_peak_passes_and_so_does_all_below_it(outcomes: dict[float, Outcome]) -> None:
    """The stated rule, by brute force; a pass above a rate that did not pass is not believed."""
    low, high = bracket(outcomes)
    good = [q for q in outcomes if all(outcomes[r] == "pass" for r in outcomes if r <= q)]
    assert low == max(good, default=None)
    assert high == min((q for q in outcomes if outcomes[q] != "pass"), default=None)


@pytest.mark.parametrize("never", ["fail", "undecided"])
def test_what_never_passes_is_halved_to_a_sixteenth_and_given_up(never: Outcome) -> None:
    """There, queries hardly ever meet, so that lower rates are no easier."""
    search = RateSearch(start_qps=160)
    found = searched(search, lambda _: never)
    assert list(found) == [160, 80, 40, 20, 10]
    assert bracket(found) == (None, 10)
    assert (
        search.ended(found) == "not even 10 queries a second pass, where queries hardly ever meet"
    )


def test_what_always_passes_is_doubled_to_the_cap() -> None:
    """And no further; without a cap, until as many rates were tried as are allowed."""
    search = RateSearch(start_qps=100, up_to_qps=500)
    found = searched(search, lambda _: "pass")
    assert list(found) == [100, 200, 400, 500]
    assert search.ended(found) == "500 queries a second pass, and no more were to be tried"
    free = RateSearch(start_qps=100, at_most=3)
    found = searched(free, lambda _: "pass")
    assert list(found) == [100, 200, 400]
    assert free.ended(found) == "3 rates were tried, the most allowed"
    below = RateSearch(start_qps=900, up_to_qps=500)
    assert list(searched(below, lambda _: "pass")) == [500]


def test_what_was_measured_before_is_taken_up() -> None:
    """From the bracket that is there, whatever order it was found in."""
    search = RateSearch(start_qps=100)
    assert search.next({400: "fail", 100: "pass"}) == 200
    assert search.next({100: "pass", 400: "fail", 200: "undecided"}) == pytest.approx(141.4)
    assert search.next({}) == 100


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"start_qps": 0}, "from is 0 queries a second: give more than zero"),
        ({"start_qps": math.nan}, "from is nan"),
        ({"start_qps": math.inf}, "from is inf queries a second: give a number"),
        ({"start_qps": 1, "up_to_qps": -1}, "up to is -1"),
        ({"start_qps": 1, "within": 0}, "within is 0: give a share from 0.001 to 1"),
        ({"start_qps": 1, "within": 1}, "within is 1"),
        ({"start_qps": 1, "at_most": 0}, "candidates is 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float], says: str) -> None:
    """In one sentence."""
    with pytest.raises(InputError, match=says):
        RateSearch(**settings)  # type: ignore[arg-type]
