"""Law: under every late policy, the fast result is that of masking or weighing each answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality import oracle
from quality.oracle import DEADLINES, Game, games
from tailmark import quality_at_deadlines
from tailmark.quality.late import Graded, parse_policy, quality_by_deadline
from tailmark.quality.topk import TopK
from tailmark.records.model import NEVER


def _fast(game: Game, policy: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return quality_at_deadlines(
        game.array(),
        game.outputs,
        game.references,
        metric=TopK(game.k),
        deadlines_ns=DEADLINES,
        on_late=policy,
        issue_order=game.order if policy == "stale" else None,
        fallback=(game.array(game.other[0]), game.other[1]) if policy == "fallback" else None,
    )


def _slow(game: Game, policy: str) -> list[list[float]]:
    slow = oracle.POLICIES[policy]
    return [[slow(game, r, d) for d in DEADLINES] for r in range(game.rounds)]


@pytest.mark.parametrize("policy", list(oracle.HARD))
@settings(max_examples=90)
@given(game=games())
def test_every_value_is_the_masked_one(policy: str, game: Game) -> None:
    """At deadlines at, below and above every latency, each round has exactly the slow value."""
    np.testing.assert_array_equal(_fast(game, policy), _slow(game, policy))


@settings(max_examples=120)
@given(game=games(), policy=st.sampled_from([p for p in oracle.EXACT if p not in oracle.HARD]))
def test_every_value_is_the_weighed_one(policy: str, game: Game) -> None:
    """A straight line loses no digit either: each value is that of exact fractions."""
    np.testing.assert_array_equal(_fast(game, policy), _slow(game, policy))


@settings(max_examples=120)
@given(game=games(), policy=st.sampled_from([p for p in oracle.POLICIES if p not in oracle.EXACT]))
def test_every_decayed_value_is_the_weighed_one(policy: str, game: Game) -> None:
    """To the rounding of an exponential."""
    np.testing.assert_allclose(_fast(game, policy), _slow(game, policy), rtol=1e-13, atol=0)


@settings(max_examples=100)
@given(game=games(), policy=st.sampled_from(list(oracle.POLICIES)), data=st.data())
def test_an_issue_order_changes_nothing_but_stale(
    game: Game, policy: str, data: st.DataObject
) -> None:
    """Saying in which order samples were issued leaves the other policies as they were."""
    if policy == "stale":
        policy = "fail"
    order = data.draw(st.permutations(range(game.samples)))
    with_order = quality_at_deadlines(
        game.array(),
        game.outputs,
        game.references,
        metric=TopK(game.k),
        deadlines_ns=DEADLINES,
        on_late=policy,
        issue_order=order,
        fallback=(game.array(game.other[0]), game.other[1]),
    )
    np.testing.assert_array_equal(with_order, _fast(game, policy))


@settings(max_examples=100)
@given(game=games())
def test_a_missing_answer_may_be_written_in_three_ways(game: Game) -> None:
    """NaN, infinity and the largest integer each mean that the answer never came."""
    whole = game.array()
    absent = whole == NEVER
    expected = _fast(game, "fail")
    for missing in (np.nan, np.inf, 1e300):
        told = np.where(absent, missing, whole.astype(np.float64))
        np.testing.assert_array_equal(
            quality_at_deadlines(
                told,
                game.outputs,
                game.references,
                metric=TopK(game.k),
                deadlines_ns=DEADLINES,
            ),
            expected,
        )


@settings(max_examples=250)
@given(data=st.data())
def test_stale_holds_under_open_load(data: st.DataObject) -> None:
    """Rows scheduled at any moments, overlapping and repeating samples, see the newest answer.

    The simulation: at its own deadline each row looks at all rows issued no later than itself and
    takes the newest of those that had completed.
    """
    rows = data.draw(st.integers(1, 9))

    def column(low: int, high: int) -> list[int]:
        return data.draw(st.lists(st.integers(low, high), min_size=rows, max_size=rows))

    scheduled = sorted(column(0, 12))
    latency = data.draw(
        st.lists(st.one_of(st.none(), st.integers(0, 12)), min_size=rows, max_size=rows)
    )
    sample, output = column(0, 2), column(0, 2)
    references, labels = [0, 1, 2], [0, 1, 2]

    def seen_by(j: int, deadline: int) -> int:
        moment = scheduled[j] + deadline
        for i in range(j, -1, -1):
            spent = latency[i]
            if spent is not None and scheduled[i] + spent <= moment:
                return int(labels[output[i]] == references[sample[j]])
        return 0

    deadlines = np.arange(26)
    grader = TopK(1).prepare(np.array(labels), np.array(references))
    samples = np.array(sample, dtype=np.int32)
    told = np.array([NEVER if t is None else t for t in latency], dtype=np.int64)
    outputs = np.where(told == NEVER, -1, np.array(output)).astype(np.int32)
    graded = Graded(
        sample=samples,
        output=outputs,
        latency_ns=told,
        score=grader.scores(samples, outputs),
        scheduled_ns=np.array(scheduled, dtype=np.int64),
    )
    expected = [sum(seen_by(j, d) for j in range(rows)) / rows for d in deadlines.tolist()]
    stale = quality_by_deadline(graded, grader, parse_policy("stale"))
    np.testing.assert_array_equal(stale.at(deadlines), expected)


@settings(max_examples=200)
@given(data=st.data(), policy=st.sampled_from(list(oracle.HARD)))
def test_partial_credit_is_masked_alike(data: st.DataObject, policy: str) -> None:
    """A metric that gives parts of a point is masked as one that gives whole points is."""
    rows = data.draw(st.integers(1, 8))
    worths = data.draw(st.lists(st.floats(0, 1), min_size=rows, max_size=rows))
    lent = data.draw(st.lists(st.floats(0, 1), min_size=rows, max_size=rows))
    latency = data.draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows))
    other = data.draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows))

    class Credit:
        def scores(
            self,
            samples: np.ndarray[tuple[int], np.dtype[np.int32]],
            outputs: np.ndarray[tuple[int], np.dtype[np.int32]],
        ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            del samples
            return np.array(worths + lent)[outputs]

    everyone = np.arange(rows, dtype=np.int32)
    started = np.cumsum([0, *latency[:-1]])
    graded = Graded(
        sample=everyone,
        output=everyone,
        latency_ns=np.array(latency, dtype=np.int64),
        score=np.array(worths),
        scheduled_ns=started,
        fallback_ns=np.array(other, dtype=np.int64),
        fallback_output=everyone + np.int32(rows),
    )

    def worth(j: int, deadline: int) -> float | None:
        if latency[j] <= deadline:
            return worths[j]
        if policy == "drop":
            return None
        if policy == "fallback" and other[j] <= deadline:
            return lent[j]
        if policy == "stale":
            for i in range(j, -1, -1):
                if started[i] + latency[i] <= started[j] + deadline:
                    return worths[i]
        return 0.0

    for deadline in range(7):
        kept = [w for w in (worth(j, deadline) for j in range(rows)) if w is not None]
        expected = sum(kept) / len(kept) if kept else np.nan
        found = quality_by_deadline(graded, Credit(), parse_policy(policy)).at(
            np.array([deadline])
        )[0]
        assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
