"""Values as JSON, for an interpreter of another version: arrays, recipes, paths, tuples.

What JSON has no word for is an object of one key, which says what it is. Arrays lie in a region.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.interpreter.region import Region

_PLAIN = "biufcmMSU"


def packed(value: Any, region: Region) -> Any:
    """A value as JSON has it; its arrays are copied into the region.

    Raises:
        TypeError: It has something that cannot be told.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    told: Any
    if isinstance(value, list):
        told = [packed(one, region) for one in value]
    elif isinstance(value, tuple):
        told = {"tuple": [packed(one, region) for one in value]}
    elif isinstance(value, Mapping):
        told = {"mapping": [[packed(k, region), packed(v, region)] for k, v in value.items()]}
    elif isinstance(value, Path):
        told = {"path": str(value)}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: packed(getattr(value, f.name), region) for f in dataclasses.fields(value)}
        told = {"recipe": [type(value).__module__, type(value).__qualname__, fields]}
    elif hasattr(value, "__array__"):
        told = _packed_array(np.asarray(value), region)
    else:
        raise TypeError(f"a {type(value).__name__} cannot be told to another interpreter")
    return told


def _packed_array(values: npt.NDArray[Any], region: Region) -> Any:
    if values.dtype.kind == "O" and all(isinstance(one, str) for one in values.flat):
        return {"texts": [list(values.shape), [str(one) for one in values.flat]]}
    if values.dtype.isbuiltin == 2:  # bfloat16 and smaller floats, which float32 holds exactly
        values = values.astype(np.float32)
    if values.dtype.kind not in _PLAIN:
        raise TypeError(f"an array of {values.dtype} cannot be told to another interpreter")
    return {"array": [values.dtype.str, list(values.shape), region.place(values)]}


def unpacked(told: Any, region: Region, *, copy: bool) -> Any:
    """The value again.

    Args:
        told: What `packed` made of it.
        region: Where its arrays lie.
        copy: Whether arrays are to outlast what is written there next.

    Raises:
        ImportError: This interpreter does not find a recipe's module.
    """
    if isinstance(told, list):
        return [unpacked(one, region, copy=copy) for one in told]
    if not isinstance(told, dict):
        return told
    ((what, content),) = told.items()
    return _READERS[what](content, region, copy)


def _array(content: Any, region: Region, copy: bool) -> npt.NDArray[Any]:
    kind, shape, offset = content
    view = region.view(kind, tuple(shape), offset)
    return view.copy() if copy else view


def _texts(content: Any, region: Region, copy: bool) -> npt.NDArray[Any]:
    del region, copy
    shape, texts = content
    values = np.empty(len(texts), object)
    values[:] = texts
    return values.reshape(shape)


def _recipe(content: Any, region: Region, copy: bool) -> Any:
    module, name, fields = content
    kind = getattr(importlib.import_module(module), name)
    return kind(**{key: unpacked(one, region, copy=copy) for key, one in fields.items()})


_READERS: dict[str, Callable[[Any, Region, bool], Any]] = {
    "array": _array,
    "texts": _texts,
    "path": lambda content, _region, _copy: Path(content),
    "tuple": lambda content, *how: tuple(unpacked(content, how[0], copy=how[1])),
    "mapping": lambda content, *how: dict(unpacked(content, how[0], copy=how[1])),
    "recipe": _recipe,
}
