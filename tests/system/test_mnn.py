"""MNN computes what the model says, in the precision that it is caught computing in."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from conversion.networks import classifier, error, images, oracle, quantised, two_by_two
from tailmark.conversion.mnn import ToMnn
from tailmark.errors import SystemSetupError
from tailmark.system.mnn import Mnn
from tailmark.system.native_output import caught
from tailmark.testing import check_batches, check_system

with caught():
    pytest.importorskip("MNN", reason="MNN is not installed: tailmark[mnn]")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model before it was converted."""
    return classifier(tmp_path_factory.mktemp("source") / "model.onnx")


@pytest.fixture(scope="module")
def model(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip, a convolution, a depthwise one and a layer of scores."""
    out = tmp_path_factory.mktemp("model") / "model.mnn"
    ToMnn().convert(source, out, ())
    return out


@pytest.mark.parametrize("precision", [None, "float32", "float16", "bfloat16"])
def test_the_precision_it_tells_is_the_one_it_computes_in(
    source: Path, model: Path, precision: Literal["float32", "float16", "bfloat16"] | None
) -> None:
    """Whatever was asked for, on whatever processor: the answers bear it out."""
    opened = Mnn(model=model, precision=precision).open()
    said = opened.describe()["precision"]
    found = error(opened.predict(images()), oracle(source, images()))
    largest = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2}[said]
    assert found < largest
    assert said == "float32" or found > largest / 1000
    assert precision != "float32" or said == "float32"


def test_it_keeps_the_system_contract(model: Path) -> None:
    """Whoever else is in the batch."""
    check_system(Mnn(model=model), images(1))
    check_batches(Mnn(model=model), images())


def test_several_inputs_and_outputs_keep_their_names(tmp_path: Path) -> None:
    """As the source has them, whatever order they are given in."""
    draw = np.random.default_rng(2).standard_normal
    batch = {name: draw((1, 4, 6, 6)).astype(np.float32) for name in ("right", "left")}
    out = tmp_path / "model.mnn"
    ToMnn().convert(two_by_two(tmp_path / "two.onnx"), out, ())
    answer = Mnn(model=out).open().predict(batch)
    np.testing.assert_array_equal(answer["sum"], batch["left"] + batch["right"])
    np.testing.assert_array_equal(answer["difference"], batch["left"] - batch["right"])
    one = Mnn(model=out, output="difference").open().predict(batch)
    np.testing.assert_array_equal(one, answer["difference"])


def test_describe_tells_what_is_in_effect(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Threads and device as a session of the same settings has them; and nothing is printed."""
    said = Mnn(model=model, threads=2, precision="float32").open().describe()
    assert said["threads"] == 2
    assert said["device"] == "CPU"
    assert said["inputs"] == {"image": "float32 [?, 3, 12, 12]"}
    assert said["outputs"] == ["scores"]
    assert Mnn(model=model).describe()["model"] == "model.mnn"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threads": 0}, "system.threads is 0: give 1 or more"),
        ({"output": "score"}, r"has no output 'score' \(did you mean 'scores'\?\)"),
    ],
)
def test_settings_the_model_lacks_are_named(
    model: Path, settings: dict[str, Any], says: str
) -> None:
    """With what there is."""
    with pytest.raises(SystemSetupError, match=says):
        Mnn(model=model, **settings).open()


def test_what_does_not_fit_is_refused(model: Path) -> None:
    """Naming what is expected."""
    opened = Mnn(model=model).open()
    with pytest.raises(SystemSetupError, match=r"takes float32 \[\?, 3, 12, 12\]"):
        opened.check(images()[:, :, :6])


def test_what_mnn_cannot_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its converter takes operators on integers for done, and the model made fails when it runs."""
    source, out = quantised(tmp_path / "source.onnx"), tmp_path / "model.mnn"
    ToMnn().convert(source, out, ())
    opened = Mnn(model=out).open()
    with pytest.raises(SystemSetupError, match=r"'model\.mnn' cannot be run by MNN: "):
        opened.check(images(1))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"not a model", "half"])
def test_files_that_cannot_be_loaded_are_named(
    model: Path, tmp_path: Path, content: bytes | str, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one sentence, and nothing is printed."""
    whole = model.read_bytes()
    path = tmp_path / "broken.mnn"
    path.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    with pytest.raises(SystemSetupError, match="cannot be loaded by MNN") as raised:
        Mnn(model=path).open()
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(SystemSetupError, match=r"does not exist: give an .mnn file"):
        Mnn(model=tmp_path / "absent.mnn").open()


def test_the_fingerprint_is_of_the_file_and_its_weights(model: Path, tmp_path: Path) -> None:
    """A change in either is another model."""
    system = Mnn(model=tmp_path / "model.mnn")
    assert system.fingerprint() is None
    system.model.write_bytes(model.read_bytes())
    assert system.fingerprint() == replace(system, model=model).fingerprint()
    (tmp_path / "model.mnn.weight").write_bytes(b"weights")
    assert system.fingerprint() != replace(system, model=model).fingerprint()


def test_a_missing_package_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way to it."""
    monkeypatch.setitem(sys.modules, "MNN", None)
    with pytest.raises(SystemSetupError, match=r"pip install 'tailmark\[mnn\]'"):
        Mnn(model=model).open()
