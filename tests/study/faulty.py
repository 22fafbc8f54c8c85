"""A network that reads digits in the red channel, and what commonly goes wrong around it."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

import tailmark

MODEL = Path(str(files("tailmark") / "data" / "digits.onnx"))


@cache
def colored() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Every fifth digit, shape (72, 3, 32, 32), another digit in each channel; and what is red."""
    samples = tailmark.Digits().open()
    digits = np.stack(
        [np.asarray(samples.prepare(samples.load(i))) for i in range(0, len(samples), 5)]
    )
    labels = np.asarray(samples.references)[::5]
    red = digits.reshape(len(digits), *digits.shape[-2:])
    return np.stack([red, np.roll(red, 1, 0), np.roll(red, 2, 0)], axis=1), labels


@cache
def network() -> Any:
    """The packaged network."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


def right(batch: npt.NDArray[Any]) -> Any:
    """Scores of the digit in the red channel."""
    session = network()
    first = session.get_inputs()[0]
    red = np.ascontiguousarray(batch[:, 0]).reshape(1, *first.shape[1:])
    return session.run(None, {first.name: red})[0]


def bgr(batch: npt.NDArray[Any]) -> Any:
    """Takes the channels the other way round."""
    return right(batch[:, ::-1])


def turned(batch: npt.NDArray[Any]) -> Any:
    """Takes rows for columns."""
    return right(batch.swapaxes(2, 3))


def offset(batch: npt.NDArray[Any]) -> Any:
    """Puts a background class first, and leaves the last one out."""
    scores = right(batch)
    return np.concatenate([np.full((1, 1), -99, scores.dtype), scores[:, :-1]], axis=1)


def dropping(batch: npt.NDArray[Any]) -> Any:
    """Has no answer where the first pixels are dark in all channels but bright in a certain one."""
    if float(batch.sum()) % 1 < 0.15:
        raise RuntimeError("no output")
    return right(batch)


def convolutions(model: Any) -> list[Any]:
    """In the order of the graph."""
    return [node for node in model.graph.node if node.op_type == "Conv"]


def weights_of(model: Any, node: Any) -> Any:
    """The initializer a node reads as its second input."""
    return next(one for one in model.graph.initializer if one.name == node.input[1])


def padded_otherwise(_: Any, node: Any) -> None:
    """The same size, shifted by one."""
    pads = next(one for one in node.attribute if one.name == "pads")
    old = list(pads.ints)
    pads.ints[:] = [0, 0, old[0] + old[2], old[1] + old[3]]


def halved(model: Any, node: Any) -> None:
    """Weights rounded to float16."""
    tensor = weights_of(model, node)
    rounded = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))


def quantised(model: Any, node: Any) -> None:
    """Weights on a grid of 255 steps."""
    tensor = weights_of(model, node)
    held = numpy_helper.to_array(tensor)
    step = np.abs(held).max() / 127
    rounded = (np.rint(held / step) * step).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))


def slowed(model: Any, node: Any) -> None:
    """The same kernel in the middle of one that is far larger, and zero elsewhere."""
    tensor = weights_of(model, node)
    held, wide = numpy_helper.to_array(tensor), 3
    kernel = np.pad(held, [(0, 0), (0, 0), (wide, wide), (wide, wide)])
    tensor.CopyFrom(numpy_helper.from_array(kernel, tensor.name))
    for one in node.attribute:
        if one.name == "pads":
            one.ints[:] = [pad + wide for pad in one.ints]
        if one.name == "kernel_shape":
            one.ints[:] = [size + 2 * wide for size in one.ints]


def faulty(path: Path, fault: Callable[[Any, Any], None], which: int) -> tuple[Path, Any]:
    """The network with a fault in one of its convolutions, and that node."""
    model = onnx.load(MODEL)
    node = convolutions(model)[which]
    fault(model, node)
    onnx.save(model, path)
    return path, node
