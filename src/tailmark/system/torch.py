"""PyTorch as a system: one module, run in any of PyTorch's ways."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tailmark.errors import SystemSetupError
from tailmark.system.base import Batch, Predictor
from tailmark.system.function import called, function_of
from tailmark.system.interface import wanted_outputs
from tailmark.system.model_file import check_threads, fingerprint
from tailmark.system.torch_modes import Mode, prepared
from tailmark.system.torch_sources import (
    Source,
    example,
    first_line,
    in_order,
    leaves,
    made,
    quiet,
    read_source,
    torch_itself,
)

_OPTIMIZED_BY = {"trace": "torchscript", "compile": "inductor", "aot": "inductor"}


@dataclass(frozen=True, kw_only=True)
class Torch:
    """A PyTorch module; outputs are on the host when a call returns.

    Threads and the precision of matrix products belong to the process, so systems that differ in
    them are each opened in a process of its own.

    Args:
        model: An ``.onnx`` file (onnx2torch makes the module), a ``.pt2`` file saved by
            ``torch.export.save``, or a ``.pt2`` package compiled by AOTInductor, which is machine
            code. Nothing is unpickled.
        call: Instead of a file: ``"module:function"`` that returns a ``torch.nn.Module``.
        folder: Where that module is looked for first; the experiment's folder.
        mode: ``eager``, ``trace`` (``torch.jit.trace``), ``export`` (``torch.export``), ``compile``
            (``torch.compile``) or ``aot`` (AOTInductor); all but the first are made for the shapes
            that come. With a batch axis left free, for one sample, when it is opened.
        precision: What parameters and inputs are turned to; by default they stay as they are.
        autocast: Have operators that bear it compute in this.
        matmul_precision: Of float32 matrix products, as ``torch.set_float32_matmul_precision``
            takes it.
        threads: Threads inside one operator.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        output: The model's output to read, where it has several.
    """

    model: Path | None = None
    call: str | Callable[[], Any] | None = None
    folder: Path = Path()
    mode: Mode = "eager"
    precision: Literal["float64", "float32", "bfloat16", "float16"] | None = None
    autocast: Literal["bfloat16", "float16"] | None = None
    matmul_precision: Literal["highest", "high", "medium"] | None = None
    threads: int = 1
    device: str = "cpu"
    output: str | None = None

    def open(self) -> Predictor:
        """Load the module, and compile it where it declares its shapes.

        Raises:
            SystemSetupError: No such file, function or device, or a mode it cannot run in.
        """
        if (self.model is None) == (self.call is None):
            raise SystemSetupError(
                "system torch takes a model or a call, one of them: give model: an .onnx or .pt2 "
                "file, or call: module:function"
            )
        check_threads(threads=self.threads)
        torch = torch_itself()
        device = _device(torch, self.device)
        torch.set_num_threads(self.threads)
        if self.matmul_precision is not None:
            torch.set_float32_matmul_precision(self.matmul_precision)
        _silence(torch)
        return _Module(torch, self._source(), self, device)

    def _source(self) -> Source:
        if self.model is not None:
            return read_source(self.model)
        name = called(self.call or "")
        return made(name, function_of(self.call or "", self.folder, "call"))

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part (its hash is in the run)."""
        return {
            "kind": "torch",
            "model": self.model.name if self.model else None,
            "call": called(self.call) if self.call else None,
            "mode": self.mode,
            "precision": self.precision,
            "autocast": self.autocast,
            "matmul_precision": self.matmul_precision,
            "threads": self.threads,
            "device": self.device,
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the model file, as for ONNX Runtime; None for a function."""
        return fingerprint(self.model) if self.model else None


def _device(torch: Any, name: str) -> Any:
    try:
        device = torch.device(name)
    except RuntimeError as cause:
        raise SystemSetupError(
            f"system.device is {name!r}: give cpu, cuda, cuda:0 and the like, or mps"
        ) from cause
    count = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type)
    if count is None:
        raise SystemSetupError(
            f"system.device is {name!r}: give cpu, cuda, cuda:0 and the like, or mps"
        )
    if (device.index or 0) >= count:
        raise SystemSetupError(
            f"system.device is {name!r} and torch {torch.__version__} finds {count} of this kind: "
            "set device: cpu, or install the build of torch for the device"
        )
    return device


def _silence(torch: Any) -> None:
    """Keep what torch and onnx2torch warn of while they answer to themselves.

    Of read-only arrays torch warns in the caller's name, once a process: now, where nobody hears.
    """
    warnings.filterwarnings("ignore", module=r"torch\b|onnx2torch\b")
    import numpy as np

    frozen = np.zeros(1, np.float32)
    frozen.flags.writeable = False
    with quiet():
        torch.from_numpy(frozen)


def _lowered(torch: Any) -> bool:
    """Whether some float32 products and convolutions are computed in bfloat16 here.

    With matrix products of ``medium`` precision oneDNN does so where the processor has bfloat16;
    which operators go to oneDNN depends on their sizes.
    """
    if torch.get_float32_matmul_precision() != "medium" or not torch.backends.mkldnn.enabled:
        return False
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


class _Module:
    def __init__(self, torch: Any, source: Source, recipe: Torch, device: Any) -> None:
        self._torch, self._source, self._recipe = torch, source, recipe
        self._interface = source.interface
        self._wanted: tuple[str, ...] | None = None
        if source.interface is not None:
            self._wanted = wanted_outputs(source.interface.outputs, recipe.output)
            self._interface = replace(source.interface, outputs=self._wanted)
        self._names: tuple[str, ...] | None = source.names if source.interface else None
        self._dtype = getattr(torch, recipe.precision) if recipe.precision else None
        self._device = device
        self._runs: dict[Any, Any] = {}
        self.fresh = recipe.call is None  # who knows what someone's module keeps
        if source.compiled:
            self._take_compiled()
        else:
            self._module = self._placed(source.module)
            self._stay = recipe.mode == "eager"
            self._open_for_declared_shapes()

    def _take_compiled(self) -> None:
        recipe = self._recipe
        if recipe.precision or recipe.autocast or recipe.mode not in ("eager", "aot"):
            raise SystemSetupError(
                f"model {str(recipe.model)!r} is compiled already: leave out mode, precision and "
                "autocast, or give the program it was compiled from"
            )
        device = self._source.module.get_metadata().get("AOTI_DEVICE_KEY")
        if device != self._device.type:
            raise SystemSetupError(
                f"model {str(recipe.model)!r} is compiled for {device}: set device: {device}"
            )
        self._module, self._stay = self._source.module, True

    def _placed(self, module: Any) -> Any:
        try:
            module = module.to(device=self._device, dtype=self._dtype)
        except Exception as cause:
            raise SystemSetupError(
                f"the module cannot be turned to {self._recipe.precision} on {self._device}: "
                f"{first_line(cause)}"
            ) from cause
        return self._casting(module) if self._recipe.autocast else module

    def _casting(self, module: Any) -> Any:
        torch, device = self._torch, self._device.type
        dtype = getattr(torch, str(self._recipe.autocast))

        class Casting(torch.nn.Module):  # type: ignore[name-defined,misc]
            def __init__(self) -> None:
                super().__init__()
                self.inner = module

            def forward(self, *inputs: Any) -> Any:
                with torch.autocast(device, dtype=dtype, cache_enabled=False):
                    return self.inner(*inputs)

        return Casting()

    def _open_for_declared_shapes(self) -> None:
        """Compile now, for one sample, where only the batch axis is left free."""
        declared = self._source.interface
        if declared is None or self._stay:
            return
        shapes = [shape for _, shape in declared.inputs.values()]
        if any(not isinstance(d, int) for shape in shapes for d in shape[1:]):
            return
        self._run_for([self._moved(one) for one in example(declared)])

    def _run_for(self, tensors: Sequence[Any]) -> Any:
        shapes = tuple(tensor.shape for tensor in tensors)
        run = self._runs.get(shapes)
        if run is None:
            source, mode = self._source, self._recipe.mode
            run = prepared(self._module, mode, tensors, static=source.static)
            self._runs[shapes] = run
        return run

    def _moved(self, tensor: Any) -> Any:
        if self._dtype is not None and tensor.is_floating_point():
            return tensor.to(self._device, self._dtype)
        return tensor.to(self._device)

    def check(self, batch: Batch) -> None:
        if self._interface is not None:
            self._interface.check(batch)
        elif self._source.names is not None:
            self._take_names(batch)
        if not self._stay:
            self._run_for([self._moved(one) for one in self._tensors(batch)])

    def _take_names(self, batch: Batch) -> None:
        """Hold the names in a batch against the arguments of the module's forward."""
        known = self._source.names or ()
        if not isinstance(batch, Mapping):
            return
        unknown = [name for name in batch if name not in known]
        if unknown:
            raise SystemSetupError(
                f"the module takes {', '.join(known) or 'nothing'} and the workload gives "
                f"{', '.join(batch)}: name the arrays as the arguments of its forward"
            )
        names = tuple(name for name in known if name in batch)
        if names == self._names:
            return
        self._names = names
        if names != known[: len(names)]:  # some in between are left out
            self._module = in_order(self._module, 0, names)

    def _tensors(self, batch: Batch) -> list[Any]:
        if not isinstance(batch, Mapping):
            return [self._torch.from_numpy(batch)]
        names = self._names or tuple(batch)
        return [self._torch.from_numpy(batch[name]) for name in names]

    def predict(self, batch: Batch) -> Any:
        tensors = [self._moved(one) for one in self._tensors(batch)]
        run = self._module if self._stay else self._run_for(tensors)
        with self._torch.inference_mode():
            output = run(*tensors)
            return self._read(output)

    def _read(self, output: Any) -> Any:
        parts = leaves(output)
        if self._source.outputs is not None:
            parts = dict(zip(self._source.outputs, parts.values(), strict=True))
        if self._wanted is None:
            self._wanted = wanted_outputs(tuple(parts), self._recipe.output)
        host = {name: self._hosted(parts[name]) for name in self._wanted}
        if self._device.type != "cpu":
            getattr(self._torch, self._device.type).synchronize()
        return next(iter(host.values())) if len(host) == 1 else host

    def _hosted(self, tensor: Any) -> Any:
        tensor = tensor.cpu()
        if tensor.is_floating_point() and tensor.dtype != self._torch.float64:
            tensor = tensor.float()
        return tensor.numpy()

    def describe(self) -> dict[str, Any]:
        torch, recipe = self._torch, self._recipe
        backends = torch.backends
        said = {
            "kind": "torch",
            "version": torch.__version__,
            "mode": "aot" if self._source.compiled else recipe.mode,
            **self._held(),
            "autocast": recipe.autocast,
            "matmul_precision": torch.get_float32_matmul_precision(),
            "threads": torch.get_num_threads(),
            "optimization": _OPTIMIZED_BY.get(recipe.mode, "none"),
            "mkldnn": backends.mkldnn.is_available() and backends.mkldnn.enabled,
            "cpu_capability": backends.cpu.get_cpu_capability(),
            **(self._interface.describe() if self._interface else {}),
        }
        if self._source.compiled:
            said["optimization"] = "inductor"
        if self._device.type == "cuda":
            said["device_name"] = torch.cuda.get_device_name(self._device)
            said["cudnn"] = {
                "version": backends.cudnn.version(),
                "benchmark": backends.cudnn.benchmark,
                "deterministic": backends.cudnn.deterministic,
                "allow_tf32": backends.cudnn.allow_tf32,
            }
        return said

    def _held(self) -> dict[str, Any]:
        """Where the parameters lie, and what they and so the numbers are held in."""
        if self._source.compiled:
            return {"device": self._source.module.get_metadata()["AOTI_DEVICE_KEY"]}
        tensors = [*self._module.parameters(), *self._module.buffers()]
        devices = {str(one.device) for one in tensors} or {str(self._device)}
        dtypes = {str(one.dtype)[6:] for one in tensors if one.is_floating_point()}
        if self._recipe.autocast:
            dtypes = {self._recipe.autocast}
        elif dtypes == {"float32"} and self._device.type == "cpu" and _lowered(self._torch):
            dtypes = {"float32", "bfloat16"}
        held = {"device": "+".join(sorted(devices))}
        return {**held, "precision": "+".join(sorted(dtypes))} if dtypes else held
