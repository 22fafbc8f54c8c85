"""Images with boxes and label maps: what a model of several tasks is asked."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tailmark.errors import WorkloadError
from tailmark.workload.base import Samples
from tailmark.workload.coco import Coco
from tailmark.workload.fit import Size
from tailmark.workload.masks import read_masks
from tailmark.workload.picture import size_of
from tailmark.workload.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Images and their objects as `Coco` has them, and label maps of each image beside these.

    Args:
        path: The folder of images.
        annotations: The JSON file of images and boxes.
        masks: A folder; in it a folder for each column, with label maps as `Segmentation` has them.
        columns: These folders' names, such as ``road`` and ``lane``.
        ignore: The label of pixels that do not count.
        mask_size: Width and height of the model's own maps, where they are not its input's.
        video: As of `Coco`.
        preprocess: From image to input.
    """

    path: Path
    annotations: Path
    masks: Path
    columns: tuple[str, ...]
    ignore: int = 255
    mask_size: Size | None = None
    video: bool = False
    preprocess: Preprocess = field(default_factory=Preprocess)

    def open(self) -> Samples:
        """Read everything; references are the columns of `Coco` and the label maps' own.

        Raises:
            WorkloadError: A missing folder or file, or one that cannot be used; the first is named.
        """
        boxes = Coco(
            path=self.path,
            annotations=self.annotations,
            video=self.video,
            preprocess=self.preprocess,
        )
        samples = boxes.open()
        if not self.columns:
            raise WorkloadError(
                "workload.columns is empty: name the folders of label maps, or use workload.kind: "
                "coco"
            )
        for place, name in enumerate(self.columns):
            if name in self.columns[:place]:
                raise WorkloadError(f"workload.columns names {name!r} twice: name each folder once")
            if name in samples.references:
                raise WorkloadError(
                    f"workload.columns has {name!r}, and boxes have a column of that name: call "
                    "the folder otherwise"
                )
        pictures = [samples.load(index) for index in range(len(samples))]
        names = [name for name, _ in pictures]
        fits = [self.preprocess.fit(size_of(picture)) for picture in pictures]
        masks = {
            name: read_masks(self.masks / name, names, fits, self.mask_size, self.ignore)
            for name in self.columns
        }
        return replace(samples, references={**samples.references, **masks})

    def describe(self) -> dict[str, Any]:
        """The settings; of paths, the last part (the contents' hash is in the run)."""
        return {
            "kind": "scenes",
            "path": self.path.name,
            "annotations": self.annotations.name,
            "masks": self.masks.name,
            "columns": list(self.columns),
            "ignore": self.ignore,
            "mask_size": self.mask_size,
            "video": self.video,
            "preprocess": asdict(self.preprocess),
        }
