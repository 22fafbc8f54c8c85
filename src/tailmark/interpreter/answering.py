"""The other end: messages come in, answers go out, in an interpreter of whatever version."""

import json
import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import packages_distributions, version
from multiprocessing.connection import Connection
from typing import Any

from tailmark.errors import InputError
from tailmark.interpreter.region import Region
from tailmark.interpreter.wire import packed, unpacked

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""A message's answer; arrays in the message last until the next.

What it raises is answered as a sentence: ``refused`` where it is an `InputError`, else ``raised``.
"""


def attend_to(pipe: Connection, numbers: list[int], answer: Answer) -> None:
    """Answer messages until the parent is gone.

    Args:
        pipe: To the parent.
        numbers: Of the open files that are the regions of its messages and of our answers.
        answer: What is answered.
    """
    given, taken = map(Region, numbers)
    while True:
        told = json.loads(pipe.recv_bytes())
        taken.clear()
        try:
            message = {key: unpacked(one, given, copy=False) for key, one in told.items()}
            answered = {key: packed(one, taken) for key, one in answer(message).items()}
        except InputError as cause:
            answered = {"refused": str(cause)}
        except (Exception, SystemExit) as cause:  # noqa: BLE001 - an answer may raise anything
            first = (str(cause).strip().splitlines() or [""])[0]
            answered = {"raised": f"{type(cause).__name__}: {first}".removesuffix(": ")}
        pipe.send_bytes(json.dumps(answered).encode())


def described() -> dict[str, Any]:
    """This interpreter, and the versions of the packages that are loaded in it."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    homes = packages_distributions()
    there = {package for name in loaded for package in homes.get(name, ())}
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": {name: version(name) for name in sorted(there, key=str.lower)},
    }
