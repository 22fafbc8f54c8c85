"""ONNX to ncnn, by the program pnnx."""

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.explicit import write_explicit
from tailmark.conversion.onnx_graph import load
from tailmark.conversion.program import failed, folder_of, run_program
from tailmark.conversion.shapes import Given, shapes_of
from tailmark.errors import ConversionError

_BATCH_FIRST = re.compile(r"batch_index=0\b")
_TENSOR = re.compile(r'ex\.(?:input|extract)\("(\w+)"')


@dataclass(frozen=True, kw_only=True)
class ToNcnn:
    """Make a ``.param`` and a ``.bin`` file of an ONNX model.

    Inputs and outputs keep their names, and the ``.param`` file says the inputs' shapes, which pnnx
    would leave out. The model takes inputs of these shapes: the workload's, one sample at a time.

    Args:
        float16: Store weights in float16, as pnnx does unless it is told not to.
        explicit: Say the axis of an older ``Softmax``, which pnnx takes for the last one.
    """

    float16: bool = False
    explicit: bool = True

    tools = ("pnnx", "onnx")
    wants_inputs = 1
    writes = "model.param"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Write the model.

        Raises:
            ConversionError: pnnx is not installed or fails, or finds no batch to leave out.
        """
        name = "pnnx.exe" if sys.platform == "win32" else "pnnx"
        pnnx = folder_of("pnnx", "ncnn", "ncnn") / name
        graph = load(source, "ncnn").graph
        what = f"conversion ncnn of {source.name!r}"
        shapes = shapes_of([one.name for one in graph.input], inputs, what)
        with tempfile.TemporaryDirectory(prefix="tailmark-") as given:
            folder = Path(given)
            model = source.absolute()
            if self.explicit:
                model = folder / "given.onnx"
                write_explicit(source, model, "ncnn")
            words = [
                str(pnnx),
                str(model),
                "inputshape=" + ",".join(_written(shape) for shape in shapes),
                f"fp16={int(self.float16)}",
                "pnnxparam=pnnx.param",
                "pnnxbin=pnnx.bin",
                "pnnxpy=pnnx.py",
                "pnnxonnx=pnnx.onnx",
                "ncnnparam=model.param",
                "ncnnbin=model.bin",
                "ncnnpy=use.py",
            ]
            printed = run_program(words, what, tool="pnnx", folder=folder)
            made, weights, use = (folder / one for one in ("model.param", "model.bin", "use.py"))
            if not (made.is_file() and weights.is_file()):
                raise failed(what, "pnnx wrote no model", printed)
            text = made.read_text(encoding="utf-8")
            _check_layers(text, source)
            _check_batch(use.read_text(encoding="utf-8"), source)
            names = {f"in{i}": one.name for i, one in enumerate(graph.input)}
            names |= {f"out{i}": one.name for i, one in enumerate(graph.output)}
            sizes = {one.name: shape[0][1:] for one, shape in zip(graph.input, shapes, strict=True)}
            out.write_text(_named(text, names, sizes), encoding="utf-8")
            shutil.move(weights, out.with_suffix(".bin"))

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "ncnn", **asdict(self)}


def _written(given: Given) -> str:
    shape, dtype = given
    if dtype.kind not in "fiu":
        raise ConversionError(f"pnnx takes numbers and the workload gives {dtype}: give numbers")
    return f"[{','.join(map(str, shape))}]{dtype.kind}{8 * dtype.itemsize}"


def _check_layers(text: str, source: Path) -> None:
    """Refuse what pnnx writes where it knows no layer of ncnn's: an operator's name with a dot."""
    kinds = {line.split()[0] for line in text.splitlines()[2:]}
    unknown = sorted(kind for kind in kinds if "." in kind or ":" in kind)
    if unknown:
        raise ConversionError(
            f"pnnx knows no layer of ncnn's for {', '.join(unknown)} in {source.name!r}: "
            "give a model without, such as one in float32"
        )


def _check_batch(use: str, source: Path) -> None:
    """Refuse a model in which pnnx keeps the batch axis: what goes in would be one axis short."""
    for line in use.splitlines():
        tensor = _TENSOR.search(line)
        reads = ".numpy(" in line and ("ncnn.Mat(" in line or "from_numpy" in line)
        if reads and not _BATCH_FIRST.search(line):
            name = tensor[1] if tensor else line.strip()
            raise ConversionError(
                f"pnnx finds no batch axis in front of {name} of {source.name!r}, and ncnn takes "
                "one sample at a time: give a model of batches"
            )


def _named(text: str, names: Mapping[str, str], sizes: Mapping[str, Sequence[int]]) -> str:
    """The ``.param`` text with the source's names, and the inputs' shapes."""
    magic, counts, *layers = text.splitlines()
    taken = set(names.values())
    lines = [magic, counts]
    for layer in layers:
        kind, name, bottoms, tops, *rest = layer.split()
        count = int(bottoms) + int(tops)
        blobs = [names.get(one, f"{one}_" if one in taken else one) for one in rest[:count]]
        settings = rest[count:]
        if kind == "Input" and blobs[0] in sizes:
            settings = _sized(sizes[blobs[0]])
        lines.append(" ".join([f"{kind:<24}", f"{name:<24}", bottoms, tops, *blobs, *settings]))
    return "\n".join(lines) + "\n"


def _sized(sizes: Sequence[int]) -> list[str]:
    """Width first; ncnn numbers depth 11."""
    keys = {1: "0", 2: "10", 3: "210"}.get(len(sizes))
    if keys is not None:
        return [f"{key}={size}" for key, size in zip(keys, sizes, strict=True)][::-1]
    if len(sizes) == 4:
        channels, depth, height, width = sizes
        return [f"0={width}", f"1={height}", f"11={depth}", f"2={channels}"]
    return []
