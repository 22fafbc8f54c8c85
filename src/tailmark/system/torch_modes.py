"""How a PyTorch module is made to run: as it is, traced, exported, or compiled.

Each mode but the first makes a callable for inputs of these shapes.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from tailmark.errors import SystemSetupError
from tailmark.system.torch_sources import first_line, quiet

Mode = Literal["eager", "trace", "export", "compile", "aot"]

_SHAPES = 256
"""How many input shapes torch.compile compiles for before it would silently stop."""


def prepared(module: Any, mode: Mode, inputs: Sequence[Any], *, static: bool) -> Any:
    """A callable that takes inputs like these.

    Args:
        module: The module.
        mode: How.
        inputs: Tensors, on the module's device.
        static: See `Source`.

    Raises:
        SystemSetupError: The module cannot be made to run so.
    """
    torch: Any = importlib.import_module("torch")  # partly untyped

    try:
        with quiet(), torch.inference_mode(mode in ("eager", "trace")), torch.no_grad():
            if mode == "trace":
                return torch.jit.trace(module, tuple(inputs), check_trace=False, strict=False)
            if mode == "eager":
                return module
            fixed = unrolled(module, inputs) if static else module
            return _exported(fixed, mode, inputs) if mode != "compile" else _compiled(fixed, inputs)
    except Exception as cause:
        if _lacks_compiler(cause):
            raise SystemSetupError(
                f"mode {mode!r} needs a C++ compiler and finds none: install g++ or set the "
                "environment variable CXX to one, or choose mode: export"
            ) from cause
        raise SystemSetupError(
            f"mode {mode!r} cannot take this module: {first_line(cause)}"
        ) from cause


def unrolled(module: Any, inputs: Sequence[Any]) -> Any:
    """A module of one flat graph, in which what follows from the inputs' shapes is a constant.

    Modules made from ONNX read shapes and indices from tensors, which nothing can export.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    flat = make_fx(
        module, tracing_mode="real", pre_dispatch=True, _error_on_data_dependent_ops=False
    )(*inputs)
    flat.graph.eliminate_dead_code()
    flat.delete_all_unused_submodules()
    flat.recompile()
    return flat


def _compiled(module: Any, inputs: Sequence[Any]) -> Any:
    import torch

    torch._dynamo.config.recompile_limit = _SHAPES  # noqa: SLF001 - there is no other setting
    compiled: Any = torch.compile(module, dynamic=False)
    with torch.inference_mode():
        compiled(*inputs)
    return compiled


def _exported(module: Any, mode: Mode, inputs: Sequence[Any]) -> Any:
    import torch

    inductor: Any = importlib.import_module("torch._inductor")  # untyped
    program = torch.export.export(module, tuple(inputs))
    if mode == "export":
        return program.module()
    with TemporaryDirectory(prefix="tailmark-") as folder:
        package = str(Path(folder) / "model.pt2")
        inductor.aoti_compile_and_package(program, package_path=package)
        return inductor.aoti_load_package(package)


def _lacks_compiler(cause: BaseException | None) -> bool:
    while cause is not None:
        text = f"{type(cause).__name__} {cause}"
        if "InvalidCxxCompiler" in text or "No working C++ compiler" in text:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
