"""Systems that answer from their own threads, rightly or wrongly: all is recorded, none hangs."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tailmark
from drive.at import ROWS, At, label, measured
from tailmark.drive.responding import AFTER_THE_END, TWICE, UNKNOWN
from tailmark.errors import EveryQueryFailedError, SystemSetupError
from tailmark.records.model import NONE, Run, Status
from tailmark.scenario.queueing import Queueing
from tailmark.testing import RespondingSystem
from tailmark.testing.systems import Fault

FAULTS: tuple[Fault, ...] = get_args(Fault)
MISBEHAVING = Path(__file__).parents[1] / "measurement"
SOON = 3 * 10**8
LOST = {"raises": Status.failed, "dropped": Status.lost, "waits": Status.lost}


def faulty(*faults: Fault) -> RespondingSystem:
    """A system that treats sample i by the i-th fault, and the rest rightly."""

    def fault(batch: Any) -> Fault:
        sample = int(batch[0])
        return faults[sample] if sample < len(faults) else ""

    return RespondingSystem(answer=label, fault=fault)


def answered(out: Path, server: Any, scenario: At | None = None, **changes: Any) -> Run:
    """A run of a system that calls back: a recipe, or a ``submit``."""
    system = server if hasattr(server, "open") else tailmark.Callback(make=lambda: server)
    policy = changes.pop("queueing", Queueing())
    return measured(out, label, policy, scenario, system=system, timeout_ns=SOON, **changes)


@pytest.mark.parametrize("scenario", [At([0] * ROWS), At(None), At(None, 8), At([0], ROWS)])
def test_answers_from_other_threads_reach_their_rows(tmp_path: Path, scenario: At) -> None:
    """In closed loops and open ones, alone and several a query."""
    run = answered(tmp_path / "run", faulty(), scenario)
    one = run.stored[0]
    assert one.answered.all()
    assert np.array_equal(run.outputs["labels"][one.output_id, 0], one.sample % 3)
    assert (one.completed_ns >= one.issued_ns).all()
    assert not run.manifest.anomalies


def test_a_system_may_answer_before_submit_returns(tmp_path: Path) -> None:
    """In the issuing thread itself."""

    def submit(tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        for ticket, batch in zip(tickets, batches, strict=True):
            complete(ticket, label(batch))

    run = answered(tmp_path / "run", submit, At(None))
    assert run.stored[0].answered.all()


def test_a_submit_that_raises_fails_its_query(tmp_path: Path) -> None:
    """And only what it had not answered before."""
    tries = iter(range(10**6))

    def submit(tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        complete(tickets[0], label(batches[0]))
        if next(tries) > 0:
            raise OSError("down")

    run = answered(tmp_path / "run", submit, At(None, 4))
    one = run.stored[0]
    assert one.answered.tolist() == [True, False, False, False] * (ROWS // 4)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(st.sampled_from(FAULTS), min_size=ROWS, max_size=ROWS))
def test_chaos_is_recorded(tmp_path_factory: pytest.TempPathFactory, faults: list[Fault]) -> None:
    """Whatever each query meets, its row says so, the others are untouched, and the round ends."""
    system = faulty(*faults)
    try:
        run = answered(tmp_path_factory.mktemp("chaos") / "run", system, At([0] * ROWS))
    except EveryQueryFailedError:
        assert not {"", "twice", "unknown"}.intersection(faults)
        return
    finally:
        system.release.set()
    one = run.stored[0]
    for row, fault in enumerate(faults):
        assert one.status[row] == LOST.get(fault, Status.ok), fault
        if one.status[row] == Status.ok:
            assert run.outputs["labels"][one.output_id[row], 0] == row % 3
        else:
            assert one.output_id[row] == one.completed_ns[row] == NONE
    noted = {str(a["what"]): a["count"] for a in run.manifest.anomalies}
    assert noted.get(UNKNOWN, 0) == 2 * faults.count("unknown")
    assert noted.get(TWICE, 0) <= faults.count("twice")  # the last may come after the end
    assert noted.get("OSError: down", 0) == faults.count("raises")


def test_an_answer_after_its_timeout_is_one_that_timed_out(tmp_path: Path) -> None:
    """While the round goes on; it is not lost, and it is late for every deadline."""
    system = faulty("waits")
    live = system.open()

    def submit(tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        if tickets[0] == 1:  # ticket 0 is the first try's, too
            threading.Timer(1.5 * SOON / 1e9, system.release.set).start()
        live.submit(tickets, batches, complete)

    spread = At([0] * (ROWS - 1) + [2 * SOON])
    one = answered(tmp_path / "run", submit, spread).stored[0]
    assert one.status[0] == Status.timed_out
    assert one.answered[1:].all()


def test_what_answers_after_the_end_is_told_by_the_next_round(tmp_path: Path) -> None:
    """And changes no row of it."""
    system = faulty("", "", "", "waits")
    live = system.open()
    calls = iter(range(10**6))

    def submit(tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        if next(calls) > ROWS + 1:
            system.release.set()
        live.submit(tickets, batches, complete)

    spread = At([i * 10**6 for i in range(ROWS)])
    run = answered(tmp_path / "run", submit, spread, rounds=2)
    first, second = run.rounds()
    assert first.status[3] == Status.lost
    assert second.answered.all()
    assert {"what": AFTER_THE_END, "count": 1} in run.manifest.anomalies


def test_a_bound_sheds_what_a_system_would_have_to_queue(tmp_path: Path) -> None:
    """What is beyond it is never handed over."""
    given_tickets: list[int] = []

    def submit(tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        given_tickets.extend(tickets)

        def later() -> None:
            for ticket, batch in zip(tickets, batches, strict=True):
                complete(ticket, label(batch))

        threading.Timer(0.1, later).start()

    run = answered(tmp_path / "run", submit, queueing=Queueing(max_outstanding=5))
    one = run.stored[0]
    assert (one.status == Status.shed).sum() == ROWS - 5
    assert given_tickets[1:] == list(range(5))  # after the first try


def test_what_cannot_be_handed_over_is_said(tmp_path: Path) -> None:
    """A maker that makes nothing callable, and stages that only we could time."""
    with pytest.raises(SystemSetupError, match="it must give something with submit"):
        answered(tmp_path / "a", 5)
    with pytest.raises(SystemSetupError, match="stages cannot be timed"):
        answered(tmp_path / "b", faulty(), timed="total")
    with pytest.raises(SystemSetupError, match="its own workers and batches"):
        answered(tmp_path / "c", faulty(), queueing=Queueing(workers=2))
    with pytest.raises(SystemSetupError, match="nobody here knows when it is busy"):
        answered(tmp_path / "e", faulty(), queueing=Queueing(when_busy="newest"))
    own = tailmark.Callback(make="misbehaving:answers_by_itself", folder=MISBEHAVING)
    with pytest.raises(SystemSetupError, match="isolate: true has no way for"):
        measured(tmp_path / "d", label, Queueing(), system=own, isolate=True)
