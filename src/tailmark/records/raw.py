"""The models' own outputs for every sample, as they came: what numbers are compared by.

A folder of one ``.npy`` file an output, of as many rows as there are samples, and ``outputs.json``,
which is written last. Read as memory maps, so that outputs need not fit in memory.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tailmark.errors import StoreError
from tailmark.records.reserved import reserved

_INDEX = "outputs.json"


@dataclass(frozen=True)
class RawOutputs:
    """What a system gave for each sample.

    Args:
        folder: Where they are.
        names: Of the outputs that are kept, in the model's order.
        failures: Why a sample has none, by the sample.
        left_out: Outputs that are not kept, and why.
    """

    folder: Path
    names: tuple[str, ...]
    failures: Mapping[int, str]
    left_out: Mapping[str, str]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """One output, shape (samples, …), its rows without meaning where `failures` has them.

        Raises:
            StoreError: It is missing or damaged.
        """
        file = self.folder / f"{self.names.index(name)}.npy"
        try:
            held: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as cause:
            raise StoreError(f"{str(file)!r} is damaged ({cause}): measure again") from cause
        return held


def read_raw(folder: Path) -> RawOutputs | None:
    """What is kept in a folder; None where nothing is, or not all of it.

    Raises:
        StoreError: It is damaged.
    """
    try:
        document = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        return RawOutputs(
            folder=folder,
            names=tuple(document["names"]),
            failures={int(sample): why for sample, why in document["failures"].items()},
            left_out=document["left_out"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise StoreError(f"{str(folder / _INDEX)!r} is damaged ({cause}): measure again") from cause


@dataclass
class RawWriter:
    """Writes outputs as they come; what was not finished is no record. Use as a context manager.

    Args:
        folder: Made if it is not there.
        samples: How many there are.
    """

    folder: Path
    samples: int
    _held: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    _failures: dict[int, str] = field(default_factory=dict)
    _left_out: dict[str, str] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)

    def add(self, sample: int, outputs: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep a sample's outputs, each a batch of one.

        Raises:
            StoreError: They cannot be written.
        """
        for name, values in outputs.items():
            row = values[0] if values.ndim and len(values) == 1 else values
            if name not in self._names:
                self._names.append(name)
                if row.dtype.kind not in "biufc" and str(row.dtype) != "bfloat16":
                    self._left_out[name] = f"it holds {row.dtype}, which are no numbers"
                else:
                    self._held[name] = self._new(len(self._names) - 1, row)
            if name not in self._held:
                continue
            held = self._held[name]
            if held.shape[1:] != row.shape:
                self._left_out[name] = "its shape differs from sample to sample"
                del self._held[name]
            else:
                held[sample] = row

    def _new(self, index: int, row: npt.NDArray[Any]) -> npt.NDArray[Any]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self.folder / f"{index}.npy"
            return reserved(file, row.dtype, (self.samples, *row.shape))
        except OSError as cause:
            raise StoreError(f"{str(self.folder)!r} cannot be written: {cause}") from cause

    def fail(self, sample: int, why: str) -> None:
        """A sample has no outputs."""
        self._failures[sample] = why

    def __enter__(self) -> Self:
        """Begin anew."""
        (self.folder / _INDEX).unlink(missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say what is there, unless something went wrong."""
        if kind is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = [name for name in self._names if name in self._held]
        for place, name in enumerate(kept):
            self._held[name].flush()  # type: ignore[attr-defined]
            before = self._names.index(name)
            if before != place:
                (self.folder / f"{before}.npy").replace(self.folder / f"{place}.npy")
        document = {"names": kept, "failures": self._failures, "left_out": self._left_out}
        (self.folder / _INDEX).write_text(json.dumps(document), encoding="utf-8")
