"""The first operator whose output diverges is found, whatever is wrong with it, and named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailmark.errors import SystemSetupError
from tailmark.study.divergence import first_divergence
from tailmark.system.base import Batch, Predictor
from tailmark.system.function import Function
from tailmark.system.onnxruntime import OnnxRuntime

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'tailmark[convert]'")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

Array = npt.NDArray[Any]
Edit = Callable[[Any], None]

DATA = resources.files("tailmark") / "data"
FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture(scope="module")
def batches() -> list[Array]:
    """Four of the digits that the packaged network was not trained on."""
    with np.load(str(DATA / "digits.npz")) as digits:
        images = np.asarray(digits["images"][:4], np.float32)
    return list(images.reshape(4, 1, 1, 8, 8))


def _digits() -> Any:
    return onnx.load(str(DATA / "digits.onnx"))


def _residual() -> Any:
    """The trained network, with a way round its second convolution."""
    model = _digits()
    at = [node.name for node in model.graph.node].index("node_relu_1")
    model.graph.node[at].input[0] = "joined"
    model.graph.node.insert(at, helper.make_node("Add", ["scaled", "conv2d_1"], ["joined"], "join"))
    model.graph.node.insert(at, helper.make_node("Mul", ["relu", "tenth"], ["scaled"], "scale"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "tenth"))
    return model


def _normalised() -> Any:
    """The trained network, with a batch normalisation behind its first convolution."""
    model = _digits()
    at = [node.name for node in model.graph.node].index("node_relu")
    model.graph.node[at].input[0] = "normal"
    names = ["gain", "shift", "mean", "variance"]
    model.graph.node.insert(
        at, helper.make_node("BatchNormalization", ["conv2d", *names], ["normal"], "norm")
    )
    for name, value in zip(names, (1, 0, 0.1, 1.2), strict=True):
        model.graph.initializer.append(
            numpy_helper.from_array(np.full(48, value, np.float32), name)
        )
    return model


def _node(model: Any, name: str) -> Any:
    return next(node for node in model.graph.node if node.name == name)


def _weights(name: str, change: Callable[[Array], Array]) -> Edit:
    def edit(model: Any) -> None:
        tensor = next(one for one in model.graph.initializer if one.name == name)
        values = change(numpy_helper.to_array(tensor)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, name))

    return edit


def _wrong_padding(model: Any) -> None:
    pads = next(one for one in _node(model, "node_conv2d_2").attribute if one.name == "pads")
    pads.ints[:] = [0, 0, 2, 2]


def _quantised(model: Any) -> None:
    """The weights of one layer in 8 bits, as a quantiser stores them."""
    tensor = next(one for one in model.graph.initializer if one.name == "9.weight")
    values = numpy_helper.to_array(tensor)
    step = np.float32(np.abs(values).max() / 127)
    steps = np.round(values / step).astype(np.int8)
    tensor.CopyFrom(numpy_helper.from_array(steps, "steps"))
    model.graph.initializer.append(numpy_helper.from_array(step, "step"))
    node = helper.make_node("DequantizeLinear", ["steps", "step"], ["9.weight"], "unquantise")
    model.graph.node.insert(0, node)


def _steps(model: Any) -> None:
    """Every number of a layer in 8-bit steps, under the name that the numbers had."""
    at = [node.name for node in model.graph.node].index("node_conv2d_3")
    model.graph.node[at].input[0] = "again"
    for node in model.graph.node[:at]:
        node.output[:] = ["before" if name == "max_pool2d_1" else name for name in node.output]
    del model.graph.value_info[:]
    steps = [
        ("QuantizeLinear", "before", "max_pool2d_1"),
        ("DequantizeLinear", "max_pool2d_1", "again"),
    ]
    for kind, reads, makes in reversed(steps):
        node = helper.make_node(kind, [reads, "large", "none"], [makes], kind)
        model.graph.node.insert(at, node)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(2), "large"))
    model.graph.initializer.append(numpy_helper.from_array(np.uint8(0), "none"))


def _save(model: Any, path: Path, **more: Any) -> Path:
    onnx.save(model, path, **more)
    return path


def _pair(folder: Path, make: Callable[[], Any], edit: Edit) -> tuple[OnnxRuntime, OnnxRuntime]:
    """The network, and the same with something done to it."""
    model = make()
    right = _save(model, folder / "right.onnx")
    edit(model)
    wrong = _save(model, folder / "wrong.onnx")
    return OnnxRuntime(model=right), OnnxRuntime(model=wrong)


def _mean_is_off(values: Array) -> Array:
    return np.where(np.arange(len(values)) == 7, values + 0.5, values)


@pytest.mark.parametrize(
    ("make", "edit", "name", "op_type", "weight"),
    [
        (_digits, _wrong_padding, "node_conv2d_2", "Conv", None),
        (
            _digits,
            _weights("3.weight", lambda w: w.astype(np.float16)),
            "node_conv2d_1",
            "Conv",
            "3.weight",
        ),
        (_digits, _weights("6.bias", lambda b: b + 0.05), "node_conv2d_2", "Conv", "6.bias"),
        (_digits, _quantised, "node_conv2d_3", "Conv", "9.weight"),
        (_digits, _weights("13.bias", _mean_is_off), "node_linear", "Gemm", "13.bias"),
        (_normalised, _weights("mean", _mean_is_off), "norm", "BatchNormalization", "mean"),
        (_residual, _weights("tenth", lambda t: t * 1.02), "scale", "Mul", "tenth"),
        (_residual, _weights("3.weight", lambda w: w * 1.02), "node_conv2d_1", "Conv", "3.weight"),
    ],
    ids=["padding", "fp16", "bias", "int8", "last", "norm", "way round", "branch"],
)
def test_the_operator_is_named(
    make: Callable[[], Any],
    edit: Edit,
    name: str,
    op_type: str,
    weight: str | None,
    batches: list[Array],
    tmp_path: Path,
) -> None:
    """With what about it is wrong; all that it is made of agrees, and few tensors were shown."""
    a, b = _pair(tmp_path, make, edit)
    found = first_divergence(a, b, batches, tolerance=1e-6)
    assert (found.operator, found.op_type) == (name, op_type)
    assert found.relative_error is not None
    assert found.relative_error > 1e-6
    assert all(error is not None and error <= 1e-6 for error in found.inputs.values())
    assert list(found.weights) == ([] if weight is None else [weight])
    assert not found.vanishes
    assert found.models <= 2 * (1 + 6)
    assert found.runs == found.models * len(batches)
    told = found.to_dict()
    assert told["operator"] == name
    wrong = onnx.load(b.model).graph.node
    assert wrong[found.index].name == name


def test_what_an_operator_is_told_is_shown(batches: list[Array], tmp_path: Path) -> None:
    """The padding in A and in B."""
    a, b = _pair(tmp_path, _digits, _wrong_padding)
    observed: list[str] = []
    found = first_divergence(a, b, batches, tell=observed.append).to_dict()
    assert found["attributes"] == {"pads": [[1, 1, 1, 1], [0, 0, 2, 2]]}
    assert found["inputs"].keys() == {"max_pool2d"}
    assert len(observed) == (found["models"] - 2) / 2


def test_how_far_weights_are_is_shown(batches: list[Array], tmp_path: Path) -> None:
    """The largest difference, of quantised weights too: as they are computed with."""
    a, b = _pair(tmp_path, _digits, _quantised)
    original = numpy_helper.to_array(
        next(one for one in _digits().graph.initializer if one.name == "9.weight")
    )
    far = first_divergence(a, b, batches).weights["9.weight"]
    assert isinstance(far, float)
    assert 0 < far <= np.abs(original).max() / 127 / 2 * 1.001


def test_settings_that_move_bits_diverge_nowhere(batches: list[Array]) -> None:
    """The largest error is told, and no operator."""
    model = Path(str(DATA / "digits.onnx"))
    plain, tuned = (OnnxRuntime(model=model, optimization=o) for o in ("disable", "all"))
    found = first_divergence(plain, tuned, batches)
    assert (found.operator, found.end, found.models) == (None, "scores", 2)
    assert found.end_error is not None
    assert found.end_error < 1e-5
    strict = first_divergence(plain, plain, batches, tolerance=0)
    assert (strict.operator, strict.end_error) == (None, 0)


@dataclass(frozen=True, kw_only=True)
class _Fused(OnnxRuntime):
    """Is wrong after a convolution that it fuses with ReLU: not where one looks between them."""

    def open(self) -> Predictor:
        """The right model where the tensor is shown."""
        shown = [one.name for one in onnx.load(self.model).graph.output]
        if "conv2d_2" in shown:
            return super().open()
        model = onnx.load(self.model)
        _weights("6.bias", lambda bias: bias + 1)(model)
        wrong = self.model.with_name("fused.onnx")
        return OnnxRuntime(model=_save(model, wrong)).open()


def test_a_divergence_that_hides_when_looked_at_is_told(
    batches: list[Array], tmp_path: Path
) -> None:
    """Of two operators that are right apart and wrong together, the second is named."""
    model = _save(_digits(), tmp_path / "digits.onnx")
    found = first_divergence(OnnxRuntime(model=model), _Fused(model=model), batches)
    assert (found.operator, found.vanishes) == ("node_relu_2", True)


@dataclass(frozen=True, kw_only=True)
class _Shy(OnnxRuntime):
    """Refuses models that show what convolutions make."""

    def open(self) -> Predictor:
        """Refuse it, or not."""
        shown = [one.name for one in onnx.load(self.model).graph.output]
        if any(name.startswith("conv") for name in shown):
            raise SystemSetupError("this runtime shows no convolution")
        return super().open()


def test_what_cannot_be_shown_is_stepped_over(batches: list[Array], tmp_path: Path) -> None:
    """What is left is named with the operators that it may be instead."""
    a, b = _pair(tmp_path, _digits, _wrong_padding)
    found = first_divergence(a, _Shy(model=b.model), batches)
    assert (found.operator, found.between) == ("node_relu_2", ("node_conv2d_2",))
    assert "conv2d_2" in found.skipped
    assert found.attributes == {"pads": ([1, 1, 1, 1], [0, 0, 2, 2])}
    assert found.inputs.keys() == {"max_pool2d"}


def test_a_model_whose_tensors_are_called_otherwise(batches: list[Array], tmp_path: Path) -> None:
    """Tensors that both have are told apart, and that they are few is said."""

    def renamed(model: Any) -> None:
        _wrong_padding(model)
        kept = {"image", "scores", "relu_1", "relu_3"}
        made = {name for node in model.graph.node for name in node.output} - kept
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [f"other_{name}" if name in made else name for name in names]

    a, b = _pair(tmp_path, _digits, renamed)
    found = first_divergence(a, b, batches)
    assert (found.shared, found.tensors) == (3, 14)
    assert found.output == "relu_3"
    assert "node_conv2d_2" in found.between
    assert found.note is not None
    assert "only 3 of the 14 tensors" in found.note


def test_steps_are_not_held_against_numbers(batches: list[Array], tmp_path: Path) -> None:
    """A tensor that is quantised under its name is stepped over, and the operators at it told."""
    a, b = _pair(tmp_path, _digits, _steps)
    found = first_divergence(a, b, batches)
    assert found.skipped == ("max_pool2d_1",)
    assert found.operator == "node_conv2d_3"
    assert {"QuantizeLinear", "DequantizeLinear"} < set(found.between)


def _graph(
    nodes: list[Any],
    outputs: Mapping[str, int],
    weights: Mapping[str, Array] | None = None,
    path: Path | None = None,
) -> Any:
    made = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", FLOAT, [1, 6])],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(w), name) for name, w in (weights or {}).items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    if path is not None:
        onnx.save(model, path)
    return model


def _unusual(factor: float) -> Any:
    """A branch, a loop, a sequence, a value that is not used, numbers that count and texts."""

    def inside(name: str, value: float) -> Any:
        constant = numpy_helper.from_array(np.float32(value), f"{name}_by")
        return helper.make_graph(
            [helper.make_node("Mul", ["t", f"{name}_by"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, FLOAT, None)],
            [constant],
        )

    nodes = [
        helper.make_node("Tanh", ["x"], ["t"], "tanh"),
        helper.make_node("ReduceSum", ["t"], ["sum"], keepdims=0),
        helper.make_node("Less", ["sum", "high"], ["low"]),
        helper.make_node(
            "If",
            ["low"],
            ["branched"],
            "branch",
            then_branch=inside("then", factor),
            else_branch=inside("else", 3),
        ),
        helper.make_node("Dropout", ["branched"], ["kept", "mask"]),
        helper.make_node("SplitToSequence", ["kept"], ["parts"], axis=1, keepdims=1),
        helper.make_node("ConcatFromSequence", ["parts"], ["whole"], axis=1),
        helper.make_node("TopK", ["whole", "two"], ["best", "places"], axis=1),
        helper.make_node("Exp", ["best"], ["y"]),
        helper.make_node("ArgMax", ["whole"], ["label"], axis=1),
    ]
    return _graph(
        nodes,
        {"y": FLOAT, "label": onnx.TensorProto.INT64},
        {"high": np.array(100, np.float32), "two": np.array([2])},
    )


def test_branches_sequences_and_what_counts(tmp_path: Path) -> None:
    """A branch is one operator, though it reads from around it; a sequence is stepped over."""
    a, b = (
        OnnxRuntime(model=_save(_unusual(f), tmp_path / f"{f}.onnx"), optimization="disable")
        for f in (2.0, 2.1)
    )
    batch: Batch = np.array([[0.1, -0.7, 0.3, 0.9, -0.2, 0.5]], np.float32)
    found = first_divergence(a, b, [batch])
    assert (found.operator, found.op_type, found.output) == ("branch", "If", "branched")
    assert found.inputs == {"t": 0, "low": 0}
    assert found.attributes.keys() <= {"then_branch", "else_branch"}


def test_labels_that_differ_are_a_divergence(tmp_path: Path) -> None:
    """Numbers that count have no tolerance; that they agree does not clear what is above them."""

    def make(second: str) -> Path:
        nodes = [
            helper.make_node("Mul", ["x", "w"], ["scaled"], "first"),
            helper.make_node(second, ["scaled"], ["turned"], "second"),
            helper.make_node("ArgMax", ["turned"], ["label"], "label", axis=1),
            helper.make_node("Cast", ["label"], ["y"], "cast", to=onnx.TensorProto.INT64),
        ]
        path = tmp_path / f"{second}.onnx"
        weights = {"w": np.arange(6, dtype=np.float32)}
        _graph(nodes, {"y": onnx.TensorProto.INT64}, weights, path)
        return path

    a, b = OnnxRuntime(model=make("Sin")), OnnxRuntime(model=make("Cos"))
    found = first_divergence(a, b, [np.full((1, 6), 0.9, np.float32)])
    assert found.operator == "second"
    assert found.attributes == {"op_type": ("Sin", "Cos")}


def test_shapes_and_numbers_that_are_none(tmp_path: Path) -> None:
    """Outputs of other shapes diverge, and numbers against none; where neither has one they do not.

    What cannot be told as a number is told in words.
    """

    def make(name: str, *nodes: Any) -> OnnxRuntime:
        path = tmp_path / f"{name}.onnx"
        weights = {"axes": np.array([0])}
        _graph([*nodes, helper.make_node("Identity", ["t"], ["y"])], {"y": FLOAT}, weights, path)
        return OnnxRuntime(model=path)

    root = make("root", helper.make_node("Sqrt", ["x"], ["t"], "root"))
    again = make("again", helper.make_node("Sqrt", ["x"], ["t"], "root"))
    size = make("size", helper.make_node("Abs", ["x"], ["t"], "size"))
    wide = make("wide", helper.make_node("Unsqueeze", ["x", "axes"], ["t"], "widen"))
    batch: Batch = np.array([[-1, 2, np.inf, -np.inf, 0, 1]], np.float32)
    assert first_divergence(root, again, [batch]).operator is None
    none = first_divergence(root, size, [batch])
    assert (none.operator, none.relative_error) == ("size", None)
    assert none.note is not None
    assert "numbers where the other has none" in none.note
    apart = first_divergence(root, wide, [batch])
    assert (apart.operator, apart.note) == ("widen", "shapes [1, 6] and [1, 1, 6]")


def test_weights_kept_outside_the_file(batches: list[Array], tmp_path: Path) -> None:
    """They are found, compared, and left as they are; nothing is written beside them."""
    model = _digits()
    paths = []
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
        paths.append(
            _save(
                model,
                tmp_path / name / "model.onnx",
                save_as_external_data=True,
                location="weights.bin",
            )
        )
        model = _digits()
        _weights("3.weight", lambda w: w * 1.1)(model)
    before = [path.read_bytes() for path in sorted(tmp_path.rglob("*.*"))]
    found = first_divergence(OnnxRuntime(model=paths[0]), OnnxRuntime(model=paths[1]), batches)
    assert found.operator == "node_conv2d_1"
    assert found.weights.keys() == {"3.weight"}
    assert [path.read_bytes() for path in sorted(tmp_path.rglob("*.*"))] == before


_OPERATORS = ("Add", "Sub", "Mul", "Max")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_in_any_graph(data: st.DataObject, tmp_path: Path) -> None:
    """Whatever reads what: an operator is named that diverges and of whose inputs none does.

    The oracle shows all tensors at once.
    """
    count = data.draw(st.integers(1, 24))
    faulty = data.draw(st.integers(0, count - 1))
    made = ["x"]
    nodes: dict[str, list[Any]] = {"right": [], "wrong": []}
    for i in range(count):
        kind = data.draw(st.sampled_from(_OPERATORS))
        reads = [data.draw(st.sampled_from(made[-6:])) for _ in range(2)]
        for name, graph in nodes.items():
            off = i == faulty and name == "wrong"
            graph.append(helper.make_node(kind, reads, [f"s{i}"], f"inner{i}"))
            graph.append(
                helper.make_node("Tanh" if not off else "Atan", [f"s{i}"], [f"t{i}"], f"op{i}")
            )
        made += [f"t{i}"]
    x: Batch = np.linspace(-1, 1, 6, dtype=np.float32)[None]
    sides: list[OnnxRuntime] = []
    marked = []
    for name, graph in nodes.items():
        outputs = {made[-1]: FLOAT}
        _graph(graph, outputs, path=tmp_path / f"{name}.onnx")
        sides.append(OnnxRuntime(model=tmp_path / f"{name}.onnx"))
        everything = {one: FLOAT for node in graph for one in node.output}
        _graph(graph, everything, path=tmp_path / f"{name}_marked.onnx")
        session = OnnxRuntime(model=tmp_path / f"{name}_marked.onnx", optimization="disable")
        marked.append(session.open().predict(x))
    diverges = {"x": False}
    for name, one in marked[0].items():
        scale = max(np.abs(one).max(), np.abs(marked[1][name]).max())
        diverges[name] = bool(np.abs(one - marked[1][name]).max() > 1e-3 * scale)
    found = first_divergence(sides[0], sides[1], [x])
    if not diverges[made[-1]]:
        assert found.operator is None
        return
    assert found.output is not None
    assert diverges[found.output]
    node = next(node for node in nodes["wrong"] if node.output[0] == found.output)
    assert not any(diverges[read] for read in node.input)


def test_what_openvino_computes_in_is_where_it_begins(batches: list[Array]) -> None:
    """Told to compute in float32 it agrees; in bfloat16 it diverges from the first."""
    pytest.importorskip(
        "openvino", reason="openvino is not installed: pip install 'tailmark[openvino]'"
    )
    from tailmark.system.openvino import OpenVino

    model = Path(str(DATA / "digits.onnx"))
    plain = OnnxRuntime(model=model, optimization="disable")
    assert (
        first_divergence(plain, OpenVino(model=model, precision="float32"), batches).operator
        is None
    )
    half = OpenVino(model=model, precision="bfloat16")
    if half.open().describe().get("precision") != "bfloat16":
        pytest.skip("this processor does not compute in bfloat16")
    found = first_divergence(plain, half, batches)
    assert found.index is not None
    assert found.index <= 2
    assert found.relative_error is not None
    assert 1e-3 < found.relative_error < 2**-7


def test_what_cannot_be_searched_is_a_sentence(batches: list[Array], tmp_path: Path) -> None:
    """Another system, no inputs, nothing in common, a file that is none."""
    model = OnnxRuntime(model=Path(str(DATA / "digits.onnx")))
    call: Any = Function(call="numpy:sum")
    with pytest.raises(SystemSetupError, match=r"whose model is an \.onnx file"):
        first_divergence(model, call, batches)
    with pytest.raises(SystemSetupError, match="no inputs"):
        first_divergence(model, model, [])
    two = _graph(
        [helper.make_node("Abs", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["z"])],
        {"y": FLOAT, "z": FLOAT},
    )
    other = OnnxRuntime(model=_save(two, tmp_path / "two.onnx"))
    with pytest.raises(SystemSetupError, match=r"no outputs in common \(scores and y, z\)"):
        first_divergence(model, other, batches)
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    with pytest.raises(SystemSetupError, match=r"cannot be read as ONNX"):
        first_divergence(model, OnnxRuntime(model=tmp_path / "broken.onnx"), batches)
