"""Make a video with boxes out of photos: a camera that pans and zooms across each of them.

A streaming system needs frames of which each follows the last. This script makes them from still
photos that are annotated as COCO annotates them: of each photo a window is cut that moves from one
corner to the opposite one, and is drawn closer on the way. One photo is one video. It writes frames
(JPEG) and an `annotations.json` whose images carry `video_id` and `frame_id`, and whose boxes are
the photo's, moved, scaled and clipped as the pixels are. Nothing is drawn by chance: two runs on
one machine give the same files.

The motion is a camera's alone. Objects do not move against each other, so this shows what waiting
costs, and is no benchmark of detectors on video.
"""

import argparse
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

SIZE = (400, 300)
"""Width and height of a frame, in pixels."""

WIDE, TIGHT = 0.8, 0.55
"""Width of the window at both ends of its way, and in the middle, as shares of the widest."""

VISIBLE = 0.3
"""The least share of its box that an object must show, or it is left out of the frame."""

FEWEST_OBJECTS = 5
"""A photo with fewer is passed over."""

QUALITY = 90
ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DATA = Path(os.environ.get("TAILMARK_DATA") or ROOT.parent / "shared" / "data")

Window = tuple[float, float, float, float]
"""Left, top, right and bottom in a photo's pixels."""


def windows(size: tuple[int, int], frames: int, *, mirrored: bool) -> Iterator[Window]:
    """Where the camera looks, frame by frame: it starts and stops gently.

    Args:
        size: Width and height of the photo.
        frames: How many.
        mirrored: From right to left and down, instead of left to right and up.
    """
    widest = min(size[0], size[1] * SIZE[0] / SIZE[1])
    for frame in range(frames):
        way = frame / max(frames - 1, 1)
        done = (1 - math.cos(math.pi * way)) / 2
        width = widest * (WIDE + (TIGHT - WIDE) * math.sin(math.pi * way))
        height = width * SIZE[1] / SIZE[0]
        left = (size[0] - width) * (1 - done if mirrored else done)
        top = (size[1] - height) * (done if mirrored else 1 - done)
        yield left, top, left + width, top + height


def seen(found: dict[str, Any], window: Window) -> dict[str, Any] | None:
    """An annotation as the frame shows it; None where too little of it is in the window.

    A crowd is kept while any of it is there: it marks what must not be counted. The area of what is
    clipped is taken to be spread evenly over the box.
    """
    scale = SIZE[0] / (window[2] - window[0])
    x, y, width, height = found["bbox"]
    left, right = max(x, window[0]), min(x + width, window[2])
    top, bottom = max(y, window[1]), min(y + height, window[3])
    if right <= left or bottom <= top:
        return None
    share = (right - left) * (bottom - top) / (width * height)
    if share < VISIBLE and not found["iscrowd"]:
        return None
    moved = (left - window[0], top - window[1], right - left, bottom - top)
    return {
        "category_id": found["category_id"],
        "bbox": [round(scale * one, 2) for one in moved],
        "area": round(found["area"] * share * scale**2, 2),
        "iscrowd": found["iscrowd"],
    }


def make(photos: Path, annotations: Path, out: Path, *, videos: int, frames: int) -> int:
    """Write frames and their boxes.

    Args:
        photos: The folder of photos.
        annotations: Their `instances` JSON.
        out: The folder to write; made if need be.
        videos: How many photos become one: the first by id that show enough.
        frames: Of each.

    Returns:
        How many frames were written.
    """
    listed = json.loads(annotations.read_text())
    objects: dict[int, list[Any]] = {photo["id"]: [] for photo in listed["images"]}
    for one in listed["annotations"]:
        objects[one["image_id"]].append(one)
    rich = [photo for photo in listed["images"] if len(objects[photo["id"]]) >= FEWEST_OBJECTS]
    chosen = sorted(rich, key=lambda photo: int(photo["id"]))[:videos]
    (out / "frames").mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for video, photo in enumerate(chosen):
        picture = Image.open(photos / photo["file_name"]).convert("RGB")
        path = windows(picture.size, frames, mirrored=video % 2 == 1)
        for frame, window in enumerate(path):
            image: dict[str, Any] = {
                "id": len(images) + 1,
                "file_name": f"{video:02}-{frame:04}.jpg",
                "width": SIZE[0],
                "height": SIZE[1],
                "video_id": video,
                "frame_id": frame,
            }
            shown = picture.resize(SIZE, Image.Resampling.BILINEAR, box=window)
            shown.save(out / "frames" / image["file_name"], quality=QUALITY)
            images.append(image)
            for found in objects[photo["id"]]:
                if (box := seen(found, window)) is not None:
                    boxes.append({"id": len(boxes) + 1, "image_id": image["id"], **box})
    document = {
        "videos": [{"id": k, "name": photo["file_name"]} for k, photo in enumerate(chosen)],
        "images": images,
        "annotations": boxes,
        "categories": listed["categories"],
    }
    (out / "annotations.json").write_text(json.dumps(document))
    return len(images)


def main() -> None:
    """Make the video of `stream.yaml`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder of real data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "video")
    parser.add_argument("--videos", type=int, default=6, help="photos, each a video of its own")
    parser.add_argument("--frames", type=int, default=40, help="of each video")
    given = parser.parse_args()
    coco = given.data / "detection" / "coco_tiny_val80"
    made = make(
        coco / "images",
        coco / "instances_val2017.json",
        given.out,
        videos=given.videos,
        frames=given.frames,
    )
    print(f"{made} frames in {given.out}")


if __name__ == "__main__":
    main()
