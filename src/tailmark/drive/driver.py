"""A service ready to be driven, wherever it lives and however it is asked."""

import gc
import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tailmark.clock import Clock
from tailmark.drive.backlog import Backlog, Number
from tailmark.drive.closed_loop import issue, issue_queries
from tailmark.drive.isolated import IsolatedService
from tailmark.drive.one_worker import OneWorker, infer_in_turn
from tailmark.drive.pool import Pool
from tailmark.drive.recording import Recording
from tailmark.drive.responding import Exchange, check_responder
from tailmark.drive.service import Opened, Service, Timed
from tailmark.drive.serving import Serve, server
from tailmark.drive.waiting import sharp_timer
from tailmark.errors import SystemSetupError
from tailmark.records.model import NEVER, Int32s
from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing
from tailmark.system.asynchronous import Waited

_HELD_BYTES = 1 << 28
"""What outputs may take up in memory while a queue leaves no time to decode them."""


@dataclass(frozen=True)
class Driver:
    """Sends queries to services in this process, or in processes of their own.

    Args:
        services: What answers: one a worker.
        timed: Whether the clock holds inference alone.
        clock: Tells the time, and sleeps.
        queueing: How queries wait.
        timeout_ns: How long an answer may take.
        reopen: Opens another service in this process, in place of one that is stuck; a process
            of its own is ended and started anew by itself.
        afterwards: What systems did when their round was over; by what, counted.
    """

    services: list[Service] | list[IsolatedService]
    timed: Timed
    clock: Clock
    queueing: Queueing
    timeout_ns: int
    reopen: Callable[[], Service] | None = None
    afterwards: Counter[str] = field(default_factory=Counter)

    @property
    def opened(self) -> Opened:
        """What the service says of itself."""
        return self.services[0].opened

    @property
    def _in_threads(self) -> bool:
        """Whether others than the caller's thread serve."""
        return len(self.services) > 1 or self._responder is not None

    @property
    def _responder(self) -> Waited | None:
        first = self.services[0]
        if isinstance(first, Service) and isinstance(first.predictor, Waited):
            return first.predictor
        return None

    def check(self) -> None:
        """Refuse what cannot be driven as asked.

        Raises:
            SystemSetupError: Stages of a system that answers by itself, workers for it, or a
                process between.
        """
        if not self.opened.responds:
            return
        if self._responder is None:
            raise SystemSetupError(
                "the system answers by itself, which isolate: true has no way for: leave it out, "
                "and have the system keep its own process"
            )
        check_responder(self.timed, self.queueing)

    @property
    def _staged(self) -> bool:
        return self.timed == "total" or isinstance(self.services[0], IsolatedService)

    def _one_at_a_time(self, schedule: Schedule) -> bool:
        """Whether no sample ever waits for another."""
        return schedule.due_ns is None and schedule.per_query == 1 and not self._in_threads

    def recording(self, schedule: Schedule) -> Recording:
        """An empty recording with the columns this driver fills."""
        staged = self._staged and self._responder is None
        return Recording(len(schedule), stages=staged, queue=not self._one_at_a_time(schedule))

    def warm_up(self, samples: Int32s) -> Schedule:
        """A closed loop that keeps every worker busy, with batches as large as they come."""
        together = self.queueing.batch * len(self.services)
        return Schedule(sample=samples, per_query=max(1, min(together, len(samples))))

    def drive(self, schedule: Schedule, recording: Recording, number: Number) -> int:
        """Send every query, and return when each is answered or given up; say when it began.

        Args:
            schedule: What is sent, and when.
            recording: From `recording`; filled row by row.
            number: Stores an answer.
        """
        if self._one_at_a_time(schedule) and not self._staged:
            return self._issue(schedule, recording, number)
        with sharp_timer():
            start_ns = self._begin(schedule, recording)
            if self._responder is not None:
                self._exchange(schedule, recording, number)
            elif len(self.services) > 1:
                self._pool(schedule, recording, _locked(number))
            else:
                self._serve(schedule, recording, number)
        return start_ns

    def _begin(self, schedule: Schedule, recording: Recording) -> int:
        """Fix the moments of an open loop, a little ahead where the clock runs by itself."""
        if schedule.due_ns is None:
            return self.clock.now_ns()
        due_ns = np.repeat(schedule.due_ns, schedule.per_query)[: len(schedule)]
        start_ns = self.clock.now_ns() + self.clock.oversleep_ns
        recording.due = array("q", (due_ns + start_ns).astype(np.int64).tobytes())
        return start_ns

    def _issue(self, schedule: Schedule, recording: Recording, number: Number) -> int:
        service = self._here(self.services[0])
        start_ns = self.clock.now_ns()
        issue(
            schedule.sample,
            service.inputs,
            service.predictor.predict,
            recording,
            self.clock.now_ns,
            service.decode,
            number,
            hold=service.hold,
        )
        return start_ns

    def _serve(self, schedule: Schedule, recording: Recording, number: Number) -> None:
        """One worker, in this thread."""
        service = self.services[0]
        closed = schedule.due_ns is None
        backlog = self._backlog(schedule, recording, number)
        queueing = self.queueing
        plain = queueing.batch == 1 and not queueing.sheds
        if not closed and plain and backlog is not None:
            here = self._here(service)
            infer_in_turn(
                schedule.sample,
                here.inputs,
                here.predictor.predict,
                recording,
                self.clock,
                self._patience_ns(schedule),
                backlog,
            )
            return
        serve = self._server(service, schedule.sample, recording, backlog, number)
        if closed:
            issue_queries(schedule, serve, recording, self.clock.now_ns, backlog, queueing.batch)
        else:
            patience_ns = self._patience_ns(schedule)
            OneWorker(serve, recording, self.clock, queueing, patience_ns, backlog).run()

    def _pool(self, schedule: Schedule, recording: Recording, number: Number) -> None:
        backlog = self._backlog(schedule, recording, number)

        def serving(service: Service | IsolatedService) -> Serve:
            return self._server(service, schedule.sample, recording, backlog, number)

        reopen = self.reopen

        def replace(place: int) -> Serve:
            fresh: Any = reopen()  # type: ignore[misc]
            self.services[place] = fresh
            return serving(fresh)

        Pool(
            [serving(service) for service in self.services],
            replace if reopen is not None else None,
            recording,
            self.clock,
            self.queueing,
            self._patience_ns(schedule),
            self.timeout_ns,
            backlog,
        ).run(schedule)

    def _patience_ns(self, schedule: Schedule) -> int:
        return NEVER if schedule.patient else self.timeout_ns

    def _exchange(self, schedule: Schedule, recording: Recording, number: Number) -> None:
        service, responder = self._here(self.services[0]), self._responder
        backlog = self._backlog(schedule, recording, number)
        if responder is None or backlog is None:
            raise ValueError("not a responder timed by its inference")
        Exchange(
            responder.responder,
            service.inputs,
            schedule.sample,
            recording,
            self.clock,
            self.queueing,
            self.timeout_ns,
            backlog,
            self._note_later,
        ).run(schedule)

    def _note_later(self, what: str) -> None:
        self.afterwards[what] += 1

    def _server(
        self,
        service: Service | IsolatedService,
        order: Int32s,
        recording: Recording,
        backlog: Backlog | None,
        number: Number,
    ) -> Serve:
        return server(service, self.timed, order, recording, self.clock.now_ns, backlog, number)

    def _backlog(self, schedule: Schedule, recording: Recording, number: Number) -> Backlog | None:
        """Where outputs wait; None where they are decoded inside the clock or elsewhere."""
        service = self.services[0]
        if isinstance(service, IsolatedService) or recording.stages:
            return None
        hold = service.hold
        if schedule.due_ns is not None and service.predictor.fresh:
            hold = max(hold, _HELD_BYTES // max(service.output_bytes, 1))
        return Backlog(recording, schedule.sample, service.decode, number, hold, self.clock.now_ns)

    def _here(self, service: Service | IsolatedService) -> Service:
        if isinstance(service, IsolatedService):
            raise TypeError("a service in another process has no predictor here")
        return service


def _locked(number: Number) -> Number:
    lock = threading.Lock()

    def locked(answer: object) -> int:
        with lock:
            return number(answer)

    return locked


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
