"""Result files as the published tail-quality code writes them, and its way to grade them."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Rounds = list[dict[int, float]]


def write(path: Path, content: object) -> Path:
    """A file, JSON or a pickle by its name."""
    if path.suffix == ".json":
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    else:
        path.write_bytes(pickle.dumps(content))
    return path


@dataclass(frozen=True)
class Published:
    """Everything of one task: batches from 1, times in seconds.

    References are by batch too, but for DETR: COCO's annotations.
    """

    times: dict[str, Rounds]
    results: dict[int, Any]
    references: dict[Any, Any]

    def write(self, folder: Path, suffix: str = ".pkl") -> Path:
        """The files under their usual names; no references, no file of them."""
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "All_Times.pickle", self.times)
        write(folder / f"result{suffix}", self.results)
        if self.references:
            write(folder / f"golden{suffix}", self.references)
        return folder


def some_times(batches: int, rounds: int, seed: int = 0) -> dict[str, Rounds]:
    """Two timers, the total longer than the inference it holds."""
    random = np.random.default_rng(seed)
    inference = random.lognormal(-5, 0.3, size=(rounds, batches))
    total = inference + random.lognormal(-7, 0.3, size=(rounds, batches))

    def listed(values: Any) -> Rounds:
        return [{b: float(t) for b, t in enumerate(row, start=1)} for row in values]

    return {"inference": listed(inference), "total": listed(total)}


def mobilenet(sizes: Sequence[int] = (3, 3, 2), rounds: int = 4, seed: int = 0) -> Published:
    """Ranked answers as its TensorFlow script writes them: numpy's numbers within lists."""
    random = np.random.default_rng(seed)
    results: dict[int, Any] = {}
    references: dict[int, Any] = {}
    for batch, size in enumerate(sizes, start=1):
        scores = random.normal(size=(size, 8))
        results[batch] = [([row.argmax()], list(row.argsort()[-5:][::-1])) for row in scores]
        near = scores + random.normal(size=scores.shape) / 2
        references[batch] = [int(label) for label in near.argmax(axis=1)]
    return Published(some_times(len(sizes), rounds, seed), results, references)


def emotion_flow(rounds: int = 3) -> Published:
    """A batch is a dialogue, an item an utterance."""
    return Published(some_times(2, rounds), {1: [0, 4, 4], 2: [2, 6]}, {1: [0, 4, 5], 2: [2, 2]})


def dialogues(sizes: Sequence[int] = (3, 5, 1, 4), rounds: int = 3, seed: int = 0) -> Published:
    """Utterances of six classes, most of them right; a seventh is only ever answered."""
    random = np.random.default_rng(seed)
    references: dict[int, Any] = {}
    results: dict[int, Any] = {}
    for batch, size in enumerate(sizes, start=1):
        right = random.integers(0, 6, size=size)
        said = np.where(random.random(size) < 0.7, right, random.integers(0, 7, size=size))
        references[batch], results[batch] = right.tolist(), said.tolist()
    return Published(some_times(len(sizes), rounds, seed), results, references)


def vicuna(rounds: int = 3) -> Published:
    """A batch is a question, an item the last letter of what was said."""
    return Published(
        some_times(4, rounds),
        {1: ["A"], 2: ["C"], 3: ["?"], 4: ["D"]},
        {1: ["A"], 2: ["B"], 3: ["C"], 4: ["D"]},
    )


def detr(
    images: int = 6, at_once: int = 1, rounds: int = 4, seed: int = 0, found: int = 12
) -> Published:
    """Detections of each image near its objects, and COCO's annotations of them all.

    There is an object at least, and scores are drawn from few, so that many are equal.
    """
    random = np.random.default_rng(seed)
    ids = sorted(random.choice(1000, size=images, replace=False).tolist())
    annotations: list[dict[str, Any]] = []
    results: dict[int, Any] = {}
    for number, image in enumerate(ids):
        boxes = np.round(random.uniform(5, 200, size=(random.integers(not number, 6), 4)), 1)
        of = random.integers(1, 4, size=len(boxes))
        for box, category in zip(boxes.tolist(), of.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3] * 0.7,
                    "iscrowd": int(bool(annotations) and random.random() < 0.1),
                    "segmentation": [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]],
                }
            )
        detections = []
        for _ in range(found):
            near = random.integers(len(boxes)) if len(boxes) and random.random() < 0.7 else None
            box = random.uniform(5, 200, size=4) if near is None else boxes[near]
            detections.append(
                {
                    "image_id": image,
                    # 9 is no category of the annotations.
                    "category_id": int(random.choice([1, 2, 3, 9]))
                    if near is None
                    else int(of[near]),
                    "bbox": (box * random.uniform(0.8, 1.25, size=4)).tolist(),
                    "score": float(random.integers(1, 9)) / 8,
                }
            )
        results.setdefault(1 + number // at_once, []).append(detections)
    golden: dict[str, Any] = {
        "info": {"year": 2017},
        "images": [{"id": image, "file_name": f"{image:012}.jpg"} for image in ids],
        "annotations": annotations,
        "categories": [{"id": number, "name": f"kind {number}"} for number in (1, 2, 3)],
    }
    return Published(some_times(len(results), rounds, seed), results, golden)


def light_gcn(
    sizes: Sequence[int] = (4, 4, 3), rounds: int = 4, seed: int = 0, items: int = 60
) -> Published:
    """Twenty items for each user, and those that were right: numpy's numbers within lists."""
    random = np.random.default_rng(seed)
    results: dict[int, Any] = {}
    references: dict[int, Any] = {}
    for batch, size in enumerate(sizes, start=1):
        ranked = [random.permutation(items)[:20].tolist() for _ in range(size)]
        results[batch] = ranked
        references[batch] = [
            list(random.choice(items, size=random.integers(1, 40), replace=False))
            for _ in range(size)
        ]
    return Published(some_times(len(sizes), rounds, seed), results, references)


def hybrid_nets(
    sizes: Sequence[int] = (4, 4, 3), rounds: int = 4, seed: int = 0, kinds: int = 1
) -> Published:
    """What its evaluation found; it is silent about images without objects and detections."""
    random = np.random.default_rng(seed)
    results: dict[int, Any] = {}
    for batch, size in enumerate(sizes, start=1):
        stats = []
        for number in range(size):
            there = random.integers(batch == 1 and number == 0, 5)
            found = random.integers(0, 6)
            objects = random.integers(0, kinds, size=there).astype(float)
            if not there and not found:
                continue
            correct = np.zeros((found, 10), dtype=bool)
            categories = random.integers(0, kinds, size=found).astype(float)
            for kind in range(kinds):
                of = np.flatnonzero(categories == kind)
                hits = random.permutation(of)[: int((objects == kind).sum())]
                correct[hits, : random.integers(0, 11)] = True
            scores = random.uniform(0.5, 1, size=found)
            stats.append((correct, scores, categories, objects.tolist()))
        results[batch] = {
            "stats": stats,
            "iou_ls": list(random.uniform(size=(3, size))),
            "acc_ls": list(random.uniform(size=(3, size))),
        }
    return Published(some_times(len(sizes), rounds, seed), results, {})


def graded_as_published(one: Published, timer: str, deadline_s: float, rank: int) -> list[float]:
    """Accuracy of each round, as its evaluation computes it: item by item, late is wrong.

    From ``Evaluation/tail_quality.py`` and ``metrics/mobile_net.py``; on time is ``<=``.
    """
    goldens = [g for _, batch in sorted(one.references.items()) for g in batch]
    results = [r for _, batch in sorted(one.results.items()) for r in batch]
    qualities = []
    for round_time in one.times[timer]:
        times: list[float] = []
        for batch, seconds in sorted(round_time.items()):
            times.extend([seconds] * len(one.results[batch]))
        right = 0
        for golden, result, seconds in zip(goldens, results, times, strict=True):
            right += seconds <= deadline_s and golden in result[rank]
        qualities.append(right / len(goldens))
    return qualities


def changed(times: Mapping[str, Rounds], timer: str, number: int, **batches: Any) -> dict[str, Any]:
    """The same times but for some batches of a round, written ``b3=value``; None leaves one out."""
    copy = {name: [dict(one) for one in rounds] for name, rounds in times.items()}
    for name, value in batches.items():
        if value is None:
            del copy[timer][number][int(name[1:])]
        else:
            copy[timer][number][int(name[1:])] = value
    return copy
