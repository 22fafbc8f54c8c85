"""Law: a metric of sets is, under every late policy, the metric of the answers that are there."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.oracle import DEADLINES, SLOWEST, Game, best, games, on_time
from quality.sets import Spoilt, spoilt
from tailmark import quality_at_deadlines
from tailmark.quality.late import Graded, parse_policy, quality_by_deadline
from tailmark.quality.topk import top1
from tailmark.records.model import NEVER

EVER = [*DEADLINES, 10**6]


def labelled(game: Game, outputs: list[Any]) -> list[Any]:
    """Each output's best label."""
    rows = outputs if game.by_round else [outputs]
    found = [[int(best(one, 1)[0]) for one in row] for row in rows]
    return found if game.by_round else found[0]


def fast(game: Game, policy: str, deadlines: list[int]) -> Any:
    """By the library."""
    other = (game.array(game.other[0]), labelled(game, game.other[1]))
    return quality_at_deadlines(
        game.array(),
        labelled(game, game.outputs),
        game.references,
        metric=Spoilt(),
        deadlines_ns=deadlines,
        on_late=policy,
        issue_order=game.order if policy == "stale" else None,
        fallback=other if policy == "fallback" else None,
    )


def answer(game: Game, r: int, i: int, outputs: list[Any]) -> int:
    """What sample i is answered in round r."""
    held = labelled(game, outputs)
    return int(held[r][i] if game.by_round else held[i])


def there(game: Game, r: int, deadline: int, policy: str) -> list[tuple[int, int | None]]:
    """What is right and what is answered by the deadline, row by row, as the policy has it."""
    pairs: list[tuple[int, int | None]] = []
    clock, scheduled, completed = 0, {}, {}
    for i in game.order[r]:
        scheduled[i] = clock
        spent = game.latency[r][i]
        completed[i] = None if spent is None else clock + spent
        clock += spent or 0
    for i in game.order[r] if policy == "stale" else range(game.samples):
        found = None
        if on_time(game.latency[r][i], deadline):
            found = answer(game, r, i, game.outputs)
        elif policy == "drop":
            continue
        elif policy == "fallback" and on_time(game.other[0][r][i], deadline):
            found = answer(game, r, i, game.other[1])
        elif policy == "stale":
            earlier = game.order[r][: game.order[r].index(i)]
            seen = [j for j in earlier if on_time(completed[j], scheduled[i] + deadline)]
            found = answer(game, r, seen[-1], game.outputs) if seen else None
        pairs.append((game.references[i], found))
    return pairs


@pytest.mark.parametrize("policy", ["fail", "drop", "stale", "fallback"])
@settings(max_examples=80)
@given(game=games())
def test_every_value_is_that_of_the_answers_there(policy: str, game: Game) -> None:
    """At, below and above every latency."""
    expected = [[spoilt(there(game, r, d, policy)) for d in DEADLINES] for r in range(game.rounds)]
    np.testing.assert_allclose(fast(game, policy, DEADLINES), expected, rtol=0, atol=1e-15)


@settings(max_examples=80)
@given(game=games())
def test_a_penalty_multiplies_by_the_share_on_time(game: Game) -> None:
    """Of the rows, as everywhere."""
    share = [[np.mean([on_time(t, d) for t in row]) for d in DEADLINES] for row in game.latency]
    expected = fast(game, "fail", DEADLINES) * np.array(share)
    np.testing.assert_allclose(fast(game, "penalty", DEADLINES), expected, atol=1e-15)


@settings(max_examples=80)
@given(game=games(), fade=st.integers(1, 9))
def test_a_straight_fade_is_the_mean_of_the_deadlines_ahead(game: Game, fade: int) -> None:
    """Between two whole nanoseconds nothing comes, so the mean is one of whole deadlines."""
    ahead = fast(game, "fail", list(range(SLOWEST + 2 + fade)))
    expected = np.stack([ahead[:, d : d + fade].mean(axis=1) for d in DEADLINES], axis=1)
    np.testing.assert_allclose(fast(game, f"linear:{fade}ns", DEADLINES), expected, atol=1e-12)


@settings(max_examples=80)
@given(game=games(), fade=st.integers(1, 9))
def test_an_exponential_fade_weighs_the_deadlines_ahead(game: Game, fade: int) -> None:
    """By e to the power of how far ahead they are."""
    last = SLOWEST + 2
    ahead = fast(game, "fail", list(range(last + 1)))
    for d in DEADLINES:
        weights = [
            math.exp(-(k - d) / fade) - math.exp(-(k + 1 - d) / fade) for k in range(d, last)
        ]
        expected = ahead[:, d:last] @ weights + ahead[:, last] * math.exp(-(last - d) / fade)
        found = fast(game, f"exponential:{fade}ns", [d])[:, 0]
        np.testing.assert_allclose(found, expected, atol=1e-12)


@settings(max_examples=60)
@given(data=st.data(), policy=st.sampled_from(["fail", "drop", "stale", "fallback", "penalty"]))
def test_the_whole_function_is_what_it_is_at_each_deadline(
    data: st.DataObject, policy: str
) -> None:
    """The steps of a set change where answers come, and nowhere else."""
    rows = data.draw(st.integers(1, 6))
    times = st.lists(
        st.one_of(st.just(NEVER), st.integers(0, SLOWEST)), min_size=rows, max_size=rows
    )
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows)))
    late, other = (np.array(data.draw(times), dtype=np.int64) for _ in range(2))
    everyone = np.arange(rows, dtype=np.int32)
    graded = Graded(
        sample=everyone,
        output=everyone,
        latency_ns=late,
        scheduled_ns=np.arange(rows, dtype=np.int64),
        fallback_ns=other,
        fallback_output=everyone,
    )
    grader = Spoilt().prepare(labels, np.zeros(rows, dtype=int))
    found: Any = quality_by_deadline(graded, grader, parse_policy(policy))
    deadlines = np.array([*EVER, *EVER], dtype=np.int64)
    np.testing.assert_array_equal(found.steps.at(deadlines), found.at(deadlines))


@settings(max_examples=60)
@given(data=st.data())
def test_a_stale_answer_never_comes_from_another_sequence(data: st.DataObject) -> None:
    """The last frame of a video says nothing about the first of the next."""
    rows = data.draw(st.integers(2, 7))
    sequence = np.sort(data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows)))
    latency = data.draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows))
    everyone = np.arange(rows, dtype=np.int32)
    scheduled = np.arange(rows, dtype=np.int64) * 2
    graded = Graded(
        sample=everyone,
        output=everyone,
        latency_ns=np.array(latency, dtype=np.int64),
        score=np.ones(rows),
        scheduled_ns=scheduled,
        sequence=sequence.astype(np.int32),
    )
    # Row j's label is j, and what is right is its video's first label: seen by whoever sees it.
    first = {int(s): int(np.flatnonzero(sequence == s)[0]) for s in sequence}
    right = np.array([first[int(s)] for s in sequence])
    graders = (top1.prepare(everyone, right), Spoilt().prepare(everyone, right))
    for deadline in range(12):
        pairs = []
        for j in range(rows):
            seen = [
                i
                for i in range(j + 1)
                if sequence[i] == sequence[j] and 2 * i + latency[i] <= 2 * j + deadline
            ]
            pairs.append((int(right[j]), seen[-1] if seen else None))
        at = np.array([deadline], dtype=np.int64)
        hits = np.mean([a == b for a, b in pairs])
        own = top1.prepare(everyone, right).scores(everyone, everyone)
        stale = parse_policy("stale")
        additive = quality_by_deadline(
            Graded(**{**graded.__dict__, "score": own}), graders[0], stale
        )
        assert additive.at(at)[0] == pytest.approx(hits)
        assert quality_by_deadline(graded, graders[1], stale).at(at)[0] == pytest.approx(
            spoilt(pairs)
        )
