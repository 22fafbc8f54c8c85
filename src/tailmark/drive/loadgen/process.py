"""One LoadGen test, seen from our own process."""

import pickle
import sys
from pathlib import Path
from typing import Any

from tailmark.child import Child
from tailmark.drive.loadgen.ledger import Account
from tailmark.drive.loadgen.settings import LoadGenTest
from tailmark.drive.loadgen.worker import OPENED, Job, Ready, Stuck, not_found
from tailmark.drive.service import FIRST_TRIES
from tailmark.errors import InputError, MeasurementError, QueryNeverReturnedError, SystemSetupError
from tailmark.units import format_duration

_OPEN_TIMEOUT_S = 600.0
_PATIENCE_S = 10.0  # beyond the timeout, until an interpreter that says nothing counts as stuck
_HANGING_TRIES = 3  # each costs the timeout

_WAY_OUT = "engine: tailmark with isolate: true kills such a call and goes on"


class LoadGenProcess:
    """A process that is good for one test; `open` it, then `run` the test, then `stop`.

    Args:
        job: What is measured.
    """

    def __init__(self, job: Job) -> None:
        self._timeout_s = job.timeout_ns / 1e9
        self._limit = format_duration(job.timeout_ns)
        try:
            self._packed = pickle.dumps(job)
        except (pickle.PicklingError, AttributeError, TypeError) as cause:
            raise not_found(cause) from cause
        self._child: Child | None = None

    def open(self, skip: set[int]) -> Ready:
        """Start the process and wait until it is warm.

        Args:
            skip: Samples that end or block the system on a first try; more are added.

        Raises:
            InputError: What could not be opened, in its own words.
        """
        hung = 0
        while True:
            self._child = Child("tailmark.drive.loadgen.worker")
            said, sample, stuck = self._first_words(self._child, skip)
            if isinstance(said, Ready):
                return said
            self.stop()
            if isinstance(said, InputError):
                raise said
            hung += stuck
            if sample is None or hung == _HANGING_TRIES or len(skip) == FIRST_TRIES:
                raise SystemSetupError(f"the system {said}: mend it, or raise system.timeout")
            skip.add(sample)

    def _first_words(self, child: Child, skip: set[int]) -> tuple[Any, int | None, bool]:
        """What the process says first; where it fails, on which sample and whether it hung."""
        limit, trying = _OPEN_TIMEOUT_S, None
        try:
            child.send((sys.path, self._packed, skip))
            while True:
                said = child.receive(limit)
                if isinstance(said, Stuck):
                    return (
                        f"did not come back from sample {said.sample} within {self._limit}",
                        None,
                        True,
                    )
                if isinstance(said, Ready | InputError):
                    return said, None, False
                if isinstance(said, int):
                    limit, trying = self._timeout_s, said
                else:
                    limit = _OPEN_TIMEOUT_S if said == OPENED else self._timeout_s + _PATIENCE_S
        except TimeoutError:
            what = "open" if trying is None else f"answer its first query (sample {trying})"
            return f"did not {what} within {limit:g} s", trying, True
        except (EOFError, OSError):
            when = "while opening" if trying is None else f"after its first query (sample {trying})"
            return f"ended {when} ({child.ending()})", trying, False

    def run(self, test: LoadGenTest, folder: Path, what: str) -> Account:
        """Have the test done.

        Args:
            test: How LoadGen is configured.
            folder: For its logs; holds ``user.conf``.
            what: The test in words, to name it in errors.

        Raises:
            QueryNeverReturnedError: A call outlived the timeout and could not be stopped.
            MeasurementError: The process ended.
        """
        child = self._child
        if child is None:
            raise RuntimeError("open() comes before run()")
        try:
            child.send((test, folder))
            while True:
                said = child.receive(self._timeout_s + _PATIENCE_S)
                if isinstance(said, Account):
                    return said
                if isinstance(said, Stuck):
                    raise QueryNeverReturnedError(
                        f"sample {said.sample} did not return within the timeout of {self._limit} "
                        f"in {what}: the finished rounds stand; {_WAY_OUT}"
                    )
        except TimeoutError:
            raise QueryNeverReturnedError(
                f"the system stopped its whole process in {what}, and nothing was heard of it for "
                f"{self._timeout_s + _PATIENCE_S:g} s: the finished rounds stand; {_WAY_OUT}"
            ) from None
        except (EOFError, OSError):
            raise MeasurementError(
                f"the system ended its process in {what} ({child.ending()}), and LoadGen with it: "
                f"the finished rounds stand; {_WAY_OUT}"
            ) from None

    def stop(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.stop()
            self._child = None
