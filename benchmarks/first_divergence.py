"""The first operator that diverges: by bisection, and by Polygraphy, which shows all tensors."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

IMAGES = (1, 8)
REPETITIONS = 3
TOLERANCE = 1e-3
FAULTY = 26
"""The convolution that is wrong, of 52: in the middle."""

_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""MobileNetV2: how much wider inside, channels, how many, stride of the first."""


class Network:
    """MobileNetV2's graph, with weights that are drawn so that no layer dies out."""

    def __init__(self) -> None:
        self._draw = np.random.default_rng(0)
        self._nodes: list[Any] = []
        self._weights: dict[str, np.ndarray[Any, Any]] = {}
        self.convolutions: list[str] = []

    def _node(self, kind: str, reads: list[str], **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, reads, [f"{name}_out"], name, **attributes))
        return f"{name}_out"

    def _conv(self, x: str, into: int, out: int, size: int = 1, **more: Any) -> str:
        name = f"w{len(self._weights)}"
        group = more.get("group", 1)
        shape = (out, into // group, size, size)
        scale = np.sqrt(2 / (into // group * size**2))
        self._weights[name] = (self._draw.standard_normal(shape) * scale).astype(np.float32)
        self.convolutions.append(name)
        return self._node("Conv", [x, name], pads=[size // 2] * 4, **more)

    def _relu6(self, x: str) -> str:
        return self._node("Clip", [x, "low", "high"])

    def _block(self, x: str, into: int, out: int, wider: int, stride: int) -> str:
        inner, y = into * wider, x
        if wider > 1:
            y = self._relu6(self._conv(y, into, inner))
        y = self._relu6(self._conv(y, inner, inner, 3, group=inner, strides=[stride] * 2))
        y = self._conv(y, inner, out)
        return self._node("Add", [x, y]) if stride == 1 and into == out else y

    def save(self, right: Path, wrong: Path) -> str:
        """Write it, and with one convolution off by a twentieth, whose name is returned."""
        import onnx
        from onnx import helper, numpy_helper

        self._weights |= {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
        x, channels = self._relu6(self._conv("image", 3, 32, 3, strides=[2, 2])), 32
        for wider, out, count, stride in _BLOCKS:
            for k in range(count):
                x, channels = self._block(x, channels, out, wider, 1 if k else stride), out
        x = self._relu6(self._conv(x, channels, 1280))
        x = self._node("Flatten", [self._node("GlobalAveragePool", [x])])
        self._weights["classes"] = self._draw.standard_normal((1280, 1000)).astype(np.float32)
        self._nodes.append(helper.make_node("MatMul", [x, "classes"], ["scores"], "matmul"))
        for path in (right, wrong):
            if path is wrong:
                self._weights[self.convolutions[FAULTY]] *= np.float32(1.05)
            graph = helper.make_graph(
                self._nodes,
                "mobilenet",
                [helper.make_tensor_value_info("image", 1, ["N", 3, 224, 224])],
                [helper.make_tensor_value_info("scores", 1, ["N", 1000])],
                [numpy_helper.from_array(values, name) for name, values in self._weights.items()],
            )
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
            model.ir_version = 8
            onnx.save(model, path)
        name = self.convolutions[FAULTY]
        return next(str(node.name) for node in self._nodes if name in node.input)


def bisected(right: Path, wrong: Path, images: list[Any]) -> str | None:
    """By `first_divergence`."""
    from tailmark.records.environment import usable_cores
    from tailmark.study.divergence import first_divergence
    from tailmark.system.onnxruntime import OnnxRuntime

    a, b = (OnnxRuntime(model=model, threads=usable_cores()) for model in (right, wrong))
    return first_divergence(a, b, images, tolerance=TOLERANCE).operator


def shown(right: Path, wrong: Path, images: list[Any]) -> str | None:
    """By Polygraphy, as its documentation has it: every tensor marked, the first that fails."""
    from polygraphy.backend.onnx import BytesFromOnnx, ModifyOutputs, OnnxFromPath
    from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
    from polygraphy.comparator import Comparator, CompareFunc
    from polygraphy.constants import MARK_ALL
    from polygraphy.logger import G_LOGGER

    G_LOGGER.module_severity = G_LOGGER.CRITICAL
    runners = []
    for path in (right, wrong):
        marked = ModifyOutputs(OnnxFromPath(str(path)), outputs=MARK_ALL)
        runners.append(OnnxrtRunner(SessionFromOnnx(BytesFromOnnx(marked))))
    results = Comparator.run(runners, data_loader=[{"image": image} for image in images])
    compare = CompareFunc.simple(
        atol=TOLERANCE, rtol=TOLERANCE, check_error_stat="max", fail_fast=True
    )
    accuracy = Comparator.compare_accuracy(results, fail_fast=True, compare_func=compare)
    for pair in accuracy:
        for iterations in pair.values():
            for iteration in iterations:
                for name, matched in iteration.items():
                    if not matched:
                        return str(name).removesuffix("_out")
    return None


WAYS = {"bisected": bisected, "Polygraphy": shown}


def worker(way: str, folder: str) -> dict[str, Any]:
    """One search in a process of its own: its seconds, and its memory beyond its imports."""
    import onnx
    import onnxruntime  # noqa: F401  both ways load it

    if way == "bisected":
        import tailmark.study.divergence  # noqa: F401
    else:
        import polygraphy.comparator  # noqa: F401
    del onnx
    files = Path(folder)
    images = list(np.load(files / "images.npy")[:, None])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    found = WAYS[way](files / "right.onnx", files / "wrong.onnx", images)
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"found": found, "s": took, "peak": peak / 1024, "beyond": (peak - before) / 1024}


def prepare(what: str, folder: str) -> dict[str, Any]:
    """Write the two networks, or so many images.

    In another process too: the peak of a process begins at its parent's, which stays small so.
    """
    files = Path(folder)
    if what == "networks":
        faulty = Network().save(files / "right.onnx", files / "wrong.onnx")
        size = (files / "right.onnx").stat().st_size
        return {"faulty": faulty, "mb": size / 2**20}
    drawn = np.random.default_rng(1).standard_normal((int(what), 3, 224, 224))
    np.save(files / "images.npy", drawn.astype(np.float32))
    return {}


def told(*arguments: str) -> dict[str, Any]:
    """What another process tells."""
    command = [sys.executable, __file__, *arguments]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    ways = list(WAYS)
    if find_spec("polygraphy") is None:
        ways = ways[:1]
        print("Polygraphy is not installed: pip install polygraphy\n")
    with tempfile.TemporaryDirectory() as folder:
        network = told("networks", folder)
        print(
            f"MobileNetV2's graph ({network['mb']:.0f} MB), one convolution of 52 wrong; "
            f"medians of {REPETITIONS} processes each, in turn\n"
        )
        print(f"{'images':>6}  {'':<12}{'found':<10}{'seconds':>8}{'peak MB':>10}{'searching':>11}")
        for count in IMAGES:
            told(str(count), folder)
            runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
            for _ in range(REPETITIONS):
                for way in ways:
                    runs[way].append(told(way, folder))
            middle = {
                way: {name: median(one[name] for one in found) for name in ("s", "peak", "beyond")}
                for way, found in runs.items()
            }
            for way, one in middle.items():
                right = all(run["found"] == network["faulty"] for run in runs[way])
                print(
                    f"{count:>6}  {way:<12}{'it' if right else 'another':<10}{one['s']:>8.2f}"
                    f"{one['peak']:>10.0f}{one['beyond']:>11.0f}"
                )
            if len(ways) > 1:
                ours, theirs = middle.values()
                ratios = {name: theirs[name] / ours[name] for name in ours}
                print(
                    f"{'':>8}{'ratio':<22}{ratios['s']:>7.1f}×{ratios['peak']:>9.1f}×"
                    f"{ratios['beyond']:>10.1f}×\n"
                )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        task = worker if sys.argv[1] in WAYS else prepare
        print(f"\n{json.dumps(task(*sys.argv[1:]))}")
    else:
        main()
