"""TVM as a system: an ONNX graph compiled by Relax."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from tailmark.errors import SystemSetupError
from tailmark.extras import needed
from tailmark.system.base import Batch, Predictor
from tailmark.system.interface import wanted_outputs
from tailmark.system.model_file import check_threads, fingerprint
from tailmark.system.onnx_file import read_onnx_file

_THREADS = "TVM_NUM_THREADS"


@dataclass(frozen=True, kw_only=True)
class Tvm:
    """An ONNX file compiled by TVM; outputs are on the host when a call returns.

    It is compiled for inputs of one shape: when it is opened where only the batch axis is left
    free (for one sample), else when they come. Kernels are not tuned.

    Args:
        model: The ``.onnx`` file.
        pipeline: Of Relax's passes: ``default`` is what ``tvm.compile`` takes, ``default_build``
            lowers each operator by itself, ``zero`` fuses operators before, ``target`` is the
            target's own, with fusion and what libraries it dispatches to.
        opt_level: How far passes go, 0 to 4.
        target: A kind such as ``llvm`` or ``cuda``, or TVM's JSON; by default the device's.
        cpu: The processor that ``llvm`` makes code for, ``native`` for this one; by default the
            least of its architecture.
        threads: Threads inside one operator. TVM takes them once a process.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        output: The model's output to read, where it has several.
    """

    model: Path
    pipeline: Literal["default", "default_build", "zero", "target"] = "default"
    opt_level: Literal[0, 1, 2, 3, 4] = 2
    target: str | None = None
    cpu: str | None = None
    threads: int = 1
    device: str = "cpu"
    output: str | None = None

    def open(self) -> Predictor:
        """Load the model, and compile it where it declares its shapes.

        Raises:
            SystemSetupError: A missing or corrupt file, an operator that TVM does not know, or
                settings it does not have.
        """
        check_threads(threads=self.threads)
        proto, interface = read_onnx_file(self.model, "tvm")
        wanted = wanted_outputs(interface.outputs, self.output)
        tvm = _tvm(self.threads)
        device = _device(tvm, self.device)
        return _Compiled(tvm, proto, interface, self, _target(tvm, self), device, wanted)

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part (its hash is in the run)."""
        return {
            "kind": "tvm",
            "model": self.model.name,
            "pipeline": self.pipeline,
            "opt_level": self.opt_level,
            "target": self.target,
            "cpu": self.cpu,
            "threads": self.threads,
            "device": self.device,
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the model file, as for ONNX Runtime."""
        return fingerprint(self.model)


def _tvm(threads: int) -> Any:
    """The package, with so many threads, which it reads when they are first needed."""
    os.environ[_THREADS] = str(threads)
    tvm = needed("tvm", "system tvm", package="apache-tvm", install="'tailmark[tvm]'")
    import_module("tvm.relax")  # part of it from here on
    there = _threads(tvm)
    if there != threads:
        raise SystemSetupError(
            f"system.threads is {threads} and TVM has begun with {there} in this process: "
            "open each number of threads in a process of its own"
        )
    return tvm


def _threads(tvm: Any) -> int:
    return int(tvm.get_global_func("runtime.NumThreads")())


def _device(tvm: Any, name: str) -> Any:
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise SystemSetupError(f"system.device is {name!r}: give cpu, cuda, cuda:0 and the like")
    device = tvm.device(kind, int(index or 0))
    if not device.exist:
        raise SystemSetupError(
            f"system.device is {name!r} and this TVM finds none: set device: cpu"
        )
    return device


def _target(tvm: Any, recipe: Tvm) -> Any:
    kind = recipe.target or ("cuda" if recipe.device.startswith("cuda") else "llvm")
    try:
        if recipe.cpu is not None:
            native = tvm.target.codegen.llvm_get_system_cpu()
            cpu = native if recipe.cpu == "native" else recipe.cpu
            return tvm.target.Target({"kind": kind, "mcpu": cpu})
        return tvm.target.Target(json.loads(kind) if kind.startswith("{") else kind)
    except Exception as cause:
        raise SystemSetupError(
            f"system.target is {kind!r} (cpu {recipe.cpu!r}) and TVM does not know it: give a kind "
            'such as llvm or cuda, or JSON such as {"kind": "llvm", "mcpu": "skylake-avx512"}'
        ) from cause


class _Compiled:
    fresh = True

    def __init__(
        self,
        tvm: Any,
        proto: Any,
        interface: Any,
        recipe: Tvm,
        target: Any,
        device: Any,
        wanted: tuple[str, ...],
    ) -> None:
        self._tvm, self._proto, self._recipe = tvm, proto, recipe
        self._target, self._device = target, device
        self._every = interface.outputs
        self._interface = replace(interface, outputs=wanted)
        self._mains: dict[Any, Any] = {}
        self._precision: str | None = None
        self._level: int | None = None
        shapes = [shape for _, shape in interface.inputs.values()]
        if all(isinstance(d, int) for shape in shapes for d in shape[1:]):
            self._main_for([[d if isinstance(d, int) else 1 for d in shape] for shape in shapes])

    def _main_for(self, shapes: Sequence[Sequence[int]]) -> Any:
        key = tuple(tuple(shape) for shape in shapes)
        main = self._mains.get(key)
        if main is None:
            try:
                main = self._mains[key] = self._compile(key)
            except Exception as cause:
                reason = next(iter(str(cause).strip().splitlines()), "")
                raise SystemSetupError(
                    f"TVM cannot compile {str(self._recipe.model)!r}: "
                    f"{type(cause).__name__}: {reason}"
                ) from cause
        return main

    def _compile(self, shapes: Sequence[Sequence[int]]) -> Any:
        tvm, relax = self._tvm, self._tvm.relax
        from tvm.relax.frontend.onnx import from_onnx

        inputs = self._interface.inputs
        module = from_onnx(
            self._proto,
            shape_dict={name: list(one) for name, one in zip(inputs, shapes, strict=True)},
            dtype_dict={name: dtype for name, (dtype, _) in inputs.items()},
        )
        self._precision = self._precision or _precision(tvm, module["main"])
        pipeline = self._recipe.pipeline
        with tvm.transform.PassContext(opt_level=self._recipe.opt_level) as context, self._target:
            self._level = int(context.opt_level)
            if pipeline == "zero":
                module = relax.get_pipeline("zero")(module)
            passes: Any = {
                "zero": "default_build",
                "target": relax.get_default_pipeline(self._target)
                if pipeline == "target"
                else None,
            }.get(pipeline, pipeline)
            built = tvm.compile(module, target=self._target, relax_pipeline=passes)
        return relax.VirtualMachine(built, self._device)["main"]

    def check(self, batch: Batch) -> None:
        self._interface.check(batch)
        self._main_for([one.shape for one in self._interface.ordered(batch)])

    def predict(self, batch: Batch) -> Any:
        arrays = self._interface.ordered(batch)
        tensor = self._tvm.runtime.tensor
        main = self._main_for([one.shape for one in arrays])
        output = main(*[tensor(one, self._device) for one in arrays])
        several = [output] if hasattr(output, "numpy") else list(output)
        by_name = dict(zip(self._every, several, strict=True))
        return self._interface.read([by_name[n].numpy() for n in self._interface.outputs])

    def describe(self) -> dict[str, Any]:
        tvm = self._tvm
        said: dict[str, Any] = {
            "kind": "tvm",
            "version": tvm.__version__,
            "threads": _threads(tvm),
            "device": str(self._device).replace("cpu:0", "cpu"),
            "target": json.loads(str(self._target)),
            "optimization": self._recipe.pipeline,
            **self._interface.describe(),
        }
        if self._precision is not None:
            said["precision"] = self._precision
        if self._level is not None:
            said["opt_level"] = self._level
        return said


def _precision(tvm: Any, function: Any) -> str | None:
    """What the numbers of the graph are, as it was read: of what its calls give."""
    found = set()

    def visit(one: Any) -> None:
        dtype = str(getattr(getattr(one, "ty", None), "dtype", "")).removeprefix("dtype.")
        if "float" in dtype:
            found.add(dtype)

    tvm.relax.analysis.post_order_visit(function.body, visit)
    return "+".join(sorted(found)) or None
