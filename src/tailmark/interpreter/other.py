"""The parent's end of another interpreter."""

import json
import math
import os
import select
import weakref
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import Popen
from typing import Any

from tailmark.child import how_it_ended, spawn
from tailmark.interpreter import boot
from tailmark.interpreter.region import Region
from tailmark.interpreter.wire import packed, unpacked

_OURS = ("PYTHONPATH", "PYTHONHOME")
"""Variables that would show it our packages."""


class OtherInterpreter:
    """A running interpreter that answers messages; it ends when this is garbage.

    Args:
        python: Its path.
        module: Whose ``serve`` answers there.
        environment: Variables it has beside ours.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, python: Path, module: str, environment: Mapping[str, str]) -> None:
        self._given, self._taken = Region(), Region()
        numbers = [self._given.number, self._taken.number]
        inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
        try:
            self._process, self._pipe = spawn(
                [str(python), boot.__file__, module, *map(str, numbers)],
                keep=numbers,
                environment=inherited | dict(environment),
            )
        except OSError:
            self._given.close()
            self._taken.close()
            raise
        self._waiting = select.poll()  # Connection.poll builds one each time, which costs more
        self._waiting.register(self._pipe, select.POLLIN)
        self._end = weakref.finalize(
            self, _end, self._process, self._pipe, (self._given, self._taken)
        )

    def ask(self, message: Mapping[str, Any], within_s: float) -> dict[str, Any]:
        """What it answers to a message; arrays in the answer are ours to keep.

        Raises:
            TypeError: The message cannot be told; nothing was asked.
            TimeoutError: Nothing came within so long.
            EOFError: It is gone; so for OSError.
        """
        self._given.clear()
        told = {key: packed(value, self._given) for key, value in message.items()}
        self._pipe.send_bytes(json.dumps(told).encode())
        if not self._waiting.poll(math.ceil(within_s * 1e3)):
            raise TimeoutError
        answer = json.loads(self._pipe.recv_bytes())
        return {key: unpacked(value, self._taken, copy=True) for key, value in answer.items()}

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._end()

    def ending(self) -> str:
        """How it ended, where it is gone."""
        return how_it_ended(self._process)


def _end(process: Popen[bytes], pipe: Connection, regions: tuple[Region, ...]) -> None:
    with suppress(OSError):
        pipe.close()
    process.kill()
    process.wait()
    for region in regions:
        region.close()
