"""A scene has boxes and label maps, each as if it had nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.records.ragged import Ragged
from tailmark.testing import check_workload
from tailmark.workload.coco import Coco
from tailmark.workload.preprocess import Preprocess
from tailmark.workload.scenes import Scenes
from tailmark.workload.segmentation import Segmentation

FIT = Preprocess(letterbox=(8, 8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, listed backwards, with a box and two label maps each."""
    for kind in ("images", "masks/road", "masks/lane"):
        (tmp_path / kind).mkdir(parents=True)
    for number, name in enumerate(("b", "a")):
        Image.new("RGB", (6, 4), (number, 0, 0)).save(tmp_path / "images" / f"{name}.png")
        for label, kind in enumerate(("road", "lane")):
            mask = np.full((4, 6), number + 2 * label, np.uint8)
            Image.fromarray(mask).save(tmp_path / "masks" / kind / f"{name}.png")
    listed = {
        "images": [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate(("b", "a"))],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]},
            {"image_id": 0, "category_id": 2, "bbox": [0, 0, 3, 1]},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(listed))
    return tmp_path


def scenes(folder: Path, **settings: Any) -> Scenes:
    """The folder's."""
    return Scenes(
        path=folder / "images",
        annotations=folder / "boxes.json",
        masks=folder / "masks",
        **{"columns": ("road", "lane"), "preprocess": FIT, **settings},
    )


def test_boxes_are_those_of_the_file_and_label_maps_those_of_the_folders(folder: Path) -> None:
    """Image by image in the order of the ids."""
    samples = scenes(folder, ignore=9).open()
    boxes = Coco(path=folder / "images", annotations=folder / "boxes.json", preprocess=FIT).open()
    assert samples.ids == boxes.ids
    assert samples.fingerprint == boxes.fingerprint
    assert samples.placements is not None
    for name, column in boxes.references.items():
        found = samples.references[name]
        assert isinstance(found, Ragged)
        assert [row.tolist() for row in found] == [row.tolist() for row in column]
    for name in ("road", "lane"):
        alone = Segmentation(
            path=folder / "images", masks=folder / "masks" / name, ignore=9, preprocess=FIT
        ).open()
        assert alone.ids == ("a.png", "b.png")
        assert np.array_equal(samples.references[name], alone.references[::-1])


def test_it_keeps_the_workload_contract(folder: Path) -> None:
    """The same samples each time, here and in another process."""
    check_workload(scenes(folder, mask_size=(4, 4)))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (("road", "boxes"), "workload.columns has 'boxes', and boxes have a column of that name"),
        (("road", "lanes"), "lanes' is not a folder: give one that holds label maps"),
        ((), "workload.columns is empty: name the folders of label maps, or use .*kind: coco"),
        (("road", "road"), "workload.columns names 'road' twice"),
    ],
)
def test_columns_that_are_none_are_refused(
    folder: Path, columns: tuple[str, ...], says: str
) -> None:
    """With what there should be."""
    with pytest.raises(WorkloadError, match=says):
        scenes(folder, columns=columns).open()
