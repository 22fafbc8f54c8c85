"""What time it is. Only `drive` and `audit` ask; tests hand them a virtual clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock in integer nanoseconds.

    ``oversleep_ns`` is how late its sleeps may end: who must be on time wakes that much earlier.
    """

    oversleep_ns: int

    def now_ns(self) -> int:
        """Nanoseconds since some fixed moment."""
        ...

    def sleep_ns(self, duration_ns: int) -> None:
        """Return no sooner than ``duration_ns`` from now."""
        ...


class MonotonicClock:
    """The machine's monotonic clock: it never steps back, whatever happens to the date.

    ``now_ns`` is the C function itself, so that reading it costs no Python frame.
    """

    oversleep_ns = 200_000
    now_ns = staticmethod(time.perf_counter_ns)

    def sleep_ns(self, duration_ns: int) -> None:
        """Sleep, leaving the processor."""
        time.sleep(duration_ns / 1e9)
