"""COCO's average precision at every deadline: matched once, and one mask at a time by its peers.

The peers are pycocotools, faster-coco-eval and hotcoco. Each grades a mask, which is a round at a
deadline: the detections of late images are left out, the objects of all images stay. Each does no
more than the metric needs (all areas, a hundred detections an image). Beside that stands a way
that none of them describes, though each can be brought to it: every image is matched beforehand,
with its detections and without, and a mask only chooses among the matches and accumulates them.
"""

import argparse
import contextlib
import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

import faster_coco_eval
import hotcoco
import numpy as np
import numpy.typing as npt
import pycocotools.coco
import pycocotools.cocoeval

from tailmark.quality.base import Arrivals
from tailmark.quality.detection.coco import ap
from tailmark.records.ragged import Ragged

CATEGORIES = 80
PER_IMAGE = 100
SIDE = 640
CLOSE = 1e-12
GOAL_PYCOCOTOOLS = 1_000
GOAL_FASTEST = 100
BEFORE = ", matched before"

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Data:
    """A simulated experiment: a row an object, a row a detection, both in the order of images.

    Args:
        true: Image, category, and whether it is a crowd; shape (objects, 3).
        true_box: x, y, width and height, shape (objects, 4).
        found: Image and category, shape (detections, 2).
        found_box: As of the objects.
        score: Shape (detections,).
        latency_ns: Shape (rounds, images).
        deadlines_ns: Ascending, shape (deadlines,).
    """

    true: Ints
    true_box: Floats
    found: Ints
    found_box: Floats
    score: Floats
    latency_ns: Ints
    deadlines_ns: Ints

    @property
    def images(self) -> int:
        """How many."""
        return int(self.latency_ns.shape[1])

    def there(self, index: int, deadline: int) -> Bools:
        """Which images' answers a round has at a deadline."""
        mask: Bools = self.latency_ns[index] <= deadline
        return mask

    @cached_property
    def rows(self) -> Floats:
        """The detections as ``loadRes`` takes them: image, box, score, category; ids from 1."""
        image, category = self.found.T + 1
        return np.column_stack([image, self.found_box, self.score, category])

    @cached_property
    def annotations(self) -> list[dict[str, Any]]:
        """The objects as a COCO file has them, with ids from 1."""
        return [
            {
                "id": number,
                "image_id": image + 1,
                "category_id": category + 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": crowd,
            }
            for number, ((image, category, crowd), box) in enumerate(
                zip(self.true.tolist(), self.true_box.tolist(), strict=True), start=1
            )
        ]

    def shown(self, there: Bools) -> Floats:
        """The detections of the images that are there."""
        return self.rows[there[self.found[:, 0]]]

    def truth(self) -> dict[str, Any]:
        """A COCO file of the objects."""
        return {
            "images": [{"id": i + 1, "width": SIDE, "height": SIDE} for i in range(self.images)],
            "categories": [{"id": c + 1, "name": str(c)} for c in range(CATEGORIES)],
            "annotations": self.annotations,
        }


def simulate(images: int, rounds: int) -> Data:
    """Seven objects an image, of which one category has three in ten; AP is about 0.4.

    Latencies are log-normal around 5 ms, with a hundred deadlines over their range and four in the
    tail, as in ``quality_every_deadline.py``.
    """
    random = np.random.default_rng(0)
    rare = 1 / np.arange(7, 6 + CATEGORIES)
    share = np.concatenate([[0.3], 0.7 * rare / rare.sum()])
    image = np.repeat(np.arange(images), np.minimum(random.geometric(1 / 8, images) - 1, 60))
    present = random.choice(CATEGORIES, (images, 4), p=share)
    category = present[image, np.minimum(random.geometric(0.5, len(image)) - 1, 3)]
    box = _boxes(random, len(image))
    crowd = random.random(len(image)) < 0.012

    again = np.where(random.random(len(image)) < 0.95, random.poisson(2, len(image)), 0)
    seen = np.repeat(np.arange(len(image)), again)
    error = np.exp(random.normal(-2.3, 0.8, len(seen)))[:, None]
    moved = box[seen, :2] + random.normal(0, 0.5, (len(seen), 2)) * error * box[seen, 2:]
    sized = box[seen, 2:] * np.exp(random.normal(0, 0.5, (len(seen), 2)) * error)
    confused = random.random(len(seen)) < 0.15
    known = np.where(confused, random.choice(CATEGORIES, len(seen), p=share), category[seen])
    sure = 1 / (1 + np.exp(12 * error[:, 0] - 3 + random.normal(0, 0.7, len(seen))))

    count = images * PER_IMAGE
    place = np.repeat(np.arange(images), PER_IMAGE)
    near = random.random(count) < 0.5
    guess = random.choice(CATEGORIES, count, p=share)
    guess = np.where(near, present[place, random.integers(0, 4, count)], guess)
    unsure = 1 / (1 + np.exp(3 + random.normal(0, 1, count)))

    where = np.concatenate([image[seen], place])
    order = np.argsort(where, kind="stable")
    first = np.searchsorted(where[order], np.arange(images))
    order = order[np.arange(len(order)) - first[where[order]] < PER_IMAGE]
    latency = random.lognormal(np.log(5e6), 0.2, (rounds, images)).astype(np.int64)
    tail = np.quantile(latency, [0.9, 0.95, 0.99, 0.999])
    even = np.linspace(latency.min(), latency.max(), 100)
    return Data(
        true=np.column_stack([image, category, crowd]),
        true_box=box,
        found=np.column_stack([where, np.concatenate([known, guess])])[order],
        found_box=np.vstack([np.hstack([moved, sized]), _boxes(random, count)])[order],
        score=np.concatenate([sure, unsure])[order],
        latency_ns=latency,
        deadlines_ns=np.sort(np.concatenate([even, tail])).astype(np.int64),
    )


def _boxes(random: np.random.Generator, count: int) -> Floats:
    size = np.clip(np.exp(random.normal(4.2, 1, (count, 2))), 4, 400)
    return np.hstack([random.random((count, 2)) * (SIDE - size), size])


class Ours:
    """All deadlines of a round at once."""

    def __init__(self, data: Data) -> None:
        self._data = data
        true = _starts(data.true[:, 0], data.images)
        found = _starts(data.found[:, 0], data.images)
        self._grader = ap.prepare(
            {
                "boxes": Ragged(data.found_box, found),
                "scores": Ragged(data.score, found),
                "categories": Ragged(data.found[:, 1], found),
            },
            {
                "boxes": Ragged(data.true_box, true),
                "categories": Ragged(data.true[:, 1], true),
                "crowd": Ragged(data.true[:, 2] > 0, true),
            },
        )

    def __call__(self, index: int) -> Floats:
        """One round at every deadline."""
        everyone = np.arange(self._data.images)
        arrivals = Arrivals(
            sample=everyone.astype(np.int32),
            row=everyone,
            at_ns=self._data.latency_ns[index],
            output=everyone.astype(np.int32),
        )
        return self._grader.by_deadline(arrivals, self._data.deadlines_ns)


def _starts(image: Ints, images: int) -> Ints:
    return np.searchsorted(image, np.arange(images + 1))


Mask = Callable[[Bools], float]
"""Which images' answers are there, to the average precision."""


def with_pycocotools(data: Data) -> dict[str, Mask]:
    """The reference."""
    truth, nothing = pycocotools.coco.COCO(), pycocotools.coco.COCO()
    truth.dataset = data.truth()
    nothing.dataset = truth.dataset | {"annotations": []}  # loadRes refuses no detections at all
    truth.createIndex()
    nothing.createIndex()

    def matched(rows: Floats) -> Any:
        found = truth.loadRes(rows) if len(rows) else nothing
        one = pycocotools.cocoeval.COCOeval(truth, found, "bbox")
        _only_what_is_needed(one.params)
        one.evaluate()
        return one

    found, missed = matched(data.rows), matched(data.rows[:0])
    everything = found.evalImgs

    def whole(there: Bools) -> float:
        one = matched(data.shown(there))
        one.accumulate()
        return _mean(one)

    def matched_before(there: Bools) -> float:
        found.evalImgs = _chosen(everything, missed.evalImgs, there)
        found.accumulate()
        return _mean(found)

    return {"pycocotools": whole, "pycocotools" + BEFORE: matched_before}


def with_faster_coco_eval(data: Data) -> dict[str, Mask]:
    """In C++; of COCO's own API."""
    truth = faster_coco_eval.COCO(data.truth())

    def matched(rows: Floats, *, apart: bool) -> Any:
        one = faster_coco_eval.COCOeval_faster(
            truth, truth.loadRes(rows), "bbox", separate_eval=apart
        )
        _only_what_is_needed(one.params)
        one.evaluate()
        return one

    found, missed = (matched(rows, apart=True) for rows in (data.rows, data.rows[:0]))
    everything = found._evalImgs_cpp  # noqa: SLF001  # what accumulate() reads; nothing else gives it

    def whole(there: Bools) -> float:
        one = matched(data.shown(there), apart=False)
        one.accumulate()
        return _mean(one)

    def matched_before(there: Bools) -> float:
        found._evalImgs_cpp = _chosen(everything, missed._evalImgs_cpp, there)  # noqa: SLF001
        found.accumulate()
        return _mean(found)

    return {"faster-coco-eval": whole, "faster-coco-eval" + BEFORE: matched_before}


def with_hotcoco(data: Data) -> dict[str, Mask]:
    """In Rust, on all cores."""
    file = data.truth()
    truth = hotcoco.COCO(file)
    params = hotcoco.Params("bbox")
    params.area_rng, params.area_rng_lbl, params.max_dets = [[0, 1e10]], ["all"], [PER_IMAGE]
    objects = _starts(data.true[:, 0], data.images)
    found = _starts(data.found[:, 0], data.images)

    def image(number: int, *, there: bool) -> Any:
        one = hotcoco.StreamingEval(file["categories"], "bbox", params=params)
        one.update(
            [file["images"][number]],
            file["annotations"][objects[number] : objects[number + 1]],
            data.rows[found[number] : found[number + 1]] if there else [],
        )
        return one

    answered = [image(number, there=True) for number in range(data.images)]
    missed = [image(number, there=False) for number in range(data.images)]

    def whole(there: Bools) -> float:
        one = hotcoco.COCOeval(truth, truth.load_res(data.shown(there)), "bbox")
        one.params = params
        one.evaluate()
        one.accumulate()
        return _mean(one)

    def matched_before(there: Bools) -> float:
        chosen = zip(answered, missed, there.tolist(), strict=True)
        one = hotcoco.StreamingEval.merge([yes if is_there else no for yes, no, is_there in chosen])
        whole = one.finalize()
        whole.accumulate()
        return _mean(whole)

    return {"hotcoco": whole, "hotcoco" + BEFORE: matched_before}


def _only_what_is_needed(params: Any) -> None:
    params.areaRng, params.areaRngLbl, params.maxDets = [[0, 1e10]], ["all"], [PER_IMAGE]


def _chosen(found: list[Any], missed: list[Any], there: Bools) -> list[Any]:
    """Each image's matches with its detections or without, category by category."""
    pairs = zip(found, missed, there.tolist() * CATEGORIES, strict=True)
    return [yes if is_there else no for yes, no, is_there in pairs]


def _mean(evaluation: Any) -> float:
    precision = np.asarray(evaluation.eval["precision"])
    return float(precision[precision > -1].mean())


def compare(images: int, rounds: int, masks: int) -> None:
    """Side by side: in turn a round at all deadlines by us, and at one of them by each peer."""
    data = simulate(images, rounds)
    ours = Ours(data)
    with contextlib.redirect_stdout(io.StringIO()):
        peers = with_pycocotools(data) | with_faster_coco_eval(data) | with_hotcoco(data)
    ours(0)
    spent: dict[str, list[float]] = {name: [] for name in ["tailmark", *peers]}
    apart = dict.fromkeys(peers, 0.0)
    on_time = []
    for turn in range(masks):
        index = turn % rounds
        which = (2 * turn + 1) * len(data.deadlines_ns) // (2 * masks)
        there = data.there(index, int(data.deadlines_ns[which]))
        on_time.append(there.mean())
        begin = time.perf_counter()
        exact = ours(index)
        spent["tailmark"].append((time.perf_counter() - begin) / len(exact))
        for name, mask in peers.items():
            begin = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                value = mask(there)
            spent[name].append(time.perf_counter() - begin)
            apart[name] = max(apart[name], abs(value - exact[which]))
    assert apart["pycocotools"] <= CLOSE, "the values differ"
    mean = {name: float(np.mean(seconds)) for name, seconds in spent.items()}
    ratio = {name: mean[name] / mean["tailmark"] for name in peers}
    print(
        f"AP, {images:,} images × {PER_IMAGE} detections, {len(data.true):,} objects in "
        f"{CATEGORIES} categories; {masks} masks, in turn, {np.mean(on_time):.0%} of the images "
        "on time\n"
    )
    print(f"{'':<36}{'ms a mask':>12}{'median':>12}{'ratio':>10}{'differs by':>13}")
    for name, seconds in spent.items():
        figures = f"{mean[name] * 1e3:>12,.2f}{median(seconds) * 1e3:>12,.2f}"
        beside = f"{ratio[name]:>9,.0f}×{apart[name]:>13.1e}" if name in ratio else f"{1:>9}×"
        print(f"{name:<36}{figures}{beside}")
    print("(a mask of ours: a round at all deadlines, divided by their number; ratios of means)\n")
    fastest = min((name for name in ratio if not name.endswith(BEFORE)), key=ratio.__getitem__)
    for goal, name in ((GOAL_PYCOCOTOOLS, "pycocotools"), (GOAL_FASTEST, fastest)):
        met = "met" if ratio[name] >= goal else "NOT met"
        print(f"goal ≥ {goal:,}× {name}: {met}")


def every_round(images: int, rounds: int) -> None:
    """All rounds at all deadlines, from boxes to numbers."""
    data = simulate(images, rounds)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    ours = Ours(data)
    ours(0)
    ready = time.perf_counter()
    for index in range(rounds):
        ours(index)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts in bytes there, in KiB here
    masks = rounds * len(data.deadlines_ns)
    print(
        f"AP of {rounds:,} rounds at {len(data.deadlines_ns)} deadlines, {images:,} images, in a "
        "process of its own\n"
    )
    print(f"{'boxes read and matched, and a first round':<50}{ready - begin:>10.2f} s")
    print(f"{'all rounds':<50}{done - ready:>10.2f} s")
    print(f"{'  a mask':<50}{(done - ready) / masks * 1e3:>10.2f} ms")
    print(f"{'peak memory':<50}{peak * unit / 1e9:>10.2f} GB")
    print(
        f"{'  of which before grading: Python and the data':<50}{before * unit / 1e9:>10.2f} GB\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--masks", type=int, default=5, help="how many the peers grade")
    parser.add_argument("--ours", action="store_true", help="all rounds, without the peers")
    asked = parser.parse_args()
    if asked.ours:
        every_round(asked.images, asked.rounds)
        return
    # First, because a process's peak of memory begins at what its parent held when it started it.
    size = ["--images", str(asked.images), "--rounds", str(asked.rounds)]
    subprocess.run([sys.executable, __file__, "--ours", *size], check=True)
    compare(asked.images, asked.rounds, asked.masks)


if __name__ == "__main__":
    main()
