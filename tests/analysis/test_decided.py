"""Measuring until a requirement is decided: when it looks, and how often it is wrong."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.handmade import make_round, make_run, with_experiment
from stats.simulated import autoregressive
from tailmark import Decided, Experiment, Until, judge
from tailmark.analysis.decided import WRONG, confidence, verdict
from tailmark.errors import InputError
from tailmark.records.model import Run
from tailmark.stats.rounds import mean_by_round
from tailmark.stopping import first_rounds
from tailmark.testing import check_stopping_rule

Floats = npt.NDArray[np.float64]

RULE = Decided(decided=True)
AT_LEAST_HALF = {"quality": ">= 0.5", "at": "10ns"}
_SAMPLES = 200


def run_of(quality: Floats, require: dict[str, Any], samples: int = _SAMPLES) -> Run:
    """Rounds of which these shares are right and on time, the rest late."""
    rounds = []
    for r, share in enumerate(quality):
        late = samples - round(share * samples)
        rounds.append(make_round([20] * late + [5] * (samples - late), [0] * samples, index=r))
    return with_experiment(make_run(rounds, [0] * samples), require=require)


@given(at_most=st.integers(1, 5_000))
def test_looks_are_few_and_the_last_is_the_most_allowed(at_most: int) -> None:
    """They ascend by half or so, from three rounds on; one round decides nothing."""
    if at_most < 2:
        with pytest.raises(InputError, match="needs 2 rounds at least, and at_most is 1: give"):
            RULE.looks(at_most)
        return
    looks = RULE.looks(at_most)
    assert looks[-1] == at_most
    assert looks[0] in (2, 3, 4)
    assert all(b / a == pytest.approx(1.5, rel=1 / a) for a, b in pairwise(looks))


def test_what_is_hopeless_stops_at_the_first_look_and_what_passes_does_not() -> None:
    """A pass is believed only when a disturbance of one round in five would have been seen."""
    looks = RULE.looks(100)
    random = np.random.default_rng(0)
    bad = run_of(random.normal(0.1, 0.01, 20), AT_LEAST_HALF)
    good = run_of(random.normal(0.9, 0.01, 20), AT_LEAST_HALF)
    assert RULE.look(first_rounds(bad, looks[0]), looks).stop
    stops = [due for due in looks if due <= 20 and RULE.look(first_rounds(good, due), looks).stop]
    assert stops == [14, 20]
    early = RULE.look(first_rounds(good, 10), looks)
    assert (early.figures["outcome"], early.stop) == ("pass", False)
    assert early.brief == "passing so far"
    assert 1 - (1 - 1 / 5) ** 14 >= 0.95


def test_where_few_rounds_are_allowed_the_last_look_decides() -> None:
    """Nobody can wait longer than that."""
    run = run_of(np.full(6, 0.9), AT_LEAST_HALF)
    looks = RULE.looks(6)
    assert [RULE.look(first_rounds(run, due), looks).stop for due in looks] == [False, False, True]


def test_looks_and_parts_share_the_error() -> None:
    """The verdict is `judge`'s, at the confidence that is left to each interval."""
    require = {"quality": [">= 0.5", ">= 0.6"], "at": "10ns", "latency": "p90 <= 30ns"}
    run = run_of(np.random.default_rng(1).normal(0.8, 0.05, 10), require)
    looks = (3, 5, 10)
    assert confidence(run, looks) == pytest.approx(1 - WRONG / 9)
    found = verdict(run, looks)
    assert len(found.parts) == 3
    assert {one.estimate.confidence for one in found.parts} == {confidence(run, looks)}
    assert found == judge(run, require, confidence=confidence(run, looks))


def test_a_pass_at_a_look_is_a_pass_of_the_plain_verdict() -> None:
    """The wider interval holds the plain one, so nothing that stopped is invalid by itself."""
    random = np.random.default_rng(2)
    outcomes = set()
    for _ in range(60):
        run = run_of(random.normal(random.uniform(0.4, 0.6), 0.05, 14), AT_LEAST_HALF)
        spent = verdict(run, RULE.looks(14)).outcome
        outcomes.add(spent)
        if spent != "undecided":
            assert judge(run).outcome == spent
    assert outcomes == {"pass", "fail", "undecided"}


def test_a_hopeless_tail_is_seen_long_before_its_interval() -> None:
    """Three rounds of three below the target are too many for a 5 % quantile that meets it."""
    require = {**AT_LEAST_HALF, "of": "tail"}
    looks = RULE.looks(100)
    hopeless = run_of(np.array([0.2, 0.3, 0.25]), require)
    found = verdict(hopeless, looks)
    assert found.outcome == "fail"
    assert found.estimate.low is None
    chance = 0.05**3
    assert chance <= (1 - confidence(hopeless, looks)) / 2
    one_bad = run_of(np.array([0.9, 0.9, 0.25]), require)
    assert verdict(one_bad, looks).outcome == "undecided"
    assert RULE.look(one_bad, looks).says.startswith("whether the requirement is met is undecided")


def test_rounds_that_wait_for_a_verdict_need_a_requirement() -> None:
    """Said before anything is opened, and by the rule itself."""
    with pytest.raises(InputError, match=r"wait for decided, and there is no require: .*quality"):
        Experiment(workload=None, system=None, rounds=Until(RULE, at_most=9))  # type: ignore[arg-type]
    run = run_of(np.full(3, 0.5), {})
    with pytest.raises(InputError, match="there is no require"):
        RULE.look(run, (3,))


@pytest.mark.parametrize("given", [False, 1, None, "yes"])
def test_it_is_true_or_left_out(given: Any) -> None:
    """There is nothing else to wait for."""
    with pytest.raises(InputError, match=r"decided is .*: it is true"):
        Decided(decided=given)


def test_it_keeps_the_seam_s_contract() -> None:
    """As any plug-in's rule must."""
    values = np.random.default_rng(3).normal(0.55, 0.1, 30)
    check_stopping_rule(RULE, run_of(values, AT_LEAST_HALF), 30)


def independent(random: np.random.Generator, rounds: int) -> Floats:
    """Queries by chance, and what a round has in common."""
    right = np.clip(random.normal(0.8, 0.05, rounds), 0, 1)
    return np.asarray(random.binomial(_SAMPLES, right) / _SAMPLES)


def disturbed(random: np.random.Generator, rounds: int) -> Floats:
    """One round of five is bad."""
    bad = random.uniform(0.2, 0.6, rounds)
    return np.where(random.random(rounds) < 0.2, bad, 0.9) + random.normal(0, 0.01, rounds)


def dependent(random: np.random.Generator, rounds: int) -> Floats:
    """A round resembles the one before it."""
    return np.asarray(np.clip(0.8 + 0.05 * autoregressive(random, 1, rounds, 0.3)[0], 0, 1))


def outcome(values: Floats, target: float, looks: tuple[int, ...]) -> str:
    """`Decided` on the qualities alone; `test_the_simulated_rule_is_the_rule` holds it to it."""
    sure = 1 - WRONG / len(looks)
    for due in looks:
        e = mean_by_round(values[:due], confidence=sure, bounds=(0.0, 1.0))
        if e.high is not None and e.high < target:
            return "fail"
        if e.low is not None and e.low >= target and due >= min(14, looks[-1]):
            return "pass"
    return "undecided"


def test_the_simulated_rule_is_the_rule() -> None:
    """It ends as the rule does, look by look, on runs."""
    random, looks = np.random.default_rng(4), RULE.looks(20)
    seen = set()
    for centre in np.linspace(0.3, 0.7, 24):
        values = np.round(random.normal(centre, 0.08, 20) * _SAMPLES) / _SAMPLES
        run = run_of(values, AT_LEAST_HALF)
        found = (RULE.look(first_rounds(run, due), looks) for due in looks)
        ended = next((one.figures["outcome"] for one in found if one.stop), "undecided")
        assert ended == outcome(values, 0.5, looks)
        seen.add(ended)
    assert seen == {"pass", "fail", "undecided"}


TRIALS = 300


@pytest.mark.parametrize("drawn", [independent, disturbed, dependent])
@pytest.mark.parametrize("met", [True, False])
def test_a_wrong_verdict_has_its_chance_and_no_more(
    drawn: Callable[[np.random.Generator, int], Floats], met: bool
) -> None:
    """5 % although it looks eleven times, where the truth lies on the requirement itself.

    The worst case: a hair below it every pass is wrong, a hair above it every failure. The count
    must not exceed the 99.9 % quantile of what a chance of 5 % gives in 300 measurements.
    """
    random = np.random.default_rng(5)
    truth = float(drawn(random, 200_000).mean())
    target, wrong = (truth, "fail") if met else (math.nextafter(truth, 1), "pass")
    looks = RULE.looks(100)
    count = sum(outcome(drawn(random, 100), target, looks) == wrong for _ in range(TRIALS))
    assert count <= binom.ppf(0.999, TRIALS, WRONG)


def test_peeking_without_sharing_would_err_more() -> None:
    """So the sharing matters: plain 95 % intervals at every look are wrong more often.

    The count must exceed the 99.9 % quantile of what a chance of 5 % gives.
    """
    random, looks = np.random.default_rng(6), RULE.looks(100)
    truth = float(independent(random, 200_000).mean())
    wrong = 0
    for _ in range(TRIALS):
        values = independent(random, 100)
        plain = (mean_by_round(values[:due]) for due in looks)
        wrong += any(not (e.low or 0) <= truth <= (e.high or 1) for e in plain)
    assert wrong > binom.ppf(0.999, TRIALS, WRONG)
