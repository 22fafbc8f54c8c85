"""The watchdog interrupts a call that outlives its timeout, and nothing else."""

import signal
import threading
import time
from typing import Any

import pytest

from tailmark.drive.watchdog import OverdueError, Watchdog


def never() -> None:
    """A stop that must not be reached."""
    raise AssertionError("gave up on a call that was no trouble")


def test_a_call_past_the_timeout_is_interrupted() -> None:
    """In the main thread, soon after."""
    began = time.monotonic()
    with pytest.raises(OverdueError), Watchdog(50_000_000, lambda: "here", never):
        time.sleep(30)
    assert 0.05 <= time.monotonic() - began < 10


def test_no_call_in_progress_is_never_overdue() -> None:
    """Between rounds, and while the machine is audited, time is free."""
    with Watchdog(10_000_000, lambda: None, never):
        time.sleep(0.1)


def test_a_call_that_moves_on_is_never_overdue() -> None:
    """Each position has the whole timeout."""
    moving = {"at": 0}
    with Watchdog(500_000_000, lambda: moving["at"], never):
        for _ in range(12):
            time.sleep(0.05)
            moving["at"] += 1


def test_the_signals_handler_is_given_back() -> None:
    """Whoever used the alarm before uses it after, whichever way it ended."""

    def mine(number: int, frame: Any) -> None:
        del number, frame

    before = signal.signal(signal.SIGALRM, mine)
    try:
        with Watchdog(10**9, lambda: None, never):
            pass
        assert signal.getsignal(signal.SIGALRM) is mine
        with pytest.raises(KeyError), Watchdog(10**9, lambda: None, never):
            raise KeyError
        assert signal.getsignal(signal.SIGALRM) is mine
    finally:
        signal.signal(signal.SIGALRM, before)


def test_no_thread_is_left_behind() -> None:
    """When the measurement is over it is over."""
    with Watchdog(10**10, lambda: None, never):
        assert any(t.name == "tailmark-watchdog" for t in threading.enumerate())
    assert not any(t.name == "tailmark-watchdog" for t in threading.enumerate())


def test_a_stray_alarm_is_no_interruption() -> None:
    """A signal that the watchdog did not send stops nothing."""
    with Watchdog(10**10, lambda: "here", never):
        signal.raise_signal(signal.SIGALRM)


def test_off_the_main_thread_it_gives_up_at_once() -> None:
    """A signal reaches the main thread only, so leaving is all that is left."""
    left = threading.Event()
    outcome: list[BaseException] = []

    def measure() -> None:
        try:
            with Watchdog(30_000_000, lambda: "here", left.set):
                assert left.wait(30)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            outcome.append(error)

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    assert outcome == []
