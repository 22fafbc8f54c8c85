"""Where LoadGen's questions lie until each is answered, once, by whoever comes first.

A response is given by the thread that served it, or by the overseer when its time is up; what comes
second is noted and changes nothing. An exception never goes further than here: it becomes a failed
row, and LoadGen gets an empty response, for it knows no failure.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tailmark.drive.loadgen.ledger import Ledger
from tailmark.drive.service import Service, Timed
from tailmark.drive.watchdog import OverdueError
from tailmark.records.catalogue import Answer
from tailmark.records.model import Status
from tailmark.system.base import joined, split
from tailmark.units import format_duration

Respond = Callable[[Sequence[tuple[int, int, int]]], None]
"""Tells LoadGen of responses: id, address and size of the data of each."""

Held = deque[tuple[Sequence[int], Any]]
"""Rows and their outputs that are still to be decoded."""

_NOW = time.perf_counter_ns


class Desk:
    """The open questions.

    ``serving`` is the first row of the call in progress, for who watches the one thread that calls;
    ``moved_ns`` is when LoadGen was last told of anything.

    Args:
        service: Inputs, preparation and decoding.
        timed: Whether preparation and decoding belong into the clock.
        ledger: Filled.
        respond: Tells LoadGen.
        with_data: Whether LoadGen wants to see the answers; then they are decoded before it is
            told, otherwise after.
        timeout_ns: How long a response may take.
    """

    def __init__(
        self,
        service: Service,
        timed: Timed,
        ledger: Ledger,
        respond: Respond,
        *,
        with_data: bool,
        timeout_ns: int,
    ) -> None:
        self.service = service
        self.ledger = ledger
        self.limit = format_duration(timeout_ns)
        self.no_answer = f"no answer within the timeout of {self.limit}"
        self.serving: int | None = None
        self.moved_ns = 0
        self._timed = timed
        self._respond = respond
        self._with_data = with_data
        self._decoded_first = with_data or timed == "total"
        self._open: dict[int, int] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def take(self, ids: Sequence[int], samples: Sequence[int]) -> range:
        """New questions; their rows."""
        rows = self.ledger.begin(samples, _NOW())
        self._open.update(zip(rows, ids, strict=True))
        return rows

    def inputs(self, rows: Sequence[int]) -> list[Any]:
        """What was asked, each with a batch axis of one."""
        sample = self.ledger.sample
        ones = [self.service.inputs[sample[row]] for row in rows]
        return [self.service.prepare(one) for one in ones] if self._timed == "total" else ones

    def serve(self, rows: Sequence[int], predict: Callable[[Any], Any], held: Held) -> None:
        """Answer rows by one call; outputs that need not be decoded at once are held."""
        began = prepared = inferred = _NOW()
        for row in rows:
            self.ledger.started[row] = began
        self.serving = rows[0]
        try:
            batch = joined(self.inputs(rows))
            prepared = inferred = _NOW()
            output = predict(batch)
            inferred = _NOW()
            answers = self._decode(output, rows) if self._decoded_first else None
            self.serving = None
        except OverdueError:
            self.serving = None
            self.refuse(rows, self.no_answer, Status.timed_out)
            return
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            self.serving = None
            self._time(rows, prepared - began, inferred - prepared, 0)
            self.refuse(rows, cause, Status.failed)
            return
        self._time(rows, prepared - began, inferred - prepared, _NOW() - inferred)
        self.give(rows, output, answers, held)

    def give(
        self, rows: Sequence[int], output: Any, answers: Sequence[Answer] | None, held: Held
    ) -> None:
        """Tell LoadGen that rows are answered.

        Args:
            rows: Whose.
            output: Raw, of all of them.
            answers: Decoded, where that comes first.
            held: Where the output waits to be decoded otherwise.
        """
        ledger, responses, mine = self.ledger, [], []
        for place, row in enumerate(rows):
            response = self._claim(row)
            if response is None:
                continue
            mine.append(place)
            if answers is None:
                responses.append((response, 0, 0))
                continue
            number = ledger.keep(row, answers[place])
            data = ledger.data(number, answers[place]) if self._with_data else (0, 0)
            responses.append((response, *data))
        self._tell([rows[place] for place in mine], responses)
        if answers is None and mine:
            whole = len(mine) == len(rows)
            held.append((rows, output) if whole else self._part(rows, output, mine))

    def respond_one(self, row: int, output: Any, held: Held) -> None:
        """`give` for a system that answers by itself."""
        answers = None
        if self._decoded_first:
            try:
                answers = self._decode(output, (row,))
            except Exception as cause:  # noqa: BLE001 - a plug-in's decoder may raise anything
                self.refuse((row,), cause, Status.failed)
                return
        self.give((row,), output, answers, held)

    def refuse(self, rows: Sequence[int], cause: BaseException | str, status: Status) -> None:
        """Tell LoadGen nothing in the place of an answer, and note why."""
        responses, mine = [], []
        for row in rows:
            response = self._claim(row)
            if response is not None:
                mine.append(row)
                responses.append((response, 0, 0))
        if mine:
            self.ledger.fail(mine, cause, status)
            self._tell(mine, responses)

    def settle(self, held: Held) -> None:
        """Decode what waits."""
        while held:
            rows, output = held.popleft()
            try:
                for row, answer in zip(rows, self._decode(output, rows), strict=True):
                    self.ledger.keep(row, answer)
            except Exception as cause:  # noqa: BLE001 - a plug-in's decoder may raise anything
                self.ledger.fail(rows, cause, Status.failed)

    def still_open(self, rows: Sequence[int]) -> list[int]:
        """Those that nobody has answered yet."""
        return [row for row in rows if row in self._open]

    def open_since(self, moment_ns: int) -> list[int]:
        """Rows issued before a moment and still open, oldest first."""
        found = []
        for row in list(self._open):
            if self.ledger.issued[row] >= moment_ns:
                break
            found.append(row)
        return found

    def _claim(self, row: int) -> int | None:
        """The id under which a row may be answered; None where it has been."""
        response = self._open.pop(row, None)
        if response is None:
            self.ledger.note("a response came when it had been given up, or a second time")
        return response

    def _tell(self, rows: Sequence[int], responses: Sequence[tuple[int, int, int]]) -> None:
        if not responses:
            return
        moment = self.moved_ns = _NOW()
        told = self.ledger.told
        for row in rows:
            told[row] = moment
        self._respond(responses)

    def _decode(self, output: Any, rows: Sequence[int]) -> list[Answer]:
        samples = (self.ledger.sample[row] for row in rows)
        return list(map(self.service.decode, split(output, len(rows)), samples))

    def _part(self, rows: Sequence[int], output: Any, places: Sequence[int]) -> Any:
        ones = split(output, len(rows))
        return [rows[place] for place in places], joined([ones[place] for place in places])

    def _time(self, rows: Sequence[int], *spent: int) -> None:
        for column, ns in zip(self.ledger.stages, spent, strict=False):
            for row in rows:
                column[row] = ns
