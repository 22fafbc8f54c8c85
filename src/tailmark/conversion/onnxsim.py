"""onnxsim: a graph with constants folded and operators fused."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.onnx_graph import load, needed, save


@dataclass(frozen=True, kw_only=True)
class OnnxSim:
    """Simplify an ONNX model with onnxsim.

    Args:
        fuse_bn: Fold batch normalisation into convolutions.
        fold: Fold constants.
        skip: Passes to leave out, by onnxoptimizer's names.
    """

    fuse_bn: bool = True
    fold: bool = True
    skip: tuple[str, ...] = ()

    tools = ("onnxsim", "onnx")
    wants_inputs = 0
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: The package is not installed, or the result is not valid.
        """
        del inputs
        model = load(source, "onnxsim")
        simplified, _ = needed("onnxsim", "onnxsim").simplify(
            model,
            skip_fuse_bn=not self.fuse_bn,
            skip_constant_folding=not self.fold,
            skipped_optimizers=list(self.skip) or None,
        )
        save(simplified, out)

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "onnxsim", **asdict(self), "skip": list(self.skip)}
