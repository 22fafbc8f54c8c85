"""Label maps beside images: PNG files of the same names. Knows nothing of what they are for."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.records.model import Int64s
from tailmark.workload.fit import Fit, Size

Masks = npt.NDArray[np.uint8]
"""Label maps of one size each; shape (samples, height, width)."""

_MODES = ("1", "L", "P")


def read_masks(
    folder: Path, names: Sequence[str], fits: Sequence[Fit], size: Size | None, ignore: int
) -> Masks:
    """The label map of each image, fitted into the model's input as the image is.

    A pixel keeps one of the labels that are there: nothing is mixed. Where the image does not reach
    it is to be ignored.

    Args:
        folder: Where they are: for ``a/b.jpg`` there is ``a/b.png``, in gray or with a palette.
        names: Of the images, relative to their folder.
        fits: What becomes of each image.
        size: To which it is resized at last, width before height: that of the model's own maps.
        ignore: The label of pixels that do not count.

    Raises:
        WorkloadError: One is missing, is no label map, or is of another size than its image; or
            they come out in several sizes.
    """
    if not folder.is_dir():
        raise WorkloadError(f"{str(folder)!r} is not a folder: give one that holds label maps")
    masks = []
    for name, fit in zip(names, fits, strict=True):
        mask = _fitted(_read(folder, name, fit.image), fit, ignore)
        masks.append(mask if size is None else _fitted(mask, Fit.stretched(fit.size, size), ignore))
    sizes = list(dict.fromkeys(mask.shape for mask in masks))
    if len(sizes) > 1:
        (height, width), (other_height, other_width) = sizes[:2]
        raise WorkloadError(
            f"the label maps in {str(folder)!r} are {width}x{height} and {other_width}x"
            f"{other_height}: give them one size by preprocess, or by mask_size"
        )
    return np.stack(masks)


def check_masks(
    folder: Path, names: Sequence[str], masks: Masks, classes: int | None, ignore: int
) -> None:
    """Refuse labels beyond the declared number of classes.

    Raises:
        WorkloadError: Naming the first label map that has one.
    """
    if classes is None:
        return
    for name, mask in zip(names, masks, strict=True):
        beyond = mask[(mask >= classes) & (mask != ignore)]
        if beyond.size:
            raise WorkloadError(
                f"label map {_name_of(name)!r} in {str(folder)!r} has label {beyond.max()}, labels "
                f"are 0 to {classes - 1} (classes: {classes}) or {ignore} (ignore): correct the "
                "map or the numbers"
            )


def _name_of(image: str) -> str:
    return Path(image).with_suffix(".png").as_posix()


def _read(folder: Path, image: str, size: Size) -> Masks:
    """Shape (height, width)."""
    name = _name_of(image)
    where = f"label map {name!r} in {str(folder)!r}"
    try:
        with Image.open(io.BytesIO((folder / name).read_bytes())) as mask:
            labels = np.asarray(mask)  # of a palette the numbers, not the colours
    except FileNotFoundError:
        raise WorkloadError(
            f"image {image!r} has no label map {name!r} in {str(folder)!r}: add it, or take the "
            "image away"
        ) from None
    except OSError as cause:
        reason = cause.strerror or "it is no whole image"
        raise WorkloadError(f"{where} cannot be read: {reason}") from cause
    except Exception as cause:  # what Pillow's formats raise on broken bytes shares no base
        raise WorkloadError(f"{where} cannot be read: it is no whole image") from cause
    if mask.mode not in _MODES:
        raise WorkloadError(
            f"{where} is of mode {mask.mode}: give one label a pixel, in gray or with a palette"
        )
    if mask.size != size:
        raise WorkloadError(
            f"{where} is {mask.size[0]}x{mask.size[1]} and its image {size[0]}x{size[1]}: give the "
            "image's own"
        )
    return labels.astype(np.uint8)


def _fitted(mask: Masks, fit: Fit, ignore: int) -> Masks:
    """Each pixel of the input takes the label of the image's in which its middle lies."""
    columns, across = _nearest(fit, 0)
    rows, down = _nearest(fit, 1)
    return np.where(down[:, None] & across, mask[np.ix_(rows, columns)], np.uint8(ignore))


def _nearest(fit: Fit, axis: int) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """Which column (or row) of the image each of the input's is, and whether it is one."""
    place = np.arange(fit.size[axis]) + fit.corner[axis]
    nearest = (2 * place + 1) * fit.image[axis] // (2 * fit.resized[axis])
    inside = (place >= 0) & (place < fit.resized[axis])
    return np.clip(nearest, 0, fit.image[axis] - 1), inside
