"""A system that reads digits lying on their side."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tailmark import OnnxRuntime


@cache
def network() -> Any:
    """The packaged one."""
    return OnnxRuntime(model=Path(str(files("tailmark") / "data" / "digits.onnx"))).open()


def read(batch: Any) -> Any:
    """Scores of the digit turned."""
    return network().predict(np.ascontiguousarray(batch.swapaxes(2, 3)))
