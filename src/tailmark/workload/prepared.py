"""A workload whose inputs were prepared once, for several processes to read.

They map one file into their memory, so that none prepares them again, and all share it.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.records.reserved import reserved
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


class PreparedOnce:
    """Workloads that are opened once, and their inputs prepared once, whoever asks.

    Args:
        folder: Where the inputs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[bytes, tuple[Samples, Workload]] = {}

    def of(self, workload: Workload, timed: str) -> tuple[Samples, Workload]:
        """A workload's samples, and a recipe of the same for other processes.

        Where preparing is timed (``total``), each of them prepares, and the recipe is its own.

        Raises:
            WorkloadError: It cannot be opened, or a sample cannot be prepared.
        """
        recipe = pickle.dumps((workload, timed))  # arrays in it do not compare
        if recipe not in self._opened:
            samples = workload.open()
            if timed == "inference":
                file = self._folder / f"{len(self._opened)}.npy"
                workload = _prepared(workload, samples, file)
            self._opened[recipe] = samples, workload
        return self._opened[recipe]


def _prepared(workload: Workload, samples: Samples, file: Path) -> Workload:
    """The workload with its inputs in a file; itself where they are not alike or do not fit."""
    held: npt.NDArray[Any] | None = None
    for index in range(len(samples)):
        one = samples.prepare(samples.load(index))
        if isinstance(one, Mapping):
            return workload
        values = np.asarray(one)
        if held is None and values.dtype.kind in "biuf":
            try:
                held = reserved(file, values.dtype, (len(samples), *values.shape))
            except OSError:  # no room for all of them
                return workload
        if held is None or values.shape != held.shape[1:] or values.dtype != held.dtype:
            file.unlink(missing_ok=True)
            return workload
        held[index] = values
    return Prepared(workload=workload, inputs=file)


def _row(inputs: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
    """A row as a plain array: runtimes need not know of memory maps."""
    return np.asarray(inputs[index])
