"""What TensorFlow runs: a Keras file, a SavedModel, or what a function gives, as one function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import SystemSetupError
from tailmark.system.interface import Interface, wanted_outputs

_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Source:
    """A model as a function of tensors.

    Args:
        run: Tensors, in the order of the inputs, to a list of tensors in the order of the outputs.
        interface: None where the model does not tell.
        dtypes: The types its layers compute in; empty where it does not tell.
        holds: What must live as long as the function.
        eager: Whether it can run operator by operator.
    """

    run: Callable[..., Any]
    interface: Interface | None
    dtypes: frozenset[str]
    holds: Any
    eager: bool = True


def keras_file(path: Path, output: str | None) -> Source:
    """A ``.keras`` file; code in it is not run."""
    import tensorflow as tf

    return keras_model(tf.keras.models.load_model(path, compile=False, safe_mode=True), output)


def keras_model(model: Any, output: str | None) -> Source:
    """A Keras model."""
    import tensorflow as tf

    dtypes = frozenset(str(layer.compute_dtype) for layer in model._flatten_layers())  # noqa: SLF001 - layers within layers, too
    try:
        inputs, names = model.inputs, list(model.output_names)
        structure = model.input
    except (AttributeError, ValueError):  # a model that is code declares nothing
        return function(lambda *given: model(*given, training=False), model, dtypes)
    wanted = wanted_outputs(names, output)
    places = [names.index(name) for name in wanted]

    def run(*given: Any) -> list[Any]:
        flat = tf.nest.flatten(
            model(tf.nest.pack_sequence_as(structure, list(given)), training=False)
        )
        return [flat[place] for place in places]

    takes = {one.name: (str(one.dtype), list(one.shape)) for one in inputs}
    return Source(run, Interface(takes, wanted), dtypes, model)


def saved_model(folder: Path, output: str | None) -> Source:
    """A SavedModel's signature ``serving_default``, or its only one.

    Raises:
        SystemSetupError: It has no such signature.
    """
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    signatures = list(model.signatures)
    if _SIGNATURE not in signatures and len(signatures) != 1:
        raise SystemSetupError(
            f"model {str(folder)!r} has the signatures {', '.join(signatures) or 'none'}: export "
            f"it with one called {_SIGNATURE}"
        )
    call = model.signatures[_SIGNATURE if _SIGNATURE in signatures else signatures[0]]
    specs = call.structured_input_signature[1]
    wanted = wanted_outputs(list(call.structured_outputs), output)

    def run(*given: Any) -> list[Any]:
        outputs = call(**dict(zip(specs, given, strict=True)))
        return [outputs[name] for name in wanted]

    takes = {name: (spec.dtype.name, _shape(spec.shape)) for name, spec in specs.items()}
    return Source(run, Interface(takes, wanted), frozenset(), model, eager=False)


def function(call: Callable[..., Any], holds: Any, dtypes: frozenset[str] = frozenset()) -> Source:
    """A callable of tensors, of which nothing more is known."""
    return Source(call, None, dtypes, holds)


def made(call: Callable[[], Any], named: str, output: str | None) -> Source:
    """What a function gives: a Keras model, or a callable of tensors.

    Raises:
        SystemSetupError: It gives neither.
    """
    import tensorflow as tf

    model = call()
    if isinstance(model, tf.keras.Model):
        return keras_model(model, output)
    if not callable(model):
        raise SystemSetupError(
            f"call {named!r} gives a {type(model).__name__}: let it give a Keras model or a "
            "callable that takes tensors"
        )
    return function(model, model)


class LiteModel:
    """A ``.tflite`` file in TensorFlow's own interpreter, by its own kernels.

    Args:
        path: The file.
        threads: Inside one operator.
        output: The one to read.
    """

    def __init__(self, path: Path, threads: int, output: str | None) -> None:
        import tensorflow as tf

        self._model = tf.lite.Interpreter(model_path=str(path), num_threads=threads)
        self._model.allocate_tensors()
        inputs, outputs = self._model.get_input_details(), self._model.get_output_details()
        names = [one["name"] for one in outputs]
        wanted = wanted_outputs(names, output)
        self._inputs = [one["index"] for one in inputs]
        self._outputs = [outputs[names.index(name)]["index"] for name in wanted]
        self._shapes = [tuple(one["shape"]) for one in inputs]
        takes = {
            one["name"]: (
                str(one["dtype"].__name__),
                [None if length < 0 else int(length) for length in one["shape_signature"]],
            )
            for one in inputs
        }
        self.interface = Interface(takes, wanted)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Arrays in the order of the inputs to arrays in the order of the outputs."""
        shapes = [values.shape for values in arrays]
        if shapes != self._shapes:
            for index, shape in zip(self._inputs, shapes, strict=True):
                self._model.resize_tensor_input(index, shape)
            self._model.allocate_tensors()
            self._shapes = shapes
        for index, values in zip(self._inputs, arrays, strict=True):
            self._model.set_tensor(index, values)
        self._model.invoke()
        return [self._model.get_tensor(index) for index in self._outputs]


def _shape(shape: Any) -> list[int | None]:
    return [] if shape.rank is None else [None if d is None else int(d) for d in shape]


def arrays_of(outputs: Any) -> Any:
    """Tensors as arrays, in whatever structure they are."""
    if isinstance(outputs, Mapping):
        return {name: arrays_of(one) for name, one in outputs.items()}
    if isinstance(outputs, list | tuple):
        return [arrays_of(one) for one in outputs]
    return outputs.numpy()
