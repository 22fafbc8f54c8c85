"""Any Python callable as a system: ``predict(batch) -> outputs``."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import SystemSetupError
from tailmark.plugins import first_on_path
from tailmark.system.base import Batch, Predictor


@dataclass(frozen=True, kw_only=True)
class Function:
    """A callable that takes a batch of one and returns its output, on the host.

    Args:
        call: ``"module:function"``, or from code the callable itself.
        folder: Where the module is looked for first; the experiment's folder.
    """

    call: str | Callable[[Batch], Any]
    folder: Path = Path()

    def open(self) -> Predictor:
        """Import the callable.

        Raises:
            SystemSetupError: No such module or function, or it cannot be imported.
        """
        return _Call(function_of(self.call, self.folder, "call"))

    def describe(self) -> dict[str, Any]:
        """The callable's name."""
        return {"kind": "function", "call": called(self.call)}

    def fingerprint(self) -> str | None:
        """None: a function's behaviour is in no one file."""
        return None


def function_of(call: str | Callable[..., Any], folder: Path, setting: str) -> Callable[..., Any]:
    """The callable itself, imported where it is only named.

    Args:
        call: ``"module:function"``, or the callable.
        folder: Where the module is looked for first.
        setting: What an error calls it.

    Raises:
        SystemSetupError: No such module or function, or it cannot be imported.
    """
    if not isinstance(call, str):
        return call
    module, _, name = call.partition(":")
    if not module or not name:
        raise SystemSetupError(f"{setting} {call!r} is no function: write module:function")
    try:
        with first_on_path(folder):
            found: Any = importlib.import_module(module)
    except Exception as cause:
        raise SystemSetupError(
            f"module {module!r} cannot be imported: {type(cause).__name__}: {cause} "
            f"(it is looked for in the experiment's folder, then where Python looks)"
        ) from cause
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise SystemSetupError(f"module {module!r} has no function {name!r}: check {setting}")
    chosen: Callable[..., Any] = found
    return chosen


def called(call: str | Callable[..., Any]) -> str:
    """A callable's name, as ``module:function``."""
    if isinstance(call, str):
        return call
    named = call if hasattr(call, "__qualname__") else type(call)
    return f"{named.__module__}:{named.__qualname__}"


class _Call:
    fresh = False  # who knows what a callable does with its arrays

    def __init__(self, call: Callable[[Batch], Any]) -> None:
        self.predict = call  # the callable itself: no frame of ours in the timed region

    def check(self, batch: Batch) -> None:
        """A callable declares nothing to check against."""

    def describe(self) -> dict[str, Any]:
        return {"kind": "function", "call": called(self.predict)}
