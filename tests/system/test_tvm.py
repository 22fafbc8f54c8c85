"""TVM's pipelines, levels and targets move bits only, and are told as they took effect."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailmark.errors import SystemSetupError
from tailmark.system.onnxruntime import OnnxRuntime
from tailmark.system.tvm import Tvm
from tailmark.testing import check_batches, check_system

pytestmark = pytest.mark.heavy

DIGITS = Path(__file__).parents[2] / "src" / "tailmark" / "data" / "digits.onnx"


@pytest.fixture(autouse=True)
def _there() -> None:
    pytest.importorskip("tvm", reason="apache-tvm is not installed")


@pytest.fixture(scope="module")
def images() -> Any:
    """Digits as the network takes them."""
    with np.load(DIGITS.with_suffix(".npz")) as kept:
        return (kept["images"][:20, None] / 16).astype(np.float32)


def test_it_keeps_the_system_contract(images: Any) -> None:
    """One by one and in batches, whose size the graph leaves free."""
    check_system(Tvm(model=DIGITS), images[:1])
    check_batches(Tvm(model=DIGITS), images[:2])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pipeline": "default_build"},
        {"pipeline": "zero"},
        {"pipeline": "target"},
        {"opt_level": 0},
        {"opt_level": 4},
        {"cpu": "native"},
    ],
)
def test_no_setting_changes_more_than_rounding(images: Any, settings: dict[str, Any]) -> None:
    """Held against ONNX Runtime with its optimisation off."""
    predictor = Tvm(model=DIGITS, **settings).open()
    expected = OnnxRuntime(model=DIGITS, optimization="disable").open().predict(images[:1])
    np.testing.assert_allclose(predictor.predict(images[:1]), expected, atol=1e-4)
    said = predictor.describe()
    assert said["opt_level"] == settings.get("opt_level", 2)
    assert (said["threads"], said["device"], said["precision"]) == (1, "cpu", "float32")
    assert said["target"]["kind"] == "llvm"
    assert ("mcpu" in said["target"]) == ("cpu" in settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"target": "lvm"}, "system.target is 'lvm'"),
        ({"target": "{nonsense"}, "system.target is '{nonsense'"),
        ({"device": "gpu"}, "system.device is 'gpu'"),
        ({"device": "cuda:99"}, "system.device is 'cuda:99' and this TVM finds none"),
        ({"threads": 2}, "system.threads is 2 and TVM has begun with 1 in this process"),
        ({"output": "score"}, r"no output 'score' \(did you mean 'scores'\?\)"),
        ({"model": Path("absent.onnx")}, "model 'absent.onnx' does not exist"),
    ],
)
def test_what_does_not_fit_is_one_sentence(settings: dict[str, Any], says: str) -> None:
    """The value, and the way out."""
    Tvm(model=DIGITS).open()
    with pytest.raises(SystemSetupError, match=says) as caught:
        Tvm(**{"model": DIGITS, **settings}).open()
    assert "\n" not in str(caught.value)
