"""ONNX Runtime's own graph optimiser, its result written to a file.

A model of the level ``layout`` or ``all`` is for processors such as the one it was made on.
"""

import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tailmark.conversion.base import Inputs
from tailmark.errors import ConversionError, nearest
from tailmark.system.native_output import caught

_PASS = re.compile(r"GraphTransformer (\S+) modified: [01]")
_ALWAYS = {
    "CastFloat16Transformer",
    "EnsureUniqueDQForNodeUnit",
    "FreeDimensionOverrideTransformer",
    "MemcpyTransformer",
    "RemoveDuplicateCastTransformer",
}
"""What a session does at every level, to be able to run the model."""


@dataclass(frozen=True, kw_only=True)
class Optimize:
    """Optimise an ONNX model as ONNX Runtime would on loading it.

    Args:
        level: Graph optimisation level.
        disabled: Passes to leave out, by ONNX Runtime's names, such as ``ConstantFolding``.
        only: The one pass of the level to run.
    """

    level: Literal["basic", "extended", "layout", "all"] = "all"
    disabled: tuple[str, ...] = ()
    only: str | None = None

    tools = ("onnxruntime",)
    wants_inputs = 0
    writes = "model.onnx"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: It cannot be loaded, or the runtime has no such pass at this level.
        """
        del inputs
        disabled = self.disabled
        if disabled or self.only is not None:
            there = passes(source, self.level)
            for name in (*disabled, *([] if self.only is None else [self.only])):
                if name not in there:
                    raise ConversionError(
                        f"onnxruntime has no pass {name!r}{nearest(name, there)} at level "
                        f"{self.level!r}: it has {', '.join(there)}"
                    )
            if self.only is not None:
                disabled = (*disabled, *(name for name in there if name != self.only))
        _optimize(source, out, self.level, disabled)

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "optimize", **asdict(self), "disabled": list(self.disabled)}


def passes(source: Path, level: str = "all") -> list[str]:
    """The passes that this ONNX Runtime tries on a model, in order.

    No interface lists them; the log of a session being set up does.

    Raises:
        ConversionError: The model cannot be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="tailmark-") as folder:
        log = _optimize(source, Path(folder) / "model.onnx", level, (), verbose=True)
    return [name for name in dict.fromkeys(_PASS.findall(log)) if name not in _ALWAYS]


def _optimize(
    source: Path, out: Path, level: str, disabled: tuple[str, ...], *, verbose: bool = False
) -> str:
    """Write the model and give the runtime's log."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 1 if verbose else 3
    options.graph_optimization_level = getattr(
        ort.GraphOptimizationLevel, f"ORT_ENABLE_{level.upper()}"
    )
    options.optimized_model_filepath = str(out)
    with caught() as printed:
        try:
            ort.InferenceSession(
                str(source),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=list(disabled),
            )
        except Exception as cause:  # the runtime's exceptions share no base of their own
            raise ConversionError(
                f"model {source.name!r} cannot be optimised: {str(cause).splitlines()[0]}"
            ) from cause
        return "\n".join(printed())
