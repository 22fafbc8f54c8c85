"""Where a model's time goes, and which operator makes one slower, however they are fused."""

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tailmark.study.operator_times import OperatorTime, operator_times, slower_operator
from tailmark.system.onnxruntime import OnnxRuntime

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'tailmark[convert]'")

DIGITS = Path(str(resources.files("tailmark") / "data" / "digits.onnx"))


@pytest.fixture(scope="module")
def image() -> npt.NDArray[Any]:
    """One digit."""
    with np.load(DIGITS.with_name("digits.npz")) as digits:
        return np.asarray(digits["images"][:1, None], np.float32)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network, a kernel of which lies in one that is far larger and zero elsewhere."""
    model = onnx.load(DIGITS)
    tensor = next(one for one in model.graph.initializer if one.name == "6.weight")
    kernel = np.pad(onnx.numpy_helper.to_array(tensor), [(0, 0), (0, 0), (12, 12), (12, 12)])
    tensor.CopyFrom(onnx.numpy_helper.from_array(kernel, tensor.name))
    node = next(one for one in model.graph.node if one.name == "node_conv2d_2")
    for attribute in node.attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [13] * 4
        if attribute.name == "kernel_shape":
            attribute.ints[:] = [27, 27]
    path = tmp_path_factory.mktemp("slow") / "slow.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("level", ["disable", "extended", "all"])
def test_every_operator_has_its_time(level: Any, image: npt.NDArray[Any]) -> None:
    """By its name in the file, with what was fused into it: every tensor belongs to one."""
    times = operator_times(OnnxRuntime(model=DIGITS, optimization=level), [image], repeats=3)
    nodes = {node.name: node.op_type for node in onnx.load(DIGITS).graph.node}
    assert set(times) - set(nodes) <= {"ReorderInput", "ReorderOutput"}
    convolutions = [name for name, kind in nodes.items() if kind == "Conv"]
    assert all("Conv" in times[name].op_type for name in convolutions)
    covered = [tensor for one in times.values() for tensor in one.covers]
    assert len(covered) == len(set(covered)) == len(nodes)
    assert sum(one.share for one in times.values()) == pytest.approx(1)
    assert all(one.low_ns <= one.median_ns <= one.high_ns for one in times.values())


@pytest.mark.parametrize("levels", [("disable", "disable"), ("all", "all"), ("disable", "all")])
def test_the_slow_operator_is_named(levels: Any, image: npt.NDArray[Any], slow: Path) -> None:
    """Though its numbers are the same, and though the runtimes fuse otherwise."""
    a, b = (
        OnnxRuntime(model=model, optimization=level)
        for model, level in zip((DIGITS, slow), levels, strict=True)
    )
    assert np.allclose(a.open().predict(image), b.open().predict(image), atol=1e-4)
    found = slower_operator(operator_times(a, [image], 8), operator_times(b, [image], 8))
    assert found is not None
    assert (found.operator, found.op_type) == ("node_conv2d_2", "Conv")
    assert found.share > 0.5
    assert found.to_dict()["b_ns"] > 2 * found.a_ns


def test_what_runs_in_a_branch_is_the_branch_s(tmp_path: Path) -> None:
    """It is not counted twice."""
    helper = onnx.helper
    one = helper.make_tensor_value_info
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["x", "x"], ["inside"], "inner")],
        "branch",
        [],
        [one("inside", 1, None)],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], "sum", keepdims=0),
        helper.make_node("Cast", ["sum"], ["some"], "some", to=9),
        helper.make_node("If", ["some"], ["y"], "branch", then_branch=branch, else_branch=branch),
    ]
    graph = helper.make_graph(nodes, "g", [one("x", 1, [99, 99])], [one("y", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "model.onnx")
    recipe = OnnxRuntime(model=tmp_path / "model.onnx")
    times = operator_times(recipe, [{"x": np.ones((99, 99), np.float32)}], repeats=3)
    assert list(times) == ["sum", "some", "branch"]


def _times(*told: tuple[str, float, str], spread: float = 0.0) -> dict[str, OperatorTime]:
    """Operators, the time of each, and what it covers."""
    return {
        name: OperatorTime(
            operator=name,
            op_type="Conv",
            median_ns=median,
            low_ns=median * (1 - spread),
            high_ns=median * (1 + spread),
            share=0,
            covers=tuple(covers.split()),
        )
        for name, median, covers in told
    }


A = (("one", 10, "t"), ("two", 10, "u"), ("three", 10, "v"), ("four", 10, "w"))
TWO_SLOW = (A[0], ("two", 20, "u"), *A[2:])


@pytest.mark.parametrize(
    ("b", "spread", "named"),
    [
        (A, 0.0, None),
        (TWO_SLOW, 0.0, "two"),
        (TWO_SLOW, 0.4, None),  # within what one time is from the next
        ((A[0], ("two", 11, "u"), *A[2:]), 0.0, None),  # too little to matter
        (tuple((name, 2 * time, covers) for name, time, covers in A), 0.0, None),  # all alike
        ((*A[:2], ("three", 15, "v"), ("four", 15, "w")), 0.0, None),  # two share it
        ((A[0], ("joined", 40, "u v"), A[3]), 0.0, "joined"),  # against both that it is made of
        ((A[0], ("joined", 21, "u v"), A[3]), 0.0, None),
        ((*A, ("new", 30, "n")), 0.0, "new"),
        ((*A[:3], ("renamed", 30, "n")), 0.0, None),  # of what, cannot be told
    ],
)
def test_when_an_operator_is_named(b: Any, spread: float, named: str | None) -> None:
    """When it has most of the extra time, and that is beyond chance and what others take too."""
    found = slower_operator(_times(*A, spread=spread), _times(*b, spread=spread))
    assert (found and found.operator) == named
