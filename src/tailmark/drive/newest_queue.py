"""A queue between threads that holds the newest rows alone."""

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty


class NewestQueue:
    """Takes the place of a `queue.SimpleQueue` where a newer row comes before an older one.

    A row is shed when so many newer ones wait that no worker will ever take it. None, which tells a
    worker to end, is no row: it is never shed, and comes after all rows.

    Args:
        most: How many rows may wait: what a worker takes at once.
        shed: Told each row that is shed, by the thread that puts a newer one.
    """

    def __init__(self, most: int, shed: Callable[[int], object]) -> None:
        self._most = most
        self._shed = shed
        self._rows: deque[int] = deque()
        self._ends = 0
        self._change = threading.Condition()

    def put(self, row: int | None) -> None:
        """Let a row wait, or tell one worker to end."""
        with self._change:
            if row is None:
                self._ends += 1
            else:
                self._rows.append(row)
                if len(self._rows) > self._most:
                    self._shed(self._rows.popleft())
            self._change.notify()

    def get(self, timeout: float | None = None) -> int | None:
        """The oldest row that still waits, as soon as there is one; None at the end.

        Raises:
            Empty: None came within so many seconds.
        """
        with self._change:
            if not self._change.wait_for(lambda: self._rows or self._ends, timeout):
                raise Empty
            if self._rows:
                return self._rows.popleft()
            self._ends -= 1
            return None

    def get_nowait(self) -> int | None:
        """As `get`, at once."""
        return self.get(timeout=0)
