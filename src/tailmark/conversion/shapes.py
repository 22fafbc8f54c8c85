"""The shapes that a converter is told, taken from the workload's first input."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tailmark.conversion.base import Inputs
from tailmark.errors import ConversionError

Given = tuple[tuple[int, ...], np.dtype[Any]]
"""An input's shape and type."""


def shapes_of(names: Sequence[str], inputs: Inputs, what: str) -> list[Given]:
    """Shape and type of each of a model's inputs.

    Args:
        names: The model's inputs, in order.
        inputs: What the conversion was given.
        what: What is being done, for messages.

    Raises:
        ConversionError: There are none, or they go by other names.
    """
    if not inputs:
        raise ConversionError(
            f"{what} needs an input to take shapes from: give a workload that has one"
        )
    first = inputs[0]
    if not isinstance(first, Mapping):
        first = {names[0]: first}
    if first.keys() != set(names):
        raise ConversionError(
            f"{what} failed: the model's inputs are {', '.join(names)} and the workload gives "
            f"{', '.join(first)}: give these names"
        )
    return [(np.shape(first[name]), np.asarray(first[name]).dtype) for name in names]
