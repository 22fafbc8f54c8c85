"""At every deadline and in every round, each task's run says what its evaluation would say."""

import contextlib
import io
from collections.abc import Callable
from itertools import pairwise
from math import log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import f1_score

import tailmark
from importers.published import (
    Published,
    detr,
    dialogues,
    hybrid_nets,
    light_gcn,
    mobilenet,
)
from tailmark.quality.base import Metric
from tailmark.quality.matched import ap50, recall
from tailmark.quality.score import Score

OnTime = dict[int, bool]
"""Which batches are."""


def coco_ap50(held: Published, on_time: OnTime) -> dict[str, float]:
    """COCO's own code on the images that are on time; it has no value where none is."""
    kept = [
        detection
        for batch, images in held.results.items()
        for image in images
        for detection in image
        if on_time[batch]
    ]
    if not kept:
        return {"ap50": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):
        golden = COCO()
        golden.dataset = held.references
        golden.createIndex()
        evaluation = COCOeval(golden, golden.loadRes(kept), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"ap50": float(evaluation.stats[0])}


def weighted_f1(held: Published, on_time: OnTime) -> dict[str, float]:
    """All utterances of a late dialogue get a label below every class."""
    golden = [label for labels in held.references.values() for label in labels]
    outside = min(golden) - 1
    said = [
        label if on_time[batch] else outside
        for batch, labels in held.results.items()
        for label in labels
    ]
    return {"f1_weighted": float(f1_score(golden, said, average="weighted", zero_division=0))}


def hits_at_20(held: Published, on_time: OnTime) -> dict[str, float]:
    """Precision, recall and NDCG of each user, added up hit by hit."""
    users, totals = 0, dict.fromkeys(("precision@20", "recall@20", "ndcg@20"), 0.0)
    for batch, lists in held.results.items():
        for listed, relevant in zip(lists, held.references[batch], strict=True):
            users += 1
            if not on_time[batch]:
                continue
            hits = [place for place, item in enumerate(listed) if item in relevant]
            best = sum(1 / log2(place + 2) for place in range(min(20, len(relevant))))
            totals["precision@20"] += len(hits) / 20
            totals["recall@20"] += len(hits) / len(relevant)
            totals["ndcg@20"] += sum(1 / log2(place + 2) for place in hits) / best
    return {name: total / users for name, total in totals.items()}


def driving(held: Published, on_time: OnTime) -> dict[str, float]:
    """Shares of late images are 0; their detections are gone and their objects stay."""
    shares: dict[str, list[float]] = {}
    for batch, found in held.results.items():
        background, road, lane = (np.asarray(one) * on_time[batch] for one in found["iou_ls"])
        for name, values in (
            ("score:mean_iou", (background + road + lane) / 3),
            ("score:drivable_mean_iou", (background + road) / 2),
            ("score:lane_iou", lane),
            ("score:lane_accuracy", np.asarray(found["acc_ls"][2]) * on_time[batch]),
        ):
            shares.setdefault(name, []).extend(values)
    detections: list[tuple[float, float, bool]] = []
    objects: list[float] = []
    for batch, found in held.results.items():
        for correct, scores, categories, there in found["stats"]:
            objects += there
            if on_time[batch]:
                detections += zip(scores, categories, correct[:, 0], strict=True)
    detections.sort(key=lambda one: -one[0])
    kinds = sorted(set(objects))
    curves = [[bool(hit) for _, category, hit in detections if category == kind] for kind in kinds]
    counts = [objects.count(kind) for kind in kinds]
    return {
        "matched_ap50": float(np.mean([*map(area_under, curves, counts)])),
        "matched_recall": float(np.mean([sum(c) / n for c, n in zip(curves, counts, strict=True)])),
        **{name: float(np.mean(values)) for name, values in shares.items()},
    }


def area_under(hits: list[bool], objects: int) -> float:
    """Precision, the best from each recall on, with straight lines between, by trapezoids."""
    if not hits:
        return 0.0
    points = [(0.0, 1.0)]
    points += [(sum(hits[:n]) / objects, sum(hits[:n]) / n) for n in range(1, len(hits) + 1)]
    points.append((1.0, 0.0))
    best = [max(precision for _, precision in points[k:]) for k in range(len(points))]
    heights = np.interp(np.linspace(0, 1, 101), [recall for recall, _ in points], best)
    return float(sum((low + high) / 200 for low, high in pairwise(heights)))


def top_ranks(held: Published, on_time: OnTime) -> dict[str, float]:
    """A late image's label is wrong."""
    pairs = [
        (batch, result, golden)
        for batch, results in held.results.items()
        for result, golden in zip(results, held.references[batch], strict=True)
    ]
    return {
        name: sum(on_time[batch] and golden in result[rank] for batch, result, golden in pairs)
        / len(pairs)
        for rank, name in enumerate(("top1", "top5"))
    }


Evaluation = Callable[[Published, OnTime], dict[str, float]]

EVALUATIONS: dict[str, Evaluation] = {
    "mobilenet": top_ranks,
    "emotion-flow": weighted_f1,
    "detr": coco_ap50,
    "lightgcn": hits_at_20,
    "hybridnets": driving,
}

DRIVING: tuple[Metric, ...] = (
    ap50,
    recall,
    Score("mean_iou"),
    Score("drivable_mean_iou"),
    Score("lane_accuracy"),
    Score("lane_iou"),
)


def check(held: Published, task: str, folder: Path, timer: str = "total") -> None:
    """Hold what a run says by its own metrics against the evaluation: each deadline, each round."""
    suffix = ".json" if task in ("detr", "emotion-flow") else ".pkl"
    run = tailmark.import_tail_quality(
        held.write(folder / "in", suffix), out=folder / "run", task=task
    )
    times = held.times[timer]
    by_ns = {round(t * 1e9) for one in times for t in one.values()}
    deadlines = [min(by_ns) - 1, *by_ns]  # nothing is there at the first
    if task == "hybridnets":
        first, *others = DRIVING
        declared = run.manifest.experiment["quality"]
        assert [declared["metric"], *declared["also"]] == [one.name for one in DRIVING]
        summary = tailmark.summarize(
            run, metric=first, also=others, deadlines=deadlines, time=timer
        )
    else:
        summary = tailmark.summarize(run, deadlines=deadlines, time=timer)
    assert summary.metric is not None
    told = {summary.metric: summary.at, **{one.metric: one.at for one in summary.also}}
    evaluation = EVALUATIONS[task]
    for k, at in enumerate(summary.at):
        for r, one in enumerate(times):
            on_time = {b: round(t * 1e9) <= at.deadline_ns for b, t in one.items()}
            published = evaluation(held, on_time)
            assert set(told) == set(published)
            for name, value in published.items():
                found = told[name][k].rounds or ()
                assert found[r] == pytest.approx(value, abs=1e-12), name


SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=12)  # each is a run on disk, and an evaluation for each mask


@FEW
@given(seed=SEEDS, images=st.integers(2, 8), at_once=st.integers(1, 3))
def test_detections_are_graded_by_ap50(
    seed: int, images: int, at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Late images lose their boxes and keep their objects: pycocotools says the same."""
    held = detr(images, at_once, rounds=2, seed=seed)
    check(held, "detr", tmp_path_factory.mktemp("detr"))


@FEW
@given(seed=SEEDS, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_dialogues_are_graded_by_weighted_f1(
    seed: int, sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A late dialogue has no label for any utterance: scikit-learn says the same."""
    held = dialogues(sizes, rounds=2, seed=seed)
    check(held, "emotion-flow", tmp_path_factory.mktemp("emotion"))


@FEW
@given(seed=SEEDS, sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_recommendations_are_graded_by_ndcg(
    seed: int, sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Late lists hit nothing; precision and recall are told beside it."""
    held = light_gcn(sizes, rounds=2, seed=seed)
    check(held, "lightgcn", tmp_path_factory.mktemp("ranking"))


@FEW
@given(
    seed=SEEDS,
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    kinds=st.integers(1, 3),
)
def test_driving_is_graded_by_all_six_numbers(
    seed: int, sizes: list[int], kinds: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Objects found, drivable area and lanes, of which the first are no mean over images."""
    held = hybrid_nets(sizes, rounds=2, seed=seed, kinds=kinds)
    check(held, "hybridnets", tmp_path_factory.mktemp("driving"))


@FEW
@given(seed=SEEDS, sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_images_are_graded_by_top1_and_top5(
    seed: int, sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Late labels are wrong."""
    held = mobilenet(sizes, rounds=2, seed=seed)
    check(held, "mobilenet", tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize(
    ("held", "task"),
    [(detr(), "detr"), (dialogues(), "emotion-flow"), (light_gcn(), "lightgcn")],
)
def test_the_inference_alone_has_its_deadlines_too(
    held: Published, task: str, tmp_path: Path
) -> None:
    """As the published evaluation's other timer."""
    check(held, task, tmp_path, timer="inference")
