"""Systems for LoadGen to question; each lives in a process of its own, so it is found by name."""

import ctypes
import os
import threading
import time
from typing import Any

import numpy as np

_CALLS = iter(range(10**9))
_LATER = 20  # first tries and the warm-up take fewer


def right(batch: Any) -> Any:
    """The class of each sample, of three."""
    return np.eye(3)[np.asarray(batch).reshape(-1).astype(int) % 3]


def raises_and_hangs(batch: Any) -> Any:
    """Sample 2 raises, sample 4 never returns."""
    match int(batch[0]):
        case 2:
            raise KeyError("no such layer")
        case 4:
            while True:
                time.sleep(0.01)
    return right(batch)


def dies_later(batch: Any) -> Any:
    """Ends its process in the middle of a test."""
    if next(_CALLS) > _LATER:
        os._exit(7)
    return right(batch)


def stuck_later(batch: Any) -> Any:
    """Waits in native code for a lock, which no signal wakes."""
    if next(_CALLS) > _LATER:
        library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
        while True:
            library.pthread_mutex_lock(lock)
    return right(batch)


def fickle(batch: Any) -> Any:
    """Sample 1 is answered otherwise from call to call."""
    if int(batch[0]) == 1:
        return np.eye(3)[[next(_CALLS) % 3]]
    return right(batch)


def interrupted_later(batch: Any) -> Any:
    """Takes long enough for a test to be interrupted in."""
    time.sleep(0.002)
    return right(batch)


def forgetful() -> Any:
    """Answers by itself: from another thread, twice what is sample 1, never what is sample 3."""

    def submit(tickets: Any, batches: Any, complete: Any) -> None:
        def answer() -> None:
            for ticket, batch in zip(tickets, batches, strict=True):
                for _ in range({1: 2, 3: 0}.get(int(batch[0]), 1)):
                    complete(ticket, right(batch))

        threading.Thread(target=answer).start()

    return submit
