"""A service ready to be driven, wherever it lives."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tailmark.drive.closed_loop import Number, issue, issue_isolated, issue_staged
from tailmark.drive.isolated import IsolatedService
from tailmark.drive.recording import Recording
from tailmark.drive.service import Opened, Service, Timed
from tailmark.records.model import Int32s


@dataclass(frozen=True)
class Driver:
    """Sends queries to a service in this process, or in a process of its own.

    Args:
        service: What answers.
        timed: Whether the clock holds inference alone.
        now: The clock.
    """

    service: Service | IsolatedService
    timed: Timed
    now: Callable[[], int]

    @property
    def opened(self) -> Opened:
        """What the service says of itself."""
        return self.service.opened

    def recording(self, rows: int) -> Recording:
        """An empty recording with the columns this driver fills."""
        staged = self.timed == "total" or isinstance(self.service, IsolatedService)
        return Recording(rows, stages=staged)

    def drive(self, order: Int32s, recording: Recording, number: Number) -> int:
        """Send every query, each when the last has completed; say when the first was due.

        Args:
            order: The samples to send.
            recording: Filled row by row.
            number: Stores an answer.
        """
        start_ns = self.now()
        if isinstance(self.service, IsolatedService):
            issue_isolated(order, self.service, recording, self.now, number)
        elif self.timed == "total":
            issue_staged(order, self.service, recording, self.now, number)
        else:
            self._infer(self.service, order, recording, number)
        return start_ns

    def _infer(self, service: Service, order: Int32s, recording: Recording, number: Number) -> None:
        issue(
            order,
            service.inputs,
            service.predictor.predict,
            recording,
            self.now,
            service.decode,
            number,
            hold=service.hold,
        )


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect now, and not again before the end."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def set_up_kept() -> Iterator[None]:
    """Spare every later collection what is there already: models, samples, modules."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
