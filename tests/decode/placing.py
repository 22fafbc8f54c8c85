"""Where a few images lie in a model's input, for the tests of detectors."""

import numpy as np

from tailmark.decode.base import Declared
from tailmark.placement import Placements


def stretched(
    width: int, height: int, image: tuple[int, int] = (100, 50), samples: int = 1
) -> Declared:
    """Images of one size, each stretched to an input of ``width`` and ``height``."""
    size = np.tile(np.array(image, dtype=np.float64), (samples, 1))
    whole = np.tile(np.array([width, height], dtype=np.float64), (samples, 1))
    placements = Placements(
        scale=whole / size, shift=np.zeros_like(size), size=size, input_size=whole
    )
    return Declared(placements=placements)
