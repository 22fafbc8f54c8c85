"""Where each image lies in a model's input, so that boxes found there can be told of the image."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Placements:
    """A place in the input is the place in the image times ``scale``, plus ``shift``.

    All in pixels, x before y and width before height, float64, shape (samples, 2).

    Args:
        scale: Pixels of the input for one of the image.
        shift: Where in the input the image's corner lies; negative if it was cut off.
        size: Of each image.
        input_size: Of the model's input.
    """

    scale: Floats
    shift: Floats
    size: Floats
    input_size: Floats

    def to_image(self, corners: Floats, sample: int) -> Floats:
        """Boxes in pixels of the image, cut off at its edges.

        Args:
            corners: In pixels of the input: x1, y1, x2, y2; shape (boxes, 4).
            sample: Whose image.
        """
        points = (corners.reshape(-1, 2, 2) - self.shift[sample]) / self.scale[sample]
        inside: Floats = np.clip(points, 0, self.size[sample]).reshape(-1, 4)
        return inside
