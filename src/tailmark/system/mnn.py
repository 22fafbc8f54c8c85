"""MNN as a system, by its ``Module`` interface on the CPU."""

import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tailmark.errors import SystemSetupError
from tailmark.extras import needed
from tailmark.system.base import Batch, Predictor
from tailmark.system.interface import Interface, Shape, wanted_outputs
from tailmark.system.model_file import check_model_file, check_threads, fingerprint
from tailmark.system.native_output import caught

_PRECISIONS = {"float32": "high", "float16": "low", "bfloat16": "Low_BF16"}
_TYPES = {
    "float": "float32",
    "double": "float64",
    "int": "int32",
    "int64": "int64",
    "uint8": "uint8",
}
_BACKENDS, _THREADS = 2, 4  # MNN/Interpreter.hpp, SessionInfoCode
_CPU = {0, 13}
"""MNN's numbers of its CPU backend, plain and with the processor's extensions."""


@dataclass(frozen=True, kw_only=True)
class Mnn:
    """An MNN model run on the CPU.

    Args:
        model: The ``.mnn`` file.
        threads: Threads inside one operator.
        precision: What to compute in where this MNN can on this processor: elsewhere it stays with
            float32 and does not say so, but what is open does. None for MNN's own choice.
        output: The model's output to read, where it has several.
    """

    model: Path
    threads: int = 1
    precision: Literal["float32", "float16", "bfloat16"] | None = None
    output: str | None = None

    def open(self) -> Predictor:
        """Load the model.

        Raises:
            SystemSetupError: A missing or corrupt file, or a missing package.
        """
        check_model_file(self.model, "an .mnn file")
        check_threads(threads=self.threads)
        with caught() as printed:
            expr = needed("MNN.expr", "system mnn", install="'tailmark[mnn]'")
            try:
                module = _loaded(self.model, [], self)
                outputs = wanted_outputs(module.get_info()["outputNames"], self.output)
                if self.output is not None:
                    module = _loaded(self.model, list(outputs), self)
            except SystemError as cause:  # what it raises whatever is wrong
                said = printed()
                reason = f": {said[-1]}" if said else ""
                raise SystemSetupError(
                    f"model {str(self.model)!r} cannot be loaded by MNN{reason}"
                ) from cause
        return _Module(module, outputs, self, expr)

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part (its hash is in the run)."""
        return {
            "kind": "mnn",
            "model": self.model.name,
            "threads": self.threads,
            "precision": self.precision,
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the file; of the hashes of two where the weights lie beside it."""
        return fingerprint(self.model)


def _session(recipe: Mnn) -> dict[str, Any]:
    settings: dict[str, Any] = {"backend": "CPU", "numThread": recipe.threads}
    if recipe.precision is not None:
        settings["precision"] = _PRECISIONS[recipe.precision]
    return settings


def _loaded(model: Path, outputs: list[str], recipe: Mnn) -> Any:
    from MNN import nn

    manager = nn.create_runtime_manager((_session(recipe),))
    return nn.load_module_from_file(str(model), [], outputs, runtime_manager=manager)


class _Module:
    fresh = True

    def __init__(self, module: Any, outputs: tuple[str, ...], recipe: Mnn, expr: Any) -> None:
        self._module = module
        self._recipe = recipe
        self._expr = expr
        info = module.get_info()
        declared = zip(info["inputNames"], info["inputs"], strict=True)
        self._interface = Interface({name: _input(one) for name, one in declared}, outputs)
        self._types = [one.dtype for one in info["inputs"]]

    def check(self, batch: Batch) -> None:
        """Refuse what does not fit; MNN finds out what it cannot run when it runs it."""
        self._interface.check(batch)
        with caught() as printed:
            done = self._forward(batch)
            said = printed()
        if not done:
            told = next((line for line in reversed(said) if "rror" in line), "no reason told")
            raise SystemSetupError(
                f"model {self._recipe.model.name!r} cannot be run by MNN: {told}"
            )

    def predict(self, batch: Batch) -> Any:
        outputs = self._forward(batch)
        if not outputs:
            raise RuntimeError("MNN gave no output")
        return self._interface.read([self._read(one) for one in outputs])

    def _forward(self, batch: Batch) -> list[Any]:
        given = [
            self._expr.const(np.ascontiguousarray(one), list(one.shape), self._expr.NCHW, kind)
            for one, kind in zip(self._interface.ordered(batch), self._types, strict=True)
        ]
        outputs: list[Any] = self._module.forward(given)
        return outputs

    def _read(self, output: Any) -> npt.NDArray[Any]:
        if output.data_format == self._expr.NC4HW4:
            output = self._expr.convert(output, self._expr.NCHW)
        return np.array(output.read())

    def describe(self) -> dict[str, Any]:
        import MNN

        with caught():
            told = _probed(self._recipe)
        return {
            "kind": "mnn",
            "version": MNN.version(),
            **told,
            **self._interface.describe(),
        }


def _input(declared: Any) -> tuple[str, Shape]:
    """Type and shape; the batch is free, since its converter writes 1 where it was."""
    kind = str(declared.dtype).rsplit(".", maxsplit=1)[-1]
    _, *shape = declared.shape or [None]
    return _TYPES.get(kind, kind), [None, *(size if size > 0 else None for size in shape)]


def _probed(recipe: Mnn) -> dict[str, Any]:
    """What MNN does under these settings, seen in a convolution; a module tells nothing."""
    import MNN
    from MNN import expr

    size = [1, 16, 8, 8]
    weights = (np.eye(16) * _TELLING).astype(np.float32).reshape(16, 16, 1, 1)
    kernel = expr.const(weights, list(weights.shape), expr.NCHW, expr.float)
    bias = expr.const(np.zeros(16, np.float32), [16], expr.NCHW, expr.float)
    x = expr.placeholder(size, expr.NCHW, expr.float)
    x.name = "x"
    y = expr.conv2d(expr.convert(x, expr.NC4HW4), kernel, bias, [1, 1], [0, 0], [1, 1], 1)
    y = expr.convert(y, expr.NCHW)
    y.name = "y"
    ones = expr.const(np.ones(size, np.float32), size, expr.NCHW, expr.float)
    with tempfile.TemporaryDirectory(prefix="tailmark-") as folder:
        probe = Path(folder) / "probe.mnn"
        expr.save([y], str(probe))
        answer = _loaded(probe, [], recipe).forward([ones])[0].read()
        interpreter = MNN.Interpreter(str(probe))
        session = interpreter.createSession(_session(recipe))
        threads = _bits(interpreter.getSessionInfo(session, _THREADS))
        backend = interpreter.getSessionInfo(session, _BACKENDS)
    told = {
        "precision": _TOLD.get(float(answer.flat[0])),
        "threads": threads,
        "device": "CPU" if backend in _CPU else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _bits(number: float) -> int:
    """The whole number whose bits the binding hands on as a float."""
    whole: int = struct.unpack("i", struct.pack("f", number))[0]
    return whole


_TELLING = 1 + 2**-9 + 2**-12
"""A number of which float16 keeps the first two terms, bfloat16 the first alone."""
_TOLD: Mapping[float, str] = {_TELLING: "float32", 1 + 2**-9: "float16", 1.0: "bfloat16"}
