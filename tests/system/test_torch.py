"""A PyTorch module answers alike in every mode, and says what it really computes in."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from conversion import networks
from tailmark.errors import SystemSetupError
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.system.torch import Torch
from tailmark.system.torch_sources import quiet
from tailmark.testing import check_batches, check_system

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

DIGITS = Path(__file__).parents[2] / "src" / "tailmark" / "data" / "digits.onnx"

NETS = """
import torch

class Both(torch.nn.Module):
    def forward(self, left, right):
        return {"sum": left + right, "difference": left - right}

class Three(torch.nn.Module):
    def forward(self, a, b=None, c=None):
        return a - c

def three():
    return Three()

def both():
    return Both()

def linear():
    torch.manual_seed(0)
    return torch.nn.Linear(4, 3)

def broken():
    raise ValueError("no weights")

def number():
    return 3
"""


@pytest.fixture(scope="module")
def images() -> Any:
    """Digits as the network takes them."""
    with np.load(DIGITS.with_suffix(".npz")) as kept:
        return (kept["images"][:20, None] / 16).astype(np.float32)


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    """A folder with a module of networks."""
    (tmp_path / "torch_nets.py").write_text(NETS)
    return tmp_path


def floats(values: Any) -> Any:
    """As float32."""
    return np.asarray(values, np.float32)


def oracle(model: Path, batch: Any) -> Any:
    """What ONNX Runtime says, its optimisation off."""
    return OnnxRuntime(model=model, optimization="disable").open().predict(batch)


def saved(
    path: Path,
    nodes: list[Any],
    given: list[int],
    outputs: dict[str, list[Any]],
    constants: dict[str, Any] | None = None,
    opset: int = 17,
) -> Path:
    """Write a model of one input."""
    return networks.saved(path, nodes, {"x": given}, outputs, constants, opset)


def exported(path: Path, module: Any, example: Any, **settings: Any) -> Path:
    """Write an exported program."""
    torch.export.save(torch.export.export(module.eval(), example, **settings), path)
    return path


@pytest.mark.parametrize("mode", ["eager", "trace", "export"])
def test_every_mode_answers_as_onnx_runtime_does(images: Any, mode: Any) -> None:
    """Rounding apart; one by one and in batches, whose size the graph leaves free."""
    system = Torch(model=DIGITS, mode=mode)
    check_system(system, images[:1])
    check_batches(system, images[:4])
    predictor = system.open()
    for size in (1, 3):
        predictor.check(images[:size])
        answer = predictor.predict(images[:size])
        np.testing.assert_allclose(answer, oracle(DIGITS, images[:size]), atol=1e-4)
    said = predictor.describe()
    assert said["inputs"] == {"image": "float32 [batch, 1, 8, 8]"}
    assert said["outputs"] == ["scores"]
    assert said["optimization"] == ("torchscript" if mode == "trace" else "none")
    assert (said["precision"], said["device"], said["mode"]) == ("float32", "cpu", mode)


@pytest.mark.heavy
@pytest.mark.parametrize("mode", ["compile", "aot"])
def test_compiled_modes_answer_as_onnx_runtime_does(images: Any, mode: Any) -> None:
    """Compiled when opened for one sample, and anew for another batch."""
    predictor = Torch(model=DIGITS, mode=mode).open()
    for size in (1, 2):
        answer = predictor.predict(images[:size])
        np.testing.assert_allclose(answer, oracle(DIGITS, images[:size]), atol=1e-4)
    assert predictor.describe()["optimization"] == "inductor"


@pytest.mark.heavy
def test_a_package_compiled_ahead_runs_and_cannot_be_changed(tmp_path: Path) -> None:
    """It is told from an exported program by what is in it."""
    package = tmp_path / "compiled.pt2"
    with quiet():
        program = torch.export.export(torch.nn.Linear(4, 3).eval(), (torch.ones(1, 4),))
        torch._inductor.aoti_compile_and_package(program, package_path=str(package))
    predictor = Torch(model=package).open()
    batch = np.ones((1, 4), np.float32)
    expected = program.module()(torch.ones(1, 4)).detach().numpy()
    np.testing.assert_allclose(predictor.predict(batch), expected, atol=1e-6)
    assert predictor.describe()["mode"] == "aot"
    assert "precision" not in predictor.describe()
    with pytest.raises(SystemSetupError, match="is compiled already: leave out mode, precision"):
        Torch(model=package, precision="float64").open()


def test_double_precision_is_an_oracle(images: Any) -> None:
    """Nearer to the truth than single precision, and given as it is."""
    double = Torch(model=DIGITS, precision="float64").open()
    answer = double.predict(images)
    assert answer.dtype == np.float64
    assert double.describe()["precision"] == "float64"
    single = oracle(DIGITS, images)
    assert 0 < np.abs(answer - single).max() < 1e-4


@pytest.mark.parametrize(
    ("settings", "precision"),
    [
        ({"precision": "bfloat16"}, "bfloat16"),
        ({"precision": "float16"}, "float16"),
        ({"autocast": "bfloat16"}, "bfloat16"),
        ({"autocast": "bfloat16", "mode": "export"}, "bfloat16"),
        ({"autocast": "bfloat16", "mode": "trace"}, "bfloat16"),
    ],
)
def test_a_lower_precision_shows(images: Any, settings: dict[str, Any], precision: str) -> None:
    """In the answers, which stay float32, and in what the system says of itself."""
    predictor = Torch(model=DIGITS, **settings).open()
    answer = predictor.predict(images)
    assert answer.dtype == np.float32
    assert 1e-4 < np.abs(answer - oracle(DIGITS, images)).max() < 1
    assert predictor.describe()["precision"] == precision


def test_settings_of_the_process_are_read_back(images: Any) -> None:
    """Threads and the precision of matrix products; where that lowers convolutions, it shows."""
    before = torch.get_float32_matmul_precision(), torch.get_num_threads()
    try:
        predictor = Torch(model=DIGITS, threads=2, matmul_precision="medium").open()
        said = predictor.describe()
        assert (said["threads"], said["matmul_precision"]) == (2, "medium")
        error = np.abs(predictor.predict(images[:1]) - oracle(DIGITS, images[:1])).max()
        assert said["precision"] == ("bfloat16+float32" if error > 1e-3 else "float32")
        said = Torch(model=DIGITS, threads=1).open().describe()
        assert (said["threads"], said["matmul_precision"]) == (1, "medium")
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.set_num_threads(before[1])


def test_a_function_makes_the_module(nets: Path) -> None:
    """Its arguments are the inputs' names, in any order; outputs are read by name."""
    check_system(Torch(call="torch_nets:linear", folder=nets), np.ones((1, 4), np.float32))
    one, two = floats([[1, 2]]), floats([[10, 20]])
    for mode in ("eager", "trace", "export"):
        system = Torch(call="torch_nets:both", folder=nets, mode=mode)
        predictor = system.open()
        predictor.check({"right": two, "left": one})
        answer = predictor.predict({"right": two, "left": one})
        assert {name: values.tolist() for name, values in answer.items()} == {
            "sum": [[11, 22]],
            "difference": [[-9, -18]],
        }
    single = Torch(call="torch_nets:both", folder=nets, output="difference").open()
    single.check({"left": one, "right": two})
    assert single.predict({"left": one, "right": two}).tolist() == [[-9, -18]]
    assert system.fingerprint() is None
    skipping = Torch(call="torch_nets:three", folder=nets).open()
    skipping.check({"c": one, "a": two})
    assert skipping.predict({"c": one, "a": two}).tolist() == [[9, 18]]


def test_read_only_arrays_are_taken_in_silence(nets: Path) -> None:
    """PyTorch warns of them; nothing writes to an input."""
    batch = np.ones((1, 4), np.float32)
    batch.flags.writeable = False
    Torch(call="torch_nets:linear", folder=nets).open().predict(batch)


def test_an_exported_program_keeps_its_free_axes_and_names(tmp_path: Path) -> None:
    """A program saved by torch.export.save declares its inputs, keyword ones too."""

    class Scaled(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, image: Any, *, scale: Any) -> Any:
            return image * scale, image.sum(dim=1)

    example = (torch.ones(2, 3),), {"scale": torch.ones(1)}
    rows = torch.export.Dim("rows", min=1, max=64)
    program = torch.export.export(
        Scaled(), *example, dynamic_shapes={"image": {0: rows}, "scale": None}
    )
    torch.export.save(program, tmp_path / "scaled.pt2")
    for mode in ("eager", "export"):
        predictor = Torch(model=tmp_path / "scaled.pt2", mode=mode).open()
        batch = {"image": floats([[1, 2, 3]] * 5), "scale": floats([2])}
        predictor.check(batch)
        scaled, total = predictor.predict(batch).values()
        assert scaled.tolist() == [[2, 4, 6]] * 5
        assert total.tolist() == [6] * 5
    inputs = predictor.describe()["inputs"]
    assert list(inputs) == ["image", "scale"]
    assert inputs["scale"] == "float32 [1]"
    with pytest.raises(SystemSetupError, match="input 'image' takes float32"):
        predictor.check({**batch, "image": np.ones((5, 4), np.float32)})


class _Bomb:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("where", ["sample_inputs/model.pt", "constants/opaque_obj_0"])
def test_nothing_is_unpickled(tmp_path: Path, where: str) -> None:
    """A pickle inside a .pt2 that would run something is refused, and does not run."""
    path = exported(tmp_path / "good.pt2", torch.nn.Linear(4, 3), (torch.ones(1, 4),))
    bad, fuse = tmp_path / "bad.pt2", tmp_path / "exploded"
    bomb = tmp_path / "bomb"
    torch.save((_Bomb(fuse),), bomb)
    content = bomb.read_bytes() if "sample" in where else pickle.dumps(_Bomb(fuse))
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            if not name.endswith(where):
                target.writestr(name, source.read(name))
        target.writestr(f"{source.namelist()[0].partition('/')[0]}/data/{where}", content)
    with pytest.raises(SystemSetupError, match=r"cannot be loaded|holds pickled objects"):
        Torch(model=bad).open()
    assert not fuse.exists()


def test_outputs_have_the_names_of_the_graph(tmp_path: Path) -> None:
    """Whatever order the graph gives a node's outputs in, and masks that nobody reads apart."""
    split = helper.make_node("Split", ["y"], ["a", "b", "c"], axis=1)
    drop = helper.make_node("Dropout", ["x"], ["y", "mask"])
    model = saved(tmp_path / "split.onnx", [drop, split], [1, 3], {"c": [1, 1], "a": [1, 1]})
    answer = Torch(model=model).open().predict(floats([[1, 2, 3]]))
    assert {name: values.item() for name, values in answer.items()} == {"c": 3, "a": 1}


def test_old_operators_are_brought_forward(tmp_path: Path) -> None:
    """onnx2torch has no MaxPool of opset 7."""
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
    model = saved(tmp_path / "old.onnx", [pool], [1, 1, 2, 2], {"y": [1, 1, 1, 1]}, opset=7)
    batch = floats([[[[1, 2], [4, 3]]]])
    assert Torch(model=model).open().predict(batch).item() == 4


def test_an_operator_that_changed_since_is_not_taken_for_the_old(tmp_path: Path) -> None:
    """Resize with antialiasing is refused, since onnx2torch would leave that out."""
    resize = helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear", antialias=1)
    half = {"s": floats([1, 1, 0.5, 0.5])}
    model = saved(
        tmp_path / "new.onnx", [resize], [1, 1, 4, 4], {"y": [1, 1, 2, 2]}, half, opset=18
    )
    with pytest.raises(SystemSetupError, match=r"onnx2torch cannot make .*Resize"):
        Torch(model=model).open()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "takes a model or a call, one of them"),
        ({"model": DIGITS, "call": "a:b"}, "takes a model or a call, one of them"),
        ({"model": Path("absent.onnx")}, "model 'absent.onnx' does not exist"),
        ({"model": Path(__file__)}, "is neither .onnx nor .pt2"),
        ({"model": DIGITS, "threads": 0}, "system.threads is 0: give 1 or more"),
        ({"model": DIGITS, "device": "gpu"}, "system.device is 'gpu': give cpu, cuda"),
        ({"model": DIGITS, "device": "meta"}, "system.device is 'meta': give cpu, cuda"),
        ({"model": DIGITS, "device": "cuda:99"}, "system.device is 'cuda:99' and torch"),
        ({"model": DIGITS, "output": "score"}, r"no output 'score' \(did you mean 'scores'\?\)"),
        ({"call": "torch_nets:broken"}, "call 'torch_nets:broken' failed: ValueError: no weights"),
        ({"call": "torch_nets:number"}, "gives a int: let it return a torch.nn.Module"),
        ({"call": "torch_nets:absent"}, "has no function 'absent'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(nets: Path, settings: dict[str, Any], says: str) -> None:
    """The value, and the way out."""
    with pytest.raises(SystemSetupError, match=says) as caught:
        Torch(folder=nets, **settings).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["junk.pt2", "junk.onnx"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, name: str) -> None:
    """Rather than read as one."""
    (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(SystemSetupError, match=name):
        Torch(model=tmp_path / name).open()


def test_names_the_module_does_not_take_are_told(nets: Path) -> None:
    """With those it takes."""
    predictor = Torch(call="torch_nets:both", folder=nets).open()
    one = np.ones((1, 2), np.float32)
    with pytest.raises(SystemSetupError, match="the module takes left, right and the workload"):
        predictor.check({"left": one, "wrong": one})


@pytest.mark.heavy
def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mode that needs none."""
    from torch._inductor import config, cpp_builder

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    for cached in (cpp_builder.get_cpp_compiler, cpp_builder.check_compiler_exist_windows):
        getattr(cached, "cache_clear", lambda: None)()
    with pytest.raises(SystemSetupError, match="'aot' needs a C\\+\\+ compiler and finds none"):
        Torch(model=DIGITS, mode="aot").open()


def test_the_settings_and_the_fingerprint_are_plain(nets: Path) -> None:
    """The fingerprint is the file's, whatever runs it."""
    system = Torch(model=DIGITS)
    assert system.describe()["model"] == "digits.onnx"
    assert system.fingerprint() == OnnxRuntime(model=DIGITS).fingerprint()
    assert Torch(call="torch_nets:both", folder=nets).describe()["call"] == "torch_nets:both"
