"""A function asked by several processes, which begin with nothing but what they are handed.

Not the standard library's pools: those run the user's script again in each process, and it may
measure.
"""

import os
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any, Self

from tailmark.errors import MetricError


class Processes:
    """The same function in several processes.

    Args:
        handed: The function, pickled, and where its process looks for modules.
        count: How many processes.
    """

    def __init__(self, handed: bytes, count: int) -> None:
        self._all = [_Process() for _ in range(count)]
        self._free: SimpleQueue[_Process] = SimpleQueue()
        for one in self._all:
            one.hand(handed)
            self._free.put(one)
        weakref.finalize(self, _stop, self._all)

    @classmethod
    def of(
        cls, function: Callable[[Any], float], count: int, folders: Sequence[str]
    ) -> Self | None:
        """Start them; None if the function cannot be had there, as a lambda.

        Args:
            function: Of one argument; what it raises is a `MetricError`.
            count: How many processes.
            folders: Where modules are looked for, besides where this process does.
        """
        try:
            pickled = pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError):
            return None
        found = cls(pickle.dumps(([*sys.path, *folders], pickled)), count)
        ready = [one.ready() for one in found._all]
        return found if all(ready) else None

    def map(self, tasks: Sequence[Any]) -> Iterator[float]:
        """What the function gives for each task, in their order.

        Raises:
            MetricError: What the function raised; or its process is gone.
        """
        with ThreadPoolExecutor(len(self._all)) as threads:
            yield from threads.map(self._ask, tasks)

    def _ask(self, task: Any) -> float:
        one = self._free.get()
        try:
            return one(task)
        finally:
            self._free.put(one)


class _Process:
    """The parent's end of one process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None  # noqa: S101 - PIPE
        assert self._process.stdout is not None  # noqa: S101 - PIPE
        self._to, self._from = self._process.stdin, self._process.stdout

    def hand(self, handed: bytes) -> None:
        """Give it the function."""
        with suppress(OSError):  # one that is gone already is not ready
            self._send(handed)

    def ready(self) -> bool:
        """Whether it has the function."""
        try:
            return bool(pickle.load(self._from))  # noqa: S301 - ourselves
        except (EOFError, OSError):
            return False

    def __call__(self, task: Any) -> float:
        """What the function gives."""
        try:
            self._send(pickle.dumps(task))
            value, raised = pickle.load(self._from)  # noqa: S301 - ourselves
        except (EOFError, OSError) as cause:
            code = self._process.wait()
            raise MetricError(
                f"a process that was grading ended by itself (exit code {code}): grade by one "
                "process, with workers 1, to see why"
            ) from cause
        if raised is not None:
            raise MetricError(raised)
        found: float = value
        return found

    def _send(self, message: bytes) -> None:
        self._to.write(message)
        self._to.flush()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        with suppress(OSError):
            self._to.close()
        self._from.close()
        self._process.wait()


def _stop(processes: Sequence[_Process]) -> None:
    for one in processes:
        one.stop()


def main() -> None:
    """The child's end: be handed a function, then answer until there is nothing more."""
    asked: IO[bytes] = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as said:
        os.dup2(2, 1)  # what a function prints must not mix with what we say
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - for good
        sys.path[:], pickled = pickle.load(asked)  # noqa: S301 - from our parent
        try:
            function = pickle.loads(pickled)  # noqa: S301 - from our parent
        except Exception:  # noqa: BLE001 - whatever it is, the parent goes on by itself
            _say(said, message=False)
            return
        _say(said, message=True)
        with suppress(EOFError, BrokenPipeError):
            while True:
                task = pickle.load(asked)  # noqa: S301 - from our parent
                _say(said, message=_answered(function, task))


def _answered(function: Callable[[Any], float], task: Any) -> tuple[float | None, str | None]:
    try:
        return function(task), None
    except MetricError as cause:
        return None, str(cause)


def _say(said: IO[bytes], *, message: Any) -> None:
    pickle.dump(message, said)
    said.flush()
