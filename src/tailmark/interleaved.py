"""Several experiments measured by turns, so that what the machine does meets all of them alike.

Round r of each is measured before round r + 1 of any, in an order drawn anew each round. The runs
share their design, so they pair by round. Each system lives in a process of its own: none disturbs
another, and one that crashes is alone in it.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tailmark.bench import (
    Bench,
    Progress,
    Tell,
    begin,
    enough,
    manifest_of,
    opened,
)
from tailmark.clock import Clock, MonotonicClock
from tailmark.drive.driver import set_up_kept
from tailmark.drive.flight import InFlight
from tailmark.drive.isolated import IsolatedService
from tailmark.drive.isolated import Outcome as NoReply
from tailmark.errors import (
    InputError,
    InterruptedRunError,
    StoreError,
    SystemSetupError,
    TailmarkError,
)
from tailmark.experiment import Experiment
from tailmark.machine import Audit, audit
from tailmark.records.logbook import Logbook
from tailmark.records.raw import RawWriter, read_raw
from tailmark.records.store import RunWriter
from tailmark.stopping import Lookout
from tailmark.workload.prepared import PreparedOnce

_ENDINGS = 8
"""How often a process may end on the first pass: each is started anew."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one of the experiments ended.

    Args:
        run: Its directory, which holds what was measured.
        error: Why it is not complete; None where it is.
        rounds: That are finished.
    """

    run: Path
    error: str | None
    rounds: int


class InterruptedTurnsError(InterruptedRunError):
    """Ctrl-C; ``outcomes`` says how far each of the experiments was."""

    def __init__(self, sentence: str, outcomes: Mapping[str, Outcome]) -> None:
        super().__init__(sentence)
        self.outcomes = outcomes


def run_interleaved(
    experiments: Mapping[str, Experiment],
    *,
    out: Path,
    design_id: str,
    outputs: Path | None = None,
    prepared: PreparedOnce | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: Tell | None = None,
    clock: Clock | None = None,
) -> dict[str, Outcome]:
    """Measure experiments by turns, each into a run directory of its name.

    One that cannot be opened, or fails on the way, is left out from then on; the others go on.

    Args:
        experiments: By name, which is also its directory's; all with ``isolate``. They may have
            different numbers of rounds: the shorter ones end earlier.
        out: Where the run directories go.
        design_id: What the runs share, so that they pair by round.
        outputs: Where the models' own outputs go, a folder of each name (see `records.raw`);
            None keeps none.
        prepared: Where inputs are, that others have in common with these; None for a place of their
            own.
        seed: Makes the order repeatable.
        resume: Go on where the finished rounds end.
        progress: Told between rounds how far it is.
        clock: Instead of the machine's monotonic clock.

    Raises:
        InputError: One is not isolated, or LoadGen's.
        StoreError: A directory cannot be written.
        InterruptedTurnsError: Ctrl-C; what was measured stands.
    """
    for name, one in experiments.items():
        if not one.isolate or one.engine is not None:
            raise InputError(
                f"{name!r} would be measured in this process, and systems measured by turns each "
                "have one of their own: set isolate: true and engine: tailmark"
            )
    rounds = max((one.at_most for one in experiments.values()), default=0)

    def tell(doing: str, done: int = 0) -> None:
        if progress is not None:
            progress(Progress(done=done, rounds=rounds, doing=doing))

    turns = [
        _Turn(
            name=name,
            experiment=experiment,
            run=out / name,
            outputs=outputs / name if outputs is not None else None,
        )
        for name, experiment in experiments.items()
    ]
    try:
        with ExitStack() as stack:
            if prepared is None:
                folder = stack.enter_context(TemporaryDirectory(prefix="tailmark-"))
                prepared = PreparedOnce(Path(folder))
            bench = _Shared(stack, design_id, resume, clock or MonotonicClock(), prepared)
            for turn in turns:
                tell(f"opening {turn.name}")
                turn.open(bench, tell)
            with set_up_kept():
                _take_turns(turns, rounds, seed, tell)
    except KeyboardInterrupt:
        done = min((turn.rounds for turn in turns if turn.error is None), default=0)
        outcomes = {turn.name: turn.outcome for turn in turns}
        for turn in turns:
            turn.end("interrupted by the user")
        raise InterruptedTurnsError(
            f"interrupted after {done} of {rounds} rounds; {str(out)!r} keeps them", outcomes
        ) from None
    return {turn.name: turn.outcome for turn in turns}


def _take_turns(
    turns: list["_Turn"], rounds: int, seed: int, tell: Callable[[str, int], None]
) -> None:
    """Measure round after round, each in an order of its own."""
    random = np.random.default_rng(seed)
    for index in range(rounds):
        for place in random.permutation(len(turns)).tolist():
            turn = turns[place]
            if turn.ready and turn.rounds == index and not turn.enough():
                tell(f"measuring {turn.name}", index)
                turn.measure_round()
    for turn in turns:
        if turn.ready and turn.enough():
            turn.end(None)
    tell("done", rounds)


@dataclass(frozen=True)
class _Shared:
    """What all turns have in common.

    Args:
        stack: What is open until all are done.
        design_id: As for `run_interleaved`.
        resume: Likewise.
        clock: Likewise.
        prepared: Likewise.
    """

    stack: ExitStack
    design_id: str
    resume: bool
    clock: Clock
    prepared: PreparedOnce

    @cached_property
    def machine(self) -> Audit:
        """What the machine can resolve."""
        return audit(full=False, isolated=True)


@dataclass(kw_only=True)
class _Turn:
    """One of the experiments.

    Args:
        name: What it is called.
        experiment: What is measured.
        run: Its run directory.
        outputs: Where its model's own outputs go.
    """

    name: str
    experiment: Experiment
    run: Path
    outputs: Path | None
    error: str | None = None
    _bench: Bench | None = None
    _lookout: Lookout | None = None
    _ended: bool = False

    @property
    def ready(self) -> bool:
        """Whether there is something to measure, and it can be."""
        return self._bench is not None and not self._ended

    @property
    def rounds(self) -> int:
        """That are finished."""
        return self._bench.log.rounds if self._bench is not None else 0

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome(run=self.run, error=self.error, rounds=self.rounds)

    def open(self, shared: _Shared, tell: Callable[[str], None]) -> None:
        """Open and warm everything; what cannot be is the error."""
        experiment = self.experiment
        try:
            samples, workload = shared.prepared.of(experiment.workload, experiment.timed)
            experiment.check_references(samples.references is not None)
            resume = shared.resume and (self.run / "run.json").exists()
            writer = shared.stack.enter_context(RunWriter(self.run, resume=resume))
            manifest = manifest_of(experiment, samples, shared.design_id)
            decoder = experiment.decode
            log = Logbook(writer, manifest, decoder.columns, decoder.ragged)
            flight = InFlight(samples.ids)
            driver = shared.stack.enter_context(
                opened(replace(experiment, workload=workload), samples, flight, shared.clock)
            )
            self._bench = Bench(
                experiment=experiment,
                samples=samples,
                log=log,
                driver=driver,
                flight=flight,
                own_time=experiment.timed == "inference",
            )
            self._lookout = Lookout(experiment.rounds, writer.path)
            begin(log, samples, driver.opened, shared.machine)
            if self.outputs is not None and read_raw(self.outputs) is None:
                tell(f"answering once: {self.name}")
                self._answer_once(self.outputs)
            self._bench.warm_up(experiment.warmup)
        except StoreError:
            raise
        except TailmarkError as cause:
            self.end(str(cause))

    def _answer_once(self, folder: Path) -> None:
        """Ask for each sample once, untimed, and keep what the model itself gives.

        Raises:
            SystemSetupError: Its process ends again and again.
        """
        if self._bench is None:
            return
        service, samples = self._bench.driver.services[0], self._bench.samples
        if not isinstance(service, IsolatedService):
            raise TypeError("turns are taken by processes of their own")
        gone = 0
        with RawWriter(folder, len(samples)) as writer:
            for sample in range(len(samples)):
                found = service.outputs(sample)
                if not isinstance(found, NoReply):
                    writer.add(sample, found)
                    continue
                writer.fail(sample, found.what)
                if found.gone:
                    gone += 1
                    if gone == _ENDINGS:
                        raise SystemSetupError(
                            f"its process ended on {gone} of the first {sample + 1} samples: "
                            f"{found.what}"
                        )
                    service.restart()

    def enough(self) -> bool:
        """Whether no round is missing."""
        return (
            self._bench is None or self._lookout is None or enough(self._lookout, self._bench.log)
        )

    def measure_round(self) -> None:
        """Measure the next round; what fails is the error, and the rounds before stand."""
        if self._bench is None:
            return
        try:
            self._bench.settle()
            self._bench.measure_round()
        except StoreError:
            raise
        except TailmarkError as cause:
            self.end(str(cause))

    def end(self, error: str | None) -> None:
        """Say in the run how it ended, once."""
        if self._ended:
            return
        self._ended, self.error = True, error
        if self._bench is not None:
            self._bench.log.end("partial" if error else "complete", *([error] if error else []))
