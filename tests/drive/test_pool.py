"""Several workers behind one queue, in real threads: every row is served once, and none hangs."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from drive.at import LABELS, ROWS, At, label, measured
from tailmark.clock import MonotonicClock
from tailmark.drive.pool import Pool
from tailmark.drive.recording import Recording
from tailmark.errors import QueryNeverReturnedError
from tailmark.records.model import Status
from tailmark.records.store import read_manifest
from tailmark.scenario.queueing import Queueing

HERE = Path(__file__).parent


@pytest.mark.parametrize("queueing", [Queueing(workers=3), Queueing(workers=3, batch=4)])
@pytest.mark.parametrize("scenario", [At([0] * ROWS), At(None), At(None, 8), At([0], ROWS)])
@pytest.mark.parametrize("timed", ["inference", "total"])
def test_every_row_is_served_once_with_its_own_answer(
    tmp_path: Path, queueing: Queueing, scenario: At, timed: str
) -> None:
    """Whoever takes it, alone or in a batch."""
    run = measured(tmp_path / "run", label, queueing, scenario, timed=timed)
    one = run.stored[0]
    assert one.answered.all()
    assert np.array_equal(run.outputs["labels"][one.output_id, 0], one.sample % 3)
    assert one.started_ns is not None
    assert (one.scheduled_ns <= one.issued_ns).all()
    assert (one.issued_ns <= one.started_ns).all()
    assert (one.started_ns <= one.completed_ns).all()
    sizes = np.unique(one.started_ns, return_counts=True)[1]
    assert sizes.max() <= queueing.batch


def pooled(serve: Callable[[Sequence[int]], None], workers: int, rows: int) -> Recording:
    """A closed loop of one query, without the first try that every system is given."""
    recording = Recording(rows, queue=True)

    def stamped(taken: Sequence[int]) -> None:
        serve(taken)
        for row in taken:
            recording.completed[row] = time.perf_counter_ns()

    policy = Queueing(workers=workers)
    pool = Pool(
        [stamped] * workers, None, recording, MonotonicClock(), policy, 10**10, 10**10, None
    )
    pool.run(At(None, rows).schedule(rows, order="fixed", seed=0, index=0))
    return recording


def test_workers_work_at_the_same_time() -> None:
    """Three calls meet; one worker alone could never bring that about."""
    meeting = threading.Barrier(3, timeout=30)

    def serve(rows: Sequence[int]) -> None:
        del rows
        meeting.wait()

    recording = pooled(serve, workers=3, rows=3)
    assert all(recording.completed)


def test_what_a_system_raises_fails_its_rows_alone(tmp_path: Path) -> None:
    """Even what is no Exception."""

    def call(batch: Any) -> Any:
        if 7 in batch:
            raise SystemExit(3)
        if 11 in batch:
            raise OSError("down")
        return label(batch)

    run = measured(tmp_path / "run", call, Queueing(workers=2))
    one = run.stored[0]
    assert np.flatnonzero(one.status == Status.failed).tolist() == [7, 11]
    assert {(a["what"], a["count"]) for a in run.manifest.anomalies} == {
        ("SystemExit: 3", 1),
        ("OSError: down", 1),
    }


def test_a_worker_that_never_returns_is_replaced(tmp_path: Path) -> None:
    """Its query has no answer; the others do, and the next round begins with all workers."""
    forever = threading.Event()

    def call(batch: Any) -> Any:
        if 5 in batch:
            forever.wait()
        return label(batch)

    run = measured(tmp_path / "run", call, Queueing(workers=2), rounds=2, timeout_ns=3 * 10**8)
    forever.set()
    for one in run.rounds():
        assert one.status[5] == Status.timed_out
        assert one.completed_ns[5] == -1
        assert one.answered.sum() == ROWS - 1
    assert run.complete


def test_too_many_that_never_return_end_the_run(tmp_path: Path) -> None:
    """It says how to go on instead; it does not hang."""
    forever = threading.Event()
    tries = iter(range(10**6))

    def call(batch: Any) -> Any:
        if next(tries) > 0:  # the first try must be answered
            forever.wait()
        return label(batch)

    spread = At([i * 4 * 10**7 for i in range(ROWS)])
    with pytest.raises(QueryNeverReturnedError, match="isolate: true"):
        measured(tmp_path / "run", call, Queueing(workers=2), spread, timeout_ns=5 * 10**7)
    forever.set()
    assert read_manifest(tmp_path / "run").status == "partial"


def test_a_system_that_cannot_be_opened_again_ends_the_run(tmp_path: Path) -> None:
    """Nobody could take the place of a worker that hangs."""
    forever = threading.Event()
    opened = iter(range(10**6))

    class Once(tailmark.Function):
        def open(self) -> Any:
            if next(opened) >= 2:
                raise OSError("the device is taken")
            return super().open()

    def call(batch: Any) -> Any:
        if 5 in batch:
            forever.wait()
        return label(batch)

    with pytest.raises(QueryNeverReturnedError, match=r"cannot be opened again .*is taken"):
        measured(
            tmp_path / "run",
            call,
            Queueing(workers=2),
            system=Once(call=call),
            timeout_ns=2 * 10**8,
        )
    forever.set()


def test_a_round_leaves_no_thread_behind(tmp_path: Path) -> None:
    """Workers and overseer end with it."""
    before = set(threading.enumerate())
    measured(tmp_path / "run", label, Queueing(workers=3))
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before


def test_what_is_beyond_the_bound_is_shed_and_counted(tmp_path: Path) -> None:
    """At once; the rest is served as if it had never come."""
    gate = threading.Event()
    threading.Timer(0.3, gate.set).start()
    tries = iter(range(10**6))

    def call(batch: Any) -> Any:
        if next(tries) > 0:  # the first try must be answered
            gate.wait(30)
        return label(batch)

    run = measured(tmp_path / "run", call, Queueing(workers=2, max_outstanding=6))
    one = run.stored[0]
    assert (one.status == Status.shed).sum() == ROWS - 6
    assert one.answered[:6].all()
    assert run.manifest.counts["shed"] == ROWS - 6
    assert any("shed" in str(a["what"]) for a in run.manifest.anomalies)


def test_who_waited_beyond_the_timeout_is_not_begun(tmp_path: Path) -> None:
    """So an overloaded round ends, too."""

    def call(batch: Any) -> Any:
        time.sleep(0.05)
        return label(batch)

    run = measured(tmp_path / "run", call, Queueing(workers=2), timeout_ns=2 * 10**8)
    one = run.stored[0]
    assert one.started_ns is not None
    late = one.status == Status.timed_out
    assert 0 < late.sum() < ROWS
    assert (one.started_ns[late & (one.started_ns >= 0)] <= 2 * 10**8 + 10**8).all()
    assert any("waited in the queue" in str(a["what"]) for a in run.manifest.anomalies)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("batch", [1, 4])
def test_offline_waits_as_long_as_it_takes(tmp_path: Path, workers: int, batch: int) -> None:
    """The last of all samples is no failure for having waited for the others."""

    def call(one: Any) -> Any:
        time.sleep(0.03 * workers * batch)  # so that all together take 0.7 s, however served
        return label(one)

    policy = Queueing(workers=workers, batch=batch)
    run = measured(
        tmp_path / "run", call, policy, scenario=tailmark.Offline(), timeout_ns=5 * 10**8
    )
    one = run.stored[0]
    assert one.answered.all()
    assert one.completed_ns.max() > 5 * 10**8


def test_isolated_workers_die_alone(tmp_path: Path) -> None:
    """A process that ends fails its query; another takes its place."""
    system = tailmark.Function(call="misbehaving:dies_on_five", folder=HERE.parent / "measurement")
    run = measured(
        tmp_path / "run", label, Queueing(workers=2), system=system, isolate=True, decode=LABELS
    )
    one = run.stored[0]
    assert np.flatnonzero(~one.answered).tolist() == [5]
    assert "its process ended" in str(run.manifest.anomalies[0]["what"])
