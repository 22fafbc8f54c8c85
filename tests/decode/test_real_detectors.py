"""Real detectors find on real images what others found, judged by pycocotools itself."""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tailmark.decode.base import Declared, Decoder
from tailmark.decode.fastestdet import FastestDet
from tailmark.decode.yolox import Yolox
from tailmark.system.base import with_batch_axis
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.workload.coco import Coco
from tailmark.workload.preprocess import Preprocess

YOLOX = Preprocess(letterbox=416, align="top-left", padding=114, color="bgr")
FASTESTDET = Preprocess(resize=(352, 352), color="bgr", scale=1 / 255)


def average_precision(
    data: Path, model: str, preprocess: Preprocess, decoder: Decoder
) -> tuple[float, float]:
    """AP50 and AP of all images, by pycocotools."""
    folder = data / "detection" / "coco_tiny_val80"
    annotations = folder / "instances_val2017.json"
    samples = Coco(path=folder / "images", annotations=annotations, preprocess=preprocess).open()
    predictor: Any = OnnxRuntime(model=data / "models" / model).open()
    raws = [
        predictor.predict(with_batch_axis(samples.prepare(samples.load(i))))
        for i in range(len(samples))
    ]
    declared = Declared(references=samples.references, placements=samples.placements)
    decode, warnings = decoder.bind(raws[0], declared)
    assert warnings == []
    results = [
        {"image_id": int(samples.ids[i]), "category_id": kind, "bbox": box, "score": score}
        for i, raw in enumerate(raws)
        for box, score, kind in zip(*(part.tolist() for part in decode(raw, i)), strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        judged = COCOeval(truth, truth.loadRes(results), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return float(judged.stats[1]), float(judged.stats[0])


@pytest.mark.parametrize(
    ("model", "preprocess", "decoder", "ap50", "ap"),
    [
        ("yolox_nano.onnx", YOLOX, Yolox(score_threshold=0.03), 0.451, 0.295),
        ("FastestDet.onnx", FASTESTDET, FastestDet(), 0.339, 0.193),
    ],
)
def test_a_detector_is_as_good_as_it_is(
    data: Path, model: str, preprocess: Preprocess, decoder: Decoder, ap50: float, ap: float
) -> None:
    """Within two points of what was measured elsewhere, with another way of resizing."""
    found = average_precision(data, model, preprocess, decoder)
    assert found == pytest.approx((ap50, ap), abs=0.02)


def test_channels_in_the_wrong_order_cost_quality(data: Path) -> None:
    """Six points of AP50: so the figures above say that the preprocessing is right."""
    wrong = Preprocess(resize=(352, 352), color="rgb", scale=1 / 255)
    ap50, _ = average_precision(data, "FastestDet.onnx", wrong, FastestDet())
    assert ap50 < 0.339 - 0.02


def test_boxes_lie_within_their_images(data: Path) -> None:
    """Best first, and of categories that the file knows."""
    folder = data / "detection" / "coco_tiny_val80"
    samples = Coco(
        path=folder / "images",
        annotations=folder / "instances_val2017.json",
        preprocess=FASTESTDET,
    ).open()
    predictor: Any = OnnxRuntime(model=data / "models" / "FastestDet.onnx").open()
    raw = predictor.predict(with_batch_axis(samples.prepare(samples.load(3))))
    assert samples.placements is not None
    decode, _ = FastestDet().bind(raw, Declared(placements=samples.placements))
    boxes, scores, _ = decode(raw, 3)
    assert 0 < len(scores) <= 100
    assert (np.diff(scores) <= 0).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= samples.placements.size[3] + 1e-3).all()
