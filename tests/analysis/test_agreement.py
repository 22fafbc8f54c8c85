"""Answers under other conditions: what differs is found, and chance is not blamed on conditions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import prod

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.handmade import make_round, make_run
from tailmark.analysis.agreement import ALPHA, Agreement, agreement
from tailmark.analysis.answers import Book, Given, answers_of
from tailmark.errors import InputError

Answers = npt.NDArray[np.int64]


def opening(answers: Answers) -> Given:
    """Answers of shape (passes, samples), asked for in order; -1 is no answer."""
    there = answers >= 0
    sample = np.broadcast_to(np.arange(answers.shape[1]), answers.shape)
    return Given(
        sample=sample[there],
        label=answers[there],
        whole=answers[there],
        unanswered=int((~there).sum()),
        samples=answers.shape[1],
    )


def compared(before: Answers, after: Answers, *tested: Answers) -> Agreement:
    """Their agreement, each of an opening of the system; answer n is called n."""
    book = Book()
    for n in range(10):
        book.number(n, str(n))
    ids = [f"s{i}" for i in range(before.shape[1])]
    return agreement([opening(before), opening(after)], [opening(t) for t in tested], book, ids)


def constant(passes: int, labels: Sequence[int]) -> Answers:
    """The same each time."""
    return np.tile(np.array(labels, dtype=np.int64), (passes, 1))


def test_equal_answers_have_no_cause() -> None:
    """Nothing differs, nothing is found."""
    seen = compared(constant(3, [0, 1, 2]), constant(2, [0, 1, 2]), constant(5, [0, 1, 2]))
    assert (seen.compared, seen.passes, seen.answers) == (3, 15, 15)
    assert (seen.differ, seen.restless, seen.cause, seen.found) == (0, 0, None, ())
    assert seen.p_value == 1


def test_samples_that_differ_are_named() -> None:
    """With what they were answered, and how often."""
    tested = constant(5, [0, 2, 2])
    tested[0, 1] = 1
    seen = compared(constant(3, [0, 1, 2]), constant(2, [0, 1, 2]), tested)
    (one,) = seen.found
    assert (one.index, one.id, one.restless) == (1, "s1", False)
    assert (one.accuracy, one.given) == ((("1", 5),), (("2", 4), ("1", 1)))
    assert seen.differ == 1


def test_what_was_not_answered_is_not_compared() -> None:
    """A sample without an answer on one side says nothing."""
    tested = constant(5, [0, 2, 2])
    tested[:, 1] = -1
    seen = compared(constant(3, [0, 1, 2]), constant(2, [0, 1, 2]), tested)
    assert (seen.compared, seen.unanswered, seen.differ, seen.cause) == (2, 5, 0, None)


def test_one_sample_that_always_differs_takes_openings_to_tell() -> None:
    """Kernels may be chosen when the system is opened; five openings of six are 1 in 462."""
    usual, other = constant(1, [0, 1, 2]), constant(1, [0, 1, 0])
    seen = compared(constant(3, [0, 1, 2]), constant(2, [0, 1, 2]), constant(5, [0, 1, 0]))
    assert (seen.cause, seen.rounds_to_decide) == ("unknown", None)
    assert seen.p_value == pytest.approx(1 / 3)
    book = Book()
    for n in range(3):
        book.number(n, str(n))
    accuracy = [opening(one) for one in (constant(3, [0, 1, 2]), *[usual] * 5)]
    tested = [opening(one) for one in (constant(5, [0, 1, 0]), *[other] * 4)]
    seen = agreement(accuracy, tested, book, ["a", "b", "c"])
    assert seen.openings == (6, 5)
    assert seen.p_value == pytest.approx(1 / 462)
    assert seen.cause == "conditions"


def test_five_samples_that_always_differ_are_enough() -> None:
    """In one opening beside two: (1/3)⁵."""
    same, other = [0, 1, 2, 0, 1, 2], [1, 2, 0, 1, 2, 2]
    seen = compared(constant(3, same), constant(2, same), constant(5, other))
    assert seen.p_value == pytest.approx(3.0**-5)
    assert seen.cause == "conditions"


def test_one_answer_that_differs_once_is_not_enough() -> None:
    """Then it is said how many rounds would be, and they are."""
    tested = constant(5, [0, 1, 2])
    tested[0, 0] = 1
    seen = compared(constant(3, [0, 1, 2]), constant(2, [0, 1, 2]), tested)
    assert seen.p_value == pytest.approx(5 / 10)
    assert seen.cause == "unknown"
    assert seen.rounds_to_decide is not None
    many = -(-seen.rounds_to_decide // 5) * 5
    tested = constant(many, [0, 1, 2])
    tested[: many // 5, 0] = 1
    half = many // 2
    assert half > 1
    later = compared(constant(half, [0, 1, 2]), constant(many - half, [0, 1, 2]), tested)
    assert later.cause == "conditions"


@given(
    st.integers(2, 5),
    st.lists(st.integers(2, 4).flatmap(lambda q: st.tuples(st.just(q), st.integers(1, q)))),
)
@settings(max_examples=50, deadline=None)
def test_the_chance_is_that_of_all_ways_to_deal_what_was_found(
    passes: int, samples: list[tuple[int, int]]
) -> None:
    """Counted one by one: all that deviate fall on the tested side.

    Answers are dealt, or where the tested opening kept to what it said, openings: one of three.
    """
    labels = [0] * (len(samples) + 1)
    tested = np.full((4, len(labels)), -1, dtype=np.int64)
    ways = []
    for i, (answers, deviating) in enumerate(samples):
        tested[:answers, i] = 0
        tested[:deviating, i] = 1
        units, alone, x = (
            (3, 2, 1) if deviating == answers else (passes + answers, passes, deviating)
        )
        deals = list(combinations(range(units), x))
        ways.append(Fraction(sum(min(deal) >= alone for deal in deals), len(deals)))
    tested[0, -1] = 0
    seen = compared(constant(passes - 1, labels), constant(1, labels), tested)
    assert seen.p_value == pytest.approx(float(prod(ways)))


def by_answer(random: np.random.Generator, passes: int, flips: npt.NDArray[np.float64]) -> Answers:
    """Each answer deviates by itself."""
    return (random.random((passes, len(flips))) < flips).astype(np.int64)


def by_opening(random: np.random.Generator, passes: int, flips: npt.NDArray[np.float64]) -> Answers:
    """Each opening of the system has answers of its own, and keeps to them."""
    return np.repeat(by_answer(random, 1, flips), passes, axis=0)


Law = Callable[[np.random.Generator, int, npt.NDArray[np.float64]], Answers]


@pytest.mark.parametrize("law", [by_answer, by_opening])
@pytest.mark.parametrize("flips", [0.002, 0.05, 0.5])
def test_chance_is_rarely_blamed_on_the_conditions(law: Law, flips: float) -> None:
    """In at most ALPHA of the trials: not more than 999 of 1,000 such counts would exceed."""
    random = np.random.default_rng(1)
    trials = 400
    blamed = 0
    for _ in range(trials):
        each = flips * 2 * random.random(80)
        seen = compared(law(random, 3, each), law(random, 2, each), law(random, 5, each))
        blamed += seen.cause == "conditions"
    assert blamed <= binom.ppf(0.999, trials, ALPHA)


@pytest.mark.parametrize("restless", [0.0, 0.01])
def test_what_conditions_change_is_found_through_the_noise(restless: float) -> None:
    """A tenth of the samples; in at least 19 of 20 trials."""
    random = np.random.default_rng(2)
    found = 0
    for _ in range(100):
        each = np.full(200, restless)
        tested = by_answer(random, 5, each)
        tested[:, :20] = 2
        seen = compared(by_answer(random, 3, each), by_answer(random, 2, each), tested)
        found += seen.cause == "conditions"
    assert found >= 95


def test_restless_samples_are_told_from_the_others() -> None:
    """A sample that the accuracy passes cannot agree on says nothing of the conditions."""
    before = constant(3, [0, 1, 2])
    before[0, 2] = 0
    seen = compared(before, constant(2, [0, 1, 2]), constant(5, [0, 1, 1]))
    assert (seen.differ, seen.restless, seen.cause) == (0, 1, "chance")
    assert [(one.id, one.restless) for one in seen.found] == [("s2", True)]


def test_runs_number_answers_differently() -> None:
    """Answers are the same if what they say is the same."""
    run = make_run([make_round([1, 1, 1], [0, 1, 2])], [0, 1, 2])
    turned = replace(
        make_run([make_round([1, 1, 1], [2, 1, 0])], [0, 1, 2]),
        outputs={"labels": np.array([[2], [1], [0]], dtype=np.int32)},
    )
    book = Book()
    one, other = answers_of(run, book), answers_of(turned, book)
    assert one.label.tolist() == other.label.tolist()
    assert one.whole.tolist() == other.whole.tolist()
    assert [book.names[n] for n in one.label] == ["0", "1", "2"]


def test_labels_count_and_scores_are_beside() -> None:
    """The first label is what is answered; where there is none, all of the answer is."""
    rounds = [make_round([1, 1], [0, 1])]
    outputs = {
        "labels": np.array([[4, 5], [4, 6]], dtype=np.int32),
        "scores": np.array([[0.5, 0.1], [0.5, 0.2]], dtype=np.float32),
    }
    run = replace(make_run(rounds, [4, 4]), outputs=outputs)
    seen = answers_of(run, Book())
    assert seen.label[0] == seen.label[1]
    assert seen.whole[0] != seen.whole[1]
    bare = replace(run, outputs={"scores": outputs["scores"]})
    seen = answers_of(bare, Book())
    assert seen.label.tolist() == seen.whole.tolist()
    assert seen.label[0] != seen.label[1]


def test_a_run_without_answers_is_refused() -> None:
    """There is nothing to compare."""
    run = replace(make_run([make_round([1], [0])], [0]), outputs={})
    with pytest.raises(InputError, match="kept no answers"):
        answers_of(run, Book())
