"""OpenVINO as a system.

It computes in another precision than the model's where the processor is faster at it: bfloat16 with
AMX, unasked. What its layers run in is read back from the compiled graph.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tailmark.errors import SystemSetupError
from tailmark.extras import needed
from tailmark.system.base import Batch, Predictor
from tailmark.system.interface import Interface, wanted_outputs
from tailmark.system.model_file import check_model_file, check_threads, fingerprint
from tailmark.system.native_output import caught

_MANY = ("AUTO", "MULTI", "HETERO", "BATCH")
"""Devices that are made of others."""

_PRECISIONS = {
    "f64": "float64",
    "f32": "float32",
    "bf16": "bfloat16",
    "f16": "float16",
    "i8": "int8",
    "u8": "int8",
}
"""How numbers are computed in, by what OpenVINO calls it."""

_TYPES = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "boolean": "bool",
    "string": "str",
}

_WEIGHTY = frozenset(
    {
        "convolution",
        "deconvolution",
        "fullyconnected",
        "gemm",
        "lstmcell",
        "lstmseq",
        "matmul",
        "rnncell",
        "rnnseq",
    }
)
"""The layers that do the arithmetic, as the plug-ins call them."""


@dataclass(frozen=True, kw_only=True)
class OpenVino:
    """A model run by OpenVINO, one request at a time; outputs are on the host when a call returns.

    Args:
        model: An ``.onnx`` file, an ``.xml`` with its ``.bin`` beside it, or a ``.tflite``.
        precision: What to compute in; None leaves it to OpenVINO, which takes bfloat16 where the
            processor has AMX.
        threads: Threads over all streams.
        performance: What OpenVINO tunes for; one request at a time gains from ``latency`` alone.
        execution_mode: ``accuracy`` computes in the precision of the model, which for one of
            float16 is float16.
        streams: Requests that could run at once.
        device: ``CPU``, ``GPU``, ``AUTO`` or another that OpenVINO has here.
        output: The model's output to read, where it has several.
    """

    model: Path
    precision: Literal["float32", "bfloat16", "float16"] | None = None
    threads: int = 1
    performance: Literal["latency", "throughput", "cumulative-throughput"] | None = None
    execution_mode: Literal["performance", "accuracy"] | None = None
    streams: int | None = None
    device: str = "CPU"
    output: str | None = None

    def open(self) -> Predictor:
        """Load and compile the model.

        Raises:
            SystemSetupError: No package, a missing or corrupt file, or settings it does not have.
        """
        check_model_file(self.model, "an .onnx, .xml or .tflite file")
        check_threads(threads=self.threads, streams=self.streams)
        core = _core(needed("openvino", "system openvino", install="'tailmark[openvino]'"))
        _check_device(self.device, core.available_devices)
        try:
            with caught():
                model = core.read_model(str(self.model))
                # Of a compiled model, an output may have the name of what was fused into it.
                names = [_name(port) for port in model.outputs]
                compiled = core.compile_model(model, self.device, self._config())
        except Exception as cause:  # the runtime's exceptions share no base of their own
            raise SystemSetupError(
                f"model {str(self.model)!r} cannot be loaded: {_reason(cause)}"
            ) from cause
        return _Compiled(core, compiled, names, self)

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part (its hash is in the run)."""
        return {
            "kind": "openvino",
            "model": self.model.name,
            "precision": self.precision,
            "threads": self.threads,
            "performance": self.performance,
            "execution_mode": self.execution_mode,
            "streams": self.streams,
            "device": self.device,
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the model file; with weights beside it, of the hashes of all its files."""
        return fingerprint(self.model)

    def _config(self) -> dict[str, str | int]:
        asked = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": {
                "float32": "f32",
                "bfloat16": "bf16",
                "float16": "f16",
                None: None,
            }[self.precision],
            "PERFORMANCE_HINT": self.performance and self.performance.upper().replace("-", "_"),
            "EXECUTION_MODE_HINT": self.execution_mode and self.execution_mode.upper(),
            "NUM_STREAMS": self.streams,
        }
        return {name: value for name, value in asked.items() if value is not None}


class _Compiled:
    fresh = True

    def __init__(self, core: Any, compiled: Any, there: list[str], recipe: OpenVino) -> None:
        self._core = core
        self._compiled = compiled
        inputs = {_name(port): (_type(port), _shape(port)) for port in compiled.inputs}
        outputs = wanted_outputs(there, recipe.output)
        self._interface = Interface(inputs, outputs)
        self.check = self._interface.check
        self._infer = compiled.create_infer_request().infer
        self._places = [there.index(name) for name in outputs]

    def predict(self, batch: Batch) -> Any:
        # Inputs are read where they are; outputs are copied out of the request's own memory.
        results = self._infer(self._interface.ordered(batch), share_inputs=True)
        return self._interface.read([results[place] for place in self._places])

    def describe(self) -> dict[str, Any]:
        import openvino as ov

        told = _properties(self._compiled)
        layers = _layer_precisions(self._compiled)
        hint = told.get("INFERENCE_PRECISION_HINT")
        hint = None if hint is None else hint.get_type_name()
        devices = told.get("EXECUTION_DEVICES", [])
        found = {
            "version": ov.__version__.split("-", maxsplit=1)[0],
            "precision": next(iter(layers), None) or _PRECISIONS.get(str(hint)),
            "layer_precisions": layers or None,
            "inference_precision": hint and _PRECISIONS.get(hint, "undefined"),
            "threads": told.get("INFERENCE_NUM_THREADS"),
            "streams": told.get("NUM_STREAMS"),
            "performance": _word(told.get("PERFORMANCE_HINT")),
            "execution_mode": _word(told.get("EXECUTION_MODE_HINT")),
            "pinning": told.get("ENABLE_CPU_PINNING"),
            "device": ", ".join(devices) or None,
            "device_name": ", ".join(
                self._core.get_property(device, "FULL_DEVICE_NAME") for device in devices
            )
            or None,
        }
        return {
            "kind": "openvino",
            **{name: value for name, value in found.items() if value is not None},
            **self._interface.describe(),
        }


@cache
def _core(openvino: Any) -> Any:
    """The runtime, one a process and never let go.

    Its CPU plug-in gives the thread that loads it a stack for signals, and takes it away with
    itself. Of two, the one that goes last puts back the first one's, which is gone, and the next
    signal, such as that of Ctrl-C, ends the process.
    """
    return openvino.Core()


def _check_device(device: str, available: list[str]) -> None:
    """Refuse a device that is not here; loading its plug-in would say so at length."""
    first = device.split(":", maxsplit=1)[0]
    known = [*available, *(one.split(".")[0] for one in available), *_MANY]
    if first not in known:
        raise SystemSetupError(
            f"this openvino has no device {device!r}: it has {', '.join([*available, 'AUTO'])}"
        )


def _reason(cause: Exception) -> str:
    """The last line: those before it tell where in the runtime's source it was."""
    lines = [line.strip(" .") for line in str(cause).splitlines() if line.strip(" .")]
    return lines[-1] if lines else type(cause).__name__


def _name(port: Any) -> str:
    """As the model has it; where it names none, its node's."""
    return str(port.get_any_name() if port.get_names() else port.get_node().get_friendly_name())


def _type(port: Any) -> str:
    name = str(port.get_element_type().get_type_name())
    return _TYPES.get(name, name)


def _shape(port: Any) -> list[int | None]:
    return [axis.get_length() if axis.is_static else None for axis in port.get_partial_shape()]


def _properties(compiled: Any) -> dict[str, Any]:
    """What the compiled model tells of itself; ``AUTO`` tells it a device at a time."""
    known = set(compiled.get_property("SUPPORTED_PROPERTIES"))
    wanted = {
        "ENABLE_CPU_PINNING",
        "EXECUTION_DEVICES",
        "EXECUTION_MODE_HINT",
        "INFERENCE_NUM_THREADS",
        "INFERENCE_PRECISION_HINT",
        "NUM_STREAMS",
        "PERFORMANCE_HINT",
    }
    told = {name: compiled.get_property(name) for name in sorted(known & wanted)}
    if "DEVICE_PROPERTIES" in known:
        devices = compiled.get_property("DEVICE_PROPERTIES")
        if len(devices) == 1:
            told = {**next(iter(devices.values())), **told}
    return told


def _layer_precisions(compiled: Any) -> dict[str, int]:
    """How many of the layers that do the arithmetic run in what, the most first.

    The hint is what layers may run in: a quantised one runs in int8 under any, and where the hint
    is undefined the model's own types decide.
    """
    try:
        layers = compiled.get_runtime_model().get_ops()
    except RuntimeError:  # a device that does not tell
        return {}
    counts: Counter[str] = Counter()
    for layer in layers:
        told = layer.get_rt_info()
        if "layerType" in told and "runtimePrecision" in told:
            kind = str(told["layerType"].astype(str)).lower().replace("_", "")
            runs_in = str(told["runtimePrecision"].astype(str)).lower()
            if kind in _WEIGHTY and runs_in in _PRECISIONS:
                counts[_PRECISIONS[runs_in]] += 1
    return dict(counts.most_common())


def _word(value: Any) -> str | None:
    """A choice as it is written in an experiment."""
    if value is None:
        return None
    return str(value).rsplit(".", maxsplit=1)[-1].lower().replace("_", "-")
