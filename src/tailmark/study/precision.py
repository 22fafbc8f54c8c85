"""What an environment computes in, where its runtime tells, and where only its file does."""

from collections.abc import Mapping
from typing import Any

FINEST_FIRST = ("float64", "float32", "bfloat16", "float16", "int8")

_USUAL = "float32"
"""What is computed in where neither runtime nor file tells."""


def precision_of(system: Mapping[str, Any], contents: Mapping[str, Any] | None) -> str:
    """The precision of most of the arithmetic.

    Args:
        system: What the runtime told of itself.
        contents: What the model's file is made of, as `conversion.contents` has it.
    """
    told = system.get("precision")
    if told is not None:
        return str(told)
    quantized = bool(contents and contents.get("quantized_operators"))
    return "int8" if quantized else _stored(contents)


def float_precision_of(system: Mapping[str, Any], contents: Mapping[str, Any] | None) -> str:
    """The precision of what is computed in floating point, beside int8 where there is such."""
    for name in ("precision", "inference_precision"):
        told = system.get(name)
        if told in FINEST_FIRST and told != "int8":
            return str(told)
    return _stored(contents)


def tells_precision(system: Mapping[str, Any], contents: Mapping[str, Any] | None) -> bool:
    """Whether the precision is known, not supposed."""
    return system.get("precision") is not None or bool(contents and contents.get("stored_bytes"))


def _stored(contents: Mapping[str, Any] | None) -> str:
    """Of the floating-point weights, the type that takes most room."""
    stored = (contents or {}).get("stored_bytes") or {}
    floats = {kind: stored[kind] for kind in FINEST_FIRST if kind in stored and kind != "int8"}
    return max(floats, key=floats.__getitem__) if floats else _USUAL
