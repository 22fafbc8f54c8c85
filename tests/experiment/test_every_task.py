"""Rankings, numbers and label maps are measured from arrays to quality."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.decode.base import Decoder
from tailmark.decode.mask import Mask
from tailmark.decode.ranking import Ranking
from tailmark.decode.values import Values
from tailmark.records.ragged import Ragged

GENERATOR = np.random.default_rng(4)
SCORES = GENERATOR.normal(size=(5, 8))
LIKED = Ragged.of([[1, 2], [7], [0, 3, 4], [5], [6, 2]], np.int64)
NUMBERS = GENERATOR.normal(size=(5, 2))
MAPS = GENERATOR.normal(size=(5, 3, 4, 6))
LABELS = GENERATOR.integers(0, 3, size=(5, 4, 6)).astype(np.uint8)


def recall_at_3() -> float:
    """Hits among the best three, of all liked, user by user."""
    shares = []
    for scores, liked in zip(SCORES.tolist(), LIKED, strict=True):
        best = sorted(range(8), key=lambda item: -scores[item])[:3]
        shares.append(len(set(best) & set(liked.tolist())) / len(liked))
    return sum(shares) / len(shares)


def nearness(found: Any, wanted: Any) -> float:
    """What is left of 1 by a mean absolute error, of 50."""
    return 1 - float(np.abs(found - wanted).mean()) / 50


CASES: list[tuple[Any, Any, Decoder, str, float]] = [
    (SCORES, LIKED, Ranking(top=3), "recall@3", recall_at_3()),
    (NUMBERS, 1 - NUMBERS, Values(), "mae:50", nearness(NUMBERS, 1 - NUMBERS)),
    (NUMBERS[:, :1], NUMBERS[:, 1], Values(), "mae:50", nearness(NUMBERS[:, 0], NUMBERS[:, 1])),
    (MAPS, LABELS, Mask(), "pixel_accuracy", float((MAPS.argmax(axis=1) == LABELS).mean())),
]


@pytest.mark.parametrize(("inputs", "references", "decoder", "metric", "wanted"), CASES)
def test_the_quality_is_that_of_the_arrays(
    tmp_path: Path, inputs: Any, references: Any, decoder: Decoder, metric: str, wanted: float
) -> None:
    """A system that answers with its input, a run that is stored and read again."""
    tailmark.measure(
        tailmark.Arrays(inputs=inputs, references=references),
        tailmark.Function(call=lambda batch: batch),
        decode=decoder,
        rounds=2,
        warmup=0,
        out=tmp_path / "run",
    )
    ideal = tailmark.summarize(tailmark.open_run(tmp_path / "run"), metric=metric).ideal
    assert ideal is not None
    assert ideal.value == pytest.approx(wanted, abs=1e-12)
