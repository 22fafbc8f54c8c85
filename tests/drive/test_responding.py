"""Systems that answer from their own threads, rightly or wrongly: all is recorded, none hangs."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tailmark
from drive.at import ROWS, At, label, measured
from tailmark.errors import SystemSetupError
from tailmark.records.model import NONE, Run, Status
from tailmark.scenario.queueing import Queueing

FAULTS = ("fine", "raises", "dropped", "twice", "unknown", "stalls", "after the end")
MISBEHAVING = Path(__file__).parents[1] / "measurement"
SOON = 3 * 10**8


class Server:
    """Answers each ticket in a thread of its own; ``fault`` says how it misbehaves, by sample."""

    def __init__(self, fault: Callable[[int], str]) -> None:
        self.fault = fault
        self.tried = False
        self.release = threading.Event()

    def submit(self, tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        """As `Responder.submit`."""
        for ticket, batch in zip(tickets, batches, strict=True):
            fault = self.fault(int(batch[0])) if self.tried else "fine"
            self.tried = True  # the first try must be answered
            args = (fault, ticket, batch, complete)
            threading.Thread(target=self._answer, args=args, daemon=True).start()

    def _answer(self, fault: str, ticket: int, batch: Any, complete: Any) -> None:
        if fault == "raises":
            complete(ticket, error=OSError("down"))
        elif fault == "unknown":
            complete(ticket + 10**6, label(batch))
            complete("ticket", label(batch))
            complete(ticket, label(batch))
        elif fault == "stalls":
            threading.Event().wait(1.5 * SOON / 1e9)
            complete(ticket, label(batch))
        elif fault == "after the end":
            self.release.wait(30)
            complete(ticket, label(batch))
        elif fault != "dropped":
            complete(ticket, label(batch))
            if fault == "twice":
                complete(ticket, label(batch))


def answered(out: Path, server: Any, scenario: At | None = None, **changes: Any) -> Run:
    """A run of a system that calls back."""
    system = tailmark.Callback(make=lambda: server)
    policy = changes.pop("queueing", Queueing())
    return measured(out, label, policy, scenario, system=system, timeout_ns=SOON, **changes)


@pytest.mark.parametrize("scenario", [At([0] * ROWS), At(None), At(None, 8), At([0], ROWS)])
def test_answers_from_other_threads_reach_their_rows(tmp_path: Path, scenario: At) -> None:
    """In closed loops and open ones, alone and several a query."""
    run = answered(tmp_path / "run", Server(lambda _: "fine"), scenario)
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
def test_chaos_is_recorded(tmp_path_factory: pytest.TempPathFactory, faults: list[str]) -> None:
    """Whatever each query meets, its row says so, the others are untouched, and the round ends."""
    server = Server(lambda sample: faults[sample])
    run = answered(tmp_path_factory.mktemp("chaos") / "run", server, At([0] * ROWS))
    server.release.set()
    one = run.stored[0]
    expected = {
        "raises": Status.failed,
        "dropped": Status.lost,
        "after the end": Status.lost,
    }
    for row, fault in enumerate(faults):
        if fault == "stalls":  # it may come before the last of the others is given up
            assert one.status[row] in (Status.lost, Status.timed_out)
        else:
            assert one.status[row] == expected.get(fault, Status.ok), fault
        if one.status[row] == Status.ok:
            assert run.outputs["labels"][one.output_id[row], 0] == row % 3
        else:
            assert one.output_id[row] == one.completed_ns[row] == NONE
    noted = {str(a["what"]): a["count"] for a in run.manifest.anomalies}
    unknown = "the system completed a query that it was never given"
    assert noted.get(unknown, 0) == 2 * faults.count("unknown")
    twice = "the system completed a query more than once"
    assert noted.get(twice, 0) <= faults.count("twice")
    assert noted.get("OSError: down", 0) == faults.count("raises")


def test_what_answers_after_the_end_is_told_by_the_next_round(tmp_path: Path) -> None:
    """And changes no row of it."""
    server = Server(lambda sample: "after the end" if sample == 3 else "fine")
    original = server.submit
    calls = iter(range(10**6))

    def submit(tickets: Sequence[int], batches: Sequence[Any], complete: Any) -> None:
        if next(calls) > ROWS + 1:
            server.release.set()
        original(tickets, batches, complete)

    spread = At([i * 10**6 for i in range(ROWS)])
    run = answered(tmp_path / "run", submit, spread, rounds=2)
    first, second = run.rounds()
    assert first.status[3] == Status.lost
    assert second.answered.all()
    after = "the system completed a query after the end of its round"
    assert {"what": after, "count": 1} in run.manifest.anomalies


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
        answered(tmp_path / "b", Server(lambda _: "fine"), timed="total")
    with pytest.raises(SystemSetupError, match="its own workers and batches"):
        answered(tmp_path / "c", Server(lambda _: "fine"), queueing=Queueing(workers=2))
    own = tailmark.Callback(make="misbehaving:answers_by_itself", folder=MISBEHAVING)
    with pytest.raises(SystemSetupError, match="isolate: true has no way for"):
        measured(tmp_path / "d", label, Queueing(), system=own, isolate=True)
