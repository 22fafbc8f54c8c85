"""A model that became a PyTorch program, or came back, is the same model."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailmark.conversion.onnx2torch import OnnxToTorch
from tailmark.conversion.torch2onnx import TorchToOnnx
from tailmark.conversion.torch2tflite import TorchToTflite
from tailmark.errors import InputError
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.system.torch import Torch

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

DIGITS = Path(__file__).parents[2] / "src" / "tailmark" / "data" / "digits.onnx"


@pytest.fixture(scope="module")
def image() -> Any:
    """One digit."""
    with np.load(DIGITS.with_suffix(".npz")) as kept:
        return (kept["images"][:1, None] / 16).astype(np.float32)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, image: Any) -> Path:
    """The digits network as an exported program."""
    out = tmp_path_factory.mktemp("program") / OnnxToTorch.writes
    OnnxToTorch().convert(DIGITS, out, [image])
    return out


def oracle(model: Path, batch: Any) -> Any:
    """What ONNX Runtime says, its optimisation off."""
    return OnnxRuntime(model=model, optimization="disable").open().predict(batch)


def test_an_onnx_model_becomes_a_program(program: Path, image: Any) -> None:
    """With the same answers and the same names."""
    predictor = Torch(model=program).open()
    predictor.check(image)
    np.testing.assert_allclose(predictor.predict(image), oracle(DIGITS, image), atol=1e-4)
    assert predictor.describe()["inputs"] == {"image": "float32 [1, 1, 8, 8]"}
    assert predictor.describe()["outputs"] == ["scores"]


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
@pytest.mark.parametrize("optimize", [True, False])
def test_both_exporters_lead_back(
    program: Path, image: Any, tmp_path: Path, exporter: Any, optimize: bool
) -> None:
    """With the same answers and the same names; without an input the declared shape will do."""
    out = tmp_path / TorchToOnnx.writes
    TorchToOnnx(exporter=exporter, optimize=optimize).convert(program, out, [])
    np.testing.assert_allclose(oracle(out, image), oracle(DIGITS, image), atol=1e-4)
    said = OnnxRuntime(model=out).open().describe()
    assert said["inputs"] == {"image": "float32 [1, 1, 8, 8]"}
    assert said["outputs"] == ["scores"]


def test_names_that_are_no_python_survive(tmp_path: Path) -> None:
    """There and back, by either exporter."""
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Relu", ["in.1"], ["7"]), helper.make_node("Neg", ["7"], ["8"])],
        "numbers",
        [helper.make_tensor_value_info("in.1", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("8", "7")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "a.onnx")
    batch = np.asarray([[-1, 2]], np.float32)
    OnnxToTorch().convert(tmp_path / "a.onnx", tmp_path / "a.pt2", [])
    for exporter in ("dynamo", "legacy"):
        out = tmp_path / f"{exporter}.onnx"
        TorchToOnnx(exporter=exporter).convert(tmp_path / "a.pt2", out, [{"in.1": batch}])
        answer = oracle(out, {"in.1": batch})
        assert {name: values.tolist() for name, values in answer.items()} == {
            "8": [[0, -2]],
            "7": [[0, 2]],
        }


def test_the_opset_is_as_asked_for(program: Path, tmp_path: Path) -> None:
    """And so are the other settings, as plain data."""
    import onnx

    step = TorchToOnnx(exporter="legacy", opset=15)
    step.convert(program, tmp_path / "model.onnx", [])
    assert onnx.load(tmp_path / "model.onnx").opset_import[0].version == 15
    assert step.describe() == {
        "kind": "torch2onnx",
        "exporter": "legacy",
        "opset": 15,
        "optimize": True,
    }


def test_what_is_no_program_is_named(tmp_path: Path) -> None:
    """A missing file, another kind of file."""
    for path in (tmp_path / "absent.pt2", DIGITS):
        with pytest.raises(InputError, match=path.name):
            TorchToOnnx().convert(path, tmp_path / "model.onnx", [])


def test_a_missing_converter_is_named(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how to get it."""
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(InputError, match="needs the package litert-torch: pip install"):
        TorchToTflite().convert(program, tmp_path / "model.tflite", [])


def test_inputs_that_do_not_fit_are_told(tmp_path: Path) -> None:
    """Rather than exported for another shape."""
    with pytest.raises(InputError, match="input 'image' takes float32"):
        OnnxToTorch().convert(DIGITS, tmp_path / "a.pt2", [np.ones((1, 3, 8, 8), np.float32)])


@pytest.mark.heavy
def test_a_program_becomes_tflite(program: Path, image: Any, tmp_path: Path) -> None:
    """With the same answers, the axes in the same order and no weight quantised."""
    pytest.importorskip("litert_torch", reason="litert-torch is not installed")
    interpreter = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="ai-edge-litert is not installed"
    )
    out = tmp_path / TorchToTflite.writes
    TorchToTflite().convert(program, out, [image])
    live = interpreter.Interpreter(str(out))
    live.allocate_tensors()
    live.set_tensor(live.get_input_details()[0]["index"], image)
    live.invoke()
    answer = live.get_tensor(live.get_output_details()[0]["index"])
    np.testing.assert_allclose(answer, oracle(DIGITS, image), atol=1e-4)
