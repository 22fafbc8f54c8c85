"""Ratios of paired rounds: seldom a false alarm, and a slow-down of 5 % is found."""

import numpy as np
import pytest
from scipy.stats import binom

from tailmark.stats.ratios import decide_pace, paired_ratio


def rounds(random: np.random.Generator, count: int, slower: float, law: str) -> list[np.ndarray]:
    """Mean latencies of two environments: 3 % noise a round of their own, more that they share."""
    shared = random.normal(0, 0.1, count)
    if law == "autoregressive":
        for r in range(1, count):
            shared[r] += 0.6 * shared[r - 1]
    own = [random.normal(0, 0.03, count) for _ in range(2)]
    if law == "stalls":
        own = [one + 0.3 * (random.random(count) < 0.05) for one in own]
    return [1e6 * np.exp(shared + own[0]), 1e6 * slower * np.exp(shared + own[1])]


@pytest.mark.parametrize("law", ["independent", "autoregressive", "stalls"])
def test_identical_environments_seldom_differ(law: str) -> None:
    """In 5 % of trials at most, within what chance makes of it."""
    random, trials = np.random.default_rng(7), 400
    alarms = sum(
        decide_pace(paired_ratio(*rounds(random, 30, 1.0, law)), 0.0) != "cannot tell"
        for _ in range(trials)
    )
    assert alarms <= binom.ppf(0.999, trials, 0.05)


def test_a_slow_down_is_found() -> None:
    """Of 5 % under 3 % noise, in 30 rounds, in nine trials of ten or more."""
    random, trials = np.random.default_rng(8), 100
    found = sum(
        decide_pace(paired_ratio(*rounds(random, 30, 1.05, "independent")), 0.0) == "slower"
        for _ in range(trials)
    )
    assert found >= 90


def test_the_ratio_turns_round_with_its_sides() -> None:
    """Twice as long is half as long from the other side."""
    a, b = rounds(np.random.default_rng(9), 12, 2.0, "independent")
    one, other = paired_ratio(a, b), paired_ratio(b, a)
    assert one.value == pytest.approx(1 / (other.value or 0))
    assert one.low == pytest.approx(1 / (other.high or 0))
    assert decide_pace(one) == "slower"
    assert decide_pace(other) == "faster"
    assert decide_pace(paired_ratio(a, a), margin=0.01) == "same"
