"""Boxes, lists and judgements that are not what they should be are refused in one sentence."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from importers.published import Published, detr, hybrid_nets, light_gcn, some_times, write
from tailmark.errors import InputError

Spoil = Callable[[Any], object]


def detection(**changes: Any) -> dict[str, Any]:
    """One that could be, but for the changes."""
    return {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5, **changes}


def put(*path: Any) -> Callable[[object], Spoil]:
    """Put something else where the path leads."""

    def to(value: object) -> Spoil:
        def spoil(held: Any) -> None:
            *way, last = path
            for step in way:
                held = held[step]
            held[last] = value

        return spoil

    return to


RESULTS: dict[str, tuple[str, Spoil, str]] = {
    "one detection for a list": (
        "detr",
        put(2, 0)(detection()),
        "item 0 of batch 2 is the result ",
    ),
    "a detection without a score": (
        "detr",
        put(2, 0, 3)({"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}),
        "detection 3 of item 0 of batch 2 is dict of 3: it has image_id, category_id, bbox (x, y,",
    ),
    "a box of five numbers": (
        "detr",
        put(2, 0, 3)(detection(bbox=[1, 2, 3, 4, 5])),
        "detection 3 of item 0 of batch 2 is dict of 4: it has",
    ),
    "a box of text": (
        "detr",
        put(2, 0, 0)(detection(bbox="1234")),
        "detection 0 of item 0 of batch 2 is dict of 4: it has",
    ),
    "a detection that is no dictionary": (
        "detr",
        put(2, 0, 0)([1, 2, 3, 4, 0.5]),
        "detection 0 of item 0 of batch 2 is list of 5: it has",
    ),
    "an endless score": (
        "detr",
        put(2, 0, 0)(detection(score=float("inf"))),
        "has the numbers 7, 1, 1, 2, 3, 4, inf: image_id and category_id are whole, and all are",
    ),
    "half a category": (
        "detr",
        put(2, 0, 0)(detection(category_id=1.5)),
        "has the numbers 7, 1.5, 1, 2, 3, 4, 0.5: image_id and category_id are whole",
    ),
    "two images in an item": (
        "detr",
        put(2, 0)([detection(), detection(image_id=8)]),
        "item 0 of batch 2 is of the images 7 and 8: give the detections of one image in each",
    ),
    "an image twice": (
        "detr",
        lambda held: held.update({3: held[2]}),
        ", as item 0 of batch 2: give each image once",
    ),
    "an image nobody annotated": (
        "detr",
        put(2, 0)([detection(image_id=99_999)]),
        "item 0 of batch 2 is of image 99999, which ",
    ),
    "a user without a list": (
        "lightgcn",
        put(2, 1)(17),
        "item 1 of batch 2 is the result 17: it is the list of a user's items",
    ),
    "an item that is no number": (
        "lightgcn",
        put(2, 1, 0)("book"),
        "item 1 of batch 2 is the result 'book': it is the number of an item",
    ),
    "a batch without stats": (
        "hybridnets",
        lambda held: held[2].pop("stats"),
        "batch 2 is dict of 2: it is a dictionary of stats, iou_ls and acc_ls",
    ),
    "boxes of another task": (
        "hybridnets",
        put(2)([[1, 2], [3]]),
        "batch 2 is list of 2: it is a dictionary of stats, iou_ls and acc_ls",
    ),
    "two classes of pixels": (
        "hybridnets",
        lambda held: held[2]["iou_ls"].pop(),
        "iou_ls of batch 2 is list of 2: it is the share, 0 to 1, of each image, for each of three",
    ),
    "a share of more than all": (
        "hybridnets",
        put(2, "acc_ls", 1)(np.array([0.5, 1.5, 0.5, 0.5])),
        "acc_ls of batch 2 is list of 3: it is the share, 0 to 1, of each image",
    ),
    "a share that is no number": (
        "hybridnets",
        put(2, "acc_ls", 1)([0.5, 0.5, "all", 0.5]),
        "acc_ls of batch 2 is list of 4: it is the share, 0 to 1, of each image",
    ),
    "shares of other images": (
        "hybridnets",
        put(2, "acc_ls")([[0.5], [0.5], [0.5]]),
        "batch 2 has the IoU of 4 images, the accuracy of 1 and the stats list of",
    ),
    "stats of too many images": (
        "hybridnets",
        lambda held: held[2].update(stats=held[1]["stats"] * 9),
        "the accuracy of 4 and the stats list of",
    ),
    "stats of three parts": (
        "hybridnets",
        put(2, "stats", 0)(([], [], [])),
        "item 0 of the stats of batch 2 is tuple of 3: it is (found, scores, categories, objects)",
    ),
    "five thresholds": (
        "hybridnets",
        put(2, "stats", 0)((np.ones((2, 5), dtype=bool), [0.5, 0.6], [0, 0], [0])),
        "found, in item 0 of the stats of batch 2, is array of 2: it is true or false, for each",
    ),
    "ragged thresholds": (
        "hybridnets",
        put(2, "stats", 0)(([[True] * 10, [True]], [0.5, 0.6], [0, 0], [0])),
        "found, in item 0 of the stats of batch 2, is list of 2: it is true or false, for each",
    ),
    "numbers for true and false": (
        "hybridnets",
        put(2, "stats", 0)((np.ones((2, 10)), [0.5, 0.6], [0, 0], [0])),
        "found, in item 0 of the stats of batch 2, is array of 2: it is true or false, for each",
    ),
    "a score too few": (
        "hybridnets",
        put(2, "stats", 0)((np.ones((2, 10), dtype=bool), [0.5], [0, 0], [0])),
        "item 0 of the stats of batch 2 has 2 detections, 1 scores and 2 categories: give one of",
    ),
    "an object between two categories": (
        "hybridnets",
        put(2, "stats", 0)(([], [], [], [0, 0.5])),
        "objects, in item 0 of the stats of batch 2, is list of 2: it is the numbers of categories",
    ),
    "an object beyond every category": (
        "hybridnets",
        put(2, "stats", 0)(([], [], [], [1e300])),
        "objects, in item 0 of the stats of batch 2, is list of 1: it is the numbers of categories",
    ),
    "a score that is no number": (
        "hybridnets",
        put(2, "stats", 0)((np.ones((1, 10), dtype=bool), [float("nan")], [0], [0])),
        "is list of 1: it is the scores of detections, all of them finite",
    ),
}


REFERENCES: dict[str, tuple[str, Spoil, str]] = {
    "no images": ("detr", lambda held: held.pop("images"), "has no list of images: give COCO's"),
    "no categories": ("detr", put("categories")([1, 2]), "has no list of categories"),
    "an image twice": (
        "detr",
        lambda held: held["images"].append(held["images"][0]),
        "twice: list each image once",
    ),
    "an image without a number": (
        "detr",
        put("images", 1)({"file_name": "a.jpg"}),
        "image 1 is the id None: it is a whole number",
    ),
    "an image too many": (
        "detr",
        lambda held: held["images"].append({"id": 77_777}),
        "lists 7 images and the results are of 6: give the annotations of the images",
    ),
    "an object of no image": (
        "detr",
        put("annotations", 0, "image_id")(77_777),
        "annotation 0 is of image 77777, which is not listed: list the image",
    ),
    "an object of no category": (
        "detr",
        put("annotations", 0, "category_id")(12),
        "annotation 0 is of category 12, which is not listed: list the category",
    ),
    "a box of three numbers": (
        "detr",
        put("annotations", 0, "bbox")([1, 2, 3]),
        "annotation 0 has the bbox list of 3: it is x, y, width and height in pixels",
    ),
    "a box beyond every number": (
        "detr",
        put("annotations", 0, "bbox")([1, 2, 3, 10**400]),
        "annotation 0 has the bbox list of 4: it is x, y, width and height in pixels",
    ),
    "a box of no size": (
        "detr",
        put("annotations", 0, "bbox")([1, 2, -3, 4]),
        "annotation 0 is -3 wide and 4 high and has the area ",
    ),
    "an area of text": (
        "detr",
        put("annotations", 0, "area")("large"),
        "has the area 'large': give pixels, zero or more",
    ),
    "half a crowd": (
        "detr",
        put("annotations", 0, "iscrowd")(0.5),
        "annotation 0 has the iscrowd 0.5: it is 0 or 1",
    ),
    "a user too few": (
        "lightgcn",
        lambda held: held[2].pop(),
        "batch 2 has 4 results and 3 references: give files of the same pass",
    ),
    "what is relevant as one number": (
        "lightgcn",
        put(2, 1)(17),
        "item 1 of batch 2 is the reference 17: it is the list of a user's items",
    ),
}


def held_of(task: str) -> Published:
    """Files that can be used."""
    if task == "detr":
        return detr(seed=1)
    return light_gcn(seed=1) if task == "lightgcn" else hybrid_nets(seed=1)


def refused(held: Published, task: str, folder: Path) -> str:
    """What is said of the files; nothing is left behind."""
    files = held.write(folder / "in", ".json" if task == "detr" else ".pkl")
    with pytest.raises(InputError) as found:
        tailmark.import_tail_quality(files, out=folder / "run", task=task)
    assert "\n" not in str(found.value)
    assert not (folder / "run").exists()
    return str(found.value)


@pytest.mark.parametrize("kind", sorted(RESULTS))
def test_results_name_what_is_wrong(kind: str, tmp_path: Path) -> None:
    """The batch, the item and what it should be."""
    task, spoil, says = RESULTS[kind]
    held = copy.deepcopy(held_of(task))
    spoil(held.results)
    assert says in refused(held, task, tmp_path)


@pytest.mark.parametrize("kind", sorted(REFERENCES))
def test_references_name_what_is_wrong(kind: str, tmp_path: Path) -> None:
    """The same, of what is right."""
    task, spoil, says = REFERENCES[kind]
    held = copy.deepcopy(held_of(task))
    spoil(held.references)
    assert says in refused(held, task, tmp_path)


@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_detections_are_read_from_either_kind_of_file(suffix: str, tmp_path: Path) -> None:
    """A pickle of the same is the same."""
    files = detr(images=3).write(tmp_path / "in", ".json")
    results = write(tmp_path / f"result{suffix}", detr(images=3).results)
    run = tailmark.import_tail_quality(files, results=results, out=tmp_path / "run", task="detr")
    expected = detr(images=3).results
    for k, (items,) in enumerate(expected.values()):
        assert run.outputs["boxes"][k].tolist() == [one["bbox"] for one in items]
        assert run.outputs["scores"][k].tolist() == [one["score"] for one in items]
        assert run.outputs["categories"][k].tolist() == [one["category_id"] for one in items]


def test_a_small_file_cannot_ask_for_many_values(tmp_path: Path) -> None:
    """A pickle may name one list in a thousand lists; values are counted before they are copied."""
    row: list[Any] = [1] * 20
    for _ in range(2):
        row = [row] * 10_000
    held = Published(some_times(1, 1), {1: row}, {})
    said = refused(held, "lightgcn", tmp_path)
    assert "holds 2,000,000,000 values, and at most 100,000,000 are imported" in said
    assert (tmp_path / "in" / "result.pkl").stat().st_size < 10**6


def test_lists_within_lists_end_somewhere(tmp_path: Path) -> None:
    """Also one that holds itself."""
    itself: list[Any] = []
    itself.append(itself)
    held = Published(some_times(1, 1), {1: [itself]}, {})
    assert "lists in lists, more than 8 deep" in refused(held, "lightgcn", tmp_path)
