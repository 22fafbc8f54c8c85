"""The conversion seam: a recipe that writes one model file from another.

A recipe is plain data: what it makes is kept by the source's content, the recipe and the versions
of its tools, and made in a process of its own, since converters crash. It knows nothing of systems.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Inputs = Sequence[Mapping[str, npt.NDArray[Any]] | npt.NDArray[Any]]
"""Prepared batches of one from the workload, to calibrate or trace with."""


class Conversion(Protocol):
    """A recipe for one step from model to model."""

    @property
    def tools(self) -> tuple[str, ...]:
        """The distributions whose versions decide what comes out, such as ``("onnxsim",)``."""
        ...

    @property
    def wants_inputs(self) -> int:
        """How many of the workload's inputs it needs; 0 for none."""
        ...

    @property
    def writes(self) -> str:
        """The name of the file it writes, such as ``"model.onnx"``."""
        ...

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Args:
            source: The model's file.
            out: The file to write, in an empty folder, where its companions go too.
            inputs: As many as it wants, or all there are if there are fewer.

        Raises:
            ConversionError: It cannot be made from this source; in one sentence.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The settings, as plain data."""
        ...


def first_array(inputs: Inputs) -> npt.NDArray[Any]:
    """The first input's only array, to trace with."""
    first = inputs[0]
    return next(iter(first.values())) if isinstance(first, Mapping) else np.asarray(first)
