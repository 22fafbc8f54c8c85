"""ONNX or TensorFlow Lite to OpenVINO's own format."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.program import failed
from tailmark.errors import ConversionError
from tailmark.extras import needed


@dataclass(frozen=True, kw_only=True)
class ToOpenVino:
    """Make an ``.xml`` and a ``.bin`` file of an ``.onnx`` or ``.tflite`` file.

    The model is read as OpenVINO reads it when it runs it, which sends no usage report, as
    ``convert_model`` may.

    Args:
        float16: Store weights in float16. OpenVINO's ``save_model`` does unless it is told not to;
            here a change of numbers is asked for, never a side effect of a change of format.
    """

    float16: bool = False

    tools = ("openvino",)
    wants_inputs = 0
    writes = "model.xml"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: OpenVINO is not installed, or cannot read this.
        """
        del inputs
        if not source.is_file():
            raise ConversionError(
                f"model {str(source)!r} does not exist: give an .onnx or .tflite file"
            )
        openvino = needed(
            "openvino",
            "conversion openvino",
            install="'tailmark[openvino]'",
            error=ConversionError,
        )
        try:
            model = openvino.Core().read_model(source)
            openvino.save_model(model, out, compress_to_fp16=self.float16)
        except Exception as cause:  # the runtime's exceptions share no base of their own
            raise failed(
                f"conversion openvino of {source.name!r}", "OpenVINO cannot read it", str(cause)
            ) from cause

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "openvino", **asdict(self)}
