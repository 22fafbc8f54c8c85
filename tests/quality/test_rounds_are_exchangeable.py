"""Law: each round is graded by itself; permuting rounds permutes their rows."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.oracle import DEADLINES, POLICIES, Game, games
from tailmark import quality_at_deadlines
from tailmark.quality.topk import TopK


def _graded(game: Game, policy: str, rounds: list[int]) -> Any:
    latency, order = game.array()[rounds], np.array(game.order)[rounds]
    lent = game.array(game.other[0])[rounds]
    outputs, others = np.array(game.outputs), np.array(game.other[1])
    if game.by_round:
        outputs, others = outputs[rounds], others[rounds]
    return quality_at_deadlines(
        latency,
        outputs,
        game.references,
        metric=TopK(game.k),
        deadlines_ns=DEADLINES,
        on_late=policy,
        issue_order=order,
        fallback=(lent, others),
    )


@settings(max_examples=120)
@given(game=games(), policy=st.sampled_from(list(POLICIES)), data=st.data())
def test_permuting_rounds_permutes_rows(game: Game, policy: str, data: st.DataObject) -> None:
    """The rows of permuted rounds are the permuted rows."""
    order = data.draw(st.permutations(range(game.rounds)))
    everyone = _graded(game, policy, list(range(game.rounds)))
    np.testing.assert_array_equal(_graded(game, policy, order), everyone[order])


@settings(max_examples=60)
@given(game=games(), data=st.data())
def test_permuting_deadlines_permutes_columns(game: Game, data: st.DataObject) -> None:
    """Deadlines may come in any order, and more than once."""
    some = data.draw(st.lists(st.sampled_from(DEADLINES), min_size=1, max_size=12))

    def at(deadlines: list[int]) -> Any:
        return quality_at_deadlines(
            game.array(),
            game.outputs,
            game.references,
            metric=TopK(game.k),
            deadlines_ns=deadlines,
        )

    np.testing.assert_array_equal(at(some), at(DEADLINES)[:, some])


@settings(max_examples=60)
@given(game=games(), policy=st.sampled_from([p for p in POLICIES if p != "stale"]), data=st.data())
def test_samples_have_no_order_but_under_stale(
    game: Game, policy: str, data: st.DataObject
) -> None:
    """Renumbering the samples leaves quality as it was."""
    order = data.draw(st.permutations(range(game.samples)))
    axis = 1 if game.by_round else 0

    def at(renumbered: list[int]) -> Any:
        return quality_at_deadlines(
            game.array()[:, renumbered],
            np.take(np.array(game.outputs), renumbered, axis=axis),
            np.array(game.references)[renumbered],
            metric=TopK(game.k),
            deadlines_ns=DEADLINES,
            on_late=policy,
            fallback=(
                game.array(game.other[0])[:, renumbered],
                np.take(np.array(game.other[1]), renumbered, axis=axis),
            ),
        )

    np.testing.assert_array_equal(at(order), at(list(range(game.samples))))
