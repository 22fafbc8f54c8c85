"""The metric seam. A metric prepares outputs and references once, then grades any rows of them.

Quality is from 0 to 1, and more is better. A metric is *additive* where the quality of a set is the
mean of what each answer is worth: its grader scores rows, and one sort answers every deadline. Any
other (AP, F1) grades sets: its grader is told which answers each row has from when on, and answers
all deadlines asked for at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from tailmark.errors import MetricError
from tailmark.records.model import Int32s, Int64s

Floats = npt.NDArray[np.float64]


class Grader(Protocol):
    """Prepared outputs and references."""

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """What each row's answer is worth by itself, from 0 to 1.

        The quality of an additive metric is their mean. A grader of sets gives what its users
        would call right of one sample alone: a label that is right, the share of objects found.

        Args:
            samples: Shape (rows,).
            outputs: Shape (rows,), the row's output; -1 for no answer, which scores 0.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """A round's rows, and from when on each has which answer; before its first it has none.

    Args:
        sample: What each row asks, shape (rows,). A sample that is asked twice is two rows, and
            counts twice.
        row: Which row gets an answer, shape (arrivals,); ascending, and each row's arrivals in
            the order of ``at_ns``: a later one replaces the one before.
        at_ns: From which deadline on it has it, likewise; never `NEVER`.
        output: Which output that is, likewise.
        left_out: Whether a row without an answer is left out together with its reference (the late
            policy ``drop``); else its reference stays and nothing is answered.
    """

    sample: Int32s
    row: Int64s
    at_ns: Int64s
    output: Int32s
    left_out: bool = False

    @property
    def replaces(self) -> npt.NDArray[np.bool_]:
        """Which take the place of the one before; shape (arrivals,)."""
        found = np.zeros(len(self.row), dtype=np.bool_)
        found[1:] = self.row[1:] == self.row[:-1]
        return found

    def until(self, since: Int64s, never: int) -> Int64s:
        """Until when each is there: since when the one is that takes its place.

        Args:
            since: When each comes, in any measure of time, shape (arrivals,).
            never: Of what is not replaced.
        """
        found = np.full_like(since, never)
        replaces = self.replaces
        found[:-1][replaces[1:]] = since[replaces]
        return found


@runtime_checkable
class SetGrader(Grader, Protocol):
    """Prepared outputs and references of a metric that is no mean over samples."""

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """The quality of the set at each deadline; shape (deadlines,).

        An answer is there at a deadline equal to its ``at_ns``.

        Args:
            arrivals: The rows of a round and their answers.
            deadlines_ns: Ascending, shape (deadlines,).

        Returns:
            From 0 to 1; NaN where nothing is left to grade.
        """
        ...


class Metric(Protocol):
    """A way to grade answers."""

    @property
    def name(self) -> str:
        """What files, commands and reports call it."""
        ...

    def prepare(self, outputs: Any, references: Any) -> Grader | SetGrader:
        """Look at everything once.

        Args:
            outputs: A run's outputs by column, or anyone's; of length (outputs,).
            references: Likewise by column, or one array; of length (samples,).

        Raises:
            MetricError: They are not what this metric grades.
        """
        ...


def score_answers(
    samples: Int32s, outputs: Int32s, worth: Callable[[Int32s, Int32s], npt.NDArray[Any]]
) -> Floats:
    """What each row is worth: 0 without an answer, else what is asked of the answers alone.

    Args:
        samples: Shape (rows,).
        outputs: Likewise; -1 for no answer.
        worth: From the samples and outputs of the answers, each of shape (answers,), to as many
            scores; not asked if there are none.
    """
    scores = np.zeros(len(samples))
    there = np.flatnonzero(outputs >= 0)
    if len(there):
        scores[there] = worth(samples[there], outputs[there])
    return scores


def column(held: Any, name: str, metric: str, where: str, way_out: str) -> Any:
    """One column of outputs or references that come by column; anything else as it is.

    Args:
        held: By column, or not.
        name: The column.
        metric: Who asks.
        where: ``outputs`` or ``references``.
        way_out: How to get the column, for the message.

    Raises:
        MetricError: There is no such column.
    """
    if not isinstance(held, Mapping):
        return held
    if name not in held:
        has = ", ".join(held) or "nothing"
        raise MetricError(
            f"{metric} grades the column {name!r} and the {where} have {has}: {way_out}"
        )
    return held[name]
