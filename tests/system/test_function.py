"""A Python callable is found by module and name, or what is wrong is said."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.errors import SystemSetupError
from tailmark.system.base import with_batch_axis
from tailmark.system.digits import DigitsNetwork
from tailmark.system.function import Function
from tailmark.testing import check_system


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An experiment's folder with a module in it."""
    (tmp_path / "own_module.py").write_text(
        "import numpy as np\n"
        "def predict(batch): return np.zeros((1, 3))\n"
        "class Model:\n"
        "    @staticmethod\n"
        "    def predict(batch): return np.ones((1, 3))\n"
        "number = 3\n"
    )
    (tmp_path / "own_broken.py").write_text("import nothing_of_this_name\n")
    return tmp_path


def test_a_function_beside_the_experiment_is_found(folder: Path) -> None:
    """Without leaving the folder on the path."""
    before = list(sys.path)
    found = Function(call="own_module:predict", folder=folder).open()
    assert found.predict(np.zeros((1, 2))).tolist() == [[0, 0, 0]]
    assert sys.path == before
    nested = Function(call="own_module:Model.predict", folder=folder).open()
    assert nested.predict(np.zeros((1, 2))).tolist() == [[1, 1, 1]]


def test_it_keeps_the_system_contract(folder: Path) -> None:
    """By name, from code, and the built-in network."""
    check_system(Function(call="own_module:predict", folder=folder), np.zeros((1, 2)))
    check_system(Function(call=lambda batch: -np.asarray(batch)), np.ones((1, 2)))
    check_system(DigitsNetwork(), np.zeros((1, 1, 8, 8), np.float32))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("own_module", "call 'own_module' is no function: write module:function"),
        (":predict", "is no function: write module:function"),
        ("own_module:", "is no function"),
        ("no_such_module:predict", "module 'no_such_module' cannot be imported: ModuleNotFound"),
        ("own_broken:predict", "cannot be imported: .*nothing_of_this_name"),
        ("own_module:nothing", "module 'own_module' has no function 'nothing'"),
        ("own_module:number", "has no function 'number'"),
        ("own_module:Model.nothing", "has no function 'Model.nothing'"),
    ],
)
def test_a_callable_that_cannot_be_had_is_named(folder: Path, call: str, says: str) -> None:
    """With where it was looked for."""
    with pytest.raises(SystemSetupError, match=says):
        Function(call=call, folder=folder).open()


def test_the_callables_name_is_kept_with_the_run() -> None:
    """Two functions are two systems."""
    assert Function(call=with_batch_axis).describe()["call"].endswith("base:with_batch_axis")
    assert Function(call="a:b").describe() == {"kind": "function", "call": "a:b"}
    assert Function(call="a:b").fingerprint() is None


def test_a_batch_of_one_has_an_axis_in_front_and_is_contiguous() -> None:
    """So that no copy is made while timing; names are kept."""
    strided = np.arange(12).reshape(3, 4).T
    batch: Any = with_batch_axis(strided)
    assert batch.shape == (1, 4, 3)
    assert batch.flags.c_contiguous
    named: Any = with_batch_axis({"a": strided, "b": 3})
    assert named["a"].shape == (1, 4, 3)
    assert named["b"].shape == (1,)


def test_the_built_in_network_reads_the_built_in_digits(tmp_path: Path) -> None:
    """98.9 % of digits it never saw."""
    run = tailmark.measure(
        tailmark.Digits(), DigitsNetwork(), out=tmp_path / "run", rounds=1, warmup=0
    )
    assert run.references.values is not None
    (one,) = run.rounds()
    right = run.outputs["labels"][one.output_id, 0] == run.references.values[one.sample]
    assert right.mean() == pytest.approx(0.989, abs=0.002)
