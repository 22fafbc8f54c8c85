"""Memory that two processes see: an open file without a name, so that it goes when they do."""

import mmap
import os
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

_ALIGNED_BYTES = 64
_FIRST_BYTES = 1 << 20


class Region:
    """Arrays one after the other; one process writes, then tells the other where they are.

    Args:
        number: The file descriptor it is handed by; None for a new one.
    """

    def __init__(self, number: int | None = None) -> None:
        self.number = _nameless() if number is None else number
        self._memory: mmap.mmap | None = None
        self._end = 0

    def clear(self) -> None:
        """Write from the beginning again."""
        self._end = 0

    def place(self, values: npt.NDArray[Any]) -> int:
        """Copy an array in.

        Returns:
            Where it begins.
        """
        offset = -(-self._end // _ALIGNED_BYTES) * _ALIGNED_BYTES
        self._end = offset + values.nbytes
        if os.fstat(self.number).st_size < self._end:
            os.ftruncate(self.number, max(_FIRST_BYTES, 2 * self._end))
        np.copyto(self.view(values.dtype, values.shape, offset), values)
        return offset

    def view(self, dtype: npt.DTypeLike, shape: tuple[int, ...], offset: int) -> npt.NDArray[Any]:
        """The array that begins there, as long as nothing is written over it."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        end = offset + count * kind.itemsize
        if self._memory is None or len(self._memory) < end:
            # Views of the memory before keep it; there it stays what it is, only more.
            size = max(os.fstat(self.number).st_size, _FIRST_BYTES)
            self._memory = mmap.mmap(self.number, size)
        return np.frombuffer(self._memory, kind, count, offset).reshape(shape)

    def close(self) -> None:
        """Give up the file; views of it stay."""
        os.close(self.number)


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("tailmark")
    else:
        with tempfile.TemporaryFile() as file:
            number = os.dup(file.fileno())
    os.ftruncate(number, _FIRST_BYTES)
    return number
