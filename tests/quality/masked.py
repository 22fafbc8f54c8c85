"""A round as the definition has it: who has which answer at a deadline, walked row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tailmark.quality.base import Arrivals

DEADLINES = [-1, 0, 1, 2, 3, 5, 10]
"""Below, at, between and above every moment that there may be."""


@dataclass(frozen=True)
class AnyRound:
    """What is asked, and what comes when.

    Args:
        sample: Of each row.
        answers: Row, moment and output, in any order of rows; of one moment the last one stays.
        left_out: Whether rows without an answer do not count.
    """

    sample: list[int]
    answers: list[tuple[int, int, int]]
    left_out: bool

    @property
    def arrivals(self) -> Arrivals:
        """As graders take it."""
        row, at, output = np.array(self.answers, dtype=np.int64).reshape(-1, 3).T
        order = np.lexsort((at, row))
        return Arrivals(
            sample=np.array(self.sample, dtype=np.int32),
            row=row[order],
            at_ns=at[order],
            output=output[order].astype(np.int32),
            left_out=self.left_out,
        )

    def there(self, deadline: int) -> list[tuple[int, int | None]]:
        """The sample of each row that counts, and its output, if any."""
        found: list[tuple[int, int | None]] = []
        for row, sample in enumerate(self.sample):
            came = [(at, output) for r, at, output in self.answers if r == row and at <= deadline]
            latest = max((at for at, _ in came), default=None)
            output = [output for at, output in came if at == latest][-1] if came else None
            if output is not None or not self.left_out:
                found.append((sample, output))
        return found


@st.composite
def rounds(
    draw: st.DrawFn, samples: int, outputs: int | Sequence[Sequence[int]], most: int = 8
) -> AnyRound:
    """Rounds of repeated samples, with answers that replace each other, come late or never.

    Args:
        draw: By Hypothesis.
        samples: How many there are.
        outputs: How many there are, or which of them each sample may be answered with.
        most: Rows.
    """
    sample = draw(st.lists(st.integers(0, samples - 1), min_size=0, max_size=most))
    answers = []
    for row, one in enumerate(sample):
        fitting = range(outputs) if isinstance(outputs, int) else outputs[one]
        moments = draw(st.lists(st.integers(0, 6), max_size=3))
        answers += [(row, at, draw(st.sampled_from(fitting))) for at in moments] if fitting else []
    return AnyRound(sample, answers, draw(st.booleans()))
