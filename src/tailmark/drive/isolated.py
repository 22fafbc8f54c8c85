"""A service in a process of its own, where a call that never returns can be killed.

The parent sends a sample's index and gets a `Reply`; the child opens the workload and the system
itself and reports durations only. Parent and child are the same program by the same user, so what
passes between them is pickled.
"""

import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from tailmark.child import Child, attend
from tailmark.decode.base import Decoder
from tailmark.drive.failures import describe_failure
from tailmark.drive.service import FIRST_TRIES, Opened, Reply, Timed, open_service
from tailmark.errors import InputError, SystemSetupError
from tailmark.records.model import Status
from tailmark.system.base import System
from tailmark.workload.base import Workload

_OPEN_TIMEOUT_S = 600.0
_HANGING_TRIES = 3  # each costs the timeout


@dataclass(frozen=True)
class _NotOpened:
    sample: int | None
    what: str
    hung: bool = False


@dataclass(frozen=True)
class Outcome:
    """A query that ended without a reply; ``gone`` where the process did too."""

    status: Status
    what: str
    gone: bool = False


@dataclass(frozen=True)
class _OutputsOf:
    """Asks for the model's own outputs for a sample."""

    sample: int


class IsolatedService:
    """The parent's end; use it as a context manager.

    Args:
        workload: Opened by the child.
        system: Opened by the child.
        decoder: Bound by the child.
        timed: As for `open_service`.
        timeout_ns: How long a query may take before the process is killed.
        batch: The most samples it is asked for at once.
    """

    def __init__(
        self,
        workload: Workload,
        system: System,
        decoder: Decoder,
        timed: Timed,
        timeout_ns: int,
        batch: int = 1,
    ) -> None:
        self._timeout_s = timeout_ns / 1e9
        self._skip: set[int] = set()
        self.opened: Opened
        try:
            self._recipe = pickle.dumps((workload, system, decoder, timed, batch))
        except (pickle.PicklingError, AttributeError, TypeError) as cause:
            raise _not_found(cause) from cause

    def __enter__(self) -> Self:
        """Start the process.

        Raises:
            InputError: What the child could not open, in its own words.
        """
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._child.stop()

    def _start(self) -> None:
        """Start a process; a sample that ends or blocks it on the first try is not tried again."""
        hung = 0
        while True:
            self._child = Child(__name__)
            said = self._first_words()
            if isinstance(said, Opened):
                self.opened = said
                return
            self._child.stop()
            if isinstance(said, InputError):
                raise said
            hung += said.hung
            if said.sample is None or hung == _HANGING_TRIES or len(self._skip) == FIRST_TRIES:
                raise SystemSetupError(
                    f"the isolated system {said.what}: mend it, or raise system.timeout"
                )
            self._skip.add(said.sample)

    def _first_words(self) -> "Opened | InputError | _NotOpened":
        """What the child says once it is open; before that, which sample it tries first."""
        limit, trying = _OPEN_TIMEOUT_S, None
        try:
            self._child.send((sys.path, self._recipe, self._skip))
            while True:
                said: Opened | InputError | int = self._child.receive(limit)
                if not isinstance(said, int):
                    return said
                limit, trying = self._timeout_s, said
        except TimeoutError:
            what = "open" if trying is None else f"answer its first query (sample {trying})"
            return _NotOpened(trying, f"did not {what} within {limit:g} s", hung=True)
        except (EOFError, OSError):
            when = "while opening" if trying is None else f"on its first query (sample {trying})"
            return _NotOpened(trying, f"ended {when} ({self._child.ending()})")

    def restart(self) -> None:
        """Replace the process by a fresh one."""
        self._child.stop()
        self._start()

    def ask(self, samples: Sequence[int]) -> Reply | Outcome:
        """Answer a batch; an `Outcome` if no reply came, after which `restart` is due."""
        answered: Reply | Outcome = self._asked(samples)
        return answered

    def outputs(self, sample: int) -> dict[str, Any] | Outcome:
        """The model's own outputs for a sample, by name; `restart` is due where none came."""
        found = self._asked(_OutputsOf(sample))
        if isinstance(found, str):
            return Outcome(Status.failed, found)
        outputs: dict[str, Any] | Outcome = found
        return outputs

    def _asked(self, what: Any) -> Any:
        try:
            self._child.send(what)
            return self._child.receive(self._timeout_s)
        except TimeoutError:
            return Outcome(Status.timed_out, f"no answer within {self._timeout_s:g} s", gone=True)
        except (EOFError, OSError):
            ended = f"its process ended ({self._child.ending()})"
            return Outcome(Status.failed, ended, gone=True)


def _unpacked(recipe: bytes) -> Any:
    try:
        return pickle.loads(recipe)  # noqa: S301 - our parent's
    except Exception as cause:  # what is imported on the way is the user's code
        raise _not_found(cause) from cause


def _not_found(cause: Exception) -> SystemSetupError:
    return SystemSetupError(
        "isolate: true needs a system and a workload that another process can find "
        f"({describe_failure(cause)}): give a function as 'module:function'"
    )


def _serve(pipe: Connection) -> None:
    """The child's end: open once, then answer until the parent is gone."""
    sys.path[:], recipe, skip = pipe.recv()
    try:
        workload, system, decoder, timed, batch = _unpacked(recipe)
        samples = workload.open()
        service = open_service(
            samples, system, decoder, timed, tick=pipe.send, skip=skip, batch=batch
        )
    except InputError as cause:
        pipe.send(cause)
        return
    except (Exception, SystemExit) as cause:  # noqa: BLE001 - opening runs the user's code
        pipe.send(
            SystemSetupError(f"the isolated system cannot be opened: {describe_failure(cause)}")
        )
        return
    pipe.send(service.opened)
    while True:
        asked = pipe.recv()
        if isinstance(asked, _OutputsOf):
            pipe.send(service.outputs(asked.sample, timed))
        else:
            pipe.send(service.reply(asked, timed))


def main() -> None:
    """The child process."""
    attend(_serve)
