"""LiteRT computes what the file says with each set of kernels, and tells which computed it."""

import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tailmark.errors import SystemSetupError
from tailmark.system.litert import LiteRt
from tailmark.testing import check_batches, check_system

schema = pytest.importorskip(
    "ai_edge_litert.schema_py_generated", reason="LiteRT is not installed: tailmark[litert]"
)
flatbuffers = pytest.importorskip("flatbuffers", reason="flatbuffers comes with LiteRT")

Kernels = Literal["xnnpack", "builtin", "reference"]
KERNELS: tuple[Kernels, ...] = ("xnnpack", "builtin", "reference")

WEIGHTS = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)


def tensor(name: str, shape: list[int], buffer: int = 0, *, free: bool = False) -> Any:
    """A tensor of floats, or where its buffer is 2, of a shape."""
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name, shape, buffer
    made.type = schema.TensorType.INT32 if buffer == 2 else schema.TensorType.FLOAT32
    if free:
        made.shapeSignature = [-1, *shape[1:]]
    return made


def operator(place: int, inputs: list[int], outputs: list[int], options: str) -> Any:
    """One of the graph's operators."""
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = place, inputs, outputs
    made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
    made.builtinOptions = getattr(schema, f"{options}T")()
    return made


def scores(path: Path, *, free: bool = False, reshape: bool = False, named: bool = False) -> Path:
    """Write a file of one layer: a score of 64 numbers for each of ten classes.

    Args:
        path: Where.
        free: Declare the batch's length to be free.
        reshape: Bring the scores into a shape of one row.
        named: Give it a signature, with names of its own.
    """
    made = schema.ModelT()
    made.version = 3
    made.buffers = [schema.BufferT() for _ in range(3)]
    made.buffers[1].data = np.frombuffer(WEIGHTS.tobytes(), np.uint8)
    made.buffers[2].data = np.frombuffer(np.array([1, 10], np.int32).tobytes(), np.uint8)
    made.operatorCodes = []
    for name in ("FULLY_CONNECTED", "RESHAPE"):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        made.operatorCodes.append(code)
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("x", [1, 64], free=free),
        tensor("w", [10, 64], 1),
        tensor("scores", [1, 10], free=free),
    ]
    graph.operators = [operator(0, [0, 1, -1], [2], "FullyConnectedOptions")]
    graph.inputs, graph.outputs = [0], [2]
    if reshape:
        graph.tensors += [tensor("shape", [2], 2), tensor("row", [1, 10])]
        graph.operators.append(operator(1, [2, 3], [4], "ReshapeOptions"))
        graph.outputs = [4]
    made.subgraphs = [graph]
    if named:
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serve", 0
        signature.inputs, signature.outputs = [mapped("numbers", 0)], [mapped("answer", 2)]
        made.signatureDefs = [signature]
    builder = flatbuffers.Builder()
    builder.Finish(made.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def mapped(name: str, index: int) -> Any:
    """A signature's name for a tensor."""
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name, index
    return made


def numbers(count: int = 1) -> Any:
    """What it takes."""
    return np.random.default_rng(1).standard_normal((count, 64)).astype(np.float32)


def photos(count: int) -> Any:
    """Bytes that are no photos, but as many."""
    return np.random.default_rng(2).integers(0, 256, (count, 128, 128, 3), dtype=np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One layer; its batch is free."""
    return scores(tmp_path / "model.tflite", free=True)


@pytest.fixture(scope="module")
def quantised(data: Path) -> Path:
    """MobileNet, of bytes."""
    return data / "models" / "mobilenet_v1_0.25_128_quant.tflite"


@pytest.mark.parametrize("kernels", KERNELS)
def test_it_keeps_the_system_contract(model: Path, kernels: Kernels) -> None:
    """One by one and in batches, and back to one."""
    system = LiteRt(model=model, kernels=kernels)
    check_system(system, numbers())
    check_batches(system, numbers(3))


@pytest.mark.parametrize("kernels", KERNELS)
def test_it_answers_as_the_graph_says(model: Path, kernels: Kernels) -> None:
    """As NumPy does, to the rounding of float32."""
    answer = LiteRt(model=model, kernels=kernels).open().predict(numbers())
    assert np.allclose(answer, numbers() @ WEIGHTS.T, rtol=0, atol=1e-5)


def test_an_answer_stays_when_another_is_given(model: Path) -> None:
    """The runtime's own memory is not handed out."""
    predictor = LiteRt(model=model).open()
    first = predictor.predict(numbers())
    kept = first.copy()
    predictor.predict(-numbers())
    assert np.array_equal(first, kept)


def test_which_kernels_computed_is_told(model: Path) -> None:
    """By how many of the operators XNNPACK took."""
    took = {k: LiteRt(model=model, kernels=k).open().describe()["delegated"] for k in KERNELS}
    assert took == {"xnnpack": 1, "builtin": 0, "reference": 0}


def test_what_xnnpack_leaves_is_told(quantised: Path) -> None:
    """As of a file of bytes, whose pooling or softmax it may not have kernels for."""
    said = LiteRt(model=quantised).open().describe()
    assert said["operators"] == 31
    assert 28 <= said["delegated"] <= 31
    assert (said["precision"], said["weights"]) == ("int8", "uint8")
    assert said["inputs"] == {"input": "uint8 [1, 128, 128, 3]"}


def test_a_quantised_file_answers_differently_by_kernel(quantised: Path) -> None:
    """XNNPACK rounds in another place; the optimised kernels round as the reference does."""
    batches = [one[None] for one in photos(6)]
    answers = {}
    for kernels in KERNELS:
        predictor = LiteRt(model=quantised, kernels=kernels).open()
        predictor.check(batches[0])
        answers[kernels] = np.concatenate([predictor.predict(one) for one in batches]).astype(int)
    assert answers["reference"].shape == (6, 1001)
    assert np.abs(answers["builtin"] - answers["reference"]).max() <= 1
    assert 1 < np.abs(answers["xnnpack"] - answers["reference"]).max() < 64


def test_float16_is_forced_upon_xnnpack(model: Path) -> None:
    """It shows in the numbers, and under its name; one of floats is float32 otherwise."""
    system = LiteRt(model=model, precision="float16")
    check_system(system, numbers())
    check_batches(system, numbers(3), relative=1e-2, absolute=1e-2)
    off = np.abs(system.open().predict(numbers()) - numbers() @ WEIGHTS.T).max()
    assert 1e-4 < off < 1e-1
    assert system.open().describe()["precision"] == "float16"
    assert LiteRt(model=model).open().describe()["precision"] == "float32"


def test_a_quantised_file_stays_quantised_when_float16_is_asked_for(quantised: Path) -> None:
    """And does not say otherwise."""
    one = photos(1)
    predictor = LiteRt(model=quantised, precision="float16").open()
    assert np.array_equal(predictor.predict(one), LiteRt(model=quantised).open().predict(one))
    assert predictor.describe()["precision"] == "int8"


@pytest.mark.parametrize("precision", [None, "float16"])
def test_inputs_and_outputs_go_by_the_names_of_the_signature(
    tmp_path: Path, precision: Literal["float16"] | None
) -> None:
    """Where the file has one; by the tensors' where it has none."""
    path = scores(tmp_path / "named.tflite", named=True)
    predictor = LiteRt(model=path, precision=precision, output="answer").open()
    said = predictor.describe()
    assert (said["inputs"], said["outputs"]) == ({"numbers": "float32 [1, 64]"}, ["answer"])
    predictor.check({"numbers": numbers()})
    answer = predictor.predict({"numbers": numbers()})
    assert np.allclose(answer, numbers() @ WEIGHTS.T, atol=1e-1)


def test_a_batch_is_taken_where_the_graph_allows_it(tmp_path: Path) -> None:
    """Though one is declared."""
    check_batches(LiteRt(model=scores(tmp_path / "one.tflite")), numbers(4))


@pytest.mark.parametrize(
    "settings", [*({"kernels": kernels} for kernels in KERNELS), {"precision": "float16"}]
)
def test_a_batch_the_graph_does_not_take_is_refused_before_timing(
    tmp_path: Path, settings: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """And a batch that it takes is answered as before."""
    path = scores(tmp_path / "fixed.tflite", reshape=True)
    predictor = LiteRt(model=path, **settings).open()
    before = predictor.predict(numbers())
    with pytest.raises(
        SystemSetupError, match=r"takes \[1, 64\] and the workload gives \[4, 64\].*free batch"
    ) as caught:
        predictor.check(numbers(4))
    assert "\n" not in str(caught.value)
    assert np.array_equal(predictor.predict(numbers()), before)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threads": 0}, "system.threads is 0: give 1 or more"),
        ({"output": "score"}, r"the model has no output 'score' \(did you mean 'scores'\?\)"),
        (
            {"precision": "float16", "kernels": "builtin"},
            "system.precision is 'float16' and system.kernels 'builtin': only xnnpack computes",
        ),
    ],
)
def test_settings_it_lacks_are_named(model: Path, settings: dict[str, Any], says: str) -> None:
    """With what there is."""
    with pytest.raises(SystemSetupError, match=says):
        LiteRt(model=model, **settings).open()


@pytest.mark.parametrize("content", [None, b"", b"not a model", "half"])
def test_a_file_that_is_no_model_is_named(
    model: Path, content: bytes | str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one sentence, and nothing else is said."""
    if content is None:
        model.unlink()
    else:
        half = model.read_bytes()[: model.stat().st_size // 2]
        model.write_bytes(half if isinstance(content, str) else content)
    with pytest.raises(SystemSetupError) as caught:
        LiteRt(model=model).open()
    text = str(caught.value)
    assert text.startswith(f"model {str(model)!r} ")
    assert "does not exist: give a .tflite file" in text or "cannot be loaded: " in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")


def test_a_batch_that_does_not_fit_is_refused(model: Path) -> None:
    """Before anything is timed."""
    with pytest.raises(SystemSetupError, match=r"takes float32 \[\?, 64\] and the workload gives"):
        LiteRt(model=model).open().check(numbers().astype(np.float64))


def test_without_the_package_it_says_what_to_install(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(SystemSetupError, match=r"pip install 'tailmark\[litert\]'"):
        LiteRt(model=model).open()
