"""How an image of one size becomes a model's input of another: pure geometry, and carrying it out.

Every way is the same two steps: the image is resized, and a window of the result is the input. A
window that begins inside is a crop; one that reaches outside is padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.placement import Placements

Size = tuple[int, int]
"""Width before height, in pixels."""


@dataclass(frozen=True)
class Fit:
    """What becomes of an image.

    Args:
        image: Its size.
        resized: Its size after resizing.
        corner: Where in the resized image the input begins, x before y; negative if padded there.
        size: Of the input.
    """

    image: Size
    resized: Size
    corner: Size
    size: Size

    @classmethod
    def as_it_is(cls, image: Size) -> Self:
        """Nothing is done."""
        return cls(image, image, (0, 0), image)

    @classmethod
    def stretched(cls, image: Size, size: Size) -> Self:
        """Each side is resized by itself."""
        return cls(image, size, (0, 0), size)

    @classmethod
    def with_shortest_side(cls, image: Size, side: int) -> Self:
        """The shortest side becomes ``side``, the other follows, rounded."""
        width, height = image
        ratio = side / min(image)
        size = max(side, round(width * ratio)), max(side, round(height * ratio))
        return cls(image, size, (0, 0), size)

    @classmethod
    def letterboxed(cls, image: Size, size: Size, align: Literal["center", "top-left"]) -> Self:
        """As large as fits into ``size`` with its shape kept, rounded down; the rest is padding."""
        width, height = image
        box_width, box_height = size
        if box_width * height <= box_height * width:
            resized = box_width, max(1, box_width * height // width)
        else:
            resized = max(1, box_height * width // height), box_height
        corner = (0, 0)
        if align == "center":
            corner = -((box_width - resized[0]) // 2), -((box_height - resized[1]) // 2)
        return cls(image, resized, corner, size)

    def cropped(self, side: int) -> "Fit":
        """The centred square of it, its corner rounded down.

        Raises:
            WorkloadError: It is smaller than that.
        """
        width, height = self.resized
        if min(width, height) < side:
            raise WorkloadError(
                f"an image of {width}x{height} is smaller than crop {side}: "
                f"add resize: {side} or more"
            )
        corner = (width - side) // 2, (height - side) // 2
        return Fit(self.image, self.resized, corner, (side, side))

    def apply(self, image: Image.Image, *, antialias: bool, padding: int) -> Image.Image:
        """Carry it out.

        Args:
            image: Of the size it was made for.
            antialias: Smooth while shrinking; otherwise sample between the four neighbours.
            padding: The value of each channel where the image does not reach.
        """
        if self.resized != self.image:
            image = _resized(image, self.resized, antialias=antialias)
        if self.corner == (0, 0) and self.size == self.resized:
            return image
        (left, top), (width, height) = self.corner, self.size
        if min(self.corner) >= 0 and width <= self.resized[0] and height <= self.resized[1]:
            return image.crop((left, top, left + width, top + height))
        box = Image.new(image.mode, self.size, (padding,) * len(image.getbands()))
        box.paste(image, (-left, -top))
        return box


def _resized(image: Image.Image, size: Size, *, antialias: bool) -> Image.Image:
    if antialias:
        return image.resize(size, Image.Resampling.BILINEAR)
    # Pillow's resize always smooths; its affine transform samples between the four neighbours.
    scale = (image.width / size[0], 0, 0, 0, image.height / size[1], 0)
    return image.transform(size, Image.Transform.AFFINE, scale, Image.Resampling.BILINEAR)


def placements(fits: Sequence[Fit]) -> Placements:
    """Where each image lies in its input."""
    images = np.array([fit.image for fit in fits], dtype=np.float64)
    resized = np.array([fit.resized for fit in fits], dtype=np.float64)
    return Placements(
        scale=resized / images,
        shift=-np.array([fit.corner for fit in fits], dtype=np.float64),
        size=images,
        input_size=np.array([fit.size for fit in fits], dtype=np.float64),
    )
