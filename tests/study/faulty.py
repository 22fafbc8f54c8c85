"""A network that reads digits in the red channel, and what commonly goes wrong around it."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

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
