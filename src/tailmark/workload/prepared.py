"""A workload whose inputs were prepared once, for several processes to read.

They map one file into their memory, so that none prepares them again, and all share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from tailmark.workload.base import Samples, Workload


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Another workload's samples, their inputs read from a file.

    Args:
        workload: The other.
        inputs: Its inputs, a ``.npy`` file of shape (samples, …).
    """

    workload: Workload
    inputs: Path

    def open(self) -> Samples:
        """Open the other, and map its inputs.

        Raises:
            WorkloadError: As the other.
        """
        samples = self.workload.open()
        inputs = np.load(self.inputs, mmap_mode="r", allow_pickle=False)
        return replace(samples, load=int, prepare=partial(_row, inputs))

    def describe(self) -> dict[str, Any]:
        """The other's settings: it has the same inputs."""
        return self.workload.describe()


def prepare_once(workload: Workload, file: Path) -> Workload:
    """Prepare a workload's inputs into a file; the workload itself where they are not of one kind.

    Args:
        workload: Whose.
        file: To write.

    Raises:
        WorkloadError: It cannot be opened, or a sample cannot be prepared.
        OSError: The file cannot be written.
    """
    samples = workload.open()
    held: npt.NDArray[Any] | None = None
    for index in range(len(samples)):
        one = samples.prepare(samples.load(index))
        if isinstance(one, Mapping):
            return workload
        values = np.asarray(one)
        if held is None and values.dtype.kind in "biuf":
            held = open_memmap(file, "w+", values.dtype, (len(samples), *values.shape))
        if held is None or values.shape != held.shape[1:] or values.dtype != held.dtype:
            file.unlink(missing_ok=True)
            return workload
        held[index] = values
    return Prepared(workload=workload, inputs=file)


def _row(inputs: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
    """A row as a plain array: runtimes need not know of memory maps."""
    return np.asarray(inputs[index])
