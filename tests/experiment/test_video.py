"""The example's camera: what its boxes say of a frame is what the frame shows."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tailmark
from tailmark.scenario.stream import Stream
from tailmark.workload.coco import Coco

EXAMPLE = Path(__file__).parents[2] / "examples" / "video"
SIZE = (640, 480)
SQUARES = [(40, 60, 90, 70), (300, 200, 60, 80), (520, 380, 80, 60), (250, 20, 40, 40)]
"""Bright on black, each in a colour of its own or none is told from the other; one is a crowd."""
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


@pytest.fixture(scope="module")
def camera() -> Any:
    """The script."""
    spec = importlib.util.spec_from_file_location("make_video", EXAMPLE / "make_video.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of squares, and one of a single object."""
    folder = tmp_path_factory.mktemp("photos")
    pixels = np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for (x, y, width, height), colour in zip(SQUARES, COLOURS, strict=True):
        pixels[y : y + height, x : x + width] = colour
    listed: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": [{"id": 1}]}
    for photo, objects in ((7, [*SQUARES, SQUARES[0]]), (3, SQUARES[:1]), (5, [*SQUARES] * 2)):
        Image.fromarray(pixels).save(folder / f"{photo}.png")
        listed["images"].append({"id": photo, "file_name": f"{photo}.png"})
        for box in objects:
            listed["annotations"].append(
                {
                    "image_id": photo,
                    "category_id": 1,
                    "bbox": list(box),
                    "area": box[2] * box[3] / 2,
                    "iscrowd": int(box == SQUARES[3]),
                }
            )
    (folder / "instances.json").write_text(json.dumps(listed))
    return folder


@pytest.fixture(scope="module")
def video(camera: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What becomes of them."""
    out = tmp_path_factory.mktemp("video")
    assert camera.make(photos, photos / "instances.json", out, videos=6, frames=25) == 50
    return out


def shown(frame: Path, colour: tuple[int, int, int]) -> list[int] | None:
    """Left, top, right and bottom of a colour's pixels."""
    pixels = np.asarray(Image.open(frame)).astype(np.int64)
    there = (np.abs(pixels - np.array(colour)) < 128).all(axis=2)
    if not there.any():
        return None
    ys, xs = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return [int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1]


def test_boxes_are_where_the_pixels_are(camera: Any, video: Path) -> None:
    """Of each object that shows enough of itself; a crowd is there while any of it is."""
    made = json.loads((video / "annotations.json").read_text())
    squares = len(SQUARES)
    seen = 0
    for image in made["images"]:
        boxes = [a for a in made["annotations"] if a["image_id"] == image["id"]]
        found = [shown(video / "frames" / image["file_name"], colour) for colour in COLOURS]
        whole = [one for one in found if one is not None]
        assert len({tuple(a["bbox"]) for a in boxes}) <= len(whole) <= squares
        for one in boxes:
            x, y, width, height = one["bbox"]
            corners = np.array([x, y, x + width, y + height])
            assert min(abs(corners - each).max() for each in whole) < 2.5
            assert 0 <= x < x + width <= camera.SIZE[0] + 0.01
            assert 0 <= y < y + height <= camera.SIZE[1] + 0.01
            assert one["area"] == pytest.approx(width * height / 2, rel=0.02)
            seen += 1
    assert seen > 100
    assert {a["iscrowd"] for a in made["annotations"]} == {0, 1}


@pytest.mark.parametrize(
    ("box", "crowd", "kept"),
    [
        ((90, 0, 20, 10), 0, [360, 0, 40, 40]),
        ((98, 0, 20, 10), 0, None),
        ((98, 0, 20, 10), 1, [392, 0, 8, 40]),
        ((100, 0, 20, 10), 1, None),
        ((-50, -50, 500, 500), 0, None),
        ((10, 10, 5, 5), 0, [40, 40, 20, 20]),
    ],
)
def test_what_shows_too_little_of_itself_is_left_out(
    camera: Any, box: tuple[int, ...], crowd: int, kept: list[int] | None
) -> None:
    """Half is enough and a tenth is not, but for a crowd; a frame here is four times the window."""
    window = (0.0, 0.0, 100.0, 75.0)
    found = {"bbox": list(box), "category_id": 1, "area": box[2] * box[3], "iscrowd": crowd}
    told = camera.seen(found, window)
    assert (told and told["bbox"]) == kept
    if told:
        assert told["area"] == told["bbox"][2] * told["bbox"][3]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [SIZE, (360, 640), (100, 30)])
def test_the_camera_moves_gently_and_stays_in_the_photo(
    camera: Any, size: tuple[int, int], mirrored: bool
) -> None:
    """From corner to corner, never faster than a twentieth of the photo a frame."""
    path = np.array(list(camera.windows(size, 40, mirrored=mirrored)))
    assert path.min() >= -1e-9
    assert (path[:, 2] <= size[0] + 1e-9).all()
    assert (path[:, 3] <= size[1] + 1e-9).all()
    width, height = path[:, 2] - path[:, 0], path[:, 3] - path[:, 1]
    assert width / height == pytest.approx(camera.SIZE[0] / camera.SIZE[1])
    assert abs(np.diff(path, axis=0)).max() < max(size) / 20
    corners = [path[0, 0], size[1] - path[0, 3], size[0] - path[-1, 2], path[-1, 1]]
    if mirrored:
        corners = [size[0] - path[0, 2], path[0, 1], path[-1, 0], size[1] - path[-1, 3]]
    assert corners == pytest.approx([0, 0, 0, 0], abs=1e-9)


def test_it_is_the_same_video_each_time(
    camera: Any, photos: Path, video: Path, tmp_path: Path
) -> None:
    """To the last byte."""
    camera.make(photos, photos / "instances.json", tmp_path, videos=6, frames=25)
    for file in sorted(video.rglob("*.*")):
        assert (tmp_path / file.relative_to(video)).read_bytes() == file.read_bytes()


def test_it_is_a_workload_of_videos(video: Path) -> None:
    """Each photo that shows enough is a sequence of its own, in the order of their ids."""
    workload = Coco(path=video / "frames", annotations=video / "annotations.json", video=True)
    samples = workload.open()
    assert samples.sequences is not None
    assert samples.sequences.tolist() == [0] * 25 + [1] * 25
    names = [v["name"] for v in json.loads((video / "annotations.json").read_text())["videos"]]
    assert names == ["5.png", "7.png"]


def test_its_experiment_is_a_stream() -> None:
    """Graded as streaming perception grades."""
    found = tailmark.load_experiment(EXAMPLE / "stream.yaml")
    assert found.scenario == Stream(fps=30)
    assert found.sample_order == "fixed"
    assert found.queueing.when_busy == "newest"
    assert found.quality["on_late"] == "stale"
