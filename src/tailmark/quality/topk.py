"""Top-k accuracy: right if the reference is among the k best answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import MetricError
from tailmark.quality.base import Floats, Grader, score_answers
from tailmark.records.model import Int32s


@dataclass(frozen=True)
class TopK:
    """Share of samples whose label is among the k best.

    Args:
        k: How many answers may be tried.
    """

    k: int

    @property
    def name(self) -> str:
        """``top1``, ``top5``."""
        return f"top{self.k}"

    def prepare(self, outputs: Any, references: Any) -> Grader:
        """See `Metric.prepare`.

        Args:
            outputs: A run's ``labels``; or integers of shape (outputs,) or (outputs, ranks), best
                first; or scores of shape (outputs, classes), highest best, ties in class order.
            references: Integer labels, shape (samples,).
        """
        labels = np.asarray(references)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise MetricError(
                f"{self.name} grades against integer labels of shape (samples,), not "
                f"{labels.dtype} of shape {labels.shape}"
            )
        if isinstance(outputs, Mapping):
            if "labels" not in outputs:
                held = ", ".join(outputs) or "nothing"
                raise MetricError(
                    f"{self.name} grades the column 'labels' and the run's outputs have {held}: "
                    "measure with decode: {kind: classes}"
                )
            outputs = outputs["labels"]
        ranked = self._ranked(np.asarray(outputs))
        return _TopKGrader(labels, ranked)

    def _ranked(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if outputs.dtype.kind == "f" and outputs.ndim == 2:
            if outputs.shape[1] < self.k:
                raise MetricError(
                    f"{self.name} of {outputs.shape[1]} classes is always right: use top1"
                )
            # Stable sorting of the negated scores ranks ties in class order.
            return np.argsort(-outputs, axis=1, kind="stable")[:, : self.k]
        if outputs.dtype.kind in "iu" and outputs.ndim in (1, 2):
            ranked = outputs.reshape(len(outputs), -1)
            if ranked.shape[1] < self.k and outputs.ndim == 2:
                raise MetricError(
                    f"{self.name} needs the {self.k} best answers and {ranked.shape[1]} were kept: "
                    f"measure with decode.top: {self.k}"
                )
            if ranked.shape[1] < self.k:
                raise MetricError(
                    f"{self.name} needs the {self.k} best answers and each output is one label: "
                    "use top1, or give ranked labels or scores"
                )
            return ranked[:, : self.k]
        raise MetricError(
            f"{self.name} cannot read outputs of {outputs.dtype} and shape {outputs.shape}: give "
            "labels (outputs,), ranked labels (outputs, ranks) or scores (outputs, classes)"
        )


@dataclass(frozen=True)
class _TopKGrader:
    labels: npt.NDArray[Any]
    ranked: npt.NDArray[Any]

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        return score_answers(samples, outputs, self._right)

    def _right(self, samples: Int32s, outputs: Int32s) -> npt.NDArray[np.bool_]:
        tried = self.ranked[outputs]
        right: npt.NDArray[np.bool_] = (tried == self.labels[samples, None]).any(axis=1)
        return right


top1 = TopK(1)
top5 = TopK(5)
