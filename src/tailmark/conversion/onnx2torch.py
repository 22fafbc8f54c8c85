"""ONNX to PyTorch: a module made by onnx2torch, exported as a program."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.errors import ConversionError
from tailmark.system.torch_modes import unrolled
from tailmark.system.torch_sources import NAMES, example, first_line, quiet, read_onnx


@dataclass(frozen=True, kw_only=True)
class OnnxToTorch:
    """A ``.pt2`` file of ``torch.export`` from an ``.onnx`` file.

    The program takes inputs of one shape: the workload's, with a batch of one. The model's names
    of inputs and outputs are kept in the file.
    """

    tools = ("onnx2torch", "onnx", "torch")
    wants_inputs = 1
    writes = "model.pt2"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the program.

        Raises:
            ConversionError: An operator that onnx2torch or the exporter does not know.
            SystemSetupError: The file is missing or no ONNX model, or a package is missing.
        """
        read, interface = read_onnx(source)
        import torch

        tensors = example(interface, inputs)
        names = {
            "inputs": list(interface.inputs),
            "outputs": list(read.outputs or ()),
            "read": list(interface.outputs),
        }
        try:
            with quiet(), torch.no_grad():
                program = torch.export.export(unrolled(read.module, tensors), tensors)
                torch.export.save(program, out, extra_files={NAMES: json.dumps(names)})
        except Exception as cause:
            raise ConversionError(
                f"torch.export cannot take what onnx2torch made of {source.name!r}: "
                f"{first_line(cause)}"
            ) from cause

    def describe(self) -> dict[str, Any]:
        """There is nothing to set."""
        return {"kind": "onnx2torch"}
