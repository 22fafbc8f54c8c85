"""PyTorch to TFLite, by litert-torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.errors import ConversionError
from tailmark.extras import needed
from tailmark.system.torch_sources import example, first_line, quiet, read_exported


@dataclass(frozen=True, kw_only=True)
class TorchToTflite:
    """A ``.tflite`` file from a ``.pt2`` file of ``torch.export``.

    The axes stay in PyTorch's order, and no weight is quantised.
    """

    tools = ("litert-torch", "torch")
    wants_inputs = 1
    writes = "model.tflite"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: litert-torch is not installed, or cannot take the program.
            SystemSetupError: The file is missing or no exported program.
        """
        with quiet():
            litert_torch = needed(
                "litert_torch",
                "conversion torch2tflite",
                package="litert-torch",
                install="litert-torch",
                error=ConversionError,
            )
        read, interface, _ = read_exported(source)
        try:
            with quiet():
                made = litert_torch.convert(read.module, example(interface, inputs))
                made.export(str(out))
        except Exception as cause:
            raise ConversionError(
                f"litert-torch cannot take {source.name!r}: {first_line(cause)}"
            ) from cause

    def describe(self) -> dict[str, Any]:
        """There is nothing to set."""
        return {"kind": "torch2tflite"}
