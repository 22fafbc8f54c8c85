"""TensorFlow and Keras as a system; heavy, and so at home in the process system."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tailmark.errors import InputError, SystemSetupError
from tailmark.system.base import Batch, Predictor
from tailmark.system.function import function_of
from tailmark.system.model_file import check_threads, fingerprint
from tailmark.system.native_output import caught
from tailmark.system.tensorflow_models import (
    LiteModel,
    Source,
    arrays_of,
    keras_file,
    made,
    saved_model,
)

_FORMS = "a .keras file, a SavedModel's folder, or a .tflite file"
_BFLOAT16 = "auto_mixed_precision_onednn_bfloat16"
_NARROW_FIRST = {19: "float16", 14: "bfloat16", 1: "float32", 2: "float64"}
"""By their numbers in TensorFlow's types.proto."""


@dataclass(frozen=True, kw_only=True)
class TensorFlow:
    """A model run by TensorFlow; outputs are on the host when a call returns.

    TensorFlow takes its threads, its oneDNN and its precision once a process.

    Args:
        model: A ``.keras`` file, a SavedModel's folder, or a ``.tflite`` file.
        call: Instead: ``"module:function"``, which gives a Keras model or a callable of tensors.
        threads: Threads inside one operator.
        inter_threads: Operators at once.
        mode: As a graph, or operator by operator.
        xla: Whether XLA compiles the graph.
        onednn: Whether oneDNN's operators are used; null for TensorFlow's default.
        precision: What products and convolutions are computed in; null for TensorFlow's default.
        device: Where it runs.
        output: The model's output to read, where it has several.
        folder: Where the module is looked for first; the experiment's folder.
    """

    model: Path | None = None
    call: str | None = None
    threads: int = 1
    inter_threads: int = 1
    mode: Literal["graph", "eager"] = "graph"
    xla: bool = False
    onednn: bool | None = None
    precision: Literal["float32", "bfloat16"] | None = None
    device: Literal["cpu", "gpu"] = "cpu"
    output: str | None = None
    folder: Path = Path()

    def open(self) -> Predictor:
        """Load the model.

        Raises:
            SystemSetupError: A missing or corrupt file, or settings TensorFlow does not have.
        """
        check_threads(threads=self.threads, inter_threads=self.inter_threads)
        self._check()
        with _silent():
            _set_up(self)
            try:
                return self._opened()
            except InputError:
                raise
            except Exception as cause:  # what is read may be anything
                reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
                raise SystemSetupError(
                    f"model {str(self.model or self.call)!r} cannot be loaded: {reason}"
                ) from cause

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part."""
        return {
            "kind": "tensorflow",
            "model": self.model.name if self.model else None,
            "call": self.call,
            "threads": self.threads,
            "inter_threads": self.inter_threads,
            "mode": self.mode,
            "xla": self.xla,
            "onednn": self.onednn,
            "precision": self.precision,
            "device": self.device,
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the file, or of the hashes of a SavedModel's files; None for a function."""
        return None if self.model is None else fingerprint(self.model)

    def _check(self) -> None:
        if (self.model is None) == (self.call is None):
            raise SystemSetupError(f"tensorflow needs one of two: model ({_FORMS}), or call")
        if self.xla and self.mode == "eager":
            raise SystemSetupError("xla compiles a graph: set mode: graph, or xla: false")
        if self.precision == "bfloat16" and (self.xla or self.mode == "eager"):
            raise SystemSetupError(
                "precision bfloat16 is set in a graph by TensorFlow's own optimiser: set mode: "
                "graph and xla: false"
            )
        if self.model is None:
            return
        lite = self.model.suffix == ".tflite"
        if not (self.model.is_file() or (self.model / "saved_model.pb").is_file()):
            raise SystemSetupError(f"model {str(self.model)!r} does not exist: give {_FORMS}")
        if self.model.is_file() and not lite and self.model.suffix != ".keras":
            raise SystemSetupError(f"model {self.model.name!r} is no model: give {_FORMS}")
        if lite and (self.xla or self.mode == "eager" or self.precision or self.device != "cpu"):
            raise SystemSetupError(
                f"model {self.model.name!r} runs by TensorFlow Lite: it has no mode, xla, "
                "precision and device, leave them out"
            )

    def _opened(self) -> Predictor:
        if self.model is None:
            call = function_of(self.call or "", self.folder, "call")
            return _Model(made(call, self.call or "", self.output), self)
        if self.model.suffix == ".tflite":
            return _Lite(LiteModel(self.model, self.threads, self.output))
        load = saved_model if self.model.is_dir() else keras_file
        return _Model(load(self.model, self.output), self)


def _set_up(recipe: TensorFlow) -> None:
    """Import TensorFlow and set what holds for the whole process.

    Raises:
        SystemSetupError: It is not there, or was set up otherwise before.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if recipe.onednn is not None and "tensorflow" not in sys.modules:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(recipe.onednn))
    try:
        import tensorflow as tf
    except ImportError as cause:
        raise SystemSetupError(
            "system tensorflow needs the package tensorflow: pip install tensorflow, best into an "
            "environment of its own, and name that in kind: process"
        ) from cause
    if recipe.onednn is not None and _onednn() != recipe.onednn:
        raise SystemSetupError(
            f"onednn is {recipe.onednn!r}, which this TensorFlow does not have or was loaded "
            "without: run it with kind: process, or leave onednn out"
        )
    gpus = tf.config.list_physical_devices("GPU")
    if recipe.device == "gpu" and not gpus:
        raise SystemSetupError("device 'gpu': this TensorFlow finds no GPU, set device: cpu")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(recipe.threads)
        tf.config.threading.set_inter_op_parallelism_threads(recipe.inter_threads)
        if recipe.device == "cpu" and gpus:
            tf.config.set_visible_devices([], "GPU")
    except RuntimeError as cause:
        raise SystemSetupError(
            "TensorFlow was set up otherwise in this process already, and takes its threads and "
            "devices once: run it with kind: process"
        ) from cause
    if recipe.precision is not None:
        tf.config.optimizer.set_experimental_options({_BFLOAT16: recipe.precision == "bfloat16"})


def _onednn() -> bool | None:
    """Whether oneDNN's operators are in effect; None where this version does not tell."""
    try:
        from tensorflow.python.util import _pywrap_util_port as port

        return bool(port.IsMklEnabled())
    except (ImportError, AttributeError):
        return None


def _process_facts() -> dict[str, Any]:
    import tensorflow as tf

    onednn = _onednn()
    return {"version": tf.__version__, **({} if onednn is None else {"onednn": onednn})}


class _Model:
    fresh = True

    def __init__(self, source: Source, recipe: TensorFlow) -> None:
        import tensorflow as tf

        if recipe.mode == "eager" and not source.eager:
            raise SystemSetupError("a SavedModel is a graph: set mode: graph")
        self._source = source
        self._mode = recipe.mode
        self._device = f"/{recipe.device.upper()}:0"
        self._tensor = tf.convert_to_tensor
        self._run = source.run
        if recipe.mode == "graph":
            self._run = tf.function(source.run, jit_compile=recipe.xla)
        self._learned: dict[str, Any] | None = None

    def predict(self, batch: Batch) -> Any:
        if self._learned is None:
            with _silent():
                outputs = self._first(batch)
        else:
            outputs = self._run(*self._tensors(batch))
        arrays = arrays_of(outputs)
        return arrays if self._source.interface is None else self._source.interface.read(arrays)

    def check(self, batch: Batch) -> None:
        if self._source.interface is not None:
            self._source.interface.check(batch)

    def describe(self) -> dict[str, Any]:
        import tensorflow as tf

        interface = self._source.interface
        return {
            "kind": "tensorflow",
            **_process_facts(),
            "threads": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_threads": tf.config.threading.get_inter_op_parallelism_threads(),
            "mode": self._mode,
            **(self._learned or {}),
            **({} if interface is None else interface.describe()),
        }

    def _tensors(self, batch: Batch) -> list[Any]:
        interface = self._source.interface
        if interface is not None:
            return [self._tensor(values) for values in interface.ordered(batch)]
        if isinstance(batch, dict):
            return [{name: self._tensor(values) for name, values in batch.items()}]
        return [self._tensor(batch)]

    def _first(self, batch: Batch) -> Any:
        """Answer, and look at the graph that TensorFlow's optimiser made of the model."""
        import tensorflow as tf
        from tensorflow.python.eager import context

        live = context.context()
        live.enable_graph_collection()
        try:
            with tf.device(self._device):
                tensors = self._tensors(batch)
                outputs = self._run(*tensors)
            graphs = live.export_run_metadata().partition_graphs
        finally:
            live.disable_graph_collection()
        learned: dict[str, Any] = {"xla": False}
        if self._mode == "graph":
            concrete: Any = self._run.get_concrete_function(*tensors)  # type: ignore[attr-defined]
            learned["xla"] = bool(concrete.function_def.attr["_XlaMustCompile"].b)
        computed = None if learned["xla"] else _computed_in(graphs)
        if computed is None and self._mode == "eager":
            computed = next(iter(self._source.dtypes)) if len(self._source.dtypes) == 1 else None
        if computed is not None:
            learned["precision"] = computed
        one = tf.nest.flatten(outputs)[0]
        learned["device"] = one.device.rpartition("device:")[2]
        self._learned = learned
        return outputs


def _computed_in(graphs: Any) -> str | None:
    """The narrowest type of a convolution or product; None where a graph shows none."""
    types = {
        node.attr["T"].type
        for graph in graphs
        for node in graph.node
        if "Conv" in node.op or "MatMul" in node.op or node.op == "Einsum"
    }
    return next((name for number, name in _NARROW_FIRST.items() if number in types), None)


class _Lite:
    fresh = True

    def __init__(self, model: LiteModel) -> None:
        self._model = model
        self.check = model.interface.check

    def predict(self, batch: Batch) -> Any:
        interface = self._model.interface
        return interface.read(self._model.run(interface.ordered(batch)))

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "tensorflow",
            **_process_facts(),
            "mode": "lite",
            "device": "CPU",
            **self._model.interface.describe(),
        }


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing of TensorFlow's talk while it loads, which no setting silences altogether."""
    with caught(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
