"""TensorFlow Lite to ONNX, by tf2onnx in an interpreter that has TensorFlow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.program import failed, run_module, versions_in
from tailmark.errors import ConversionError

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


@dataclass(frozen=True, kw_only=True)
class TfliteToOnnx:
    """Make an ONNX model of a ``.tflite`` file; inputs and outputs keep names, types and layout.

    Args:
        python: The interpreter that has tf2onnx and TensorFlow, such as ``../other/bin/python``.
        opset: The version of ONNX's operators to use.
        dequantize: Take the quantisation out as tf2onnx does, which drops its ranges too.
    """

    python: Path
    opset: int = 17
    dequantize: bool = False

    tools = ()
    wants_inputs = 0
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: No such interpreter, no tf2onnx there, or it fails.
        """
        del inputs
        if not source.is_file():
            raise ConversionError(f"model {str(source)!r} does not exist: give a .tflite file")
        what = f"conversion tflite2onnx of {source.name!r}"
        files = ["--tflite", str(source.absolute()), "--output", str(out.absolute())]
        options = ["--opset", str(self.opset), *(["--dequantize"] if self.dequantize else [])]
        printed = run_module(
            self.python,
            "tf2onnx.convert",
            [*files, *options],
            what,
            folder=out.parent,
            environment=_QUIET,
        )
        if not out.is_file():
            raise failed(what, "tf2onnx wrote no model", printed)

    def describe(self) -> dict[str, Any]:
        """The settings, and the versions that the other interpreter has."""
        return {
            "kind": "tflite2onnx",
            "python": self.python.name,
            "versions": versions_in(self.python, ("tf2onnx", "tensorflow", "tensorflow-cpu")),
            "opset": self.opset,
            "dequantize": self.dequantize,
        }
