"""Matches each answer once, whoever asks, and remembers what came of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.quality.detection.boxes import Area, Detections, Objects
from tailmark.quality.detection.matching import match
from tailmark.records.ragged import Ragged

_PAIRS_AT_ONCE = 512

Integers = npt.NDArray[np.integer[Any]]


def _nothing() -> Ragged:
    return Ragged(np.empty((0, 2), dtype=np.uint16), np.zeros(1, dtype=np.int64))


@dataclass
class Outcomes:
    """What becomes of detections, by the sample that they answer.

    Args:
        detections: Of all outputs.
        objects: Of all samples.
        area: Of the objects that count.
        at_most: Once so many detections' outcomes are kept, 4 bytes each, they are forgotten.
    """

    detections: Detections
    objects: Objects
    area: Area
    at_most: int = 1 << 24
    _row: dict[int, int] = field(default_factory=dict, init=False)
    _known: Ragged = field(default_factory=_nothing, init=False)

    def __len__(self) -> int:
        """How many pairs of a sample and an output are kept."""
        return len(self._known)

    def of(self, samples: Integers, outputs: Integers) -> Ragged:
        """As `match` has it, for any pairs of a sample and an output; none of them -1."""
        count = len(self.detections.starts) - 1
        pairs = (samples.astype(np.int64) * count + outputs).tolist()
        new = {pair for pair in pairs if pair not in self._row}
        if new and len(self._known.values) > self.at_most:
            self._row, self._known, new = {}, _nothing(), set(pairs)
        if new:
            self._remember(sorted(new))
        return self._known.take(np.array([self._row[pair] for pair in pairs], dtype=np.int64))

    def _remember(self, pairs: list[int]) -> None:
        self._row |= {pair: row for row, pair in enumerate(pairs, start=len(self._known))}
        sample, output = np.divmod(np.array(pairs), len(self.detections.starts) - 1)
        several = [self._known]
        for begin in range(0, len(pairs), _PAIRS_AT_ONCE):
            some = slice(begin, begin + _PAIRS_AT_ONCE)
            several.append(
                match(self.detections, self.objects, self.area, sample[some], output[some])
            )
        self._known = Ragged.joined(several)
