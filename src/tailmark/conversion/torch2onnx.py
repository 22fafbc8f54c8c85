"""PyTorch to ONNX, by either of PyTorch's two exporters."""

from collections.abc import Iterable
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
                        opset_version=self.opset,
                    )
                else:
                    torch.onnx.export(
                        read.module,
                        arguments,
                        str(out),
                        dynamo=False,
                        do_constant_folding=self.optimize,
                        training=torch.onnx.TrainingMode.PRESERVE,  # a program has no modes
                        opset_version=self.opset,
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

        _rename(out, interface.inputs, read.outputs or ())

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "torch2onnx", **asdict(self)}


def _rename(model: Path, inputs: Iterable[str], outputs: Iterable[str]) -> None:
    """Give the inputs and outputs their names; the exporters refuse those that are no Python."""
    import onnx

    proto = onnx.load(model)
    graph = proto.graph
    new = dict(zip((one.name for one in graph.input), inputs, strict=False))
    new |= dict(zip((one.name for one in graph.output), outputs, strict=True))
    taken = {name for node in graph.node for name in node.output} - set(new)
    inside = {name: f"{name}.inner" for name in taken & set(new.values())}
    for one in (*graph.input, *graph.output, *graph.value_info):
        one.name = new.get(one.name, inside.get(one.name, one.name))
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new.get(name, inside.get(name, name)) for name in names]
    onnx.save(proto, model)
