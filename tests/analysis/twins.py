"""Pairs of runs made by hand on the same samples, measured apart or beside each other."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from analysis.handmade import CLASSES, Answer, hand_rounds, make_round, make_run
from tailmark.records.model import Run

APART = ("a" * 32, "b" * 32)
BESIDE = ("c" * 32, "c" * 32)


@st.composite
def twins(draw: st.DrawFn, *, repeats: bool = False) -> tuple[Run, Run]:
    """Two runs of a few rounds on the same few samples; with ``repeats``, under open load."""
    samples = 4 if repeats else draw(st.integers(1, 5))
    references = draw(st.lists(st.integers(0, CLASSES - 1), min_size=samples, max_size=samples))
    runs = []
    for design in draw(st.sampled_from([APART, BESIDE])):
        count = draw(st.integers(1, 4))
        rounds = (
            [draw(hand_rounds(index=r, samples=samples)) for r in range(count)]
            if repeats
            else [
                make_round(
                    draw(st.lists(st.integers(0, 9), min_size=samples, max_size=samples)),
                    draw(
                        st.lists(
                            st.one_of(st.none(), st.integers(0, CLASSES - 1)),
                            min_size=samples,
                            max_size=samples,
                        )
                    ),
                    index=r,
                    sample=draw(st.permutations(range(samples))),
                )
                for r in range(count)
            ]
        )
        runs.append(make_run(rounds, references, design_id=design))
    return runs[0], runs[1]


def steady(
    latency: Sequence[Sequence[int]], answers: Sequence[Answer], design: str, right: Sequence[int]
) -> Run:
    """Every round the same answers; its own latencies, one row a round."""
    rounds = [make_round(row, answers, index=r) for r, row in enumerate(latency)]
    return make_run(rounds, right, design_id=design)


def stalling(
    random: np.random.Generator, rounds: int, samples: int, *, design: str, effect: float
) -> Run:
    """All right; each round slower or faster as a whole, so that about half is late at 100."""
    slow = random.normal(0, effect, (rounds, 1)) + random.normal(0, 1, (rounds, samples))
    latency = np.maximum(np.rint(100 + 10 * slow), 0).astype(int)
    return steady(latency.tolist(), [1] * samples, design, [1] * samples)
