"""Images and a COCO file become samples with boxes, or the first thing wrong is named."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.testing import check_workload
from tailmark.workload.coco import Coco
from tailmark.workload.coco_file import CocoFile
from tailmark.workload.preprocess import Preprocess

File = dict[str, Any]

SIZES = {3: (12, 8), 7: (8, 16), 5: (10, 10)}


def picture(width: int, height: int, shade: int) -> bytes:
    """An image of one shade, as a file."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def document() -> File:
    """Three images; one has two objects and a crowd, one an object, one none."""
    return {
        "images": [
            {"id": one, "file_name": f"{one}.png", "width": width, "height": height}
            for one, (width, height) in SIZES.items()
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3.5, 4], "area": 9.5},
            {"id": 2, "image_id": 3, "category_id": 9, "bbox": [0, 0, 12, 8]},
            {"id": 3, "image_id": 7, "category_id": 2, "bbox": [0, 0, 8, 8], "iscrowd": 1},
        ],
        "categories": [{"id": 2, "name": "cat"}, {"id": 9, "name": "kite"}],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The images and their file."""
    for one, (width, height) in SIZES.items():
        (tmp_path / f"{one}.png").write_bytes(picture(width, height, one))
    written(tmp_path, document())
    return tmp_path


def written(folder: Path, content: Any, **settings: Any) -> Coco:
    """The folder with another file."""
    (folder / "instances.json").write_text(json.dumps(content))
    return Coco(path=folder, annotations=folder / "instances.json", **settings)


def references_of(workload: Coco) -> Mapping[str, list[Any]]:
    """By column, row by row, as lists."""
    references: Any = workload.open().references
    return {name: [row.tolist() for row in column] for name, column in references.items()}


def test_every_image_is_a_sample_in_the_order_of_ids(folder: Path) -> None:
    """Those without objects, too: what is found there is wrong."""
    samples = written(folder, document()).open()
    assert samples.ids == ("3", "5", "7")
    assert [np.asarray(samples.prepare(samples.load(i)))[0, 0, 0] for i in range(3)] == [3, 5, 7]
    assert samples.sequences is None


def test_references_come_by_column(folder: Path) -> None:
    """Boxes as the file has them; an area that is not said is the box's."""
    workload = written(folder, document())
    assert references_of(workload) == {
        "boxes": [[[0, 0, 12, 8]], [], [[1, 2, 3.5, 4], [0, 0, 8, 8]]],
        "categories": [[9], [], [2, 2]],
        "crowd": [[False], [], [False, True]],
        "areas": [[96], [], [9.5, 64]],
    }
    references: Any = workload.open().references
    types = {name: column.values.dtype for name, column in references.items()}
    assert types == {
        "boxes": np.float64,
        "categories": np.int64,
        "crowd": np.bool_,
        "areas": np.float64,
    }


def test_a_file_of_images_alone_has_boxes_of_the_right_shape(folder: Path) -> None:
    """None, of four numbers each."""
    references: Any = written(folder, {**document(), "annotations": []}).open().references
    assert references["boxes"].values.shape == (0, 4)
    assert references["crowd"].values.dtype == np.bool_


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=12))
def test_objects_stay_with_their_images_whatever_the_order_of_the_file(
    ids: list[int], of: list[int]
) -> None:
    """And in the file's order within an image."""
    import tempfile

    images = [{"id": one, "file_name": f"{one}.png"} for one in ids]
    annotations = [
        {"image_id": one, "category_id": number, "bbox": [0, 0, 1, 1]}
        for number, one in enumerate(of)
    ]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "instances.json"
        path.write_text(json.dumps({"images": images, "annotations": annotations}))
        listed = CocoFile.read(path)
    in_order, _ = listed.in_order(video=False)
    assert [image["id"] for image in in_order] == sorted(ids)
    found = [row.tolist() for row in listed.references(in_order)["categories"]]
    assert found == [[n for n, one in enumerate(of) if one == image] for image in range(6)]


def test_placements_follow_from_the_preprocessing(folder: Path) -> None:
    """Each image has its own."""
    samples = written(folder, document(), preprocess=Preprocess(letterbox=16)).open()
    assert samples.placements is not None
    assert samples.placements.size.tolist() == [[12, 8], [10, 10], [8, 16]]
    assert samples.placements.shift.tolist() == [[0, 3], [0, 0], [4, 0]]
    assert np.asarray(samples.prepare(samples.load(0))).shape == (3, 16, 16)


def test_it_keeps_the_workload_contract(folder: Path) -> None:
    """The same samples each time, here and in another process; thumbnails are pictures."""
    check_workload(written(folder, document(), preprocess=Preprocess(resize=(6, 4))))


def test_the_fingerprint_follows_the_images(folder: Path) -> None:
    """One changed image is another workload."""
    workload = written(folder, document())
    before = workload.open().fingerprint
    (folder / "5.png").write_bytes(picture(10, 10, 99))
    assert workload.open().fingerprint != before


def frames(video: str, frame: str) -> File:
    """Two videos, their frames mixed up."""
    places = {3: (40, 2), 5: (8, 0), 7: (40, 1)}
    images = [
        {"id": one, "file_name": f"{one}.png", video: places[one][0], frame: places[one][1]}
        for one in SIZES
    ]
    return {"images": images, "annotations": []}


@pytest.mark.parametrize(("video", "frame"), [("video_id", "frame_id"), ("sid", "fid")])
def test_frames_come_video_after_video(folder: Path, video: str, frame: str) -> None:
    """As COCO-VID and Argoverse-HD number them; sequences count the videos."""
    samples = written(folder, frames(video, frame), video=True).open()
    assert samples.ids == ("5", "7", "3")
    assert samples.sequences is not None
    assert samples.sequences.tolist() == [0, 1, 1]
    assert samples.sequences.dtype == np.int32


def test_images_may_be_named_in_the_folders_of_their_videos(folder: Path) -> None:
    """As Argoverse-HD names them."""
    (folder / "left").mkdir()
    (folder / "5.png").rename(folder / "left" / "5.png")
    content = {
        "images": [{"id": 5, "sid": 1, "fid": 0, "name": "5.png"}],
        "annotations": [],
        "seq_dirs": ["right", "left"],
    }
    samples = written(folder, content, video=True).open()
    assert np.asarray(samples.prepare(samples.load(0)))[0, 0, 0] == 5


def change(entries: str, number: int, **values: Any) -> Callable[[File], File]:
    """The file with one entry changed; a value of ... takes a key out."""

    def changed(content: File) -> File:
        entry = content[entries][number] | values
        content[entries][number] = {k: v for k, v in entry.items() if v is not ...}
        return content

    return changed


def without(key: str) -> Callable[[File], File]:
    """The file without one of its lists."""
    return lambda content: {k: v for k, v in content.items() if k != key}


NAN = float("nan")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda _: [1, 2], "is no COCO file: it needs images and annotations"),
        (without("images"), "has no list of images: give a COCO file"),
        (without("annotations"), "has no list of annotations: give a COCO file"),
        (lambda c: {**c, "images": []}, "lists no images: give at least one"),
        (lambda c: {**c, "annotations": [3]}, "has no list of annotations"),
        (lambda c: {**c, "categories": [3]}, "has categories without ids"),
        (change("images", 1, id="x"), "image number 1 has the id 'x': ids are whole numbers"),
        (change("images", 1, id=3), "lists image 3 twice: list each image once"),
        (change("images", 0, file_name=...), r"image 3 has no file_name \(nor a name in a folder"),
        (change("images", 0, file_name="9.png"), "image '9.png' is not in .*: add it, or take it"),
        (change("images", 0, file_name="a\0b"), "cannot be read"),
        (change("images", 0, width=99), r"image '3\.png' is 12x8 and .* says 99x8: give the"),
        (change("annotations", 0, image_id=4), "annotation 1 is of image 4, which is not listed"),
        (change("annotations", 0, image_id=...), "annotation 1 has image_id None"),
        (change("annotations", 1, id=..., image_id=4), "annotation 'number 1' is of image 4"),
        (change("annotations", 1, category_id=4), "annotation 2 has category_id 4, which is not"),
        (change("annotations", 1, category_id="cat"), "annotation 2 has category_id 'cat'"),
        (change("annotations", 1, category_id=2**40), "annotation 2 has category_id 10995"),
        (change("annotations", 1, bbox=...), "annotation 2 has bbox None: give x, y, width"),
        (change("annotations", 1, bbox=[1, 2, 3]), r"annotation 2 has bbox \[1, 2, 3\]"),
        (change("annotations", 1, bbox=[1, 2, NAN, 3]), r"annotation 2 has bbox \[1, 2, nan, 3\]"),
        (change("annotations", 1, bbox=[1, 2, -1, 3]), "the last two not below zero"),
        (change("annotations", 1, bbox=[1, 2, 10**400, 3]), "annotation 2 has bbox"),
        (change("annotations", 1, bbox=["1", 2, 3, 4]), "annotation 2 has bbox"),
        (change("annotations", 1, area=NAN), "annotation 2 has area nan: give a number of pixels"),
        (change("annotations", 1, iscrowd=2), "annotation 2 has iscrowd 2: give 0 or 1"),
    ],
)
def test_what_cannot_be_used_is_named(
    folder: Path, broken: Callable[[File], Any], says: str
) -> None:
    """The entry, the value, and what is allowed."""
    with pytest.raises(WorkloadError, match=says) as caught:
        written(folder, broken(document())).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (change("images", 1, sid=...), "image 7 has no whole number video_id or sid: give one"),
        (change("images", 1, fid="2"), "image 7 has no whole number frame_id or fid: give one"),
        (change("images", 1, fid=2), "images 3 and 7 are the same frame of the same video"),
    ],
)
def test_a_frame_without_its_place_is_named(
    folder: Path, broken: Callable[[File], Any], says: str
) -> None:
    """Where images are declared to be frames."""
    with pytest.raises(WorkloadError, match=says):
        written(folder, broken(frames("sid", "fid")), video=True).open()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_file_that_is_no_json_is_named(folder: Path, content: bytes) -> None:
    """Empty, cut off, something else, or nested without end."""
    (folder / "instances.json").write_bytes(content)
    with pytest.raises(WorkloadError, match=r"instances\.json' cannot be read as JSON"):
        Coco(path=folder, annotations=folder / "instances.json").open()


def test_a_missing_file_or_folder_is_named(folder: Path) -> None:
    """Before anything is timed."""
    with pytest.raises(WorkloadError, match=r"nowhere\.json' does not exist: give the annotations"):
        Coco(path=folder, annotations=folder / "nowhere.json").open()
    with pytest.raises(WorkloadError, match="cannot be read: Is a directory"):
        Coco(path=folder, annotations=folder).open()
    with pytest.raises(WorkloadError, match="nowhere' is not a folder: give one that holds images"):
        Coco(path=folder / "nowhere", annotations=folder / "instances.json").open()


def test_an_image_that_is_none_is_named(folder: Path) -> None:
    """Its size cannot be read."""
    (folder / "5.png").write_bytes(b"not an image")
    with pytest.raises(WorkloadError, match=r"image '5\.png' cannot be decoded: replace it"):
        written(folder, document()).open()
