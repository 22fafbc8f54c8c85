"""Notices a call in our own process that outlives the timeout.

Such a call cannot be interrupted safely, only ended. Python code is stopped by an exception in the
main thread; native code that lets other threads run is given up on after a grace, by leaving the
process; native code that holds the interpreter's lock stops every thread of it, ours too, and is
why ``isolate: true`` exists.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

_LOOKS = 20
_GRACE_S = 1.0


class OverdueError(BaseException):
    """Raised in the main thread in place of a call that never returns.

    Not an `Exception`: the loop that records what a system raises must not take it for one.
    """


STOPS = (KeyboardInterrupt, OverdueError)
"""What ends a loop in the middle of a call; whatever else is raised there is the system's own."""


class Watchdog:
    """Watches a loop's position from another thread; use it as a context manager.

    Args:
        timeout_ns: How long one position may last.
        position: Says which query is in progress, by anything comparable; None while there is none.
        give_up: Called when the main thread could not be stopped; does not return.
    """

    def __init__(
        self,
        timeout_ns: int,
        position: Callable[[], object],
        give_up: Callable[[], object],
    ) -> None:
        self._timeout_s = timeout_ns / 1e9
        self._position = position
        self._give_up = give_up
        self._overdue: object = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tailmark-watchdog", daemon=True)
        self._previous: Any = None
        self._signals = (
            hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
        )

    def __enter__(self) -> Self:
        """Start watching."""
        if self._signals:
            self._previous = signal.signal(signal.SIGALRM, self._on_signal)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching."""
        self._done.set()
        self._thread.join()
        if self._signals:
            signal.signal(signal.SIGALRM, self._previous)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._overdue is not None and self._position() == self._overdue:
            raise OverdueError

    def _watch(self) -> None:
        """Look so often that a call is found overdue before its timeout is a tenth past."""
        seen, looks = self._position(), 0
        while not self._done.wait(self._timeout_s / _LOOKS):
            now = self._position()
            if now is None or now != seen:
                seen, looks = now, 0
                continue
            looks += 1
            if looks <= _LOOKS:
                continue
            self._overdue = now
            if self._signals:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
                if self._done.wait(_GRACE_S):
                    return
            if self._position() == now and not self._done.is_set():
                self._give_up()
            self._overdue, seen, looks = None, None, 0
