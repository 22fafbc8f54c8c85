"""A process of our own: it has a pipe to us, prints to standard error, and ends with us.

Parent and child are the same program by the same user, so what passes between them is pickled.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any

_PR_SET_PDEATHSIG = 1


class Child:
    """The parent's end.

    Args:
        module: Whose ``main()`` the process runs.
        environment: Its variables; None for ours.
    """

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        program = [sys.executable, "-c", f"from {module} import main; main()"]
        self._process, self._pipe = spawn(program, environment=environment)

    def send(self, message: Any) -> None:
        """Hand something over.

        Raises:
            OSError: The process is gone.
        """
        self._pipe.send(message)

    def receive(self, within_s: float) -> Any:
        """What the process says next.

        Raises:
            TimeoutError: Nothing within so long.
            EOFError: The process is gone; so for OSError.
        """
        if not self._pipe.poll(within_s):
            raise TimeoutError
        return self._pipe.recv()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def ending(self) -> str:
        """How a process that is gone ended: its exit code, or the signal."""
        return how_it_ended(self._process)


@contextmanager
def working(module: str) -> Iterator[tuple[Child, Path]]:
    """A process for one task and a folder for its temporary files; at the end both are gone.

    A process that is killed takes nothing away that it made.

    Args:
        module: As for `Child`.
    """
    with TemporaryDirectory(prefix="tailmark-") as folder:
        child = Child(module, {**os.environ, "TMPDIR": folder})
        try:
            yield child, Path(folder)
        finally:
            child.stop()


def spawn(
    program: Sequence[str],
    *,
    keep: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start a process that has a pipe to us, whose number is its last argument.

    Args:
        program: The command and its other arguments.
        keep: File descriptors that it inherits.
        environment: Its variables; None for ours.

    Returns:
        The process, and our end of the pipe.

    Raises:
        OSError: It cannot be started.
    """
    ours, theirs = socket.socketpair()
    started: Queue[subprocess.Popen[bytes] | OSError] = Queue()

    def start() -> subprocess.Popen[bytes] | OSError:
        try:
            return subprocess.Popen(  # noqa: S603 - ourselves, or what the user names
                [*program, str(theirs.fileno())],
                pass_fds=[*keep, theirs.fileno()],
                process_group=0,  # Ctrl-C is the parent's to handle
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__,  # what a system prints must not mix with our own output
                env=environment,
            )
        except OSError as cause:
            return cause

    def start_and_stay() -> None:
        process = start()
        started.put(process)
        if isinstance(process, subprocess.Popen):
            process.wait()

    with theirs:
        if threading.current_thread() is threading.main_thread():
            process = start()
        else:  # the kernel ends a child with the thread that started it, and this one may end first
            threading.Thread(target=start_and_stay, name="tailmark-child", daemon=True).start()
            process = started.get()
    if isinstance(process, OSError):
        ours.close()
        raise process
    return process, Connection(ours.detach())


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """How a process that is gone ended: its exit code, or the signal."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    code = process.returncode
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def attend(serve: Callable[[Connection], None]) -> None:
    """The child's end: serve until done or until the parent is gone, and leave nothing running."""
    die_with_parent()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        serve(Connection(int(sys.argv[-1])))
    os._exit(0)  # a system's own threads must not keep us


def die_with_parent() -> None:
    """Ask the kernel to end us with our parent, even in the middle of a native call (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
