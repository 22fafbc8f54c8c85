"""What all of COCO's metrics share of the same outputs and references: matches and rankings."""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np

from tailmark.quality.detection.boxes import (
    DETECTED,
    TRUE,
    Area,
    Detections,
    Objects,
    read_detections,
    read_objects,
)
from tailmark.quality.detection.outcomes import Outcomes
from tailmark.quality.detection.ranking import Ranking, rank
from tailmark.records.model import Int32s
from tailmark.records.ragged import Ragged


@dataclass
class Evaluation:
    """Detections held against objects, each thing done once, when first asked for.

    Args:
        detections: Of all outputs.
        objects: Of all samples.
    """

    detections: Detections
    objects: Objects
    _outcomes: dict[Area, Outcomes] = field(default_factory=dict, init=False)
    _to_find: dict[Area, Ragged] = field(default_factory=dict, init=False)
    _rankings: dict[tuple[Area, int], tuple[bytes, list[Ranking]]] = field(
        default_factory=dict, init=False
    )

    @classmethod
    def of(cls, outputs: Any, references: Any, metric: str) -> Self:
        """Read and check both; the arguments are those of `evaluation_of`."""
        objects = read_objects(references, metric)
        return cls(read_detections(outputs, objects.categories, metric), objects)

    def outcomes(self, area: Area) -> Outcomes:
        """What becomes of detections where objects of this area count."""
        if area not in self._outcomes:
            self._outcomes[area] = Outcomes(self.detections, self.objects, area)
        return self._outcomes[area]

    def to_find(self, area: Area) -> Ragged:
        """The category of each object that counts, a row a sample."""
        if area not in self._to_find:
            counted = self.objects.counted(area)
            starts = np.concatenate([[0], np.cumsum(counted)])[self.objects.starts]
            self._to_find[area] = Ragged(self.objects.category[counted], starts)
        return self._to_find[area]

    def rankings(self, area: Area, most: int, samples: Int32s, outputs: Int32s) -> list[Ranking]:
        """The detections of these answers, ranked; a list entry a category.

        Rounds are mostly answered alike, so the last ranking is kept.

        Args:
            area: Of the objects that count.
            most: How many detections of an answer and category are looked at.
            samples: What is answered, shape (answers,).
            outputs: With what, likewise.
        """
        answered = samples.tobytes() + outputs.tobytes()
        last, found = self._rankings.get((area, most), (b"", []))
        if not found or last != answered:
            outcomes = self.outcomes(area).of(samples, outputs)
            found = rank(self.detections, outputs, outcomes, len(self.objects.categories), most)
            self._rankings[area, most] = answered, found
        return found


def evaluation_of(outputs: Any, references: Any, metric: str) -> Evaluation:
    """The evaluation of these, the same for every metric where nobody can change them.

    Args:
        outputs: See `read_detections`.
        references: See `read_objects`.
        metric: Who asks first.

    Raises:
        MetricError: They cannot be read.
    """
    columns = [*_columns(outputs, DETECTED), *_columns(references, TRUE)]
    key = tuple(map(id, columns))
    frozen = all(isinstance(one, Ragged) for one in columns)
    if frozen and key in _shared:
        return _shared[key]
    made = Evaluation.of(outputs, references, metric)
    if frozen:
        _shared[key] = made
        for one in columns:  # as long as they live, their ids are theirs
            weakref.finalize(one, partial(_shared.pop, key, None)).atexit = False
    return made


_shared: dict[tuple[int, ...], Evaluation] = {}


def _columns(held: Any, names: tuple[str, ...]) -> list[Any]:
    """Those of the names that are there; what comes otherwise is one thing."""
    return [held[name] for name in names if name in held] if isinstance(held, Mapping) else [held]
