"""Systems to measure in another process, where a function of a test cannot be found."""

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np


def right(batch: Any) -> Any:
    """Scores that single out the sample's own class of three."""
    return np.eye(3)[[int(batch[0]) % 3]]


def slow(batch: Any) -> Any:
    """Takes a millisecond."""
    time.sleep(0.001)
    return right(batch)


_CALLS = iter(range(10**9))


def deadlocks(batch: Any) -> Any:
    """Sample 3 of the second round waits in native code, which no signal wakes, for a lock."""
    if next(_CALLS) > 1 + 12 and int(batch[0]) == 3:
        library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
        while True:
            library.pthread_mutex_lock(lock)
    return right(batch)


def faulty(batch: Any) -> Any:
    """Each sample from 2 on misbehaves in its own way."""
    match int(batch[0]):
        case 2:
            raise ValueError("no such layer")
        case 3:
            while True:
                pass
        case 4:
            os._exit(7)
        case 5:
            os.kill(os.getpid(), signal.SIGSEGV)
    return right(batch)


def hangs_on_the_first(batch: Any) -> Any:
    """Sample 0 never returns."""
    while int(batch[0]) == 0:
        time.sleep(1e6)
    return right(batch)


def always_hangs(batch: Any) -> Any:
    """No sample returns."""
    while True:
        time.sleep(1e6)
    return batch


def chatty(batch: Any) -> Any:
    """Prints, from Python and past it."""
    print("a word from the system")  # noqa: T201 - what it is for
    os.write(1, b"a word past Python\n")
    return right(batch)


def ends_when_armed(batch: Any) -> Any:
    """Once the file named by the environment is there, ends; then it cannot be opened again."""
    armed = Path(os.environ["TAILMARK_TEST_ARMED"])
    if armed.exists():
        if armed.read_text():
            raise OSError("the accelerator is gone")
        armed.write_text("fired")
        os._exit(1)
    return right(batch)


def dies_on_five(batch: Any) -> Any:
    """Labels; sample 5 ends the process."""
    if int(batch[0]) == 5:
        os._exit(7)
    return np.asarray(batch) % 3


def answers_by_itself() -> Any:
    """A system that calls back, at once."""

    def submit(tickets: Any, batches: Any, complete: Any) -> None:
        for ticket, batch in zip(tickets, batches, strict=True):
            complete(ticket, np.asarray(batch) % 3)

    return submit
