"""The commands in this process, and a small run to show."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tailmark
from tailmark.cli.main import main
from tailmark.system.base import Batch

Tensor = npt.NDArray[Any]


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one sentence on standard error, of a command that was refused."""
        assert self.code == 2, (self.code, self.err)
        assert self.out == ""
        assert self.err.startswith("tailmark: ")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        return self.err.removeprefix("tailmark: ").rstrip("\n")


Command = Callable[..., Ended]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs ``tailmark`` with these arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["tailmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        wrote = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, wrote.out, wrote.err)

    return run


@pytest.fixture(scope="session")
def script() -> Path:
    """The console script, as it is installed."""
    found = Path(sys.executable).parent / "tailmark"
    assert found.exists()
    return found


def _reader() -> Callable[[Batch], Tensor]:
    """Knows every built-in digit by heart, but takes each tenth for its neighbour."""
    samples = tailmark.Digits().open()
    assert samples.references is not None
    known: dict[bytes, int] = {}
    for index, label in enumerate(samples.references.tolist()):
        content = np.asarray(samples.prepare(samples.load(index))).tobytes()
        known.setdefault(content, (label + 1) % 10 if index % 10 == 0 else label)

    def predict(batch: Batch) -> Tensor:
        scores = np.zeros((1, 10), dtype=np.float32)
        scores[0, known[np.asarray(batch)[0].tobytes()]] = 1
        return scores

    return predict


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rounds of the built-in digits, nine in ten answered rightly."""
    out = tmp_path_factory.mktemp("measured") / "digits"
    tailmark.measure(
        tailmark.Digits(),
        _reader(),
        out=out,
        rounds=3,
        quality={"metric": "top1", "deadlines": ["p90", "10s"]},
    )
    return out


SMALL = """
workload: {kind: arrays, path: samples.npz, classes: 10}
system: {kind: onnxruntime, model: model.onnx}
rounds: 2
warmup: 0
quality: {deadlines: [1s]}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An experiment of twelve samples and a linear model, in the command's folder."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(12, 4)).astype(np.float32)
    weights = random.normal(size=(4, 10)).astype(np.float32)
    references = (inputs @ weights).argmax(axis=1)
    np.savez(tmp_path / "samples.npz", inputs=inputs, references=references)
    write_model(tmp_path / "model.onnx", weights)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def write_model(path: Path, weights: Tensor) -> None:
    """An ONNX file that multiplies a row of numbers by ``weights``."""
    from onnx import TensorProto, helper, numpy_helper, save

    inside, outside = weights.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inside])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outside])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    save(model, path)
