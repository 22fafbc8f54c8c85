"""Images and the objects in them, as a COCO ``instances`` file has them."""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tailmark.errors import WorkloadError
from tailmark.workload.base import Samples, digest
from tailmark.workload.coco_file import CocoFile
from tailmark.workload.fit import placements
from tailmark.workload.picture import prepare, read, size_of, thumbnail
from tailmark.workload.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class Coco:
    """Every image that the file lists, in the order of their ids, with the boxes of its objects.

    Args:
        path: The folder of images.
        annotations: The JSON file.
        video: Whether images are frames: then they come video after video (``video_id`` or
            ``sid``), each in the order of its frames (``frame_id`` or ``fid``).
        preprocess: From image to input.
    """

    path: Path
    annotations: Path
    video: bool = False
    preprocess: Preprocess = field(default_factory=Preprocess)

    def open(self) -> Samples:
        """Read the file and the images, and check that they belong together.

        References come by column, each of one row a sample: ``boxes`` (x, y, width, height in
        pixels), ``categories``, ``crowd`` (whether a box is around many, and not counted) and
        ``areas`` (in pixels, of the object if the file says so, else of its box).

        Raises:
            WorkloadError: A missing file, an image or annotation that cannot be used; the first is
                named.
        """
        if not self.path.is_dir():
            raise WorkloadError(f"{str(self.path)!r} is not a folder: give one that holds images")
        listed = CocoFile.read(self.annotations)
        images, videos = listed.in_order(video=self.video)
        names = map(listed.name_of, images)
        pictures = [(name, read(self.path, name, "annotations")) for name in names]
        sizes = [size_of(picture) for picture in pictures]
        for image, size in zip(images, sizes, strict=True):
            listed.check_size(image, size)
        return Samples(
            ids=tuple(str(image["id"]) for image in images),
            load=pictures.__getitem__,
            prepare=partial(prepare, self.preprocess),
            fingerprint=digest(content for _, content in pictures),
            references=listed.references(images),
            thumbnail=lambda index: thumbnail(pictures[index]),
            placements=placements([self.preprocess.fit(size) for size in sizes]),
            sequences=videos,
        )

    def describe(self) -> dict[str, Any]:
        """The settings; of paths, the last part (the contents' hash is in the run)."""
        return {
            "kind": "coco",
            "path": self.path.name,
            "annotations": self.annotations.name,
            "video": self.video,
            "preprocess": asdict(self.preprocess),
        }
