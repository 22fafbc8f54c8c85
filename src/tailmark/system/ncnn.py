"""ncnn as a system.

A ``.param`` file says little of inputs: their shapes stand there if the ``Input`` layers carry them
(``0=width 1=height 2=channels``, as `tailmark.conversion.ncnn` writes them), their types never.
"""

from collections.abc import Iterable, Mapping
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

_PRECISIONS: dict[str | None, dict[str, bool]] = {
    None: {},
    "float32": {},
    "float16": {"use_fp16_packed": True, "use_fp16_storage": True, "use_fp16_arithmetic": True},
    "bfloat16": {"use_bf16_packed": True, "use_bf16_storage": True},
}
_REDUCED = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed",
            "use_bf16_storage")  # fmt: skip
_FASTER = ("use_winograd_convolution", "use_sgemm_convolution", "use_packing_layout")

_PROBES = {
    "Convolution": "0=16 1=1 6=256",
    "ConvolutionDepthWise": "0=16 1=1 6=16 7=16",
    "InnerProduct": "0=16 2=256",
}
"""Layers of weights that ncnn may compute in another precision, with 16 channels each."""


@dataclass(frozen=True, kw_only=True)
class Ncnn:
    """An ncnn model, run sample by sample: ncnn knows no batches.

    Args:
        model: The ``.param`` file; its ``.bin`` lies beside it.
        threads: Threads inside one layer.
        precision: What to keep and compute numbers in where ncnn can; None for its own choice,
            which is float16 in some layers.
        optimization: ``none`` turns off Winograd and matrix-product convolution and packed layouts.
        output: The model's output to read, where it has several.
    """

    model: Path
    threads: int = 1
    precision: Literal["float32", "float16", "bfloat16"] | None = None
    optimization: Literal["full", "none"] = "full"
    output: str | None = None

    def open(self) -> Predictor:
        """Load the model.

        Raises:
            SystemSetupError: A missing or corrupt file, or a missing package.
        """
        check_model_file(self.model, "an ncnn .param file")
        check_model_file(self.model.with_suffix(".bin"), "the .bin file beside the .param file")
        check_threads(threads=self.threads)
        ncnn = needed("ncnn", "system ncnn", install="'tailmark[ncnn]'")
        net = ncnn.Net()
        _set(net.opt, self)
        weights = self.model.with_suffix(".bin")
        with caught() as printed:
            failed = net.load_param(str(self.model)) != 0 or net.load_model(str(weights)) != 0
            said = printed()
        if failed:
            reason = f": {said[-1]}" if said else ""
            raise SystemSetupError(f"model {str(self.model)!r} cannot be loaded by ncnn{reason}")
        return _Net(net, self, _declared(self.model.read_text(encoding="utf-8")))

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part (its hash is in the run)."""
        return {
            "kind": "ncnn",
            "model": self.model.name,
            "threads": self.threads,
            "precision": self.precision,
            "optimization": self.optimization,
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the hashes of both files."""
        return fingerprint(self.model)


_TELLING = 1 + 2**-9 + 2**-12
"""A number of which float16 keeps the first two terms, bfloat16 the first alone."""
_TOLD = {_TELLING: "float32", 1 + 2**-9: "float16", 1.0: "bfloat16"}
_COARSEST = ("bfloat16", "float16", "float32")


def _set(options: Any, recipe: Ncnn) -> None:
    options.num_threads = recipe.threads
    if recipe.precision is not None:
        for name in _REDUCED:
            setattr(options, name, _PRECISIONS[recipe.precision].get(name, False))
    if recipe.optimization == "none":
        for name in _FASTER:
            setattr(options, name, False)


def _rounds_to(layer: str, recipe: Ncnn) -> str | None:
    """What ncnn keeps numbers in under these settings, seen in what a layer answers."""
    import ncnn

    flat = layer == "InnerProduct"
    shape = "0=16" if flat else "0=8 1=8 2=16"
    weights = np.ones(16) if layer == "ConvolutionDepthWise" else np.eye(16)
    net = ncnn.Net()
    _set(net.opt, recipe)
    net.load_param_mem(f"7767517\n2 2\nInput x 0 1 x {shape}\n{layer} y 1 1 x y {_PROBES[layer]}\n")
    content = bytes(4) + (weights * _TELLING).astype(np.float32).tobytes()  # 0: not compressed
    net.load_model_mem(content)
    ones = np.ones((1, 16) if flat else (1, 16, 8, 8), np.float32)
    with net.create_extractor() as extractor:
        extractor.input("x", ncnn.Mat(ones, batch_index=0).clone())
        _, answer = extractor.extract("y")
        return _TOLD.get(float(answer.numpy(batch_index=0).flat[0]))


class _Net:
    fresh = True

    def __init__(self, net: Any, recipe: Ncnn, declared: Mapping[str, Shape | None]) -> None:
        import ncnn

        self._net = net
        self._mat = ncnn.Mat
        self._recipe = recipe
        self._inputs = {name: declared.get(name) for name in net.input_names()}
        self._outputs = wanted_outputs(net.output_names(), recipe.output)

    def predict(self, batch: Batch) -> Any:
        named = batch if isinstance(batch, Mapping) else {next(iter(self._inputs)): batch}
        rows = len(next(iter(named.values())))
        answers = [self._one({n: v[i : i + 1] for n, v in named.items()}) for i in range(rows)]
        joined = [np.concatenate(parts) for parts in zip(*answers, strict=True)]
        return joined[0] if len(joined) == 1 else dict(zip(self._outputs, joined, strict=True))

    def _one(self, named: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        with self._net.create_extractor() as extractor:
            for name, values in named.items():
                # A copy, since the first layer may work in place.
                mat = self._mat(np.ascontiguousarray(values), batch_index=0).clone()
                if extractor.input(name, mat) != 0:
                    raise RuntimeError(f"ncnn took no input {name!r}")
            outputs = []
            for name in self._outputs:
                failed, mat = extractor.extract(name)
                if failed or mat.empty():
                    raise RuntimeError(f"ncnn gave no output {name!r} (code {failed})")
                outputs.append(np.array(mat.numpy(batch_index=0)))
            return outputs

    def check(self, batch: Batch) -> None:
        given = list(batch.values()) if isinstance(batch, Mapping) else [batch]
        free = [None] * max(values.ndim for values in given)
        self._interface(free).check(batch)

    def describe(self) -> dict[str, Any]:
        import ncnn

        options = self._net.opt
        layers = {layer.type for layer in self._net.layers()}
        told = {kind: _rounds_to(kind, self._recipe) for kind in _PROBES if kind in layers}
        precisions = {kind: one for kind, one in told.items() if one is not None}
        coarsest = [one for one in _COARSEST if one in precisions.values()][:1]
        return {
            "kind": "ncnn",
            "version": ncnn.__version__,
            **({"precision": coarsest[0], "precisions": precisions} if coarsest else {}),
            "threads": options.num_threads,
            "device": "GPU" if options.use_vulkan_compute else "CPU",
            "optimization": _optimization([getattr(options, name) for name in _FASTER]),
            **self._interface(()).describe(),
        }

    def _interface(self, free: Shape) -> Interface:
        """With this shape where the file tells none."""
        inputs = {name: ("float32", shape or free) for name, shape in self._inputs.items()}
        return Interface(inputs, self._outputs)


def _optimization(on: Iterable[bool]) -> str:
    kinds = set(on)
    return "full" if kinds == {True} else "none" if kinds == {False} else "some"


def _declared(text: str) -> dict[str, Shape]:
    """The shapes that the ``Input`` layers tell, with a batch axis in front."""
    shapes: dict[str, Shape] = {}
    for line in text.splitlines():
        kind, *rest = line.split() or [""]
        if kind != "Input" or len(rest) < 4:
            continue
        told = dict(one.split("=", 1) for one in rest[4:] if "=" in one)
        sizes = [int(told[key]) for key in ("2", "11", "1", "0") if key in told]
        if sizes and all(sizes):
            shapes[rest[3]] = [None, *sizes]
    return shapes
