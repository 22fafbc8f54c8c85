"""OpenVINO computes what the model says, in the precision that it is caught computing in."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from system.small_models import saved
from tailmark.errors import SystemSetupError
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.system.openvino import OpenVino
from tailmark.testing import check_batches, check_system

ov = pytest.importorskip("openvino", reason="OpenVINO is not installed: tailmark[openvino]")

FLOAT = TensorProto.FLOAT


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution, a nonlinearity and a layer of scores, of a free batch."""
    draw = np.random.default_rng(0).standard_normal
    return saved(
        tmp_path_factory.mktemp("model") / "model.onnx",
        [
            helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Flatten", ["r"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["scores"]),
        ],
        {"x": (FLOAT, ["N", 3, 8, 8])},
        {"scores": (FLOAT, ["N", 10])},
        {
            "k": draw((16, 3, 3, 3)).astype(np.float32),
            "w": draw((16 * 64, 10)).astype(np.float32),
        },
    )


def images(count: int = 1) -> Any:
    """Some pixels."""
    return np.random.default_rng(1).random((count, 3, 8, 8), dtype=np.float32)


def two_by_two(path: Path) -> Path:
    """Two inputs, not in the order of the alphabet; their sum and their difference."""
    shape: tuple[int, list[Any]] = (FLOAT, ["N", 3])
    return saved(
        path,
        [
            helper.make_node("Add", ["right", "left"], ["sum"]),
            helper.make_node("Sub", ["right", "left"], ["difference"]),
        ],
        {"right": shape, "left": shape},
        {"sum": shape, "difference": shape},
    )


def error(system: OpenVino, count: int = 4) -> float:
    """How far its answers lie from ONNX Runtime's without optimisation, of their own size."""
    oracle = OnnxRuntime(model=system.model, optimization="disable").open().predict(images(count))
    return float(np.abs(system.open().predict(images(count)) - oracle).max() / np.abs(oracle).max())


def test_it_keeps_the_system_contract(model: Path) -> None:
    """One by one and in batches."""
    check_system(OpenVino(model=model), images())
    check_batches(OpenVino(model=model, precision="float32"), images(3))


def test_in_float32_it_answers_as_onnx_runtime_does(model: Path) -> None:
    """To the rounding of float32, when asked for it or for the accuracy of the model."""
    assert error(OpenVino(model=model, precision="float32")) < 1e-6
    assert error(OpenVino(model=model, execution_mode="accuracy")) < 1e-6


def test_the_precision_is_what_the_layers_run_in(model: Path) -> None:
    """All of them, as the compiled graph tells."""
    said = OpenVino(model=model, precision="float32").open().describe()
    assert said["precision"] == "float32"
    assert said["layer_precisions"] == {"float32": 2}
    assert said["inference_precision"] == "float32"
    accurate = OpenVino(model=model, execution_mode="accuracy").open().describe()
    assert accurate["precision"] == "float32"
    assert accurate["inference_precision"] == "undefined"
    assert accurate["execution_mode"] == "accuracy"


def test_what_openvino_does_unasked_is_told(model: Path) -> None:
    """The precision that it takes by default shows in the answers, and under its name."""
    system = OpenVino(model=model)
    said = system.open().describe()["precision"]
    flags = Path("/proc/cpuinfo")
    if flags.is_file() and "amx_bf16" in flags.read_text():
        assert said == "bfloat16"
    bounds = {"float32": (0.0, 1e-6), "float16": (1e-6, 1e-2), "bfloat16": (1e-4, 1e-1)}
    low, high = bounds[said]
    assert low <= error(system) < high
    assert system.describe()["precision"] is None


def test_describe_gives_the_settings_in_effect(model: Path) -> None:
    """One thread cannot serve two streams, whatever was asked for."""
    said = OpenVino(model=model, streams=2, performance="throughput").open().describe()
    assert (said["threads"], said["streams"], said["performance"]) == (1, 1, "throughput")
    assert said["device"] == "CPU"
    assert said["device_name"] == ov.Core().get_property("CPU", "FULL_DEVICE_NAME")
    assert said["inputs"] == {"x": "float32 [?, 3, 8, 8]"}
    assert said["outputs"] == ["scores"]
    assert OpenVino(model=model).describe()["model"] == "model.onnx"


def test_a_device_made_of_others_tells_what_they_run_in(model: Path) -> None:
    """And which one it chose."""
    said = OpenVino(model=model, device="AUTO:CPU", precision="float32").open().describe()
    assert (said["device"], said["precision"], said["threads"]) == ("CPU", "float32", 1)


def test_inputs_and_outputs_go_by_name(tmp_path: Path) -> None:
    """Several, or the one that was asked for."""
    path = two_by_two(tmp_path / "two.onnx")
    batch = {"left": np.ones((1, 3), np.float32), "right": np.full((1, 3), 3, np.float32)}
    both = OpenVino(model=path).open().predict(batch)
    assert {name: values.tolist() for name, values in both.items()} == {
        "sum": [[4, 4, 4]],
        "difference": [[2, 2, 2]],
    }
    assert OpenVino(model=path, output="difference").open().predict(batch).tolist() == [[2, 2, 2]]


def test_an_output_keeps_its_name_where_its_operator_goes(tmp_path: Path) -> None:
    """Which the runtime removes, being an identity."""
    nodes = [helper.make_node("Relu", ["x"], ["aaa"]), helper.make_node("Identity", ["aaa"], ["z"])]
    shape = (TensorProto.FLOAT, [1, 4])
    model = saved(tmp_path / "named.onnx", nodes, {"x": shape}, {"z": shape})
    predictor = OpenVino(model=model, output="z").open()
    assert list(predictor.describe()["outputs"]) == ["z"]
    assert np.asarray(predictor.predict(np.full((1, 4), -1, np.float32))).tolist() == [[0] * 4]


def test_an_answer_stays_when_another_is_given(tmp_path: Path) -> None:
    """Though the input is read where it is, and the model gives it back."""
    path = saved(
        tmp_path / "echo.onnx",
        [helper.make_node("Identity", ["x"], ["y"])],
        {"x": (FLOAT, ["N", 2])},
        {"y": (FLOAT, ["N", 2])},
    )
    predictor = OpenVino(model=path).open()
    batch = np.ones((1, 2), np.float32)
    first = predictor.predict(batch)
    batch[:] = 2
    assert predictor.predict(batch).tolist() == [[2, 2]]
    assert first.tolist() == [[1, 1]]


def test_its_own_format_is_read_with_the_weights_beside_it(model: Path, tmp_path: Path) -> None:
    """They are part of the fingerprint."""
    path = tmp_path / "model.xml"
    ov.save_model(ov.Core().read_model(model), path, compress_to_fp16=False)
    system = OpenVino(model=path, precision="float32")
    assert np.allclose(
        system.open().predict(images(2)),
        OnnxRuntime(model=model).open().predict(images(2)),
        rtol=1e-5,
        atol=1e-5,
    )
    before = system.fingerprint()
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert before is not None
    assert system.fingerprint() not in (before, None)
    assert OpenVino(model=model).fingerprint() == OnnxRuntime(model=model).fingerprint()
    weights.unlink()
    with pytest.raises(SystemSetupError, match="bin file cannot be found"):
        system.open()


def test_a_quantised_model_is_caught_computing_in_int8(data: Path) -> None:
    """Under whatever precision it may compute the rest in."""
    path = data / "models" / "mobilenetv2-12-qdq.onnx"
    said = OpenVino(model=path, precision="float32").open().describe()
    assert said["precision"] == "int8"
    assert said["inference_precision"] == "float32"


def test_a_model_of_float16_is_upcast_on_request(data: Path) -> None:
    """Its input and output stay what they are."""
    system = OpenVino(model=data / "models" / "SqueezeNet_fp16.onnx", precision="float32")
    batch = np.random.default_rng(0).integers(-128, 128, (1, 3, 224, 224)).astype(np.float16)
    predictor = system.open()
    predictor.check(batch)
    answer = predictor.predict(batch)
    oracle = OnnxRuntime(model=system.model, optimization="disable").open().predict(batch)
    assert answer.dtype == np.float16
    assert answer.argmax() == oracle.argmax()
    assert predictor.describe()["precision"] == "float32"


def test_tensorflow_lite_files_are_read(data: Path) -> None:
    """Of bytes, too."""
    system = OpenVino(model=data / "models" / "mobilenet_v1_0.25_128_quant.tflite")
    batch = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    check_system(system, batch)
    assert system.open().predict(batch).shape == (1, 1001)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threads": 0}, "system.threads is 0: give 1 or more"),
        ({"streams": 0}, "system.streams is 0: give 1 or more"),
        ({"device": "CPUU"}, "this openvino has no device 'CPUU': it has .*CPU.*, AUTO"),
        ({"output": "score"}, r"the model has no output 'score' \(did you mean 'scores'\?\)"),
    ],
)
def test_settings_it_lacks_are_named(model: Path, settings: dict[str, Any], says: str) -> None:
    """With what there is."""
    with pytest.raises(SystemSetupError, match=says) as caught:
        OpenVino(model=model, **settings).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["onnx", "xml", "tflite"])
@pytest.mark.parametrize("content", [None, b"", b"not a model", "half"])
def test_a_file_that_is_no_model_is_named(
    model: Path,
    tmp_path: Path,
    suffix: str,
    content: bytes | str | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In one sentence, and nothing else is said."""
    path = tmp_path / f"model.{suffix}"
    if content is not None:
        half = model.read_bytes()[: model.stat().st_size // 2]
        path.write_bytes(half if isinstance(content, str) else content)
    with pytest.raises(SystemSetupError) as caught:
        OpenVino(model=path).open()
    text = str(caught.value)
    assert text.startswith(f"model {str(path)!r} ")
    assert "does not exist: give an .onnx, .xml" in text or "cannot be loaded: " in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")


def test_a_batch_that_does_not_fit_is_refused(model: Path) -> None:
    """Before anything is timed."""
    with pytest.raises(SystemSetupError, match=r"takes float32 \[\?, 3, 8, 8\] and the workload"):
        OpenVino(model=model).open().check(images().astype(np.float64))


def test_without_the_package_it_says_what_to_install(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SystemSetupError, match=r"pip install 'tailmark\[openvino\]'"):
        OpenVino(model=model).open()


def test_ctrl_c_is_heard_after_models_were_opened_and_closed(model: Path) -> None:
    """In a process of its own, which it would end: the runtime leaves no stack behind."""
    script = (
        "import gc, os, pathlib, signal, sys\n"
        "from tailmark.system.openvino import OpenVino\n"
        "system = OpenVino(model=pathlib.Path(sys.argv[1]))\n"
        "one, other = system.open(), system.open()\n"
        "del one; gc.collect()\n"
        "del other; gc.collect()\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.sigtimedwait([], 1)\n"
        "except KeyboardInterrupt:\n"
        "    print('heard')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(model)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
