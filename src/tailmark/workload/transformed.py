"""A workload whose inputs are changed before they are given: to find what an input suffers from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tailmark.errors import WorkloadError
from tailmark.workload.base import Samples, Workload

Transformation = Literal["reversed-channels", "transposed"]

_COLORS = 3


@dataclass(frozen=True, kw_only=True)
class Transformed:
    """Another workload's samples, each input changed.

    Args:
        workload: The other.
        by: What is done: ``reversed-channels`` of three, or ``transposed`` height and width.
    """

    workload: Workload
    by: Transformation

    def open(self) -> Samples:
        """Open the other.

        Raises:
            WorkloadError: As the other; or its inputs are no images that this can be done to.
        """
        samples = self.workload.open()
        change = _CHANGES[self.by]

        def prepare(raw: Any) -> Any:
            prepared = samples.prepare(raw)
            if isinstance(prepared, Mapping):
                raise WorkloadError(f"{self.by} is for a model of one input")
            return np.ascontiguousarray(change(np.asarray(prepared)))

        prepare(samples.load(0))
        return replace(samples, prepare=prepare)

    def describe(self) -> dict[str, Any]:
        """The other's settings, and what is done."""
        return {**self.workload.describe(), "transformed": self.by}


def _channels(image: npt.NDArray[Any]) -> int:
    """The axis of the colours.

    Raises:
        WorkloadError: There is none.
    """
    for axis in (0, -1):
        if image.ndim == _COLORS and image.shape[axis] == _COLORS:
            return axis
    raise WorkloadError(f"an input of shape {list(image.shape)} is no image of three colours")


def _reversed_channels(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.flip(image, _channels(image))


def _transposed(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    planes = [axis for axis in range(image.ndim) if image.shape[axis] > _COLORS]
    if len(planes) != 2 or image.shape[planes[0]] != image.shape[planes[1]]:
        raise WorkloadError(f"an input of shape {list(image.shape)} is no square image")
    return np.swapaxes(image, *planes)


_CHANGES: dict[Transformation, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "reversed-channels": _reversed_channels,
    "transposed": _transposed,
}
