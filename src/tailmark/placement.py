"""Where each image lies in a model's input, so that boxes found there can be told of the image."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Placements:
    """A pixel of the input is a pixel of the image times ``scale``, plus ``shift``; x before y.

    Args:
        scale: float64, shape (samples, 2).
        shift: In pixels of the input, likewise.
        size: Of each image in pixels, width before height; likewise.
    """

    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]

    def to_image(self, corners: npt.NDArray[np.float64], sample: int) -> npt.NDArray[np.float64]:
        """Boxes in pixels of the image, cut off at its edges.

        Args:
            corners: In pixels of the input: x1, y1, x2, y2; shape (boxes, 4).
            sample: Whose image.
        """
        points = (corners.reshape(-1, 2, 2) - self.shift[sample]) / self.scale[sample]
        inside: npt.NDArray[np.float64] = np.clip(points, 0, self.size[sample]).reshape(-1, 4)
        return inside
