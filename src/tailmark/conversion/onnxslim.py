"""onnxslim: a graph with constants folded, operators fused and dead ones gone."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.onnx_graph import load, needed, save


@dataclass(frozen=True, kw_only=True)
class OnnxSlim:
    """Slim an ONNX model with onnxslim.

    Args:
        skip_fusions: Fusion patterns to leave out, by onnxslim's names.
    """

    skip_fusions: tuple[str, ...] = ()

    tools = ("onnxslim", "onnx")
    wants_inputs = 0
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: The package is not installed, or the result is not valid.
        """
        del inputs
        model = load(source, "onnxslim")
        slimmed = needed("onnxslim", "onnxslim").slim(
            model, skip_fusion_patterns=list(self.skip_fusions) or None
        )
        save(slimmed, out)

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "onnxslim", **asdict(self), "skip_fusions": list(self.skip_fusions)}
