"""A run's LoadGen tests: first each sample once for its answer, then round by round.

::

    RUN/loadgen/accuracy/   user.conf and what LoadGen writes: summary, detail, accuracy, trace
    RUN/loadgen/00000/      the same of round 0

A test writes into a folder called ``.part``, which is renamed when the test is over: so a folder
without that is whole, and one whose round did not come into the run is removed on ``--resume``.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from tailmark.drive.loadgen.ledger import Account, answer_bytes
from tailmark.drive.loadgen.process import LoadGenProcess
from tailmark.drive.loadgen.rounds import Joined, join_round
from tailmark.drive.loadgen.settings import (
    SCENARIOS,
    LoadGen,
    Mode,
    drawn_by_loadgen,
    plan_test,
)
from tailmark.drive.loadgen.worker import Job, Ready
from tailmark.drive.service import Opened
from tailmark.errors import StoreError
from tailmark.loadgen.conf import write_conf
from tailmark.loadgen.logs import (
    ACCURACY,
    DETAIL,
    SUMMARY,
    TRACE,
    Detail,
    read_accuracy,
    read_detail,
    read_summary,
    read_trace,
)
from tailmark.loadgen.trace import Trace
from tailmark.quality.requirement import LatencyRequirement
from tailmark.records.catalogue import Answer
from tailmark.records.model import NONE, Int32s
from tailmark.scenario.base import Order, Scenario

FOLDER = "loadgen"
"""In the run's directory."""


@dataclass(kw_only=True)
class LoadGenEngine:
    """Has LoadGen send the queries, a process a test; a context manager.

    Args:
        job: What is measured.
        settings: LoadGen's.
        scenario: What its scenario is set up from.
        order: How samples are chosen.
        bound: Of ``require``, where that is about latency.
        seed: Of the run.
        folder: For all logs.
        ids: The samples' names.
    """

    job: Job
    settings: LoadGen
    scenario: Scenario
    order: Order
    bound: LatencyRequirement | None
    seed: int
    folder: Path
    ids: tuple[str, ...]
    _skip: set[int] = field(default_factory=set)
    _ready: tuple[LoadGenProcess, Ready] | None = None
    _expected: Mapping[int, bytes] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        """Open the system for the first test.

        Raises:
            InputError: What could not be opened.
        """
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process that is left."""
        self._close()

    @property
    def opened(self) -> Opened:
        """What the system said of itself when it was opened for the next test."""
        return self._open()[1].opened

    def _open(self) -> tuple[LoadGenProcess, Ready]:
        if self._ready is None:
            process = LoadGenProcess(self.job)
            try:
                self._ready = process, process.open(self._skip)
            except BaseException:
                process.stop()
                raise
        return self._ready

    def _close(self) -> None:
        if self._ready is not None:
            self._ready[0].stop()
            self._ready = None

    def tidy(self, finished: int) -> None:
        """Remove the logs of rounds that never were finished.

        Args:
            finished: How many rounds the run has.
        """
        for folder in self.folder.glob("*"):
            if not folder.is_dir():
                continue
            left = folder.suffix == ".part"
            if left or (folder.name.isdigit() and int(folder.name) >= finished):
                shutil.rmtree(folder)

    def accuracy(self) -> list[str]:
        """Send each sample once for its answer, unless that is done; what to warn of.

        Raises:
            MeasurementError: The test did not come to its end.
        """
        folder = self.folder / "accuracy"
        warnings = []
        if not folder.is_dir():
            account, _ = self._test("AccuracyOnly", 0, folder, "LoadGen's accuracy test")
            missing = int((account.output_id == NONE).sum())
            if missing:
                what = max(account.failures, key=lambda text: account.failures[text])
                warnings.append(
                    f"{missing} of {len(account.sample)} responses of LoadGen's accuracy test have "
                    f"no answer; most often: {what}"
                )
        log = read_accuracy(folder / ACCURACY)
        self._expected = {
            sample: data
            for sample, data in zip(log.qsl_idx.tolist(), log.data, strict=True)
            if data
        }
        return warnings

    def round(self, index: int, number: Callable[[Answer], int]) -> Joined:
        """One performance test.

        Args:
            index: Which round of the run.
            number: Stores an answer.

        Raises:
            MeasurementError: The test did not come to its end, or its logs did not.
        """
        folder = self.folder / f"{index:05}"
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        account, trace = self._test("PerformanceOnly", index, folder, f"round {index}")
        summary = read_summary(folder / SUMMARY)
        joined = join_round(
            account,
            trace,
            _numbered(account, number),
            index=index,
            scenario=SCENARIOS[self.scenario.describe()["kind"]],
            timeout_ns=self.job.timeout_ns,
            facts={
                "seed": [self.seed, index],
                "order": drawn_by_loadgen(self.order),
                "began": began,
                "garbage_collection": "off",
                "engine": "loadgen",
                "loadgen_valid": summary.valid,
            },
        )
        judged = self._judged(joined, account, read_detail(folder / DETAIL))
        scenario = str(self.scenario.describe()["kind"])
        said = {"by": "loadgen", "test": folder.name, "round": index, "kind": "performance"}
        return replace(judged, reported={**said, **summary.to_dict(), "scenario": scenario})

    def _test(self, mode: Mode, index: int, folder: Path, what: str) -> tuple[Account, Trace]:
        """Have LoadGen do one test, and keep its logs."""
        part = folder.with_name(folder.name + ".part")
        try:
            process, ready = self._open()
            test = plan_test(
                self.settings,
                self.scenario,
                self.order,
                mode=mode,
                samples=ready.samples,
                workers=self.job.queueing.workers,
                pace=ready.pace,
                bound=self.bound,
                seed=self.seed,
                index=index,
            )
            with _kept(part):
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                conf = {**self.settings.conf(), **test.conf}
                (part / "user.conf").write_text(write_conf(conf), encoding="utf-8")
                if self.settings.audit is not None:
                    shutil.copy(self.settings.audit, part / "audit.config")
            account = process.run(test, part, what)
            trace = read_trace(part / TRACE)
            with _kept(part):
                part.rename(folder)
        finally:
            self._close()
        return account, trace

    def _judged(self, joined: Joined, account: Account, detail: Detail) -> Joined:
        """Also say what is worth saying, each thing once a run."""
        one, failures = joined.round, Counter(joined.failures)
        warnings = [
            *joined.warnings,
            *(
                f"LoadGen reports an error in round {one.index}: {entry.value}"
                for entry in detail.entries
                if entry.error and self._first(entry.key)
            ),
        ]
        unanswered = int((~one.answered).sum())
        if unanswered and self._first("unanswered"):
            warnings.append(
                f"LoadGen knows no failures: its own summary of round {one.index} counts "
                f"{unanswered} queries without an answer as answered when it was told so; "
                "these records do not"
            )
        others = self._answered_otherwise(account)
        if others:
            failures["answered otherwise than in LoadGen's accuracy test"] += len(others)
            if self._first("otherwise"):
                warnings.append(
                    f"{len(others)} of {len(self.ids)} samples are answered otherwise in round "
                    f"{one.index} than in LoadGen's accuracy test, such as "
                    f"{self.ids[min(others)]!r}: answers depend on more than the sample"
                )
        return replace(joined, failures=failures, warnings=tuple(warnings))

    def _first(self, what: str) -> bool:
        if what in self._said:
            return False
        self._said.add(what)
        return True

    def _answered_otherwise(self, account: Account) -> set[int]:
        """Samples with an answer that is not the accuracy test's."""
        columns = list(account.outputs.values())
        told = [answer_bytes(answer) for answer in zip(*columns, strict=True)] if columns else []
        answered = account.output_id != NONE
        pairs = np.stack([account.sample[answered], account.output_id[answered]])
        return {
            sample
            for sample, output in np.unique(pairs, axis=1).T.tolist()
            if self._expected.get(sample, told[output]) != told[output]
        }


def _numbered(account: Account, number: Callable[[Answer], int]) -> Int32s:
    """The rows' answers as the run numbers them, new ones in the order they came."""
    answers = zip(*account.outputs.values(), strict=True)
    numbers = np.array([number(tuple(map(np.asarray, one))) for one in answers], dtype=np.int32)
    if not len(numbers):
        return account.output_id
    return np.where(account.output_id == NONE, NONE, numbers[account.output_id]).astype(np.int32)


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """What cannot be written becomes one sentence."""
    try:
        yield
    except OSError as cause:
        reason = cause.strerror or str(cause)
        raise StoreError(f"{str(folder)!r} cannot be written: {reason}") from cause
