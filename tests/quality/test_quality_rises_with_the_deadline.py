"""Law: under ``fail``, time never costs quality, and with all the time there is it is ideal."""

import numpy as np
from hypothesis import given, settings

from quality.oracle import DEADLINES, Game, games
from tailmark import quality_at_deadlines
from tailmark.quality.topk import TopK
from tailmark.records.model import NEVER


@settings(max_examples=150)
@given(game=games())
def test_quality_never_falls_as_the_deadline_grows(game: Game) -> None:
    """Each round's quality is a rising step function of the deadline, from 0 to 1."""
    found = quality_at_deadlines(
        game.array(),
        game.outputs,
        game.references,
        metric=TopK(game.k),
        deadlines_ns=DEADLINES,
    )
    assert (np.diff(found, axis=1) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


@settings(max_examples=150)
@given(game=games())
def test_without_a_deadline_it_is_the_ideal_quality(game: Game) -> None:
    """At the longest deadline there is, only an answer that never came is wrong for being late."""
    found = quality_at_deadlines(
        game.array(),
        game.outputs,
        game.references,
        metric=TopK(game.k),
        deadlines_ns=[NEVER],
    )
    ideal = [
        sum(game.right(r, i, of=i) for i in range(game.samples) if game.latency[r][i] is not None)
        / game.samples
        for r in range(game.rounds)
    ]
    assert found[:, 0].tolist() == ideal
