"""PyTorch to ONNX, by either of PyTorch's two exporters."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tailmark.conversion.base import Inputs
from tailmark.errors import ConversionError
from tailmark.system.torch_sources import example, first_line, quiet, read_exported


@dataclass(frozen=True, kw_only=True)
class TorchToOnnx:
    """An ``.onnx`` file from a ``.pt2`` file of ``torch.export``.

    Args:
        exporter: ``dynamo`` translates the program; ``legacy`` traces it anew.
        opset: Of ONNX's operators; by default what the exporter prefers.
        optimize: Let the exporter fold constants and simplify.
    """

    exporter: Literal["dynamo", "legacy"] = "dynamo"
    opset: int | None = None
    optimize: bool = True

    tools = ("torch", "onnx", "onnxscript")
    wants_inputs = 1
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: The exporter cannot translate the program.
            SystemSetupError: The file is missing or no exported program.
        """
        read, interface, program = read_exported(source)
        import torch

        names: dict[str, Any] = {
            "input_names": list(read.names or ()),
            "output_names": list(read.outputs or ()),
            "opset_version": self.opset,
        }
        arguments = example(interface, inputs)
        try:
            with quiet(), torch.no_grad():
                if self.exporter == "dynamo":
                    torch.onnx.export(
                        program,
                        (),
                        str(out),
                        dynamo=True,
                        optimize=self.optimize,
                        external_data=False,
                        verbose=False,
                        **names,
                    )
                else:
                    torch.onnx.export(
                        read.module,
                        arguments,
                        str(out),
                        dynamo=False,
                        do_constant_folding=self.optimize,
                        training=torch.onnx.TrainingMode.PRESERVE,  # a program has no modes
                        **names,
                    )
        except ImportError as cause:
            raise ConversionError(
                f"conversion torch2onnx needs the package {cause.name or 'onnxscript'}: "
                "pip install 'tailmark[convert,torch]'"
            ) from cause
        except Exception as cause:
            raise ConversionError(
                f"the {self.exporter} exporter cannot take {source.name!r}: {first_line(cause)}"
            ) from cause

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "torch2onnx", **asdict(self)}
