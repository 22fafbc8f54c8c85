"""Flips: what one run gets right and the other does not, held against counting by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.handmade import DEADLINES, make_round, make_run
from analysis.twins import APART, BESIDE, stalling, twins
from tailmark.analysis.flips import (
    UNANSWERED,
    Tally,
    answer_flips,
    deadline_flips,
    ideal_difference,
    tally,
)
from tailmark.analysis.grading import prepare_grader
from tailmark.records.model import NONE, Round, Run
from tailmark.stats.differences import decide, mcnemar, mean_difference


def counted(run: Run, *deadlines: int) -> Tally:
    """A run's tally at these deadlines."""
    return tally(
        run,
        prepare_grader(run, "top1"),
        deadlines_ns=np.array(deadlines, dtype=np.int64),
        moments_ns=np.array(deadlines, dtype=np.int64),
        time="inference",
    )


def hit(run: Run, one: Round, j: int, deadline: int) -> bool:
    """Whether row j is right and on time, looked up."""
    assert run.references.values is not None
    right = int(one.output_id[j]) == int(run.references.values[one.sample[j]])
    return right and int(one.latency_ns()[j]) <= deadline


def by_hand(a: Run, b: Run, r: int, s: int, deadline: int) -> tuple[int, int, int]:
    """Of round r of A beside round s of B: what flips away, what flips to, of how many pairs."""
    lost = gained = pairs = 0
    one, other = a.stored[r], b.stored[s]
    for j, k in product(range(len(one)), range(len(other))):
        if one.sample[j] == other.sample[k]:
            in_a, in_b = hit(a, one, j, deadline), hit(b, other, k, deadline)
            lost += in_a and not in_b
            gained += in_b and not in_a
            pairs += 1
    return lost, gained, pairs


@given(runs=twins(repeats=True), deadline=st.sampled_from(DEADLINES.tolist()))
def test_apart_any_round_could_have_met_any(runs: tuple[Run, Run], deadline: int) -> None:
    """Of runs measured apart, the share is over all pairs of rounds, and of queries within."""
    a, b = runs
    counts = [by_hand(a, b, r, s, deadline) for r, s in product(range(len(a)), range(len(b)))]
    lost, gained, pairs = (sum(column) for column in zip(*counts, strict=True))
    found = deadline_flips(counted(a, deadline), counted(b, deadline), 0, paired=False)
    if pairs == 0:
        assert found.lost.value is found.gained.value is None
        assert found.lost.reason == "no sample was sent in both runs"
        return
    assert found.lost.value == pytest.approx(lost / pairs)
    assert found.gained.value == pytest.approx(gained / pairs)


@given(runs=twins(repeats=True), deadline=st.sampled_from(DEADLINES.tolist()))
def test_beside_each_other_round_meets_round(runs: tuple[Run, Run], deadline: int) -> None:
    """Of interleaved runs, the share is the mean of round by round shares."""
    a, b = runs
    both = min(len(a), len(b))
    counts = [by_hand(a, b, r, r, deadline) for r in range(both)]
    found = deadline_flips(counted(a, deadline), counted(b, deadline), 0, paired=True)
    if any(pairs == 0 for *_, pairs in counts):
        assert found.lost.value is found.gained.value is None
        assert found.lost.reason
        return
    assert found.lost.value == pytest.approx(np.mean([lost / n for lost, _, n in counts]))
    assert found.gained.value == pytest.approx(np.mean([gained / n for _, gained, n in counts]))


@given(runs=twins(), deadline=st.sampled_from(DEADLINES.tolist()), paired=st.booleans())
def test_what_is_gained_less_what_is_lost_is_the_difference(
    runs: tuple[Run, Run], deadline: int, paired: bool
) -> None:
    """Flips account for the whole difference in quality at the deadline under ``fail``."""
    a, b = runs
    if paired and len(a) != len(b):
        return
    quality = [
        np.mean([[hit(run, one, j, deadline) for j in range(len(one))] for one in run.rounds()])
        for run in runs
    ]
    found = deadline_flips(counted(a, deadline), counted(b, deadline), 0, paired=paired)
    assert found.gained.value is not None
    assert found.lost.value is not None
    assert found.gained.value - found.lost.value == pytest.approx(quality[1] - quality[0])


@given(runs=twins(), deadline=st.sampled_from(DEADLINES.tolist()), paired=st.booleans())
def test_flips_mirror(runs: tuple[Run, Run], deadline: int, paired: bool) -> None:
    """What A loses to B, B gains on A: values, ends, and ids."""
    a, b = (counted(run, deadline) for run in runs)
    there, back = (deadline_flips(*pair, 0, paired=paired) for pair in ((a, b), (b, a)))
    for one, other in ((there.lost, back.gained), (there.gained, back.lost)):
        ends = [(e.value, e.low, e.high) for e in (one, other)]
        assert ends[0] == pytest.approx(ends[1], abs=1e-12)
    ids = runs[0].references.ids
    flips, turned = answer_flips(a, b, ids), answer_flips(b, a, ids)
    assert flips is not None
    assert turned is not None
    assert flips.changed == turned.changed[::-1]
    swapped = replace(turned, fixes=turned.breaks, breaks=turned.fixes, changed=flips.changed)
    assert flips == swapped
    assert ideal_difference(a, b).value == pytest.approx(-(ideal_difference(b, a).value or 0.0))


@given(runs=twins(repeats=True))
def test_answers_are_compared_sample_by_sample(runs: tuple[Run, Run]) -> None:
    """Each by the first answer that was ever given, looked up row by row."""
    a, b = runs
    labels = run_labels(a), run_labels(b)
    truth = a.references.values
    assert truth is not None
    sent = [{int(i) for one in run.rounds() for i in one.sample} for run in runs]
    both = sorted(sent[0] & sent[1])
    first = [{i: said[i][0] if said[i] else None for i in both} for said in labels]
    name = a.references.ids
    right = [{i: first[k][i] == truth[i] for i in both} for k in (0, 1)]
    found = answer_flips(counted(a), counted(b), name)
    assert found is not None
    assert found.samples == len(both)
    assert found.differ == sum(first[0][i] != first[1][i] for i in both)
    assert found.fixes == tuple(name[i] for i in both if right[1][i] and not right[0][i])
    assert found.breaks == tuple(name[i] for i in both if right[0][i] and not right[1][i])
    assert found.both_wrong == tuple(
        name[i] for i in both if first[0][i] != first[1][i] and not right[0][i] and not right[1][i]
    )
    assert found.both_right == ()  # only one label is right under top-1
    assert found.p_value == mcnemar(len(found.fixes), len(found.breaks))
    assert found.changed == tuple(
        sum(len(set(answers)) > 1 for answers in said.values()) for said in labels
    )


def run_labels(run: Run) -> dict[int, list[int]]:
    """What each sample was answered, in the order it was sent."""
    said: dict[int, list[int]] = {i: [] for i in range(len(run.references))}
    for one in run.rounds():
        for sample, output in zip(one.sample.tolist(), one.output_id.tolist(), strict=True):
            if output >= 0:
                said[sample].append(output)
    return said


def test_without_references_flips_are_of_answers_and_punctuality() -> None:
    """Nobody is right, but samples are answered differently, and on time in one run only."""
    a = make_run([make_round([1, 9], [0, 1])], None)
    b = make_run([make_round([9, 1], [0, 2])], None)
    one, other = counted(a, 5), counted(b, 5)
    flips = answer_flips(one, other, a.references.ids)
    assert flips is not None
    assert (flips.samples, flips.differ) == (2, 1)
    assert (flips.fixes, flips.breaks, flips.p_value) == (None, None, None)
    at = deadline_flips(one, other, 0, paired=True)
    assert (at.lost.value, at.gained.value) == (0.5, 0.5)
    assert ideal_difference(one, other).value is None


def test_a_sample_may_be_sent_more_often_than_a_byte_counts() -> None:
    """Three hundred times in a round, and all of them count."""
    many = make_round([1] * 300 + [9], [1] * 301, sample=[0] * 300 + [1])
    run = make_run([many], [1, 1])
    found = counted(run, 5)
    assert found.sent.tolist() == [[300, 1]]
    assert found.hits.tolist() == [[[300, 0]]]


def test_outputs_without_labels_are_compared_by_their_worth_alone() -> None:
    """Where nothing says what an answer is, that it is there is all that can be compared."""
    run = make_run([make_round([1, 1], [0, None])], None)
    kept = counted(replace(run, outputs={"boxes": np.zeros((1, 4))}), 5)
    assert kept.answer is not None
    assert kept.answer.tolist() == [0, UNANSWERED]


def test_answers_that_were_not_kept_are_not_compared() -> None:
    """A run of times alone has punctuality to compare, and no answers."""
    one = make_round([1, 9], [0, 0])
    bare = replace(one, output_id=np.full(2, NONE, dtype=np.int32))
    times = replace(make_run([bare], None), outputs={})
    assert answer_flips(counted(times), counted(times), times.references.ids) is None
    at = deadline_flips(counted(times, 5), counted(times, 9), 0, paired=True)
    assert (at.lost.value, at.gained.value) == (0, 0.5)


TRIALS = 150
ROUNDS = 12
SAMPLES = 30


def rejected(a: Tally, b: Tally) -> tuple[bool, bool]:
    """Whether McNemar pooled over sample × round claims a difference, and whether rounds do."""
    hits = a.hits[0].astype(bool), b.hits[0].astype(bool)
    pooled = mcnemar(int((hits[1] & ~hits[0]).sum()), int((hits[0] & ~hits[1]).sum()))
    ours = mean_difference(*(x.mean(axis=1) for x in hits), paired=False)
    return pooled < 0.05, decide(ours, margin=0.0) != "cannot tell"


def test_pooled_mcnemar_invents_differences_under_a_round_effect() -> None:
    """Two runs of one system, whose rounds are slower or faster as a whole.

    Pooled over sample × round, the test rejects many times as often as its 5 %: the count must
    exceed what a true rate of 30 % would give in all but one of a thousand. Ours must not exceed
    what 7 % would give as often: the complement of the design's goal.
    """
    random = np.random.default_rng(7)
    pooled = ours = 0
    for _ in range(TRIALS):
        runs = [stalling(random, ROUNDS, SAMPLES, design=design, effect=1.0) for design in APART]
        p, r = rejected(*(counted(run, 100) for run in runs))
        pooled += p
        ours += r
    assert pooled > binom.ppf(0.999, TRIALS, 0.30)
    assert ours <= binom.ppf(0.999, TRIALS, 0.07)


@pytest.mark.parametrize("rounds", [30, 100])
def test_the_share_that_flips_is_covered(rounds: int) -> None:
    """Σᵢ pA(i) (1 − pB(i)) / N, under a round effect, from rounds measured apart.

    Every sample is on time with one chance, a half, so the truth is a quarter. At least as many
    of the trials hold it as a coverage of 93 % leaves likely (but for one seed in a thousand).
    """
    random, trials, found = np.random.default_rng(rounds), 40, 0
    for _ in range(trials):
        a, b = (
            counted(stalling(random, rounds, 20, design=design, effect=1.0), 100)
            for design in APART
        )
        e = deadline_flips(a, b, 0, paired=False).lost
        found += e.low is not None and e.high is not None and e.low <= _quarter() <= e.high
    assert found >= binom.ppf(0.001, trials, 0.93)


def _quarter() -> float:
    """On time with a chance of a half, and half a rounding step of 0.1 standard deviations."""
    from scipy.stats import norm

    p = float(norm.cdf(0.05 / np.sqrt(2)))
    return p * (1 - p)


def test_rounds_beside_each_other_know_more() -> None:
    """Where a slow round is slow for both, pairing by round leaves less doubt."""
    random = np.random.default_rng(2)
    a = stalling(random, 60, 40, design=BESIDE[0], effect=2.0)
    later = [replace(one, completed_ns=one.completed_ns + 3) for one in a.rounds()]
    b = replace(a, stored=later)
    one, other = counted(a, 100), counted(b, 100)
    beside, apart = (deadline_flips(one, other, 0, paired=paired).lost for paired in (True, False))
    assert beside.low is not None
    assert beside.high is not None
    assert apart.low is not None
    assert apart.high is not None
    assert beside.high - beside.low < 0.5 * (apart.high - apart.low)
