"""Real detectors on real images: our AP is pycocotools', and near what others have found."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import tailmark
from tailmark.experiment_file import load_experiment

EXAMPLES = Path(__file__).parents[2] / "examples"
KNOWN = {"fastestdet": {"ap50": 0.339, "ap": 0.193}, "yolox": {"ap50": 0.451, "ap": 0.295}}
NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
RECALLS = ("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large")


@pytest.fixture(scope="module", params=list(KNOWN))
def run(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, tailmark.Run]:
    """An example, for a round."""
    name = str(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILMARK_DATA", str(data))
        experiment = load_experiment(EXAMPLES / f"coco-{name}.yaml", ["rounds=1", "warmup=1"])
    out = tmp_path_factory.mktemp(name) / "run"
    return name, tailmark.run_experiment(experiment, out=out)


def ideals(run: tailmark.Run) -> dict[str, float | None]:
    """All twelve figures of ours, without a deadline."""
    found = tailmark.summarize(run, metric=RECALLS[0], also=[*NAMES, *RECALLS[1:]])
    assert found.ideal is not None
    assert all(one.ideal is not None for one in found.also)
    others = {one.metric: one.ideal.value for one in found.also if one.ideal}
    return {RECALLS[0]: found.ideal.value, **others}


def judged(data: Path, run: tailmark.Run, rows: Sequence[tuple[int, int]]) -> list[float]:
    """All twelve figures of pycocotools, of each sample's output."""
    annotations = data / "detection/coco_tiny_val80/instances_val2017.json"
    images = sorted(one["id"] for one in json.loads(annotations.read_text())["images"])
    found = [
        {"image_id": images[sample], "bbox": box, "score": score, "category_id": category}
        for sample, output in rows
        for box, score, category in zip(
            run.outputs["boxes"][output].astype(np.float64).tolist(),
            run.outputs["scores"][output].astype(np.float64).tolist(),
            run.outputs["categories"][output].tolist(),
            strict=True,
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    figures: list[float] = evaluation.stats.tolist()
    return figures


def test_the_examples_reach_the_known_precision(run: tuple[str, tailmark.Run]) -> None:
    """Within .02: thresholds and resizing differ between publishers."""
    name, measured = run
    found = ideals(measured)
    for metric, known in KNOWN[name].items():
        assert found[metric] == pytest.approx(known, abs=0.02)


def test_without_a_deadline_every_figure_is_that_of_pycocotools(
    data: Path, run: tuple[str, tailmark.Run]
) -> None:
    """To 1e-12, all twelve."""
    _, measured = run
    one = measured.stored[0]
    figures = judged(data, measured, list(zip(one.sample, one.output_id, strict=True)))
    found = ideals(measured)
    for metric, known in zip((*NAMES, *RECALLS), figures, strict=True):
        assert found[metric] == pytest.approx(max(known, 0.0), abs=1e-12)


def test_at_a_deadline_it_is_that_of_the_images_there(
    data: Path, run: tuple[str, tailmark.Run]
) -> None:
    """At the median latency: the late images' boxes dropped."""
    _, measured = run
    one: Any = measured.stored[0]
    deadline = int(np.median(one.latency_ns()))
    (at,) = tailmark.summarize(measured, metric="ap50", deadlines=[deadline]).at
    there = one.latency_ns() <= deadline
    figures = judged(
        data, measured, list(zip(one.sample[there], one.output_id[there], strict=True))
    )
    assert at.rounds is not None
    assert at.rounds[0] == pytest.approx(figures[1], abs=1e-12)
