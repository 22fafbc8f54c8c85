"""Quality at a deadline as the definition says it: mask or weigh each answer, then take the metric.

Slow and obvious on purpose: plain Python, one round, one deadline, one sample at a time.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from tailmark.records.model import NEVER

CLASSES = 4

Latency = int | None
"""Nanoseconds, or None for an answer that never came."""


@dataclass(frozen=True)
class Game:
    """Anyone's arrays: what `quality_at_deadlines` is given.

    Args:
        latency: By round and sample.
        outputs: By sample, or by round and sample (``by_round``).
        by_round: Which of the two.
        references: By sample.
        k: Of top-k.
        order: By round, the samples as they were issued.
        other: Another system's latency, and its outputs in the same form.
    """

    latency: list[list[Latency]]
    outputs: list[Any]
    by_round: bool
    references: list[int]
    k: int
    order: list[list[int]]
    other: tuple[list[list[Latency]], list[Any]]

    @property
    def rounds(self) -> int:
        """How many."""
        return len(self.latency)

    @property
    def samples(self) -> int:
        """How many."""
        return len(self.references)

    def output(self, r: int, i: int, outputs: list[Any] | None = None) -> Any:
        """What sample i is answered in round r."""
        held = self.outputs if outputs is None else outputs
        return held[r][i] if self.by_round else held[i]

    def right(self, r: int, i: int, *, of: int, outputs: list[Any] | None = None) -> int:
        """Whether the answer to sample i, given in round r, is right for sample ``of``."""
        return int(self.references[of] in best(self.output(r, i, outputs), self.k))

    def array(self, latency: list[list[Latency]] | None = None) -> npt.NDArray[np.int64]:
        """Latencies as integers, `NEVER` for none."""
        rows = self.latency if latency is None else latency
        return np.array([[NEVER if t is None else t for t in row] for row in rows], dtype=np.int64)


def best(output: Any, k: int) -> Sequence[int]:
    """The k best classes of a label, of ranked labels, or of scores with ties in class order."""
    if isinstance(output, int):
        return [output]
    if isinstance(output[0], int):
        return list(output[:k])
    return sorted(range(len(output)), key=lambda c: (-output[c], c))[:k]


def on_time(latency: Latency, deadline: int) -> bool:
    """An answer exactly at the deadline is on time."""
    return latency is not None and latency <= deadline


def fail(game: Game, r: int, deadline: int) -> float:
    """Late is wrong."""
    worth = [
        game.right(r, i, of=i) if on_time(game.latency[r][i], deadline) else 0
        for i in range(game.samples)
    ]
    return sum(worth) / game.samples


def drop(game: Game, r: int, deadline: int) -> float:
    """Late is left out."""
    worth = [
        game.right(r, i, of=i) for i in range(game.samples) if on_time(game.latency[r][i], deadline)
    ]
    return sum(worth) / len(worth) if worth else math.nan


def stale(game: Game, r: int, deadline: int) -> float:
    """Late is replaced by the newest answer there was; each query waits for the last."""
    clock, scheduled, completed = 0, [], []
    for i in game.order[r]:
        scheduled.append(clock)
        spent = game.latency[r][i]
        completed.append(None if spent is None else clock + spent)
        clock += spent or 0
    worth = 0
    for j, sample in enumerate(game.order[r]):
        moment = scheduled[j] + deadline
        there = [i for i in range(j + 1) if on_time(completed[i], moment)]
        if there:
            worth += game.right(r, game.order[r][there[-1]], of=sample)
    return worth / game.samples


def fallback(game: Game, r: int, deadline: int) -> float:
    """Late is replaced by the other system's answer, if that one was on time."""
    latency, outputs = game.other
    worth = 0
    for i in range(game.samples):
        if on_time(game.latency[r][i], deadline):
            worth += game.right(r, i, of=i)
        elif on_time(latency[r][i], deadline):
            worth += game.right(r, i, of=i, outputs=outputs)
    return worth / game.samples


def penalty(game: Game, r: int, deadline: int) -> float:
    """Late is wrong, and the whole is multiplied by the share on time."""
    there = [on_time(t, deadline) for t in game.latency[r]]
    return sum(there) / game.samples * fail(game, r, deadline)


def linear(fade: int) -> "Slow":
    """Late is worth the less the later, and nothing from ``fade`` on; in exact fractions."""

    def grade(game: Game, r: int, deadline: int) -> float:
        worth = Fraction(0)
        for i in range(game.samples):
            spent = game.latency[r][i]
            if spent is not None and game.right(r, i, of=i):
                late = max(spent - deadline, 0)
                worth += max(1 - Fraction(late, fade), Fraction(0))
        return float(worth / game.samples)

    return grade


def exponential(fade: int) -> "Slow":
    """Late is worth 1/e of its score at ``fade``, and of that at twice that."""

    def grade(game: Game, r: int, deadline: int) -> float:
        worth = 0.0
        for i in range(game.samples):
            spent = game.latency[r][i]
            if spent is not None and game.right(r, i, of=i):
                worth += math.exp(-max(spent - deadline, 0) / fade)
        return worth / game.samples

    return grade


Slow = Callable[[Game, int, int], float]
"""Grades one round at one deadline."""

HARD: dict[str, Slow] = {"fail": fail, "drop": drop, "stale": stale, "fallback": fallback}
EXACT: dict[str, Slow] = {
    **HARD,
    "penalty": penalty,
    **{f"linear:{fade}ns": linear(fade) for fade in (1, 2, 3, 7, 1000)},
}
"""Where every value can be had to the last bit."""

POLICIES: dict[str, Slow] = {
    **EXACT,
    **{f"exponential:{fade}ns": exponential(fade) for fade in (1, 3, 1000)},
}


def scaled(policy: str, scale: int) -> str:
    """The same policy where time is counted in units so many times as small."""
    kind, colon, fade = policy.partition(":")
    return f"{kind}:{int(fade.removesuffix('ns')) * scale}ns" if colon else policy


SLOWEST = 6
DEADLINES = list(range(SLOWEST + 2))
"""At, just below and just above every latency, and beyond all of them."""


@st.composite
def games(draw: st.DrawFn) -> Game:
    """Few and small latencies, so that ties, zeros and equality with deadlines are common."""
    rounds, samples = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    k = draw(st.sampled_from([1, 2]))
    by_round = draw(st.booleans())
    label = st.integers(0, CLASSES - 1)
    ranked = st.permutations(range(CLASSES)).map(lambda p: list(p)[:3])
    scores = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=CLASSES, max_size=CLASSES)
    answer = draw(st.sampled_from([ranked, scores, label] if k == 1 else [ranked, scores]))
    # Ranked labels of each sample could be read as labels of each round and sample.
    if answer is ranked and not by_round and (rounds, samples) == (samples, 3):
        rounds += 1
    times = st.one_of(st.none(), st.integers(0, SLOWEST))

    def table(cell: st.SearchStrategy[Any]) -> list[list[Any]]:
        row = st.lists(cell, min_size=samples, max_size=samples)
        return draw(st.lists(row, min_size=rounds, max_size=rounds))

    def answers() -> list[Any]:
        return table(answer) if by_round else table(answer)[0]

    return Game(
        latency=table(times),
        outputs=answers(),
        by_round=by_round,
        references=table(label)[0],
        k=k,
        order=draw(
            st.lists(st.permutations(range(samples)).map(list), min_size=rounds, max_size=rounds)
        ),
        other=(table(times), answers()),
    )
