"""Every built-in metric passes the check that plug-ins run, on answers as it takes them."""

from typing import Any

import numpy as np
import pytest

from tailmark import plugins
from tailmark.quality.choose import choose
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

SAMPLES = 6
_RNG = np.random.default_rng(7)
_LABELS = _RNG.integers(0, 3, (SAMPLES, 6))
_RIGHT = _LABELS[:, 0].copy()
_RIGHT[::3] = 2


def boxes(score: bool) -> dict[str, Any]:
    """A few boxes in each of the images, near each other in outputs and references."""
    lengths = [2, 0, 1, 3, 1, 2]
    rng, near = np.random.default_rng(3), np.array([0, 0, 20, 20])
    held: dict[str, Any] = {
        "boxes": Ragged.of([rng.integers(0, 4, (n, 4)) + near for n in lengths], np.float64, 4),
        "categories": Ragged.of([rng.integers(1, 3, n) for n in lengths], np.int64),
    }
    if score:
        held["scores"] = Ragged.of([rng.random(n) for n in lengths], np.float64)
    return held


_MASKS = _RNG.integers(0, 2, (SAMPLES, 4, 5)).astype(np.uint8)
_OTHER = np.where(_RNG.random(_MASKS.shape) < 0.8, _MASKS, 1 - _MASKS)
_ITEMS = np.array([_RNG.permutation(12)[:8] for _ in range(SAMPLES)])
_RELEVANT = Ragged.of([_RNG.permutation(12)[:n] for n in (1, 2, 3, 1, 4, 2)], np.int64)
_TEXTS = np.array(["a", "The b", "c.", "d", "e", "f"])
_NUMBERS = _RNG.random(SAMPLES)

_FOUND = {
    "scores": Ragged.of([[0.9, 0.4], [], [0.7], [0.5, 0.5], [0.2], [0.8]], np.float64),
    "categories": Ragged.of([[1, 2], [], [1], [2, 2], [1], [2]], np.int64),
    "found": Ragged.of([[1, 0], [], [1], [0, 1], [0], [1]], np.bool_),
}
_KINDS = Ragged.of([[1], [2], [1, 1], [2], [1], [2]], np.int64)

_GIVEN: dict[str, tuple[Any, Any]] = {
    "labels": (_LABELS, _RIGHT),
    "boxes": (boxes(score=True), boxes(score=False)),
    "masks": ({"mask": _OTHER}, {"mask": _MASKS}),
    "items": ({"items": _ITEMS}, _RELEVANT),
    "texts": ({"answers": _TEXTS}, np.array(["a", "b", "c", "x", "e", "y"])),
    "judged": ({"worth": _NUMBERS}, np.zeros(SAMPLES)),
    "matches": (_FOUND, _KINDS),
    "numbers": ({"values": _NUMBERS}, _NUMBERS + 0.1),
}
_TAKES = {
    **dict.fromkeys(["top1", "top5", "accuracy", "f1:2"], "labels"),
    **dict.fromkeys(["f1_weighted", "f1_macro", "f1_micro"], "labels"),
    **dict.fromkeys(["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"], "boxes"),
    "ap50:category=1": "boxes",
    **dict.fromkeys(["ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"], "boxes"),
    **dict.fromkeys(["mean_iou", "iou:1", "pixel_accuracy", "mean_accuracy"], "masks"),
    **dict.fromkeys(["precision@3", "recall@3", "ndcg@3", "mrr@3", "hit_rate@3"], "items"),
    **dict.fromkeys(["exact_match", "exact_match:squad"], "texts"),
    **dict.fromkeys(["mae:2", "rmse:2"], "numbers"),
    **dict.fromkeys(["matched_ap50", "matched_recall"], "matches"),
    "score:worth": "judged",
}


@pytest.mark.parametrize("spec", list(_TAKES))
def test_it_passes_its_check(spec: str) -> None:
    """Additive or of sets: no answer is worth nothing, a later one replaces, order is nothing."""
    metric = choose(spec)
    assert choose(metric.name) == metric
    check_metric(metric, *_GIVEN[_TAKES[spec]])


def test_none_is_forgotten() -> None:
    """Every entry point is among those checked."""
    checked = {spec.replace("@", ":").split(":")[0] for spec in _TAKES}
    assert checked == set(plugins.names("metrics"))
