"""Errors of numbers, and what no answer counts as.

An error has no worst by itself, so that is declared: no answer errs by ``penalty``, and no error
counts for more, so that a wrong answer is never worse than none. Quality is 1 − error ÷ penalty.
Where an answer is several numbers, each counts.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Arrivals, Floats, Grader, SetGrader, column, score_answers
from tailmark.quality.by_class import ratio
from tailmark.quality.counted import Counted, Entries
from tailmark.quality.spelling import spelled
from tailmark.records.model import Int32s, Int64s


@dataclass(frozen=True)
class _Penalized(ABC):
    """An error as a share of what no answer counts as.

    Args:
        penalty: The error that no answer counts as, in the references' unit; above 0.

    Raises:
        InputError: A penalty that is none.
    """

    penalty: float
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        _check(self.penalty)

    @property
    def name(self) -> str:
        """``mae:5``, ``rmse:5``."""
        return spelled(self.kind, self)

    @abstractmethod
    def prepare(self, outputs: Any, references: Any) -> Grader | SetGrader:
        """See `Metric.prepare`.

        Args:
            outputs: A run's ``values``, or numbers of shape (outputs,) or (outputs, d). NaN errs by
                the penalty.
            references: Likewise, finite.
        """

    def error(self, quality: float) -> float:
        """The error that a quality stands for."""
        return (1 - quality) * self.penalty


@dataclass(frozen=True)
class MeanAbsoluteError(_Penalized):
    """The mean of how far answers are off."""

    kind = "mae"

    def prepare(self, outputs: Any, references: Any) -> Grader:
        """See `_Penalized.prepare`."""
        return _AbsoluteGrader(*_read(self.name, outputs, references), self.penalty)


@dataclass(frozen=True)
class RootMeanSquaredError(_Penalized):
    """The root of the mean of squared errors, over all numbers together."""

    kind = "rmse"

    def prepare(self, outputs: Any, references: Any) -> SetGrader:
        """See `_Penalized.prepare`."""
        return _SquaredGrader(*_read(self.name, outputs, references), self.penalty)


@dataclass(frozen=True)
class _Errors:
    """Numbers, shape (rows, d).

    Args:
        answers: Of the outputs.
        references: Of the samples.
        penalty: The error that counts as 1.
    """

    answers: Floats
    references: Floats
    penalty: float

    def errors(self, samples: Int32s, outputs: Int32s) -> Floats:
        """As shares of the penalty, from 0 to 1; shape (rows, d)."""
        with np.errstate(over="ignore"):  # an error beyond all numbers is one, too
            off = np.abs(self.answers[outputs] - self.references[samples]) / self.penalty
        return np.nan_to_num(np.minimum(off, 1.0), nan=1.0)


@dataclass(frozen=True)
class _AbsoluteGrader(_Errors):
    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """What the mean error leaves of 1."""
        return score_answers(
            samples, outputs, lambda asked, given: 1.0 - self.errors(asked, given).mean(axis=1)
        )


@dataclass(frozen=True)
class _SquaredGrader(_Errors):
    """Counts rows, those without an answer, and squared errors.

    That no answer is a count of its own keeps it exact: beside a large penalty, what is left of the
    penalty's square when answers have come would be lost in rounding.
    """

    counts = 3

    @cached_property
    def _counted(self) -> Counted:
        return Counted(self)

    def absent(self, samples: Int32s) -> Entries:
        """A row, without an answer."""
        row = np.arange(len(samples))
        return Entries(np.tile(row, 2), np.repeat([0, 1], len(row)))

    def gained(self, samples: Int32s, outputs: Int32s) -> Entries:
        """An answer, and its error."""
        row = np.arange(len(samples))
        squared = (self.errors(samples, outputs) ** 2).mean(axis=1)
        amount = np.concatenate([np.full(len(row), -1.0), squared])
        return Entries(np.tile(row, 2), np.repeat([1, 2], len(row)), amount)

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """What each row's error leaves of 1."""
        return score_answers(
            samples, outputs, lambda asked, given: _quality(self._counted.by_row(asked, given))
        )

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        """What the error of all leaves of 1."""
        return _quality(self._counted.totals(arrivals, deadlines_ns))


def _quality(counts: Floats) -> Floats:
    rows, unanswered, squared = counts.T
    mean = np.clip(ratio(unanswered + squared, rows), 0.0, 1.0)  # sums may err by a rounding
    found: Floats = 1.0 - np.sqrt(mean)
    return found


def _check(penalty: float) -> None:
    if not (math.isfinite(penalty) and penalty > 0):
        raise InputError(
            f"penalty is {penalty!r}: give the error that no answer counts as, a number above 0"
        )


def _read(metric: str, outputs: Any, references: Any) -> tuple[Floats, Floats]:
    """Both as shape (rows, d)."""
    given = column(outputs, "values", metric, "outputs", "measure a system that gives numbers")
    right = column(references, "values", metric, "references", "give numbers")
    answers, true = _numbers(given, metric, "outputs"), _numbers(right, metric, "references")
    if answers.shape[1] != true.shape[1]:
        raise MetricError(
            f"{metric} has outputs of {answers.shape[1]} numbers and references of "
            f"{true.shape[1]}: give as many"
        )
    if not np.isfinite(true).all():
        raise MetricError(
            f"{metric} found {true[~np.isfinite(true)][0]} among the references: "
            "give finite numbers"
        )
    return answers, true


def _numbers(values: Any, metric: str, where: str) -> npt.NDArray[np.float64]:
    try:
        found = np.asarray(values)
    except ValueError:  # rows of different lengths
        found = np.asarray(None)
    if found.dtype.kind not in "iuf" or found.ndim not in (1, 2):
        raise MetricError(
            f"{metric} cannot read {where} of {found.dtype} and shape {found.shape}: give numbers, "
            "one a row or (rows, d)"
        )
    numbers = found.astype(np.float64)
    return numbers[:, None] if numbers.ndim == 1 else numbers
