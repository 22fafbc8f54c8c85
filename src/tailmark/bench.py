"""An experiment that is open, warm, and measured a round at a time.

`measurement` drives one to its end; `interleaved` drives several by turns.
"""

import hashlib
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from tailmark.clock import Clock
from tailmark.drive.driver import Driver, no_garbage_collection
from tailmark.drive.flight import InFlight
from tailmark.drive.service import Opened, Service, open_service
from tailmark.drive.watchdog import OverdueError, Watchdog
from tailmark.errors import (
    EveryQueryFailedError,
    InterruptedRunError,
    MeasurementError,
    QueryNeverReturnedError,
    StoreError,
    TailmarkError,
)
from tailmark.experiment import Experiment
from tailmark.machine import Audit
from tailmark.records.catalogue import Catalogue
from tailmark.records.columns import content_of
from tailmark.records.environment import capture
from tailmark.records.logbook import Logbook
from tailmark.records.model import Manifest, References, Round
from tailmark.stopping import Lookout
from tailmark.units import format_duration
from tailmark.workload.base import Samples

_THUMBNAILS_AT_MOST = 2_000
_SETTLING_SHARE = 0.02


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress bar is told, between rounds only: drawing costs the timed region nothing.

    Args:
        done: Finished rounds.
        rounds: Rounds asked for, at most.
        doing: What comes next, in a word or two.
    """

    done: int
    rounds: int
    doing: str


Tell = Callable[[Progress], object]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What one experiment is measured with.

    Args:
        experiment: What is measured.
        samples: Its workload, open.
        log: Where its rounds go.
        driver: Sends its queries.
        flight: Names the call in progress.
        own_time: Whether an answer takes what its own process says that it took.
    """

    experiment: Experiment
    samples: Samples
    log: Logbook
    driver: Driver
    flight: InFlight
    own_time: bool = False

    def warm_up(self, queries: int, where: str = "the warm-up") -> None:
        """Send so many queries, and forget them."""
        if not queries:
            return
        first = self.experiment.schedule(len(self.samples), 0).sample
        warm = self.driver.warm_up(np.resize(first, queries))
        recording = self.driver.recording(warm)
        decoder = self.experiment.decode
        with no_garbage_collection(), self.flight.sending(where, warm.sample, recording):
            self.driver.drive(
                warm, recording, Catalogue(decoder.columns, {}, decoder.ragged).number
            )

    def settle(self) -> None:
        """Warm up for a round after another system had the caches: a small share of its queries."""
        queries = len(self.experiment.schedule(len(self.samples), self.log.rounds))
        self.warm_up(max(1, round(_SETTLING_SHARE * queries)), "settling in")

    def measure_round(self) -> None:
        """Measure the next round, and write it down.

        Raises:
            EveryQueryFailedError: It was the first, and has no answer.
            StoreError: It cannot be written.
        """
        experiment, driver, log = self.experiment, self.driver, self.log
        index = log.rounds
        schedule = experiment.schedule(len(self.samples), index)
        recording = driver.recording(schedule)
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        with (
            no_garbage_collection(),
            self.flight.sending(f"round {index}", schedule.sample, recording),
        ):
            start_ns = driver.drive(schedule, recording, log.outputs.number)
        one = recording.to_round(
            index,
            schedule,
            start_ns=start_ns,
            timeout_ns=experiment.timeout_ns,
            facts={
                "seed": [experiment.seed, index],
                "order": experiment.sample_order,
                "began": began,
                "garbage_collection": "off",
                **({"own_time": True} if self.own_time else {}),
            },
        )
        recording.failures.update(driver.afterwards)
        driver.afterwards.clear()
        add_round(log, one, recording.failures)


def enough(lookout: Lookout, log: Logbook) -> bool:
    """Look at the finished rounds, and write down what was seen."""
    found = lookout.enough(log.rounds)
    log.stopping = lookout.account(log.rounds, log.inferences)
    return found


def begin(log: Logbook, samples: Samples, opened: Opened, machine: Audit) -> None:
    """Write down what is known before the first round."""
    log.begin(
        _references(samples),
        [*opened.warnings, *machine.warnings()],
        system=opened.system,
        audit=machine.to_dict(),
        cold_start={"open_ns": opened.open_ns, "first_query_ns": opened.first_query_ns},
    )


def add_round(log: Logbook, one: Round, failures: Mapping[str, int]) -> None:
    """Write a finished round down."""
    log.add(one, failures)
    if log.first_cause:
        which = "the first round" if one.index == 0 else f"{one.index + 1} rounds"
        raise EveryQueryFailedError(f"every query of {which} failed, {log.first_cause}")


@contextmanager
def opened(
    experiment: Experiment, samples: Samples, flight: InFlight, clock: Clock
) -> Iterator[Driver]:
    """The system, open in this process or in one of its own."""
    queueing, timed = experiment.queueing, experiment.timed
    workers = range(queueing.workers)
    common = (timed, clock, queueing, experiment.timeout_ns)
    if experiment.isolate:
        with ExitStack() as stack:
            isolated = [stack.enter_context(experiment.isolated()) for _ in workers]
            driver = Driver(isolated, *common)
            driver.check()
            yield driver
        return

    def another() -> Service:
        return service.again(experiment.system)

    service = open_service(
        samples,
        experiment.system,
        experiment.decode,
        timed,
        flight.trying,
        batch=queueing.batch,
    )
    flight.trying(None)
    services = [service, *(another() for _ in workers[1:])]
    driver = Driver(services, *common, reopen=another)
    driver.check()
    yield driver


@contextmanager
def ending_well(
    log: Logbook, experiment: Experiment, flight: InFlight, path: str
) -> Iterator[None]:
    """However the measurement ends, the run says so, and what was measured stands."""

    def never_returned() -> str:
        return (
            f"{flight.name()} did not return within the timeout of "
            f"{format_duration(experiment.timeout_ns)}: {log.rounds} finished rounds stand; "
            "isolate: true kills such a call and goes on"
        )

    def leave() -> None:
        """The main thread is in native code that will not come back."""
        log.end("partial", never_returned())
        sys.stderr.write(f"tailmark: {never_returned()}\n")
        sys.stderr.flush()
        os._exit(MeasurementError.exit_code)

    try:
        if experiment.isolate or experiment.engine is not None:
            yield  # the system is not in this process
        else:
            with Watchdog(experiment.timeout_ns, flight.position, leave):
                yield
    except OverdueError:
        log.end("partial", never_returned())
        raise QueryNeverReturnedError(never_returned()) from None
    except KeyboardInterrupt:
        log.end("partial", "interrupted by the user")
        kept = f"; {path!r} keeps them, go on with --resume" if log.rounds else ""
        raise InterruptedRunError(
            f"interrupted after {log.rounds} of {experiment.at_most} rounds{kept}"
        ) from None
    except StoreError:
        raise  # what cannot be written cannot say so either
    except TailmarkError as error:
        log.end("partial", str(error))
        raise
    log.end("complete")


def manifest_of(experiment: Experiment, samples: Samples, design_id: str | None = None) -> Manifest:
    """What is known before anything is measured."""
    labels = samples.references
    return Manifest(
        tailmark=version("tailmark"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        experiment=experiment.describe(),
        design_id=design_id or uuid.uuid4().hex,
        hashes={
            "samples": samples.fingerprint,
            "ids": _sha256("\n".join(samples.ids).encode()),
            "labels": _sha256(content_of(labels)) if labels is not None else "",
            "model": experiment.system.fingerprint() or "",
        },
        environment=capture(experiment.folder),
        system={},
        audit={},
        cold_start={},
    )


def _references(samples: Samples) -> References:
    picture = samples.thumbnail if len(samples) <= _THUMBNAILS_AT_MOST else None
    return References(
        ids=samples.ids,
        values=samples.references,
        sequences=samples.sequences,
        thumbnails=tuple(map(picture, range(len(samples)))) if picture else None,
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
