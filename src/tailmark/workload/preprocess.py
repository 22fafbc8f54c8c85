"""From a decoded image to a model's input. Knows nothing of files."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.workload.fit import Fit, Size


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """From an image to a model's input, in this order; what is left out is not done.

    Args:
        resize: Shortest side in pixels; or width and height, to which the image is stretched.
        crop: Side of a centred square, its corner rounded down.
        letterbox: Side of a square, or width and height, into which the whole image is fitted with
            its shape kept; instead of ``resize`` and ``crop``.
        align: Where in the letterbox the image lies: ``center`` or ``top-left``.
        padding: The value of what is left of the letterbox, 0–255.
        antialias: Smooth while shrinking, as Pillow does; otherwise plain bilinear sampling, as
            OpenCV does.
        color: Order of the channels: ``rgb``, ``bgr`` or ``gray``.
        scale: Multiplies the 0–255 values.
        mean: Subtracted after scaling; one number, or one a channel in the order of ``color``.
        std: Divides last; likewise.
        layout: ``nchw`` or ``nhwc`` (the batch axis N comes later).
        dtype: The model's input type.
    """

    resize: int | Size | None = None
    crop: int | None = None
    letterbox: int | Size | None = None
    align: Literal["center", "top-left"] = "center"
    padding: int = 114
    antialias: bool = False
    color: Literal["rgb", "bgr", "gray"] = "rgb"
    scale: float = 1.0
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    layout: Literal["nchw", "nhwc"] = "nchw"
    dtype: Literal["float32", "float16", "uint8", "int8"] = "float32"

    def __post_init__(self) -> None:
        """Refuse settings that cannot be carried out."""
        channels = 1 if self.color == "gray" else 3
        for name in ("mean", "std"):
            values = getattr(self, name)
            if isinstance(values, tuple) and len(values) not in (1, channels):
                raise WorkloadError(
                    f"preprocess.{name} has {len(values)} values and {self.color} has "
                    f"{channels} channels: give one number, or one a channel"
                )
        if not np.all(np.asarray(self.std)):
            raise WorkloadError("preprocess.std has a zero: give numbers other than zero")
        for name in ("resize", "crop", "letterbox"):
            pixels = getattr(self, name)
            if pixels is not None and np.min(pixels) < 1:
                raise WorkloadError(f"preprocess.{name} is {pixels}: give 1 pixel or more")
        if self.letterbox is not None:
            for name in ("resize", "crop"):
                if getattr(self, name) is not None:
                    raise WorkloadError(
                        f"preprocess has letterbox and {name}, and a letterbox already fits the "
                        "whole image: give one of them"
                    )
        if not 0 <= self.padding <= 255:
            raise WorkloadError(f"preprocess.padding is {self.padding}: give 0 to 255")

    def fit(self, image: Size) -> Fit:
        """What becomes of an image of this size.

        Raises:
            WorkloadError: It is smaller than the crop.
        """
        if self.letterbox is not None:
            return Fit.letterboxed(image, _pair(self.letterbox), self.align)
        if self.resize is None:
            fit = Fit.as_it_is(image)
        elif isinstance(self.resize, int):
            fit = Fit.with_shortest_side(image, self.resize)
        else:
            fit = Fit.stretched(image, self.resize)
        return fit if self.crop is None else fit.cropped(self.crop)

    def __call__(self, image: Image.Image) -> npt.NDArray[Any]:
        """Shape (channels, height, width) or (height, width, channels), after ``layout``.

        Raises:
            WorkloadError: The image is smaller than the crop.
        """
        fit = self.fit(image.size)
        image = image.convert("L" if self.color == "gray" else "RGB")
        pixels = np.asarray(fit.apply(image, antialias=self.antialias, padding=self.padding))
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if self.color == "bgr":
            pixels = pixels[:, :, ::-1]
        if self.layout == "nchw":
            pixels = pixels.transpose(2, 0, 1)
        values = np.array(pixels, dtype=np.float32, order="C")
        # In place, and only what changes something: this is in the clock when the total is timed.
        if self.scale != 1:
            values *= np.float32(self.scale)
        if np.any(self.mean):
            values -= self._by_channel(self.mean)
        if np.any(np.asarray(self.std) != 1):
            values /= self._by_channel(self.std)
        if self.dtype in ("uint8", "int8"):
            limits = np.iinfo(self.dtype)
            np.clip(np.rint(values, out=values), limits.min, limits.max, out=values)
        return values.astype(self.dtype, copy=False)

    def _by_channel(self, numbers: float | tuple[float, ...]) -> npt.NDArray[np.float32]:
        """To go with values of the layout."""
        row = np.asarray(numbers, dtype=np.float32)
        return row.reshape(-1, 1, 1) if self.layout == "nchw" else row


def _pair(size: int | Size) -> Size:
    return (size, size) if isinstance(size, int) else size
