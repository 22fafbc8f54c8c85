"""A float32 model in 8-bit integers, by ONNX Runtime's quantiser."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tailmark.conversion.base import Inputs
from tailmark.conversion.onnx_graph import load, needed, opset, save
from tailmark.errors import ConversionError


@dataclass(frozen=True, kw_only=True)
class Quantize:
    """Quantise an ONNX model with ``onnxruntime.quantization``.

    Args:
        mode: ``dynamic`` finds the ranges of activations as the model runs, ``static`` beforehand
            from inputs of the workload.
        per_channel: Each channel of a weight has a scale of its own.
        weights: The type of weights: int8 around zero, or uint8 with a zero point of its own.
        activations: The type of activations, if static.
        samples: How many inputs to find ranges from, if static.
        format: If static: QuantizeLinear and DequantizeLinear around float operators, or
            operators of integers.
    """

    mode: Literal["dynamic", "static"] = "static"
    per_channel: bool = False
    weights: Literal["int8", "uint8"] = "int8"
    activations: Literal["int8", "uint8"] = "uint8"
    samples: int = 32
    format: Literal["qdq", "qoperator"] = "qdq"

    tools = ("onnxruntime", "onnx")
    writes = "model.onnx"

    @property
    def wants_inputs(self) -> int:
        """As many as ranges are found from."""
        return self.samples if self.mode == "static" else 0

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: It cannot be quantised.
        """
        model = load(source, "quantize")
        names = [one.name for one in model.graph.input]
        quantization = needed("onnxruntime.quantization", "quantize")
        with tempfile.TemporaryDirectory(prefix="tailmark-") as folder:
            plain, prepared = (Path(folder) / name for name in ("plain.onnx", "prepared.onnx"))
            save(_with_channels(model) if self.per_channel else model, plain)
            quantization.quant_pre_process(
                plain,
                prepared,
                skip_symbolic_shape=True,  # it needs sympy, and helps transformers
            )
            if self.mode == "dynamic":
                quantization.quantize_dynamic(
                    prepared,
                    out,
                    per_channel=self.per_channel,
                    weight_type=_type(self.weights),
                )
                return
            if not inputs:
                raise ConversionError(
                    "static quantisation finds ranges from inputs and there are none: "
                    "let quantize.samples be 1 or more"
                )
            quantization.quantize_static(
                prepared,
                out,
                _reader(names, inputs),
                quant_format=quantization.QuantFormat[
                    "QDQ" if self.format == "qdq" else "QOperator"
                ],
                per_channel=self.per_channel,
                weight_type=_type(self.weights),
                activation_type=_type(self.activations),
            )

    def describe(self) -> dict[str, Any]:
        """The settings that matter in this mode."""
        settings = asdict(self)
        if self.mode == "dynamic":
            for name in ("activations", "samples", "format"):
                del settings[name]
        return {"kind": "quantize", **settings}


def _with_channels(model: Any) -> Any:
    """The model in the first version of ONNX whose quantisation has a scale a channel, or later."""
    import onnx

    return model if opset(model) >= 13 else onnx.version_converter.convert_version(model, 13)


def _type(name: str) -> Any:
    from onnxruntime.quantization import QuantType

    return QuantType.QInt8 if name == "int8" else QuantType.QUInt8


def _reader(names: list[str], inputs: Inputs) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self._rest: Iterator[Any] = iter(inputs)

        def get_next(self) -> dict[str, Any] | None:
            one = next(self._rest, None)
            if one is None:
                return None
            return dict(one) if isinstance(one, Mapping) else {names[0]: one}

    return Reader()
