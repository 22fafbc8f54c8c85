"""A clock that moves when it is told to."""


class VirtualClock:
    """Starts at 1 s, so that no moment is zero; sleeping takes no time of ours."""

    oversleep_ns = 0

    def __init__(self, start_ns: int = 10**9) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """The moment it was last moved to."""
        return self._now_ns

    def sleep_ns(self, duration_ns: int) -> None:
        """Move on."""
        self.advance(duration_ns)

    def advance(self, duration_ns: int) -> None:
        """Move on.

        Raises:
            ValueError: Backwards.
        """
        if duration_ns < 0:
            raise ValueError(f"a monotonic clock cannot move by {duration_ns} ns")
        self._now_ns += duration_ns
