"""The first operator that is another is found and named, whatever is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import tailmark
from study.faulty import MODEL, faulty, halved, padded_otherwise, quantised, slowed
from tailmark.study.apart import first_divergence_apart
from tailmark.study.divergence import first_divergence
from tailmark.study.operator_times import operator_times, slower_operator
from tailmark.system.base import with_batch_axis


@pytest.fixture(scope="module")
def inputs() -> list[Any]:
    """Three digits."""
    samples = tailmark.Digits().open()
    return [with_batch_axis(samples.prepare(samples.load(index))) for index in (0, 7, 19)]


@pytest.mark.parametrize("fault", [padded_otherwise, halved, quantised])
@pytest.mark.parametrize("which", [0, -1])
def test_the_faulty_operator_is_named(
    tmp_path: Path, inputs: list[Any], fault: Callable[[Any, Any], None], which: int
) -> None:
    """Whether it is the first or the last of its kind, and what of it differs."""
    bad, node = faulty(tmp_path / "bad.onnx", fault, which)
    good = tailmark.OnnxRuntime(model=MODEL, optimization="disable")
    other = tailmark.OnnxRuntime(model=bad, optimization="disable")
    found = first_divergence(good, other, inputs, tolerance=1e-5)
    assert found.output == node.output[0]
    assert found.op_type == "Conv"
    if fault is padded_otherwise:
        assert "pads" in found.attributes
    else:
        assert list(found.weights) == [node.input[1]]
    assert not found.vanishes


def test_a_fault_in_one_branch_is_found(tmp_path: Path) -> None:
    """What is on the other branch agrees, though it comes later in the graph."""
    names = ["left", "right", "sum", "out"]
    nodes = [
        onnx.helper.make_node("Mul", ["x", "two"], ["left"], name="left"),
        onnx.helper.make_node("Add", ["x", "two"], ["right"], name="right"),
        onnx.helper.make_node("Add", ["left", "right"], ["sum"], name="sum"),
        onnx.helper.make_node("Relu", ["sum"], ["out"], name="out"),
    ]
    paths = []
    for name, factor in (("a", 2.0), ("b", 2.5)):
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            nodes,
            "branches",
            [value("x", 1, ["N", 3])],
            [value("out", 1, ["N", 3])],
            [numpy_helper.from_array(np.array([2.0], dtype=np.float32), "two")],
        )
        if name == "b":
            graph.initializer.append(
                numpy_helper.from_array(np.array([factor], dtype=np.float32), "more")
            )
            graph.node[0].input[1] = "more"
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
        model.ir_version = 9
        paths.append(tmp_path / f"{name}.onnx")
        onnx.save(model, paths[-1])
    a, b = (tailmark.OnnxRuntime(model=path) for path in paths)
    found = first_divergence_apart(a, b, [np.ones((1, 3), dtype=np.float32)])
    assert (found.operator, found.output) == ("left", "left")
    assert len(names) == found.operators


def test_models_that_agree_have_no_such_operator(inputs: list[Any]) -> None:
    """And the error that there is is told."""
    one = tailmark.OnnxRuntime(model=MODEL)
    other = tailmark.OnnxRuntime(model=MODEL, optimization="disable")
    found = first_divergence(one, other, inputs)
    assert found.operator is None
    assert found.end_error is not None
    assert 0 <= found.end_error <= 1e-3


def test_the_slow_operator_is_named(tmp_path: Path, inputs: list[Any]) -> None:
    """Though its numbers are the same."""
    bad, node = faulty(tmp_path / "slow.onnx", slowed, 1)
    good, slow = (tailmark.OnnxRuntime(model=path, optimization="disable") for path in (MODEL, bad))
    assert first_divergence(good, slow, inputs).operator is None
    found = slower_operator(operator_times(good, inputs), operator_times(slow, inputs))
    assert found is not None
    assert found.operator == node.name
    assert found.b_ns > found.a_ns
