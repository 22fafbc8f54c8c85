"""ONNX to MNN, by the converter in MNN's wheel.

The wheel's own command is not what runs: it installs a package and reports what was converted. The
function that it calls does neither.
"""

import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.explicit import write_explicit
from tailmark.conversion.program import failed, folder_of, run_program
from tailmark.errors import ConversionError

_CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv)"


@dataclass(frozen=True, kw_only=True)
class ToMnn:
    """Make an ``.mnn`` file of an ONNX model.

    Args:
        float16: Store weights in float16.
        weight_bits: Quantise weights to so many bits, 2 to 8; None for not at all.
        explicit: Say the axis of an older ``Softmax``, which MNN takes for the last one.
    """

    float16: bool = False
    weight_bits: int | None = None
    explicit: bool = True

    tools = ("MNN", "onnx")
    wants_inputs = 0
    writes = "model.mnn"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: MNN is not installed, or cannot convert this.
        """
        del inputs
        if self.weight_bits is not None and not 2 <= self.weight_bits <= 8:
            raise ConversionError(f"weight_bits is {self.weight_bits}: give 2 to 8")
        if not source.is_file():
            raise ConversionError(f"model {str(source)!r} does not exist: give an .onnx file")
        folder_of("MNN", "mnn", "mnn")
        what = f"conversion mnn of {source.name!r}"
        with tempfile.TemporaryDirectory(prefix="tailmark-") as given:
            folder = Path(given)
            model = source.absolute()
            if self.explicit:
                model = folder / "given.onnx"
                write_explicit(source, model, "mnn")
            options = ["--fp16"] if self.float16 else []
            if self.weight_bits is not None:
                options += ["--weightQuantBits", str(self.weight_bits)]
            words = [sys.executable, "-c", _CONVERT, "-f", "ONNX", "--bizCode", "tailmark"]
            files = ["--modelFile", str(model), "--MNNModel", str(out.absolute())]
            printed = run_program([*words, *files, *options], what, tool="MNN", folder=folder)
        if not out.is_file():  # its exit code is 0 whatever happened
            raise failed(what, "MNN wrote no model", printed.partition("[ERROR] Convert error")[0])

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "mnn", **asdict(self)}
