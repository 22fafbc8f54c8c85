"""Where a PyTorch module comes from: an ONNX file, an exported program, or code.

Nothing is unpickled: a `.pt2` file whose weights or constants are pickled objects is refused. A
package compiled ahead of time is machine code, as any shared library is.
"""

import importlib
import importlib.machinery
import inspect
import io
import json
import logging
import os
import sys
import types
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import SystemSetupError
from tailmark.system.base import Batch
from tailmark.system.interface import Interface
from tailmark.system.model_file import check_model_file
from tailmark.system.onnx_file import read_onnx_file

NAMES = "tailmark.json"
"""The extra file of a `.pt2` that keeps the names a model's inputs and outputs had before."""

_MASKED = ("BatchNormalization", "Dropout", "LayerNormalization", "MaxPool")
"""Operators whose outputs but the first are optional."""

_OLDEST, _NEWEST = 13, 17
"""The opsets that models beyond are brought to where onnx2torch lacks one of their operators."""

_PICKLED = ("custom_obj_", "opaque_obj_")
"""How the constants of a `.pt2` that are pickled are named."""


@dataclass(frozen=True)
class Source:
    """What is run: a module that takes its inputs in order.

    Args:
        module: Of ``torch.nn``, or what AOTInductor loaded.
        interface: What it declares to take and give; None where it declares nothing.
        outputs: The names of its outputs, in order, where they are known.
        names: The names of its inputs; None where any will do.
        static: Whether to unroll what it computes from shapes before it is exported.
        compiled: Whether it is compiled already, so that nothing of it can be changed.
    """

    module: Any
    interface: Interface | None = None
    outputs: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    static: bool = False
    compiled: bool = False


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, logs and progress to ourselves meanwhile."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def torch_itself() -> Any:
    """The package torch.

    Raises:
        SystemSetupError: It is not installed.
    """
    try:
        with quiet():
            import torch
    except ImportError as cause:
        raise SystemSetupError(
            "PyTorch models need the package torch: pip install 'tailmark[torch]'"
        ) from cause
    return torch


def first_line(cause: BaseException) -> str:
    """What went wrong, as one line."""
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__


def read_source(model: Path) -> Source:
    """The module of a model file.

    Raises:
        SystemSetupError: It is missing, corrupt, or not of a kind that can be read.
    """
    check_model_file(model, "an .onnx or a .pt2 file")
    if model.suffix == ".onnx":
        return read_onnx(model)[0]
    if model.suffix == ".pt2":
        return _read_package(model)
    raise SystemSetupError(
        f"model {str(model)!r} is neither .onnx nor .pt2: export it with torch.export.save, or "
        "give call: module:function that makes the module"
    )


def read_onnx(model: Path) -> tuple[Source, Interface]:
    """The module that onnx2torch makes of an ONNX file, and what the file declares.

    Raises:
        SystemSetupError: The file is no ONNX model, or onnx2torch cannot make it.
    """
    proto, interface = read_onnx_file(model, "torch")
    convert = _onnx2torch()
    _tidy(proto)
    try:
        with quiet():
            module = _converted(convert, proto)
    except Exception as cause:
        raise SystemSetupError(
            f"onnx2torch cannot make a module of {str(model)!r}: {first_line(cause)}"
        ) from cause
    source = Source(
        module=module,
        interface=interface,
        outputs=_outputs(proto),
        names=tuple(interface.inputs),
        static=True,
    )
    return source, interface


def _onnx2torch() -> Any:
    try:
        with _torchvision(), quiet():
            from onnx2torch import convert
    except ImportError as cause:
        raise SystemSetupError(
            "an .onnx file needs the package onnx2torch to become a PyTorch module: "
            "pip install --no-deps onnx2torch (with its dependencies it would replace torch)"
        ) from cause
    return convert


@contextmanager
def _torchvision() -> Iterator[None]:
    """A stand-in where torchvision is not there, or does not fit this torch.

    onnx2torch imports it for the operators NonMaxSuppression and RoiAlign only.
    """
    try:
        with quiet():
            importlib.import_module("torchvision")
    except Exception:  # noqa: BLE001 - one that does not fit raises anything
        vision, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
        vision.__spec__ = importlib.machinery.ModuleSpec("torchvision", None)
        vars(ops)["roi_align"] = vars(vision)["ops"] = ops
        sys.modules.update({"torchvision": vision, "torchvision.ops": ops})
        try:
            yield
        finally:
            del sys.modules["torchvision"], sys.modules["torchvision.ops"]
    else:
        yield


def _tidy(proto: Any) -> None:
    """Leave out what changes nothing and onnx2torch mistakes or refuses.

    It takes the first *element* of the first output where a node declares a second, and refuses
    Reshape's ``allowzero``, which PyTorch's exporter always sets.
    """
    from onnx import numpy_helper

    constants = {one.name: one for one in proto.graph.initializer}
    read = {name for node in proto.graph.node for name in node.input}
    read |= {one.name for one in proto.graph.output}
    for node in proto.graph.node:
        if node.op_type in _MASKED:
            while len(node.output) > 1 and node.output[-1] not in read:
                del node.output[-1]
        if node.op_type == "Reshape" and node.input[1] in constants:
            shape = numpy_helper.to_array(constants[node.input[1]])
            kept = [one for one in node.attribute if one.name != "allowzero" or not shape.all()]
            del node.attribute[:]
            node.attribute.extend(kept)


def _converted(convert: Any, proto: Any) -> Any:
    try:
        return convert(proto).eval()
    except NotImplementedError:
        opset = next((one.version for one in proto.opset_import if not one.domain), _OLDEST)
        if _OLDEST <= opset <= _NEWEST:
            raise
        from onnx import version_converter

        with suppress(RuntimeError):  # what cannot be said in the other opset
            moved = version_converter.convert_version(proto, min(max(opset, _OLDEST), _NEWEST))
            return convert(moved).eval()
        raise


def _outputs(proto: Any) -> tuple[str, ...]:
    """The names of what the module returns: all outputs of the nodes that give the graph's.

    That is what onnx2torch returns, each node once.
    """
    wanted = [one.name for one in proto.graph.output]
    nodes = {name: node for node in proto.graph.node for name in node.output if name}
    givers = {id(nodes[name]): nodes[name] for name in wanted if name in nodes}
    return tuple(name for node in givers.values() for name in node.output if name)


def _read_package(model: Path) -> Source:
    """A program saved by ``torch.export.save``, or a package of AOTInductor."""
    return _read_compiled(model) if _is_compiled(model) else read_exported(model)[0]


def _is_compiled(model: Path) -> bool:
    """Whether AOTInductor made it; what would be unpickled is refused."""
    check_model_file(model, "a .pt2 file")
    try:
        with zipfile.ZipFile(model) as archive:
            entries = [name.partition("/")[2].lower() for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as cause:
        raise SystemSetupError(
            f"model {str(model)!r} is no .pt2 archive: write one with torch.export.save"
        ) from cause
    if any(entry.removeprefix("data/constants/").startswith(_PICKLED) for entry in entries):
        raise SystemSetupError(
            f"model {str(model)!r} holds pickled objects, and reading them could run anything: "
            "give call: module:function that makes the module"
        )
    return any(entry.startswith("data/aotinductor/") for entry in entries)


def _read_compiled(model: Path) -> Source:
    from torch import _inductor

    try:
        with quiet(), _weights_only():
            runner = _inductor.aoti_load_package(str(model))
    except Exception as cause:
        raise SystemSetupError(
            f"package {str(model)!r} cannot be loaded: {first_line(cause)}"
        ) from cause
    return Source(module=runner, compiled=True)


def read_exported(model: Path) -> tuple[Source, Interface, Any]:
    """A program saved by ``torch.export.save``: as a source, what it declares, and itself.

    Raises:
        SystemSetupError: It cannot be read, or has inputs that are no tensors.
    """
    if _is_compiled(model):
        raise SystemSetupError(
            f"model {str(model)!r} is compiled already: give the program it was compiled from"
        )
    torch = torch_itself()

    extra = {NAMES: ""}
    try:
        with quiet(), _weights_only():
            program = torch.export.load(str(model), extra_files=extra)
            module = program.module()
    except Exception as cause:
        raise SystemSetupError(
            f"model {str(model)!r} cannot be loaded: {first_line(cause)}"
        ) from cause
    values = {
        node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"
    }
    tensors = [values.get(str(name)) for name in program.graph_signature.user_inputs]
    positional, keywords = _arguments(program, len(tensors))
    if positional is None or not all(isinstance(one, torch.Tensor) for one in tensors):
        raise SystemSetupError(
            f"model {str(model)!r} has inputs that are not tensors: export it with tensors only"
        )
    kept = json.loads(extra[NAMES]) if extra[NAMES] else {}
    names = kept.get("inputs") or [str(name) for name in program.graph_signature.user_inputs]
    outputs = kept.get("outputs") or [str(name) for name in program.graph_signature.user_outputs]
    inputs = {
        name: (str(one.dtype).removeprefix("torch."), [_length(d) for d in one.shape])
        for name, one in zip(names, tensors, strict=True)
        if one is not None
    }
    interface = Interface(inputs, tuple(kept.get("read") or outputs))
    source = Source(
        module=in_order(module, positional, keywords) if keywords else module,
        interface=interface,
        outputs=tuple(outputs),
        names=tuple(inputs),
    )
    return source, interface, program


def _arguments(program: Any, count: int) -> tuple[int | None, tuple[str, ...]]:
    """How many inputs are positional, and the names of the others; None where they are nested."""
    arguments, keywords = program.call_spec.in_spec.children()
    if arguments.num_children + keywords.num_children != count:
        return None, ()
    return arguments.num_children, tuple(keywords.context or ())


def _length(axis: Any) -> int | str:
    return axis if isinstance(axis, int) else str(axis)


@contextmanager
def _weights_only() -> Iterator[None]:
    """Have torch read tensors and nothing else, also where it would fall back to unpickling."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def example(interface: Interface, inputs: Sequence[Batch] = ()) -> tuple[Any, ...]:
    """Tensors that a module takes, in order.

    Args:
        interface: What it declares.
        inputs: Batches, of which the first is taken; without any, zeros, one along free axes.

    Raises:
        SystemSetupError: The batch does not fit.
    """
    import torch

    if inputs:
        interface.check(inputs[0])
        return tuple(torch.from_numpy(one.copy()) for one in interface.ordered(inputs[0]))
    return tuple(
        torch.zeros([d if isinstance(d, int) else 1 for d in shape], dtype=getattr(torch, dtype))
        for dtype, shape in interface.inputs.values()
    )


def made(call: str, found: Any) -> Source:
    """The module that a function makes, or that is there under a name.

    Args:
        call: What it is called, for messages.
        found: The function, or the module itself.

    Raises:
        SystemSetupError: It raises, or gives no module.
    """
    import torch

    module = found
    if not isinstance(found, torch.nn.Module):
        try:
            module = found()
        except Exception as cause:
            raise SystemSetupError(f"call {call!r} failed: {first_line(cause)}") from cause
    if not isinstance(module, torch.nn.Module):
        raise SystemSetupError(
            f"call {call!r} gives a {type(module).__name__}: let it return a torch.nn.Module"
        )
    parameters = inspect.signature(module.forward).parameters.values()
    by_name = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    any_name = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    return Source(module=module.eval(), names=None if any_name else tuple(by_name))


def in_order(module: Any, positional: int, keywords: Sequence[str]) -> Any:
    """A module that takes all its inputs by position."""
    import torch

    class InOrder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *inputs: Any) -> Any:
            return self.inner(
                *inputs[:positional], **dict(zip(keywords, inputs[positional:], strict=True))
            )

    return InOrder()


def leaves(output: Any, name: str = "output") -> dict[str, Any]:
    """The tensors in what a module returned, named by where they are."""
    if isinstance(output, Mapping):
        parts = {str(key): value for key, value in output.items()}
    elif isinstance(output, list | tuple):
        parts = {f"{name}_{i}": value for i, value in enumerate(output)}
    else:
        return {name: output}
    return {key: one for part, value in parts.items() for key, one in leaves(value, part).items()}
