"""Which call is in progress: written by the loop's thread, read by the watchdog's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tailmark.drive.recording import Recording
from tailmark.records.model import Int32s


class InFlight:
    """The call in progress, to be compared and to be named.

    Args:
        ids: The samples' names.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._trying: int | None = None
        self._sending: tuple[str, Int32s, Recording] | None = None

    def trying(self, sample: int | None) -> None:
        """A first query, before anything is recorded; None once it has returned."""
        self._trying = sample

    @contextmanager
    def sending(self, where: str, order: Int32s, recording: Recording) -> Iterator[None]:
        """The queries of a round or of the warm-up. One that never returns stays named."""
        self._sending = (where, order, recording)
        yield
        self._sending = None

    def position(self) -> object:
        """What tells one call from the next; None while there is none."""
        if self._trying is not None:
            return self._trying
        if self._sending is None:
            return None
        where, _, recording = self._sending
        row = recording.position()
        return None if row is None else (where, row)

    def name(self) -> str:
        """The call in words."""
        if self._sending is None:
            return f"the first query (sample {self._ids[self._trying or 0]!r})"
        where, order, recording = self._sending
        row = recording.position() or 0
        return f"query {row} of {where} (sample {self._ids[order[row]]!r})"
