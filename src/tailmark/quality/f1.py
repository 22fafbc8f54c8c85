"""F1 of labels: of texts, or of every utterance of a dialogue.

The classes are those of the references of the whole workload. No answer is a label outside every
class, and so is any label that no reference has. So each value is that of scikit-learn's
``f1_score(…, labels=classes, zero_division=0)`` on the labels that are there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Literal, get_args

import numpy as np

from tailmark.errors import InputError, MetricError
from tailmark.quality.base import Arrivals, Floats, SetGrader, column
from tailmark.quality.by_class import ByClass, answered, how_many, ratio
from tailmark.quality.counted import Counted, Entries
from tailmark.quality.reading import rows_of
from tailmark.quality.spelling import spelled
from tailmark.records.model import Int32s, Int64s
from tailmark.records.ragged import Ragged

Average = Literal["weighted", "macro", "micro"]

_WAY_OUT = "measure with decode: {kind: classes} or {kind: labels}"
_WANTED = "integer labels, one a sample or one for each utterance"


@dataclass(frozen=True)
class AverageF1:
    """F1 over all classes.

    Args:
        average: ``weighted`` by how many are of each class, ``macro`` for the plain mean over the
            classes, ``micro`` for the F1 of all their counts together.

    Raises:
        InputError: Another average.
    """

    average: Average

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.average not in get_args(Average):
            raise InputError(f"average {self.average!r} of F1: give {', '.join(get_args(Average))}")

    @property
    def name(self) -> str:
        """``f1_weighted``."""
        return f"f1_{self.average}"

    def prepare(self, outputs: Any, references: Any) -> SetGrader:
        """See `Metric.prepare`.

        Args:
            outputs: A run's ``labels``, or integers: of shape (outputs,), or (outputs, k) best
                first. Of dialogues one for each utterance: `Ragged`, or (outputs, utterances).
            references: Integers of shape (samples,); or of dialogues, each utterance's.
        """
        labels = _Labels.read(outputs, references, self.name)
        return _LabelGrader(labels, attrgetter(f"f1_{self.average}"))


@dataclass(frozen=True)
class F1:
    """F1 of one class.

    Args:
        label: The class.
    """

    label: int

    @property
    def name(self) -> str:
        """``f1:3``."""
        return spelled("f1", self)

    def prepare(self, outputs: Any, references: Any) -> SetGrader:
        """See `AverageF1.prepare`."""
        labels = _Labels.read(outputs, references, self.name)
        if self.label not in labels.classes:
            raise MetricError(
                f"{self.name} finds no {self.label} in the references: give one of "
                f"{', '.join(map(str, labels.classes))}"
            )
        index = int(np.searchsorted(labels.classes, self.label))
        return _LabelGrader(labels, partial(ByClass.f1_of, index=index))


@dataclass(frozen=True)
class Accuracy:
    """The share of all labels that are right: of utterances, not of dialogues."""

    name = "accuracy"

    def prepare(self, outputs: Any, references: Any) -> SetGrader:
        """See `AverageF1.prepare`."""
        labels = _Labels.read(outputs, references, self.name)
        return _LabelGrader(labels, attrgetter("accuracy"))


f1_weighted = AverageF1("weighted")
f1_macro = AverageF1("macro")
f1_micro = AverageF1("micro")
accuracy = Accuracy()


@dataclass(frozen=True)
class _Labels:
    """Labels as the index of their class; of what is no class, the number of classes.

    Args:
        classes: Ascending, shape (classes,).
        true: Of each sample, a row for each dialogue.
        answered: Of each output, likewise.
        single: Whether every row is one label.
        metric: Who asks.
    """

    classes: Int64s
    true: Ragged
    answered: Ragged
    single: bool
    metric: str

    @classmethod
    def read(cls, outputs: Any, references: Any, metric: str) -> "_Labels":
        """Check both, and number the classes."""
        right = column(references, "labels", metric, "references", "give integer labels")
        given = column(outputs, "labels", metric, "outputs", _WAY_OUT)
        true = rows_of(right, "iu", metric, "references", _WANTED)
        if isinstance(given, np.ndarray) and given.ndim == 2 and np.shape(right) == (len(true),):
            given = given[:, :1]  # the best of several
        labels = rows_of(given, "iu", metric, "outputs", _WANTED)
        classes = np.unique(true.values).astype(np.int64)
        single = bool((true.lengths == 1).all() and (labels.lengths == 1).all())
        return cls(classes, _numbered(true, classes), _numbered(labels, classes), single, metric)

    @property
    def counts(self) -> int:
        """Those of `ByClass`."""
        return how_many(len(self.classes))

    def absent(self, samples: Int32s) -> Entries:
        """An utterance without a label is of its class all the same."""
        row, true = self._flat(self.true, samples)
        return Entries(row, true)

    def gained(self, samples: Int32s, outputs: Int32s) -> Entries:
        """A label is of some class, and may be right."""
        row, true, given = self.pairs(samples, outputs)
        return Entries(row, answered(given, true, len(self.classes)))

    def pairs(self, samples: Int32s, outputs: Int32s) -> tuple[Int64s | None, Int64s, Int64s]:
        """Of each utterance its row, its class, and the class it is answered to be of.

        Rows are None where each has one utterance.

        Raises:
            MetricError: An answer has more or fewer labels than its dialogue has utterances.
        """
        if not self.single:
            unlike = self.true.lengths[samples] != self.answered.lengths[outputs]
            if unlike.any():
                first = int(unlike.argmax())
                has = self.answered.lengths[outputs[first]]
                needs = self.true.lengths[samples[first]]
                raise MetricError(
                    f"{self.metric} has an answer of {has} labels for sample {samples[first]} of "
                    f"{needs}: give one label for each utterance"
                )
        row, true = self._flat(self.true, samples)
        return row, true, self._flat(self.answered, outputs)[1]

    def _flat(self, labels: Ragged, rows: Int32s) -> tuple[Int64s | None, Int64s]:
        """Which row each utterance is of, and its label; shape (utterances,)."""
        if self.single:
            return None, labels.values[rows]
        return np.repeat(np.arange(len(rows)), labels.lengths[rows]), labels.take(rows).values


@dataclass(frozen=True)
class _LabelGrader:
    labels: _Labels
    value: Callable[[ByClass], Floats]

    @cached_property
    def _counted(self) -> Counted:
        return Counted(self.labels)

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """The share of each answer's labels that are right; of no utterances, all."""
        there = np.flatnonzero(outputs >= 0)
        row, true, given = self.labels.pairs(samples[there], outputs[there])
        right = true == given
        worth = np.zeros(len(samples))
        if row is None:
            worth[there] = right
        else:
            of = np.bincount(row, minlength=len(there))
            worth[there] = ratio(np.bincount(row, right, len(there)), of, 1.0)
        return worth

    def by_deadline(self, arrivals: Arrivals, deadlines_ns: Int64s) -> Floats:
        return self.value(ByClass.of(self._counted.totals(arrivals, deadlines_ns)))


def _numbered(labels: Ragged, classes: Int64s) -> Ragged:
    """Each label as the index of its class."""
    index = np.searchsorted(classes, labels.values)
    known = index < len(classes)
    known[known] = classes[index[known]] == labels.values[known]
    index[~known] = len(classes)
    return Ragged(index, labels.starts)
