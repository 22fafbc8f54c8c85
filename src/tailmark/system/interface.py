"""What a model takes and gives: names, types and shapes, held against what it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailmark.errors import SystemSetupError, nearest
from tailmark.system.base import Batch

Shape = Sequence[int | str | None]
"""A length an axis; a name or None where it is free."""


@dataclass(frozen=True)
class Interface:
    """A model's inputs and the outputs that are read.

    Args:
        inputs: By name, in the model's order: the type (as NumPy names it, ``str`` for texts) and
            the shape.
        outputs: The names of the outputs that are read.
    """

    inputs: Mapping[str, tuple[str, Shape]]
    outputs: tuple[str, ...]

    def named(self, batch: Batch) -> dict[str, Any]:
        """The arrays by the names of the inputs; a lone array is the only input's."""
        return dict(batch) if isinstance(batch, Mapping) else {next(iter(self.inputs)): batch}

    def ordered(self, batch: Batch) -> list[Any]:
        """The arrays in the order of the inputs."""
        return [batch[name] for name in self.inputs] if isinstance(batch, Mapping) else [batch]

    def read(self, outputs: Sequence[Any]) -> Any:
        """A lone output as it is, several by name."""
        if len(self.outputs) == 1:
            return outputs[0]
        return dict(zip(self.outputs, outputs, strict=True))

    def check(self, batch: Batch) -> None:
        """Refuse a batch whose names, shapes or types the model does not take.

        Raises:
            SystemSetupError: Naming what is expected and what was given.
        """
        if not isinstance(batch, Mapping) and len(self.inputs) != 1:
            raise SystemSetupError(
                f"the model has {len(self.inputs)} inputs ({', '.join(self.inputs)}) and the "
                "workload gives one array: give one of each name"
            )
        given = self.named(batch)
        if given.keys() != self.inputs.keys():
            raise SystemSetupError(
                f"the model's inputs are {', '.join(self.inputs)} and the workload gives "
                f"{', '.join(given)}: give these names"
            )
        for name, (dtype, shape) in self.inputs.items():
            values = given[name]
            held = _type_of(values)
            if held != dtype or not _fits(values.shape, shape):
                raise SystemSetupError(
                    f"input {name!r} takes {dtype} {_shown(shape)} and the workload gives "
                    f"{held} {_shown(values.shape)}: change the workload's preprocessing "
                    "or arrays to fit"
                )

    def describe(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "inputs": {n: f"{dtype} {_shown(shape)}" for n, (dtype, shape) in self.inputs.items()},
            "outputs": list(self.outputs),
        }


def wanted_outputs(there: Sequence[str], output: str | None) -> tuple[str, ...]:
    """The outputs to read: all, or the one that was asked for.

    Raises:
        SystemSetupError: The model has no such output.
    """
    if output is None:
        return tuple(there)
    if output not in there:
        raise SystemSetupError(
            f"the model has no output {output!r}{nearest(output, there)}: it has {', '.join(there)}"
        )
    return (output,)


def _type_of(values: Any) -> str:
    """Texts are ``str``, in an array of their own type or as objects."""
    texts = values.dtype.kind == "U" or (
        values.dtype.kind == "O" and all(isinstance(one, str) for one in values.flat)
    )
    return "str" if texts else str(values.dtype)


def _fits(shape: tuple[int, ...], declared: Shape) -> bool:
    return len(shape) == len(declared) and all(
        not isinstance(d, int) or d == s for s, d in zip(shape, declared, strict=True)
    )


def _shown(shape: Any) -> str:
    return "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"
