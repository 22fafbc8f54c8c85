"""What native libraries print, caught: our standard output is for what we say.

It knows nothing of Python's own ``sys.stdout``, and catches what other threads print meanwhile too.
"""

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def caught() -> Iterator[Callable[[], list[str]]]:
    """Catch what is written to the process's standard output and error.

    Yields:
        What gives the lines so far that are not empty.
    """
    with tempfile.TemporaryFile() as file:
        _flush()
        kept = [os.dup(stream) for stream in (1, 2)]
        try:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            yield lambda: _lines(file.fileno())
        finally:
            _flush()
            for stream, was in zip((1, 2), kept, strict=True):
                os.dup2(was, stream)
                os.close(was)


def _lines(number: int) -> list[str]:
    _flush()
    text = os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _flush() -> None:
    """Empty the buffers of Python and of C, which holds lines back unless it is on a terminal."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError, AttributeError):  # closed, or none at all
            stream.flush()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
