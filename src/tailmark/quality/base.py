"""The metric seam. A metric prepares outputs and references once, then scores any rows of them."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tailmark.records.model import Int32s

Floats = npt.NDArray[np.float64]


class Grader(Protocol):
    """Prepared outputs and references of an additive metric: the quality of a set is a mean."""

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """What each row's answer is worth, from 0 to 1.

        Args:
            samples: Shape (rows,).
            outputs: Shape (rows,), the row's output; -1 for no answer, which scores 0.
        """
        ...


class Metric(Protocol):
    """A way to grade answers."""

    @property
    def name(self) -> str:
        """What files, commands and reports call it."""
        ...

    def prepare(self, outputs: Any, references: Any) -> Grader:
        """Look at everything once.

        Args:
            outputs: A run's outputs by column, or anyone's array of shape (outputs, …).
            references: Shape (samples, …).

        Raises:
            MetricError: They are not what this metric grades.
        """
        ...
