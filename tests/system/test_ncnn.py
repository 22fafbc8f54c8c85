"""ncnn computes what the model says, sample by sample, in the precision that it is caught in."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from conversion.networks import classifier, error, images, oracle, two_by_two
from tailmark.conversion.ncnn import ToNcnn
from tailmark.errors import SystemSetupError
from tailmark.system.ncnn import Ncnn
from tailmark.testing import check_batches, check_system

for package in ("ncnn", "pnnx"):
    pytest.importorskip(package, reason=f"{package} is not installed: tailmark[ncnn]")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model before it was converted."""
    return classifier(tmp_path_factory.mktemp("source") / "model.onnx")


@pytest.fixture(scope="module")
def model(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip, a convolution, a depthwise one and a layer of scores."""
    out = tmp_path_factory.mktemp("model") / "model.param"
    ToNcnn().convert(source, out, [images(1)])
    return out


@pytest.fixture
def broken(model: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    out = tmp_path / "model.param"
    for suffix in (".param", ".bin"):
        out.with_suffix(suffix).write_bytes(model.with_suffix(suffix).read_bytes())
    return out


@pytest.mark.parametrize("optimization", ["full", "none"])
def test_it_computes_what_the_model_says(
    source: Path, model: Path, optimization: Literal["full", "none"]
) -> None:
    """In float32, whatever it makes faster, for each sample of a batch."""
    opened = Ncnn(model=model, precision="float32", optimization=optimization).open()
    assert error(opened.predict(images()), oracle(source, images())) < 1e-5
    assert opened.describe()["optimization"] == optimization
    check_batches(Ncnn(model=model, precision="float32"), images())


def test_it_keeps_the_system_contract(model: Path) -> None:
    """Also where the first layer works in place."""
    check_system(Ncnn(model=model), images(1))


@pytest.mark.parametrize("precision", [None, "float32", "float16", "bfloat16"])
def test_the_precision_it_tells_is_the_one_it_computes_in(
    source: Path, model: Path, precision: Literal["float32", "float16", "bfloat16"] | None
) -> None:
    """Whatever was asked for, on whatever processor: the answers bear it out."""
    opened = Ncnn(model=model, precision=precision).open()
    said = opened.describe()
    found = error(opened.predict(images()), oracle(source, images()))
    largest = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2}[said["precision"]]
    assert found < largest
    assert said["precision"] == "float32" or found > largest / 1000
    assert said["precision"] in said["precisions"].values()
    assert precision != "float32" or set(said["precisions"].values()) == {"float32"}


def test_several_inputs_and_outputs_keep_their_names(tmp_path: Path) -> None:
    """As the source has them."""
    draw = np.random.default_rng(2).standard_normal
    batch = {name: draw((1, 4, 6, 6)).astype(np.float32) for name in ("left", "right")}
    out = tmp_path / "model.param"
    ToNcnn().convert(two_by_two(tmp_path / "two.onnx"), out, [batch])
    system = Ncnn(model=out, precision="float32")
    answer = system.open().predict(batch)
    np.testing.assert_array_equal(answer["sum"], batch["left"] + batch["right"])
    np.testing.assert_array_equal(answer["difference"], batch["left"] - batch["right"])
    one = replace(system, output="difference").open().predict(batch)
    np.testing.assert_array_equal(one, answer["difference"])


def test_describe_tells_what_is_in_effect(model: Path) -> None:
    """Threads from the network's own options, shapes from its file."""
    said = Ncnn(model=model, threads=2).open().describe()
    assert said["threads"] == 2
    assert said["device"] == "CPU"
    assert said["inputs"] == {"image": "float32 [?, 3, 12, 12]"}
    assert said["outputs"] == ["scores"]
    assert Ncnn(model=model).describe()["model"] == "model.param"


def test_what_does_not_fit_is_refused(model: Path) -> None:
    """Before ncnn reads past the end of it."""
    opened = Ncnn(model=model).open()
    for batch, says in (
        (images()[:, :2], r"takes float32 \[\?, 3, 12, 12\] and the workload gives"),
        (images().astype(np.float64), "gives float64"),
        ({"picture": images()}, "the model's inputs are image"),
    ):
        with pytest.raises(SystemSetupError, match=says):
            opened.check(batch)


def test_shapes_that_the_file_does_not_tell_are_free(model: Path, broken: Path) -> None:
    """As in models that others converted."""
    text = broken.read_text().replace("image 0=12 1=12 2=3", "image")
    broken.write_text(text)
    opened = Ncnn(model=broken).open()
    opened.check(images())
    np.testing.assert_array_equal(
        opened.predict(images()), Ncnn(model=model).open().predict(images())
    )


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
        Ncnn(model=model, **settings).open()


def test_files_that_cannot_be_loaded_are_named(
    broken: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one sentence with ncnn's own reason, and nothing is printed."""
    whole, weights = broken.read_text(), broken.with_suffix(".bin")
    content = weights.read_bytes()
    weights.write_bytes(content[:1000])
    with pytest.raises(SystemSetupError, match=r"cannot be loaded by ncnn: .*failed") as caught:
        Ncnn(model=broken).open()
    assert "\n" not in str(caught.value)
    weights.write_bytes(content)
    broken.write_text(whole.replace("Clip ", "Clap "))
    with pytest.raises(SystemSetupError, match=r"cannot be loaded by ncnn: .*Clap"):
        Ncnn(model=broken).open()
    weights.unlink()
    with pytest.raises(SystemSetupError, match=r"does not exist: give the .bin file"):
        Ncnn(model=broken).open()
    broken.unlink()
    with pytest.raises(SystemSetupError, match=r"does not exist: give an ncnn .param file"):
        Ncnn(model=broken).open()
    assert capfd.readouterr() == ("", "")


def test_the_fingerprint_is_of_both_files(model: Path, broken: Path) -> None:
    """A change in either is another model."""
    same = Ncnn(model=model).fingerprint()
    assert Ncnn(model=broken).fingerprint() == same
    with broken.with_suffix(".bin").open("ab") as file:
        file.write(b"\0")
    assert Ncnn(model=broken).fingerprint() != same


def test_a_missing_package_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way to it."""
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(SystemSetupError, match=r"pip install 'tailmark\[ncnn\]'"):
        Ncnn(model=model).open()
