"""ONNX to TensorFlow Lite, by onnx2tf in an interpreter of its own.

onnx2tf pins versions of NumPy, ONNX and TensorFlow, which few environments can share.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.explicit import write_explicit
from tailmark.conversion.onnx_graph import load
from tailmark.conversion.program import failed, run_module, versions_in
from tailmark.conversion.shapes import shapes_of
from tailmark.errors import ConversionError

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


@dataclass(frozen=True, kw_only=True)
class OnnxToTf:
    """Make a ``.tflite`` file of an ONNX model.

    Inputs keep their shapes, the workload's; with its axes moved to the end, as onnx2tf would have
    it, an image would be refused by what takes the source's. So kept, nothing is downloaded either.
    Outputs come as onnx2tf gives them, with the channels last.

    Args:
        python: The interpreter that has onnx2tf, such as ``../other/bin/python``.
        float16: Store weights in float16.
    """

    python: Path | None = None
    float16: bool = False

    tools = ("onnx",)
    wants_inputs = 1
    writes = "model.tflite"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: No such interpreter, no onnx2tf there, or it fails.
        """
        if self.python is None:
            raise ConversionError(
                "conversion onnx2tf needs python, an interpreter of its own: "
                "make one by python -m venv, install onnx2tf there, and give its path"
            )
        what = f"conversion onnx2tf of {source.name!r}"
        names = [one.name for one in load(source, "onnx2tf").graph.input]
        shapes = shapes_of(names, inputs, what)
        with tempfile.TemporaryDirectory(prefix="tailmark-") as given:
            folder = Path(given)
            write_explicit(source, folder / "model.onnx", "onnx2tf")
            sizes = [
                f"{name}:{','.join(map(str, shape))}"
                for name, (shape, _) in zip(names, shapes, strict=True)
            ]
            words = ["-i", "model.onnx", "-o", "made", "-ois", *sizes, "-kat", *names, "-n"]
            printed = run_module(
                self.python, "onnx2tf", words, what, folder=folder, environment=_QUIET
            )
            precision = "float16" if self.float16 else "float32"
            made = folder / "made" / f"model_{precision}.tflite"
            if not made.is_file():
                raise failed(what, "onnx2tf wrote no model", printed)
            shutil.move(made, out)

    def describe(self) -> dict[str, Any]:
        """The settings, and the versions that the other interpreter has."""
        python = self.python
        return {
            "kind": "onnx2tf",
            "python": None if python is None else python.name,
            "versions": {} if python is None else versions_in(python, ("onnx2tf", "tensorflow")),
            "float16": self.float16,
        }
