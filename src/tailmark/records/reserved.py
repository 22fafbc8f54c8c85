"""Arrays on the disk that are written through memory, their room taken first."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap


def reserved(file: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A new ``.npy`` file in memory.

    A file that only seems as long as it is would be filled until the disk is full, and then the
    process ended by a signal.

    Raises:
        OSError: There is no room for it, and none is taken; or it cannot be written.
    """
    try:
        made: npt.NDArray[Any] = open_memmap(file, "w+", np.dtype(dtype), shape)
        size = file.stat().st_size
        if size and hasattr(os, "posix_fallocate"):
            with file.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, size)
    except OSError:
        file.unlink(missing_ok=True)
        raise
    return made
