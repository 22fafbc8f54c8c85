"""TensorFlow, in an interpreter of its own, computes what NumPy does, in whatever form it is given.

Its interpreter is named by TAILMARK_TENSORFLOW_PYTHON.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailmark.errors import SystemSetupError
from tailmark.recipes import build
from tailmark.system.process import Process
from tailmark.system.tensorflow import TensorFlow
from tailmark.testing import check_batches, check_system

PYTHON = os.environ.get("TAILMARK_TENSORFLOW_PYTHON")
heavy = pytest.mark.heavy

MAKE = '''
"""A convolution, a mean and a product of given weights, in each form; and one of two inputs."""
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
keras = tf.keras

folder = Path(sys.argv[1])

def network():
    weights = np.load(Path(__file__).parent / "weights.npz")
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(16, 3, activation="relu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(5, name="scores")(x))
    model.set_weights([weights[name] for name in ("kernel", "bias", "matrix", "offset")])
    return model

def summed():
    return lambda image: tf.reduce_sum(image, axis=(1, 2))

def nothing():
    return 3

if __name__ == "__main__":
    model = network()
    model.save(folder / "net.keras")
    model.export(folder / "net", verbose=False)
    lite = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "net.tflite").write_bytes(lite)
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    two = keras.Model({"a": a, "b": b}, [keras.layers.Add(name="sum")([a, b]),
                                         keras.layers.Subtract(name="difference")([a, b])])
    two.save(folder / "two.keras")
'''


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter that has TensorFlow."""
    if not PYTHON:
        pytest.skip("TAILMARK_TENSORFLOW_PYTHON names no interpreter with tensorflow")
    return Path(PYTHON)


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    """Drawn, and so that scores lie about 1 apart."""
    draw = np.random.default_rng(3).normal
    return {
        "kernel": draw(size=(3, 3, 3, 16)).astype(np.float32),
        "bias": draw(size=16).astype(np.float32),
        "matrix": draw(size=(16, 5)).astype(np.float32),
        "offset": draw(size=5).astype(np.float32),
    }


@pytest.fixture(scope="module")
def folder(python: Path, weights: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models, made there."""
    there = tmp_path_factory.mktemp("models")
    (there / "own_networks.py").write_text(MAKE)
    np.savez(there / "weights.npz", **weights)
    subprocess.run([python, there / "own_networks.py", there], check=True, capture_output=True)
    return there


@pytest.fixture(scope="module")
def images() -> Any:
    """Four, of noise."""
    return np.random.default_rng(4).normal(size=(4, 8, 8, 3)).astype(np.float32)


def by_numpy(weights: dict[str, Any], images: Any) -> Any:
    """The scores in double precision, by the definition of a convolution."""
    windows = np.lib.stride_tricks.sliding_window_view(images.astype(np.float64), (3, 3), (1, 2))
    features = np.einsum("nijcuv,uvco->nijo", windows, weights["kernel"]) + weights["bias"]
    pooled = np.maximum(features, 0).mean(axis=(1, 2))
    return pooled @ weights["matrix"] + weights["offset"]


@heavy
@pytest.mark.parametrize(
    ("settings", "effective"),
    [
        ({"model": "net.keras"}, {"mode": "graph", "xla": False, "precision": "float32"}),
        ({"model": "net.keras", "mode": "eager"}, {"mode": "eager", "precision": "float32"}),
        ({"model": "net.keras", "xla": True}, {"xla": True}),
        ({"model": "net.keras", "onednn": False, "threads": 2}, {"onednn": False, "threads": 2}),
        ({"model": "net"}, {"mode": "graph", "threads": 1, "device": "CPU:0"}),
        ({"model": "net", "xla": True}, {"xla": True}),
        ({"model": "net.tflite"}, {"mode": "lite"}),
        ({"call": "own_networks:network"}, {"outputs": ["scores"]}),
    ],
    ids=str,
)
def test_it_computes_what_numpy_does(
    python: Path,
    folder: Path,
    weights: dict[str, Any],
    images: Any,
    settings: dict[str, Any],
    effective: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In each form and mode, and tells what is in effect."""
    options = {"kind": "process", "python": str(python), "system": {"kind": "tensorflow"}}
    options["system"] = {"kind": "tensorflow", **settings}
    predictor = build("systems", "system", options, folder).open()
    predictor.check(images[:1])
    scores = predictor.predict(images)
    np.testing.assert_allclose(scores, by_numpy(weights, images), rtol=0, atol=1e-4)
    described = predictor.describe()
    assert effective.items() <= described.items()
    assert described["process"]["packages"].keys() & {"tensorflow", "tensorflow_cpu"}
    assert capfd.readouterr() == ("", "")
    if "model" in settings:
        with pytest.raises(SystemSetupError, match=r"takes float32 \[\S+ 8, 8, 3\]"):
            predictor.check(images[:, :4])


@heavy
def test_bfloat16_shows_in_the_graph(
    python: Path, folder: Path, weights: dict[str, Any], images: Any
) -> None:
    """Where it was set, products are narrow, and scores off by about their 8 bits."""
    system = TensorFlow(model=folder / "net.keras", precision="bfloat16")
    predictor = Process(python=python, system=system).open()
    scores = predictor.predict(images)
    if predictor.describe()["precision"] != "bfloat16":
        pytest.skip("this processor's TensorFlow computes no bfloat16")
    off = np.abs(scores - by_numpy(weights, images)).max()
    assert 1e-4 < off < 0.5


@heavy
def test_it_keeps_the_system_contract(python: Path, folder: Path, images: Any) -> None:
    """In a batch, too; several outputs come by name."""
    system = Process(python=python, system=TensorFlow(model=folder / "net.keras"))
    check_system(system, images[:1])
    check_batches(system, images)
    files = replace(system, system=TensorFlow(model=folder / "net")).fingerprint()
    assert files != system.fingerprint()
    pair = {"a": np.array([[1, 2]], np.float32), "b": np.array([[5, 7]], np.float32)}
    two: Any = Process(python=python, system=TensorFlow(model=folder / "two.keras")).open()
    answers = two.predict(pair)
    assert {name: answer.tolist() for name, answer in answers.items()} == {
        "sum": [[6, 9]],
        "difference": [[-4, -5]],
    }


@heavy
def test_a_callable_of_tensors_will_do(python: Path, folder: Path, images: Any) -> None:
    """Of which no more is known."""
    system = TensorFlow(call="own_networks:summed", folder=folder)
    predictor: Any = Process(python=python, system=system).open()
    np.testing.assert_allclose(predictor.predict(images), images.sum(axis=(1, 2)), atol=1e-4)
    with pytest.raises(SystemSetupError, match="'own_networks:nothing' gives a int: let it give"):
        Process(python=python, system=replace(system, call="own_networks:nothing")).open()


@heavy
def test_a_model_that_cannot_be_loaded_is_named(python: Path, folder: Path) -> None:
    """In one sentence."""
    (folder / "broken.keras").write_bytes(b"no model")
    for system, says in (
        (TensorFlow(model=folder / "broken.keras"), "broken.keras' cannot be loaded: "),
        (TensorFlow(model=folder / "net", mode="eager"), "a SavedModel is a graph"),
        (TensorFlow(model=folder / "net.keras", output="x"), "the model has no output 'x'"),
        (TensorFlow(model=folder / "net.keras", device="gpu"), "finds no GPU, set device: cpu"),
    ):
        with pytest.raises(SystemSetupError, match=says):
            Process(python=python, system=system).open()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "tensorflow needs one of two: model"),
        ({"model": Path("a.keras"), "call": "a:b"}, "needs one of two"),
        ({"model": Path("absent.keras")}, "does not exist: give a .keras file, a SavedModel"),
        ({"model": Path(__file__)}, "is no model: give"),
        ({"call": "a:b", "xla": True, "mode": "eager"}, "xla compiles a graph"),
        ({"call": "a:b", "precision": "bfloat16", "xla": True}, "set mode: graph and xla: false"),
        ({"call": "a:b", "threads": 0}, "threads is 0: give 1 or more"),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings: dict[str, Any], says: str) -> None:
    """Before TensorFlow is imported."""
    with pytest.raises(SystemSetupError, match=says):
        TensorFlow(**settings).open()
    assert "tensorflow" not in sys.modules


def test_without_tensorflow_the_way_out_is_told(tmp_path: Path) -> None:
    """Which is an environment of its own."""
    if "tensorflow" in sys.modules:
        pytest.skip("tensorflow is here")
    (tmp_path / "a.keras").touch()
    system = Process(python=Path(sys.executable), system=TensorFlow(model=tmp_path / "a.keras"))
    with pytest.raises(SystemSetupError, match=r"needs the package tensorflow: .*kind: process"):
        system.open()
