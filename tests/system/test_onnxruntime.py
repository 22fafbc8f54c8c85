"""ONNX models are opened as declared, or the first thing that does not fit is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from onnx import TensorProto, helper

import tailmark
from system.small_models import saved
from tailmark.decode.base import Declared
from tailmark.decode.classes import Classes
from tailmark.errors import SystemSetupError
from tailmark.system.base import with_batch_axis
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.testing import check_system

FLOAT = TensorProto.FLOAT


def linear(path: Path, classes: int = 3, batch: Any = "N") -> Path:
    """Scores of four numbers for each class: x · w, w counting up."""
    weights = np.arange(4 * classes, dtype=np.float32).reshape(4, classes)
    return saved(
        path,
        [helper.make_node("MatMul", ["x", "w"], ["scores"])],
        {"x": (FLOAT, [batch, 4])},
        {"scores": (FLOAT, [batch, classes])},
        {"w": weights},
    )


def two_by_two(path: Path) -> Path:
    """Two inputs; their sum and their difference."""
    shape: tuple[int, list[Any]] = (FLOAT, ["N", 3])
    return saved(
        path,
        [
            helper.make_node("Add", ["left", "right"], ["sum"]),
            helper.make_node("Sub", ["left", "right"], ["difference"]),
        ],
        {"left": shape, "right": shape},
        {"sum": shape, "difference": shape},
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of one input and one output."""
    return linear(tmp_path / "model.onnx")


def one(dtype: str = "float32", *shape: int) -> Any:
    """A batch of one."""
    return np.ones(shape or (1, 4), dtype=dtype)


def test_it_keeps_the_system_contract(model: Path, tmp_path: Path) -> None:
    """With one input and output, and with several."""
    check_system(OnnxRuntime(model=model), one())
    both = {"left": one("float32", 1, 3), "right": one("float32", 1, 3)}
    check_system(OnnxRuntime(model=two_by_two(tmp_path / "two.onnx"), output="sum"), both)


def test_it_answers_as_the_graph_says(model: Path) -> None:
    """On the host, when the call returns."""
    answer = OnnxRuntime(model=model).open().predict(np.array([[1, 0, 0, 2]], np.float32))
    assert answer.tolist() == [[0 + 2 * 9, 1 + 2 * 10, 2 + 2 * 11]]


@pytest.mark.parametrize("level", ["disable", "basic", "extended", "layout", "all"])
def test_describe_gives_the_settings_in_effect(
    model: Path, level: Literal["disable", "basic", "extended", "layout", "all"]
) -> None:
    """Read back from the runtime, not repeated from the request."""
    system = OnnxRuntime(model=model, threads=2, inter_threads=2, optimization=level)
    said = system.open().describe()
    assert said["threads"] == 2
    assert said["inter_threads"] == 2
    assert said["execution_mode"] == "ORT_PARALLEL"
    assert level in said["optimization"].lower()
    assert said["providers"] == ["CPUExecutionProvider"]
    assert said["inputs"] == {"x": "float32 [N, 4]"}
    assert said["outputs"] == ["scores"]
    assert system.describe()["model"] == "model.onnx"


def test_the_fingerprint_is_the_files_own(model: Path, tmp_path: Path) -> None:
    """Another model, another fingerprint; none where there is no file."""
    other = linear(tmp_path / "other.onnx", classes=4)
    prints = {OnnxRuntime(model=path).fingerprint() for path in (model, other)}
    assert len(prints) == 2
    assert OnnxRuntime(model=tmp_path / "absent.onnx").fingerprint() is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threads": 0}, "system.threads is 0: give 1 or more"),
        ({"inter_threads": -1}, "system.inter_threads is -1"),
        (
            {"providers": ("CUDAExecutionProvidr",)},
            "has no provider 'CUDAExecutionProvidr'.*: it has .*CPUExecutionProvider",
        ),
        ({"output": "score"}, r"the model has no output 'score' \(did you mean 'scores'\?\)"),
    ],
)
def test_settings_the_model_or_the_runtime_lacks_are_named(
    model: Path, settings: dict[str, Any], says: str
) -> None:
    """With what there is."""
    with pytest.raises(SystemSetupError, match=says) as caught:
        OnnxRuntime(model=model, **settings).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"not a model", "half"])
def test_a_file_that_is_no_model_is_named(model: Path, content: bytes | str | None) -> None:
    """Missing, empty, something else, or cut in half."""
    if content is None:
        model.unlink()
    else:
        model.write_bytes(
            model.read_bytes()[: model.stat().st_size // 2] if isinstance(content, str) else content
        )
    with pytest.raises(SystemSetupError) as caught:
        OnnxRuntime(model=model).open()
    text = str(caught.value)
    assert text.startswith(f"model {str(model)!r} ")
    assert "does not exist: give an .onnx file" in text or "cannot be loaded: " in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (
            one("float64"),
            r"input 'x' takes float32 \[N, 4\] and the workload gives float64 \[1, 4\]",
        ),
        (one("float32", 1, 5), r"takes float32 \[N, 4\] and the workload gives float32 \[1, 5\]"),
        (one("float32", 4), r"and the workload gives float32 \[4\]"),
        ({"y": one()}, "the model's inputs are x and the workload gives y: give these names"),
        ({"x": one(), "y": one()}, "inputs are x and the workload gives x, y"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_before_timing(
    model: Path, batch: Any, says: str
) -> None:
    """Name, type and shape, as they are and as they should be."""
    with pytest.raises(SystemSetupError, match=says):
        OnnxRuntime(model=model).open().check(batch)


def test_a_declared_batch_of_another_size_is_refused(tmp_path: Path) -> None:
    """A model for eight at once is not measured one by one."""
    eight = OnnxRuntime(model=linear(tmp_path / "eight.onnx", batch=8)).open()
    with pytest.raises(SystemSetupError, match=r"takes float32 \[8, 4\]"):
        eight.check(one())


def echo(path: Path, kind: int, shape: list[Any]) -> OnnxRuntime:
    """A model that gives back what it takes."""
    node = helper.make_node("Identity", ["x"], ["y"])
    return OnnxRuntime(model=saved(path, [node], {"x": (kind, shape)}, {"y": (kind, shape)}))


def test_an_input_of_a_type_numpy_lacks_is_refused_and_named(tmp_path: Path) -> None:
    """There is no array to give it."""
    system = echo(tmp_path / "echo.onnx", TensorProto.BFLOAT16, [1, 4])
    with pytest.raises(SystemSetupError, match=r"input 'x' takes tensor\(bfloat16\)"):
        system.open().check(one())


@pytest.mark.parametrize("dtype", [np.str_, np.object_])
def test_texts_are_fed_as_they_are(tmp_path: Path, dtype: Any) -> None:
    """Of any length and any script, in an array of texts or of objects."""
    system = echo(tmp_path / "echo.onnx", TensorProto.STRING, ["N", "utterances"])
    texts = ["", "Oh my God, he\u2019s lost it.", "\u4f60\u597d \U0001f600"]
    batch = with_batch_axis(np.array(texts, dtype=dtype))
    check_system(system, batch)
    predictor = system.open()
    assert predictor.predict(batch).tolist() == [texts]
    assert predictor.describe()["inputs"] == {"x": "str [N, utterances]"}


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (one("float32", 1, 2), r"takes str \[N, 2\] and the workload gives float32 \[1, 2\]"),
        (np.array(["a", "b"]), r"takes str \[N, 2\] and the workload gives str \[2\]"),
        (np.array([["a", 3]], object), r"takes str \[N, 2\] and the workload gives object"),
        (np.array([[b"a", b"b"]]), r"takes str \[N, 2\] and the workload gives \|S1"),
    ],
)
def test_what_is_no_text_is_refused_before_timing(tmp_path: Path, batch: Any, says: str) -> None:
    """Numbers, bytes and other objects; and texts of another shape."""
    system = echo(tmp_path / "echo.onnx", TensorProto.STRING, ["N", 2])
    with pytest.raises(SystemSetupError, match=says):
        system.open().check(batch)


def test_texts_are_refused_by_a_model_of_numbers(model: Path) -> None:
    """The other way round."""
    with pytest.raises(
        SystemSetupError, match=r"takes float32 \[N, 4\] and the workload gives str"
    ):
        OnnxRuntime(model=model).open().check(np.array([["a", "b", "c", "d"]]))


def test_two_inputs_are_fed_by_name(tmp_path: Path) -> None:
    """And one array for two is refused."""
    system = OnnxRuntime(model=two_by_two(tmp_path / "two.onnx"), output="difference").open()
    fed = {"left": np.full((1, 3), 5, np.float32), "right": np.full((1, 3), 2, np.float32)}
    system.check(fed)
    assert system.predict(fed).tolist() == [[3, 3, 3]]
    with pytest.raises(SystemSetupError, match=r"has 2 inputs \(left, right\)"):
        system.check(one("float32", 1, 3))


def test_two_outputs_need_one_to_be_chosen_for_classes(tmp_path: Path) -> None:
    """Which of them holds the scores is declared, never guessed."""
    system = OnnxRuntime(model=two_by_two(tmp_path / "two.onnx")).open()
    fed = {"left": one("float32", 1, 3), "right": one("float32", 1, 3)}
    answer = system.predict(fed)
    assert set(answer) == {"sum", "difference"}
    with pytest.raises(SystemSetupError, match=r"choose one with system\.output"):
        Classes().bind(answer, Declared())


def test_a_model_of_1001_classes_against_1000_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """Before anything is timed, and without a directory."""
    workload = tailmark.Arrays(
        inputs=np.ones((5, 4), np.float32), references=np.arange(5), classes=1000
    )
    system = OnnxRuntime(model=linear(tmp_path / "wide.onnx", classes=1001))
    with pytest.raises(
        SystemSetupError, match=r"model has 1001 classes .* declares 1000"
    ) as caught:
        tailmark.measure(workload, system, out=tmp_path / "run", rounds=1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    shifted = Classes(offset=-1)
    run = tailmark.measure(workload, system, out=tmp_path / "run", rounds=1, decode=shifted)
    assert run.complete


def reading(where: str) -> Callable[[Path], Path]:
    """A model whose weights are in the file ``where``, seen from the model's folder."""

    def write(folder: Path) -> Path:
        tensor = TensorProto(name="w", data_type=FLOAT, dims=[4, 3])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", where), ("offset", "0"), ("length", "48")):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        path = folder / "external.onnx"
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["scores"])],
            "external",
            [helper.make_tensor_value_info("x", FLOAT, ["N", 4])],
            [helper.make_tensor_value_info("scores", FLOAT, ["N", 3])],
            [tensor],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        path.write_bytes(model.SerializeToString())
        return path

    return write


def test_external_data_beside_the_model_is_read_and_belongs_to_its_fingerprint(
    tmp_path: Path,
) -> None:
    """Other weights are another model, in whichever file they are."""
    (tmp_path / "weights.bin").write_bytes(np.ones(12, np.float32).tobytes())
    system = OnnxRuntime(model=reading("weights.bin")(tmp_path))
    assert system.open().predict(one()).tolist() == [[4, 4, 4]]
    before = system.fingerprint()
    (tmp_path / "weights.bin").write_bytes(np.zeros(12, np.float32).tobytes())
    assert system.fingerprint() != before


@pytest.mark.parametrize("where", ["../secret.bin", "inside/../../secret.bin", "absolute", "link"])
def test_external_data_outside_the_models_folder_is_refused(tmp_path: Path, where: str) -> None:
    """A stranger's model must not read what lies elsewhere."""
    folder = tmp_path / "model"
    (folder / "inside").mkdir(parents=True)
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(12, np.float32).tobytes())
    if where == "absolute":
        where = str(secret)
    elif where == "link":
        (folder / "link").symlink_to(secret)
    with pytest.raises(SystemSetupError, match="cannot be loaded") as caught:
        OnnxRuntime(model=reading(where)(folder)).open()
    assert "\n" not in str(caught.value)


def test_external_data_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    """As a missing model is."""
    with pytest.raises(SystemSetupError) as caught:
        OnnxRuntime(model=reading("absent.bin")(tmp_path)).open()
    assert "\n" not in str(caught.value)


def test_weights_behind_a_link_belong_to_the_fingerprint(tmp_path: Path) -> None:
    """As in a store that keeps files by their content, and links to them."""
    system = OnnxRuntime(model=reading("weights.bin")(tmp_path))
    prints = set()
    for value in (0, 1):
        blob = tmp_path.parent / f"{tmp_path.name}-{value}"
        blob.write_bytes(np.full(12, value, np.float32).tobytes())
        (tmp_path / "weights.bin").unlink(missing_ok=True)
        (tmp_path / "weights.bin").symlink_to(blob)
        prints.add(system.fingerprint())
    assert len(prints) == 2


def test_a_long_name_of_external_data_is_followed_too(tmp_path: Path) -> None:
    """A length above 127 takes two bytes."""
    name = "w" * 200 + ".bin"
    system = OnnxRuntime(model=reading(name)(tmp_path))
    prints = set()
    for value in (0, 1):
        (tmp_path / name).write_bytes(np.full(12, value, np.float32).tobytes())
        prints.add(system.fingerprint())
    assert len(prints) == 2
