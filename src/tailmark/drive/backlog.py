"""Outputs that wait to be decoded, so that decoding delays no query."""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from tailmark.drive.recording import Recording
from tailmark.records.model import Int32s
from tailmark.system.base import split

Number = Callable[[Any], int]
"""Turns a decoded answer into the number it is stored under."""

_TYPICAL_SHARE = 1 / 8  # of each new time in the running mean
_MARGIN = 3  # a gap must hold so many typical times


class Backlog:
    """A round's outputs on their way to the records.

    Workers append from any thread. Whoever settles, one thread at a time decodes, and is done with
    all that was there when it returns: a system that writes into the same arrays again may go on.

    Append ``(row, output)``, or ``(rows, output)`` of a batch.

    Args:
        recording: Where answers are noted.
        order: The sample of each row.
        decode: Reads an output of a sample.
        number: Stores an answer.
        hold: How many outputs may wait at most.
        now: The clock.
    """

    def __init__(
        self,
        recording: Recording,
        order: Int32s,
        decode: Callable[[Any, int], Any],
        number: Number,
        hold: int,
        now: Callable[[], int],
    ) -> None:
        self._recording = recording
        self._order = order
        self._decode = decode
        self._number = number
        self.hold = hold
        self._now = now
        self._typical_ns = 0.0
        self._settling = Lock()
        self.held: deque[tuple[int | Sequence[int], Any]] = deque()
        self.append = self.held.append

    @property
    def full(self) -> bool:
        """Whether no more may wait."""
        return len(self.held) >= self.hold

    def settle(self) -> None:
        """Decode everything."""
        while self.held:
            self._settle_one()
        with self._settling:  # what another thread took is decoded too
            pass

    def settle_before(self, moment_ns: int) -> None:
        """Once half of what may wait does, decode what can be decoded well before a moment.

        No sooner: what decoding leaves in the caches slows the call after it.
        """
        held, now = self.held, self._now
        if len(held) < self.hold // 2:
            return
        while held:
            began = now()
            if began + _MARGIN * self._typical_ns > moment_ns and len(held) < self.hold:
                return
            self._settle_one()
            self._typical_ns += _TYPICAL_SHARE * (now() - began - self._typical_ns)

    def _settle_one(self) -> None:
        with self._settling:
            if not self.held:  # another thread came first
                return
            rows, output = self.held.popleft()
            if isinstance(rows, int):
                rows = (rows,)
            try:
                for row, one in zip(rows, split(output, len(rows)), strict=True):
                    answer = self._decode(one, self._order[row])
                    self._recording.output_id[row] = self._number(answer)
            except Exception as cause:  # noqa: BLE001 - a plug-in's decoder may raise anything
                for row in rows:
                    self._recording.fail(row, cause)
