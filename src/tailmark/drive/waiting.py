"""Waiting for a moment: sleep until shortly before it, then spin.

A sleep ends late, by what the system's timer is worth; the spin makes up for that. While it lasts
it holds the interpreter's lock, so it is capped, and shorter where other threads of ours serve.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tailmark.clock import Clock

SHARED_SPIN_NS = 60_000
"""The most a wait may spin where worker threads need the interpreter too."""

_SWITCH_S = 0.0005
_GET_TIMER_SLACK, _SET_TIMER_SLACK = 30, 29  # linux/prctl.h


def waiter(clock: Clock, at_most_ns: int | None = None) -> Callable[[int], int]:
    """What waits until a moment of the clock, and says when it came back.

    Args:
        clock: Tells the time, and sleeps.
        at_most_ns: The longest spin; by default as long as the clock's sleeps may end late.
    """
    spin_ns = min(clock.oversleep_ns, clock.oversleep_ns if at_most_ns is None else at_most_ns)
    now, sleep = clock.now_ns, clock.sleep_ns

    def wait_until(moment_ns: int) -> int:
        while (left := moment_ns - now()) > spin_ns:
            sleep(left - spin_ns)
        while (woken := now()) < moment_ns:
            pass
        return woken

    return wait_until


@contextmanager
def sharp_timer() -> Iterator[None]:
    """Have this thread's sleeps end as near to their time as the kernel can (Linux)."""
    before = None
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        before = libc.prctl(_GET_TIMER_SLACK)
        libc.prctl(_SET_TIMER_SLACK, 1)
    try:
        yield
    finally:
        if before is not None:
            libc.prctl(_SET_TIMER_SLACK, before)


@contextmanager
def quick_switches() -> Iterator[None]:
    """Have threads hand the interpreter on sooner: who issues must not wait 5 ms for who serves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
