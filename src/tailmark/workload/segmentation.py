"""A folder of images and one of label maps."""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tailmark.errors import WorkloadError
from tailmark.workload.base import Samples, digest
from tailmark.workload.fit import Size, placements
from tailmark.workload.masks import check_masks, read_masks
from tailmark.workload.picture import is_image, prepare, read, size_of, thumbnail
from tailmark.workload.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """Every image in the folder and its folders, sorted by name, with a label for each pixel.

    Args:
        path: The folder of images.
        masks: That of label maps, PNG in gray or with a palette, of the images' names.
        classes: How many classes the labels speak of; declare it, so that it can be checked.
        ignore: The label of pixels that do not count.
        mask_size: Width and height of the model's own maps, where they are not its input's.
        preprocess: From image to input. A label map is resized, cropped and padded as its image is,
            each pixel to the nearest.
    """

    path: Path
    masks: Path
    classes: int | None = None
    ignore: int = 255
    mask_size: Size | None = None
    preprocess: Preprocess = field(default_factory=Preprocess)

    def open(self) -> Samples:
        """Read images and label maps; references are of shape (samples, height, width).

        Raises:
            WorkloadError: A missing folder, or a file that cannot be used; the first is named.
        """
        if not self.path.is_dir():
            raise WorkloadError(f"{str(self.path)!r} is not a folder: give one that holds images")
        if not 0 <= self.ignore <= 255:
            raise WorkloadError(f"workload.ignore is {self.ignore}: give 0 to 255")
        names = sorted(
            file.relative_to(self.path).as_posix()
            for file in self.path.rglob("*")
            if file.is_file() and is_image(file)
        )
        if not names:
            raise WorkloadError(f"{str(self.path)!r} holds no images: give a folder that does")
        pictures = [(name, read(self.path, name, "folder")) for name in names]
        fits = [self.preprocess.fit(size_of(picture)) for picture in pictures]
        masks = read_masks(self.masks, names, fits, self.mask_size, self.ignore)
        check_masks(self.masks, names, masks, self.classes, self.ignore)
        return Samples(
            ids=tuple(names),
            load=pictures.__getitem__,
            prepare=partial(prepare, self.preprocess),
            fingerprint=digest(content for _, content in pictures),
            references=masks,
            classes=self.classes,
            thumbnail=lambda index: thumbnail(pictures[index]),
            placements=placements(fits),
        )

    def describe(self) -> dict[str, Any]:
        """The settings; of paths, the last part (the contents' hash is in the run)."""
        return {
            "kind": "segmentation",
            "path": self.path.name,
            "masks": self.masks.name,
            "classes": self.classes,
            "ignore": self.ignore,
            "mask_size": self.mask_size,
            "preprocess": asdict(self.preprocess),
        }
