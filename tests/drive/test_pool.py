"""Several workers behind one queue, in real threads: every row is served once, and none hangs."""

import threading
import time
from array import array
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
from tailmark.scenario.queueing import Queueing, WhenBusy
from tailmark.scenario.simulate import simulate
from tailmark.testing import VirtualClock

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


def wait_until(there: Callable[[], bool]) -> None:
    """Half a minute at most."""
    ends = time.monotonic() + 30
    while not there():
        assert time.monotonic() < ends


class Scripted(VirtualClock):
    """Before it moves on, what was to happen until then has happened."""

    def __init__(self, steps: Sequence[Callable[[], object]]) -> None:
        super().__init__()
        self._steps = iter(steps)

    def sleep_ns(self, duration_ns: int) -> None:
        """Whoever issues moves it."""
        next(self._steps)()
        super().sleep_ns(duration_ns)


@pytest.mark.parametrize(
    "queueing",
    [
        Queueing(workers=2, when_busy="skip"),
        Queueing(workers=2, when_busy="newest"),
        Queueing(workers=2, when_busy="newest", batch=3),
    ],
    ids=str,
)
def test_who_is_shed_is_who_the_simulation_says(queueing: Queueing) -> None:
    """Both workers are busy when all but the last come; one is free again before that."""
    begun = [threading.Event() for _ in range(ROWS)]
    release = [threading.Event() for _ in range(2)]

    def serve(rows: Sequence[int]) -> None:
        for row in rows:
            begun[row].set()
            if row < len(release):
                assert release[row].wait(30)
            recording.completed[row] = clock.now_ns()

    def free_one() -> None:
        release[0].set()
        waiting = queueing.batch if queueing.when_busy == "newest" else 0
        wait_until(lambda: pool._done() == 1 + waiting)

    def free_the_other() -> None:
        assert begun[-1].wait(30)
        release[1].set()

    clock = Scripted([begun[0].wait, begun[1].wait, free_one])
    due_ns = [0, 10, *[20] * (ROWS - 3), 40]
    recording = Recording(ROWS, queue=True)
    recording.due = array("q", [clock.now_ns() + at for at in due_ns])
    pool = Pool([serve, serve], None, recording, clock, queueing, 10**10, 10**10, None)
    threading.Thread(target=free_the_other, daemon=True).start()
    schedule = At(due_ns).schedule(ROWS, order="fixed", seed=0, index=0)
    pool.run(schedule)
    told = simulate(schedule, queueing, lambda rows: {0: 30, 1: 1000}.get(rows[0], 5))
    assert list(recording.status) == told.status.tolist()
    assert np.array_equal(recording.column("completed") > 0, told.status == Status.ok)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("when_busy", ["skip", "newest"])
def test_isolated_workers_shed_as_others_do(
    tmp_path: Path, workers: int, when_busy: WhenBusy
) -> None:
    """Nothing is lost, nobody goes back, and the newest of all is answered where it may wait."""
    system = tailmark.Function(call="misbehaving:slow", folder=HERE.parent / "measurement")
    run = measured(
        tmp_path / "run",
        label,
        Queueing(workers=workers, when_busy=when_busy),
        At([i * 10**5 for i in range(ROWS)]),
        system=system,
        isolate=True,
        decode=tailmark.Classes(),
    )
    one = run.stored[0]
    assert one.started_ns is not None
    assert set(one.status.tolist()) == {Status.ok, Status.shed}
    assert (np.diff(one.started_ns[one.answered]) >= 0).all()
    assert np.array_equal(one.started_ns >= 0, one.answered)
    assert one.answered[-1 if when_busy == "newest" else 0]


def test_the_warm_up_sheds_nothing(tmp_path: Path) -> None:
    """It has every worker busy, whatever becomes of those who find it so."""
    policy = Queueing(workers=2, batch=3, when_busy="newest")
    spread = At([i * 10**6 for i in range(ROWS)])
    run = measured(tmp_path / "run", label, policy, spread, warmup=50)
    assert run.complete


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
