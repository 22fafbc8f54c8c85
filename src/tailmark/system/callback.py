"""A system that calls back: it queues, batches and answers by itself, from whatever thread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import SystemSetupError
from tailmark.system.base import Batch, Responder
from tailmark.system.function import called, function_of


@dataclass(frozen=True, kw_only=True)
class Callback:
    """Anything with a ``submit(tickets, batches, complete)``; see `tailmark.system.base.Responder`.

    Args:
        make: ``"module:function"``, or from code a callable: called once, without arguments, it
            gives what has ``submit``, or is itself that function.
        folder: Where the module is looked for first; the experiment's folder.
    """

    make: str | Callable[[], Any]
    folder: Path = Path()

    def open(self) -> Responder:
        """Make the live system.

        Raises:
            SystemSetupError: No such function, or what it makes has no ``submit``.
        """
        made = function_of(self.make, self.folder, "make")()
        submit = getattr(made, "submit", made)
        if not callable(submit):
            raise SystemSetupError(
                f"make {called(self.make)!r} gives a {type(made).__name__}: it must give something "
                "with submit(tickets, batches, complete)"
            )
        return _Live(submit, called(self.make))

    def describe(self) -> dict[str, Any]:
        """The callable's name."""
        return {"kind": "callback", "make": called(self.make)}

    def fingerprint(self) -> str | None:
        """None: a function's behaviour is in no one file."""
        return None


class _Live:
    def __init__(self, submit: Any, name: str) -> None:
        self.submit = submit
        self._name = name

    def check(self, batch: Batch) -> None:
        """A callable declares nothing to check against."""

    def describe(self) -> dict[str, Any]:
        return {"kind": "callback", "make": self._name}
