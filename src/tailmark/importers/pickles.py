"""Pickles of plain data, read so that nothing in them runs.

A pickle is a program: whatever it names is looked up and called. Here it can name stand-ins only.
They know how numpy writes its numbers, check every part, and give lists and numbers of Python:
numpy's own rebuilding is not called either, because it trusts what a dtype says of itself.
"""

import math
import pickle
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.importers.opcodes import highest_number

LARGEST_BYTES = 2 * 2**30
"""Of a file that is read: room for some hundred million times."""

_NAME_SHOWN = 80
_PLAIN = re.compile(r"[?]|b1|[iu][1248]|f[248]|[SU][1-9]\d{0,4}")
_TORCH = "; write tensors as lists, by tensor.tolist()"


class _RefusedError(Exception):
    """What a pickle asks for that is not plain data."""


class _Type:
    """Stands in for ``numpy.dtype``: of plain numbers or text, never of objects."""

    __slots__ = ("plain",)

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _PLAIN.fullmatch(code):
            raise _RefusedError(f"an array of type {_shown(code)}")
        self.plain: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order; every other field says what the code has said."""
        _, order, base, names, fields, *_ = state
        if order not in ("<", ">", "|", "=") or (base, names, fields) != (None, None, None):
            raise _RefusedError("an array of structured type")
        self.plain = self.plain.newbyteorder(order)


class _Array(list[Any]):
    """Stands in for ``numpy.ndarray``: nested lists; one without dimensions is a list of one."""

    __slots__ = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Fill it from shape, type, order and bytes, as ``ndarray.__reduce__`` wrote them."""
        _, shape, kind, by_columns, content = state
        self[:] = _listed(content, kind, shape, "F" if by_columns else "C")


def _listed(content: object, kind: object, shape: Any, order: Any, axes: Any = None) -> list[Any]:
    """The values of an array; ``content`` has exactly what the shape says.

    Of order ``K`` are those whose axes were exchanged after they were laid out.
    """
    if not isinstance(kind, _Type) or not isinstance(content, bytes | bytearray):
        raise _RefusedError("an array of objects")
    values: npt.NDArray[Any] = np.frombuffer(content, dtype=kind.plain)
    if math.prod(shape) != len(values):
        raise _RefusedError(f"an array of shape {_shown(shape)} with {len(values)} values")
    if not len(values):
        return []  # a shape of zeros may stand beside a huge number
    if order == "K":
        found = values.reshape(shape).transpose(axes).tolist()
    else:
        found = values.reshape(shape, order=order).tolist()
    return found if isinstance(found, list) else [found]


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _scalar(kind: object, content: object) -> Any:
    (value,) = _listed(content, kind, (), "C")
    return value


def _encode(text: object, encoding: object) -> bytes:
    """Bytes, as protocols before 3 write them."""
    if not isinstance(text, str) or encoding != "latin1":
        raise _RefusedError("_codecs.encode")
    return text.encode("latin1")


def _no_bytes(*given: object) -> bytes:
    """No bytes at all, likewise."""
    if given:
        raise _RefusedError("bytes of a number")
    return b""


class _Callable:
    """A stand-in that can be called and not be changed, where a class or function could be."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *given: object) -> Any:
        return self._call(*given)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("a change of what is read with")


_CORE = ("numpy._core", "numpy.core")  # numpy 2, and before
_BUILTINS = ("builtins", "__builtin__")
_ADMITTED: Mapping[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Callable(_Type),
    ("numpy", "ndarray"): _Callable(_reconstruct),  # named beside _reconstruct
    **{(f"{core}.multiarray", "_reconstruct"): _Callable(_reconstruct) for core in _CORE},
    **{(f"{core}.multiarray", "scalar"): _Callable(_scalar) for core in _CORE},
    **{(f"{core}.numeric", "_frombuffer"): _Callable(_listed) for core in _CORE},
    ("_codecs", "encode"): _Callable(_encode),
    **{(module, "bytes"): _Callable(_no_bytes) for module in _BUILTINS},
    **{(module, "set"): set for module in _BUILTINS},
    **{(module, "frozenset"): frozenset for module in _BUILTINS},
    ("collections", "OrderedDict"): dict,
}


class _Reader(pickle.Unpickler):
    """Looks names up among the stand-ins alone."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """A stand-in.

        Raises:
            _RefusedError: There is none; nothing was imported to find that out.
        """
        found = _ADMITTED.get((module_name, global_name))
        if found is None:
            raise _RefusedError(_shown(f"{module_name}.{global_name}"))
        return found


def read_file(path: Path) -> bytes:
    """A file's content.

    Raises:
        InputError: It is missing, cannot be read, or is oversize.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST_BYTES else b""
    except FileNotFoundError:
        raise InputError(f"{str(path)!r} does not exist: give a file that does") from None
    except OSError as cause:
        raise InputError(f"{str(path)!r} cannot be read: {cause.strerror}") from cause
    if size > LARGEST_BYTES:
        raise InputError(
            f"{str(path)!r} has {size:,} bytes, and files of at most {LARGEST_BYTES:,} are read: "
            "import fewer rounds"
        )
    return content


def read_pickle(path: Path) -> Any:
    """Read a pickle of containers, numbers, text and numpy arrays; arrays come as nested lists.

    Args:
        path: The file.

    Raises:
        InputError: Missing, oversize, no pickle, cut short, or asking for anything else, which is
            named and was not run.
    """
    content = read_file(path)
    if highest_number(content) > len(content):
        raise InputError(
            f"{str(path)!r} asks for more memory than any pickle of {len(content):,} bytes needs: "
            "it is damaged or made to do harm"
        )
    try:
        return _Reader(BytesIO(content)).load()
    except _RefusedError as cause:
        way_out = _TORCH if "torch" in str(cause) else ""
        raise InputError(
            f"{str(path)!r} asks for {cause} and was refused, nothing in it ran: only plain "
            f"containers, numbers, text and numpy arrays are read{way_out}"
        ) from None
    except Exception as cause:  # noqa: BLE001 - pickle documents that garbage raises anything
        raise InputError(
            f"{str(path)!r} is no pickle, or is cut short or damaged "
            f"({type(cause).__name__}): copy it anew"
        ) from None


def _shown(what: object) -> str:
    """Somebody else's words, quoted, so that no control character reaches a terminal."""
    text = repr(what)
    return text if len(text) <= _NAME_SHOWN else f"{text[:_NAME_SHOWN]}…"
