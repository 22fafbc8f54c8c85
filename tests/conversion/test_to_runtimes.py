"""A model that was made into another runtime's is the same model, unless less was asked for."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversion.networks import (
    classifier,
    error,
    images,
    old_softmax,
    oracle,
    quantised,
    without_batch,
)
from tailmark.conversion.base import Conversion
from tailmark.conversion.dequantize import Dequantize
from tailmark.conversion.mnn import ToMnn
from tailmark.conversion.ncnn import ToNcnn
from tailmark.conversion.onnx2tf import OnnxToTf
from tailmark.conversion.openvino import ToOpenVino
from tailmark.conversion.tflite2onnx import TfliteToOnnx
from tailmark.errors import ConversionError
from tailmark.system.litert import LiteRt
from tailmark.system.mnn import Mnn
from tailmark.system.native_output import caught
from tailmark.system.ncnn import Ncnn
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.system.openvino import OpenVino

with caught():
    for package, extra in (("MNN", "mnn"), ("ncnn", "ncnn"), ("pnnx", "ncnn"), ("openvino",) * 2):
        pytest.importorskip(package, reason=f"{package} is not installed: tailmark[{extra}]")

TF2ONNX = os.environ.get("TAILMARK_TENSORFLOW_PYTHON")
ONNX2TF = os.environ.get("TAILMARK_ONNX2TF_PYTHON")


def made(step: Conversion, source: Path, folder: Path, batch: Any) -> Any:
    """What the model answers after a conversion, computed in float32."""
    out = folder / step.writes
    step.convert(source, out, [batch[:1]])
    kind: Any = {".param": Ncnn, ".mnn": Mnn, ".xml": OpenVino}[out.suffix]
    return kind(model=out, precision="float32").open().predict(batch)


@pytest.mark.parametrize("step", [ToNcnn(), ToMnn(), ToOpenVino()], ids=lambda s: s.writes)
def test_answers_stay(step: Conversion, tmp_path: Path) -> None:
    """To the rounding of float32, since no weight is stored in less."""
    source = classifier(tmp_path / "source.onnx")
    assert error(made(step, source, tmp_path, images()), oracle(source, images())) < 1e-5


@pytest.mark.parametrize(
    ("whole", "less"),
    [
        (ToNcnn(), ToNcnn(float16=True)),
        (ToMnn(), ToMnn(float16=True)),
        (ToMnn(), ToMnn(weight_bits=8)),
        (ToOpenVino(), ToOpenVino(float16=True)),
    ],
    ids=["ncnn", "mnn", "mnn int8", "openvino"],
)
def test_weights_in_less_are_asked_for(whole: Conversion, less: Conversion, tmp_path: Path) -> None:
    """And change numbers a little."""
    source = classifier(tmp_path / "source.onnx")
    answers = []
    for name, step in (("whole", whole), ("less", less)):
        (tmp_path / name).mkdir()
        answers.append(made(step, source, tmp_path / name, images()))
    assert 1e-6 < error(answers[1], answers[0]) < 0.05


@pytest.mark.parametrize("kind", [ToNcnn, ToMnn])
def test_an_older_softmax_stays_what_it_was(kind: Any, tmp_path: Path) -> None:
    """Though the converters take its axis for the last one, where every share is 1."""
    x = np.arange(5, dtype=np.float32).reshape(1, 5, 1, 1)
    source = old_softmax(tmp_path / "source.onnx")
    assert error(made(kind(), source, tmp_path, x), oracle(source, x)) < 1e-6
    assert (made(kind(explicit=False), source, tmp_path, x) == 1).all()


@pytest.mark.parametrize("step", [ToNcnn(), ToMnn(), ToOpenVino()], ids=lambda s: s.writes)
def test_what_is_no_model_is_told_in_one_sentence(step: Conversion, tmp_path: Path) -> None:
    """A file that is missing, too."""
    source = tmp_path / "source.onnx"
    for content in (None, b"not a model"):
        if content:
            source.write_bytes(content)
        with pytest.raises(ConversionError, match=r"source\.onnx") as raised:
            step.convert(source, tmp_path / step.writes, [images(1)])
        assert "\n" not in str(raised.value)


def test_what_a_converter_says_last_is_why_it_failed(tmp_path: Path) -> None:
    """With the conversion, the model and the program."""
    source = classifier(tmp_path / "source.onnx")
    with pytest.raises(
        ConversionError,
        match=r"conversion ncnn of 'source.onnx' failed: pnnx ended \(exit code 255\): "
        r"input_shapes\[0\] expect",
    ):
        ToNcnn().convert(source, tmp_path / "model.param", [images(1)[:, :2]])
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(ConversionError, match=r"MNN wrote no model: .*onnx model"):
        ToMnn(explicit=False).convert(tmp_path / "bad.onnx", tmp_path / "model.mnn", ())


def test_ncnn_wants_shapes_and_a_batch(tmp_path: Path) -> None:
    """What it cannot do without is asked for."""
    source = classifier(tmp_path / "source.onnx")
    out = tmp_path / "model.param"
    with pytest.raises(ConversionError, match="needs an input to take shapes from"):
        ToNcnn().convert(source, out, ())
    with pytest.raises(ConversionError, match="the model's inputs are image and"):
        ToNcnn().convert(source, out, [{"picture": images(1)}])
    with pytest.raises(
        ConversionError, match=r"pnnx knows no layer of ncnn's for .* in 'steps\.onnx'"
    ):
        ToNcnn().convert(quantised(tmp_path / "steps.onnx"), out, [images(1)])
    flat = without_batch(tmp_path / "flat.onnx")
    with pytest.raises(ConversionError, match="pnnx finds no batch axis in front of in0"):
        ToNcnn().convert(flat, out, [np.ones((1, 4, 6, 6), np.float32)])


def test_so_many_bits_there_are(tmp_path: Path) -> None:
    """2 to 8."""
    with pytest.raises(ConversionError, match="weight_bits is 9: give 2 to 8"):
        ToMnn(weight_bits=9).convert(tmp_path / "a.onnx", tmp_path / "model.mnn", ())


def test_an_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    """So is one without the package."""
    tflite, source = tmp_path / "model.tflite", classifier(tmp_path / "source.onnx")
    tflite.write_bytes(b"a model")
    for python, says in (
        (tmp_path / "absent", "is no interpreter: give the path of one that has tf2onnx"),
        (tflite, "is no interpreter"),
        (Path(sys.executable), "needs the package tf2onnx in .*-m pip install tf2onnx"),
    ):
        with pytest.raises(ConversionError, match=says):
            TfliteToOnnx(python=python).convert(tflite, tmp_path / "model.onnx", ())
    with pytest.raises(ConversionError, match="needs python, an interpreter of its own"):
        OnnxToTf().convert(source, tflite, [images(1)])
    with pytest.raises(ConversionError, match="needs the package onnx2tf in"):
        OnnxToTf(python=Path(sys.executable)).convert(source, tflite, [images(1)])
    assert OnnxToTf(python=Path(sys.executable)).describe()["versions"] == {}


def test_what_is_made_says_what_made_it() -> None:
    """In plain data, of paths the last part."""
    assert ToNcnn().describe() == {"kind": "ncnn", "float16": False, "explicit": True}
    assert ToOpenVino().describe() == {"kind": "openvino", "float16": False}
    assert ToMnn(weight_bits=4).describe()["weight_bits"] == 4
    there = Path(sys.executable)
    assert TfliteToOnnx(python=there).describe()["python"] == there.name


def test_no_label_of_a_real_model_flips(data: Path, tmp_path: Path) -> None:
    """MobileNetV2 in float32, by way of each runtime's own format."""
    source = tmp_path / "source.onnx"
    Dequantize().convert(data / "models" / "mobilenetv2-12-qdq.onnx", source, ())
    batch = np.random.default_rng(0).standard_normal((4, 3, 224, 224)).astype(np.float32)
    right = oracle(source, batch)
    for step in (ToNcnn(), ToMnn(), ToOpenVino()):
        answer = made(step, source, tmp_path, batch)
        assert np.abs(answer - right).max() < 1e-3
        assert (answer.argmax(1) == right.argmax(1)).all()


@pytest.mark.heavy
@pytest.mark.skipif(not TF2ONNX, reason="TAILMARK_TENSORFLOW_PYTHON names no interpreter")
def test_tensorflow_lite_becomes_onnx(data: Path, tmp_path: Path) -> None:
    """The same quantised network: labels and steps as LiteRT's plain kernels have them."""
    source = data / "models" / "mobilenet_v1_0.25_128_quant.tflite"
    out = tmp_path / "model.onnx"
    TfliteToOnnx(python=Path(str(TF2ONNX))).convert(source, out, ())
    batch = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    right = LiteRt(model=source, kernels="reference").open().predict(batch)
    answer = OnnxRuntime(model=out).open().predict(batch)
    assert answer.dtype == np.uint8
    assert np.abs(answer.astype(int) - right).max() <= 10
    assert answer.argmax() == right.argmax()


@pytest.mark.heavy
@pytest.mark.skipif(not ONNX2TF, reason="TAILMARK_ONNX2TF_PYTHON names no interpreter")
def test_onnx_becomes_tensorflow_lite(tmp_path: Path) -> None:
    """Taking images as the source does, and nothing is downloaded."""
    source, out = classifier(tmp_path / "source.onnx"), tmp_path / "model.tflite"
    OnnxToTf(python=Path(str(ONNX2TF))).convert(source, out, [images(1)])
    answer = LiteRt(model=out).open().predict(images(1))
    assert error(answer, oracle(source, images(1))) < 1e-5
