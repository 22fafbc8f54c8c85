"""Conversions from ONNX to ONNX keep what a model answers, but for what they say they change."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from PIL import Image

from conversion.misbehaving import Misbehave
from tailmark.conversion.base import Conversion, Inputs
from tailmark.conversion.contents import contents
from tailmark.conversion.dequantize import Dequantize
from tailmark.conversion.float16 import Float16
from tailmark.conversion.float32 import Float32
from tailmark.conversion.onnxsim import OnnxSim
from tailmark.conversion.onnxslim import OnnxSlim
from tailmark.conversion.optimize import Optimize, passes
from tailmark.conversion.quantize import Quantize
from tailmark.errors import ConversionError
from tailmark.testing import check_conversion

onnx = pytest.importorskip("onnx", reason="converts ONNX models: the extra 'convert'")

Array = npt.NDArray[Any]

PACKAGED = Path(__file__).parents[2] / "src" / "tailmark" / "data"
DIGITS = PACKAGED / "digits.onnx"


@pytest.fixture(scope="module")
def digits() -> Array:
    """The packaged images, for the network that was trained on others."""
    with np.load(PACKAGED / "digits.npz") as file:
        images: Array = file["images"]
    return (images[:, None] / 16).astype(np.float32)


def _answers(model: Path, images: Array, level: str = "DISABLE_ALL") -> Array:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    kind = np.float16 if taken.type == "tensor(float16)" else np.float32
    many = [images] if isinstance(taken.shape[0], str) else np.split(images, len(images))
    found = [session.run(None, {taken.name: some.astype(kind)})[0] for some in many]
    return np.concatenate([one.reshape(len(one), -1) for one in found]).astype(np.float64)


def _made(tmp_path: Path, source: Path, conversion: Conversion, inputs: Inputs = ()) -> Path:
    out = tmp_path / f"{len(list(tmp_path.iterdir()))}.onnx"
    conversion.convert(source, out, inputs)
    return out


EXACT = [
    OnnxSim(),
    OnnxSlim(),
    Optimize(level="basic"),
    Optimize(level="all"),
]
ROUNDED = [
    Float16(),
    Float16(keep_io=False),
    Float16(weights_only=True),
    Quantize(mode="dynamic", per_channel=True, weights="uint8"),
    Quantize(samples=8, per_channel=True, activations="int8"),
    Quantize(samples=8, format="qoperator", weights="uint8"),
]


@pytest.mark.parametrize(
    "conversion",
    [OnnxSim(), OnnxSlim(), Optimize(), Float16(), Quantize(samples=2)],
    ids=lambda one: str(one.describe()["kind"]),
)
def test_conversions_keep_their_contract(conversion: Conversion, digits: Array) -> None:
    """Each is plain data, pickles, writes what it names, and the same again."""
    check_conversion(conversion, DIGITS, [digits[i : i + 1] for i in range(2)])


@pytest.mark.parametrize("conversion", EXACT, ids=lambda one: str(one.describe()))
def test_rewriters_change_bits_only(conversion: Conversion, digits: Array, tmp_path: Path) -> None:
    """A rewritten graph gives the same numbers, but for the order of sums."""
    made = _made(tmp_path, DIGITS, conversion)
    assert np.abs(_answers(made, digits) - _answers(DIGITS, digits)).max() < 1e-4


@pytest.mark.parametrize("conversion", ROUNDED, ids=lambda one: str(one.describe()))
def test_lower_precision_shows(conversion: Conversion, digits: Array, tmp_path: Path) -> None:
    """Numbers move, few labels do, and the file tells its precision."""
    inputs = [digits[i : i + 1] for i in range(8)]
    made = _made(tmp_path, DIGITS, conversion, inputs)
    before, after = _answers(DIGITS, digits), _answers(made, digits)
    assert 1e-5 < np.abs(after - before).mean() < 0.02 * np.abs(before).max()
    assert (after.argmax(1) != before.argmax(1)).mean() < 0.02
    told = contents(made)
    expected = "int8" if isinstance(conversion, Quantize) else "float16"
    assert told["weights_precision"] == expected
    assert bool(told["quantized_operators"]) == isinstance(conversion, Quantize)


def test_half_precision_weights_are_rounded_weights(digits: Array, tmp_path: Path) -> None:
    """Weights kept in float16 answer as float32 weights do that NumPy rounded."""
    model = onnx.load(DIGITS)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            rounded = values.astype(np.float16).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, tensor.name))
    onnx.save(model, tmp_path / "rounded.onnx")
    halved = _made(tmp_path, DIGITS, Float16(weights_only=True))
    rounded = _answers(tmp_path / "rounded.onnx", digits)
    assert np.abs(rounded - _answers(DIGITS, digits)).max() > 1e-3
    assert np.abs(rounded - _answers(halved, digits)).max() < 1e-4
    widened = _made(tmp_path, halved, Float32())
    assert contents(widened)["stored_bytes"].keys() == {"float32"}
    assert np.abs(rounded - _answers(widened, digits)).max() < 1e-4


@pytest.mark.parametrize("per_channel", [False, True])
def test_dequantizing_takes_rounding_back(per_channel: bool, digits: Array, tmp_path: Path) -> None:
    """The float model of a quantised one is nearer the original than that is, and has no Q or DQ.

    Its weights are those that the integers stand for.
    """
    inputs = [digits[i : i + 1] for i in range(16)]
    quantized = _made(tmp_path, DIGITS, Quantize(per_channel=per_channel), inputs)
    made = _made(tmp_path, quantized, Dequantize())
    operators = contents(made)["operators"]
    assert not {"QuantizeLinear", "DequantizeLinear"} & operators.keys()
    assert operators["Clip"] == contents(quantized)["operators"]["QuantizeLinear"]
    assert contents(made)["stored_bytes"].keys() == {"float32"}
    assert contents(made)["weights_precision"] == "int8"
    before = _answers(DIGITS, digits)
    error = [np.abs(_answers(one, digits) - before).mean() for one in (quantized, made)]
    assert error[1] < error[0]


def _qdq(tmp_path: Path, nodes: list[Any], kept: dict[str, Any], dtype: int = 1) -> Path:
    gives = 2 if nodes[-1].op_type == "QuantizeLinear" else 1
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", dtype, [1, 4])],
        [onnx.helper.make_tensor_value_info("y", gives, ["rows", "columns"])],
        initializer=[onnx.numpy_helper.from_array(v, k) for k, v in kept.items()],
    )
    path = tmp_path / "qdq.onnx"
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def _node(operator: str, inputs: str, output: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(operator, inputs.split(), [output], **attributes)


SCALES = {
    "s": np.float32(0.5),
    "s2": np.float32(0.25),
    "z": np.uint8(10),
    "k": np.array([1, 4], np.int64),
    "ss": np.full(4, 0.5, np.float32),
    "zz": np.full(4, 10, np.uint8),
}


def test_a_pair_becomes_the_range_it_holds(tmp_path: Path) -> None:
    """Also where integers are reshaped between, and where the pair gives the model's output."""
    source = _qdq(
        tmp_path,
        [
            _node("QuantizeLinear", "x s z", "q"),
            _node("Reshape", "q k", "r"),
            _node("DequantizeLinear", "r s z", "y"),
        ],
        SCALES,
    )
    made = _made(tmp_path, source, Dequantize())
    x = np.array([[-7.3, 0.1, 3.26, 500]], np.float32)
    assert np.array_equal(_answers(made, x), np.clip(x, -5, 122.5))
    assert contents(made)["operators"] == {"Clip": 1, "Identity": 1, "Reshape": 1}


def test_a_zero_point_may_be_left_empty(tmp_path: Path) -> None:
    """As one that is not given."""
    pair = onnx.helper.make_node("QuantizeLinear", ["x", "s", ""], ["q"])
    source = _qdq(tmp_path, [pair, _node("DequantizeLinear", "q s", "y")], SCALES)
    x = np.array([[-7.3, 0.1, 3.26, 500]], np.float32)
    answers = _answers(_made(tmp_path, source, Dequantize()), x)
    assert np.array_equal(answers, np.clip(x, 0, 127.5))


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        (
            [_node("QuantizeLinear", "x s z", "q"), _node("DequantizeLinear", "q s2 z", "y")],
            "dequantises 'q' by another scale",
        ),
        (
            [
                _node("QuantizeLinear", "x s z", "q"),
                _node("DequantizeLinear", "q s z", "d"),
                _node("QuantizeLinear", "d s z", "y"),
            ],
            "gives 'y' as it was quantised",
        ),
        (
            [
                _node("QuantizeLinear", "x ss zz", "q"),
                _node("DequantizeLinear", "q ss zz", "y"),
            ],
            "'x' with a scale a channel",
        ),
        ([_node("Relu", "x", "y")], "has no DequantizeLinear"),
        (
            [
                onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "ds", "dz"]),
                _node("DequantizeLinear", "q ds dz", "y"),
            ],
            "computes in integers",
        ),
        (
            [
                _node("ReduceMax", "x", "m", keepdims=0),
                _node("QuantizeLinear", "x m z", "q"),
                _node("DequantizeLinear", "q m z", "y"),
            ],
            "computes the scale of 'x' as it runs",
        ),
    ],
)
def test_what_cannot_be_dequantized_is_refused(
    nodes: list[Any], sentence: str, tmp_path: Path
) -> None:
    """One sentence says what is in the way."""
    with pytest.raises(ConversionError, match=sentence):
        _made(tmp_path, _qdq(tmp_path, nodes, SCALES), Dequantize())


def test_integer_inputs_are_refused(tmp_path: Path) -> None:
    """A model that takes integers would take others if it were dequantised."""
    source = _qdq(tmp_path, [_node("DequantizeLinear", "x s z", "y")], SCALES, dtype=2)
    with pytest.raises(ConversionError, match="with float inputs"):
        _made(tmp_path, source, Dequantize())


def test_what_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    """A model without half precision, without weights, no model, no inputs, no such pass."""
    relu = _qdq(tmp_path, [_node("Relu", "x", "y")], {})
    refusals: tuple[tuple[Conversion, str], ...] = (
        (Float32(), "nothing in float16 or bfloat16"),
        (Float16(weights_only=True), "no float32 weights"),
        (Quantize(), "there are none"),
        (Optimize(only="ConvActivationFuson"), r"did you mean 'ConvActivationFusion'"),
        (Optimize(level="basic", disabled=("NchwcTransformer",)), "at level 'basic'"),
    )
    for conversion, sentence in refusals:
        with pytest.raises(ConversionError, match=sentence):
            _made(tmp_path, relu, conversion)
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    for other in (OnnxSim(), Optimize()):
        with pytest.raises(ConversionError, match=r"'broken\.onnx' cannot be"):
            _made(tmp_path, tmp_path / "broken.onnx", other)


def test_one_pass_is_all_that_runs(tmp_path: Path) -> None:
    """Fusing convolutions with ReLU does that, leaving it out does not, whatever the rest does."""
    fused = _made(tmp_path, DIGITS, Optimize(level="extended", only="ConvActivationFusion"))
    assert contents(fused)["operators"]["FusedConv"] == 4
    apart = Optimize(level="extended", disabled=("ConvActivationFusion",))
    assert contents(_made(tmp_path, DIGITS, apart))["operators"]["Relu"] == 4
    assert "ConstantFolding" in passes(DIGITS, "basic")
    assert "ConvActivationFusion" not in passes(DIGITS, "basic")


def _accuracy(answers: Array, labels: Array) -> tuple[float, float]:
    best = np.argsort(-answers, 1, kind="stable")[:, :5]
    right = best == labels[:, None]
    return float(right[:, 0].mean()), float(right.any(1).mean())


def test_the_float_sources_answer_as_published(data: Path, tmp_path: Path) -> None:
    """MobileNetV2 loses its rounding and needs its clips; SqueezeNet is as it was.

    On every eighth of the 500 images.
    """
    with (data / "imagenet500" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))[::8]
    labels = np.array([int(row["class_index"]) for row in rows])
    crops = np.stack([_crop(data / "imagenet500" / "images" / row["file"]) for row in rows])
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    images = (((crops / 255) - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    quantized = data / "models" / "mobilenetv2-12-qdq.onnx"
    made = _made(tmp_path, quantized, Dequantize())
    top1, top5 = _accuracy(_answers(made, images, "ENABLE_ALL"), labels)
    assert (top1, top5) == pytest.approx((0.80, 0.95), abs=0.1)
    model = onnx.load(made)
    for node in model.graph.node:
        if node.op_type == "Clip":
            node.op_type = "Identity"
            del node.input[1:]
    onnx.save(model, tmp_path / "unclipped.onnx")
    assert _accuracy(_answers(tmp_path / "unclipped.onnx", images[:25]), labels[:25])[0] < 0.2

    images = (crops[..., ::-1] - [104, 117, 123]).transpose(0, 3, 1, 2).astype(np.float32)
    half = data / "models" / "SqueezeNet_fp16.onnx"
    full = _made(tmp_path, half, Float32())
    told = contents(full)
    assert (told["stored_bytes"].keys(), told["weights_precision"]) == ({"float32"}, "float16")
    answers = _answers(full, images, "ENABLE_ALL")
    assert _accuracy(answers, labels) == pytest.approx((0.600, 0.806), abs=0.1)
    before = _answers(half, images[:25])
    assert np.array_equal(before.argmax(1), answers[:25].argmax(1))


def _crop(path: Path) -> Array:
    with Image.open(path) as image:
        width, height = image.size
        left, top = (width - 224) // 2, (height - 224) // 2
        box = (left, top, left + 224, top + 224)
        return np.asarray(image.convert("RGB").crop(box), np.float32)


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It names the package and how to get it."""
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    with pytest.raises(ConversionError) as caught:
        _made(tmp_path, DIGITS, OnnxSlim())
    assert str(caught.value) == (
        "conversion onnxslim needs the package onnxslim: pip install 'tailmark[convert]'"
    )


def test_the_check_catches_what_writes_nothing(digits: Array) -> None:
    """A conversion owes the file that it names."""
    with pytest.raises(AssertionError, match=r"it writes 'model\.bin'"):
        check_conversion(Misbehave(how="forgets"), DIGITS, [digits[:1]])
