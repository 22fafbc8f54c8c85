"""A LoadGen test as our side sees it: a row for each response LoadGen asked for, in its order.

Rows come to be as LoadGen issues them, for only LoadGen knows how many there will be. All moments
are `time.perf_counter_ns`.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.drive.failures import describe_failure
from tailmark.records.catalogue import Answer, Catalogue
from tailmark.records.model import NONE, Int8s, Int32s, Int64s, Outputs, Status

_DISTINCT_FAILURES = 100
_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the ledger holds once the test is over; every array of shape (rows,).

    Args:
        sample: Index into the workload.
        issued_ns: When LoadGen's callback was entered.
        started_ns: When a worker began it; 0 where none did, or where the system does not say.
        told_ns: Just before LoadGen was told, of an answer or that there is none.
        status: `Status` codes.
        output_id: Row of ``outputs``, or `NONE`.
        stages: Preprocessing, inference and postprocessing in nanoseconds, where they are timed.
        outputs: The distinct answers.
        failures: Why rows have no answer, and how many.
    """

    sample: Int32s
    issued_ns: Int64s
    started_ns: Int64s
    told_ns: Int64s
    status: Int8s
    output_id: Int32s
    stages: tuple[Int64s, ...]
    outputs: Outputs
    failures: Mapping[str, int]


class Ledger:
    """Growing columns, about 38 bytes a row; 24 more with stages.

    Args:
        columns: An answer's.
        ragged: Which of them differ in length from answer to answer.
        stages: Whether stages are timed.
    """

    def __init__(
        self, columns: tuple[str, ...], ragged: Collection[str] = (), *, stages: bool = False
    ) -> None:
        self.rows = 0
        self.sample = array("i")
        self.issued = array("q")
        self.started = array("q")
        self.told = array("q")
        self.status = bytearray()
        self.output_id = array("i")
        self.stages = tuple(array("q") for _ in range(3 if stages else 0))
        self._failures: Counter[str] = Counter()
        self._catalogue = Catalogue(columns, {}, ragged)
        self._data: dict[int, array[int]] = {}
        self._lock = Lock()

    def begin(self, samples: Sequence[int], now_ns: int) -> range:
        """New rows, issued now."""
        first = self.rows
        last = self.rows = first + len(samples)
        if last > len(self.status):
            self._grow(max(_CHUNK, last - len(self.status)))
        for row, sample in enumerate(samples, first):
            self.sample[row] = sample
            self.issued[row] = now_ns
        return range(first, last)

    def _grow(self, more: int) -> None:
        """Room for further rows, many at once, so that beginning one costs next to nothing."""
        for column in (self.sample, self.issued, self.started, self.told, *self.stages):
            column.frombytes(bytes(column.itemsize * more))
        self.status.extend(bytes(more))
        self.output_id.extend(array("i", [NONE]) * more)

    def fail(self, rows: Sequence[int], cause: BaseException | str, status: Status) -> None:
        """Note that rows have no answer, and why."""
        for row in rows:
            self.status[row] = status
            self.output_id[row] = NONE
        self.note(cause if isinstance(cause, str) else describe_failure(cause), len(rows))

    def note(self, what: str, times: int = 1) -> None:
        """Count something that went wrong; any thread may."""
        with self._lock:
            if what in self._failures or len(self._failures) < _DISTINCT_FAILURES:
                self._failures[what] += times

    def keep(self, row: int, answer: Answer) -> int:
        """Store a row's answer; its number. Any thread may."""
        with self._lock:
            number = self._catalogue.number(answer)
        self.output_id[row] = number
        return number

    def data(self, number: int, answer: Answer) -> tuple[int, int]:
        """Where an answer lies as bytes, and how many: what LoadGen is told."""
        held = self._data.get(number)
        if held is None:
            held = self._data[number] = array("B", answer_bytes(answer))
        return held.buffer_info()[0], len(held)

    def close(self) -> Account:
        """All of it, once nobody writes any more."""
        rows = self.rows
        return Account(
            sample=np.array(self.sample[:rows], dtype=np.int32),
            issued_ns=np.array(self.issued[:rows], dtype=np.int64),
            started_ns=np.array(self.started[:rows], dtype=np.int64),
            told_ns=np.array(self.told[:rows], dtype=np.int64),
            status=np.frombuffer(bytes(self.status[:rows]), dtype=np.int8),
            output_id=np.array(self.output_id[:rows], dtype=np.int32),
            stages=tuple(np.array(column[:rows], dtype=np.int64) for column in self.stages),
            outputs=self._catalogue.take_new(),
            failures=dict(self._failures),
        )


def answer_bytes(answer: Sequence[npt.NDArray[Any]]) -> bytes:
    """An answer as LoadGen logs it: the best label as int64, little-endian.

    Of an answer that is no label, its columns one after another as they lie in memory.
    """
    best = answer[0]
    if best.dtype.kind in "iu":
        return int(best.flat[0]).to_bytes(8, "little", signed=True)
    return b"".join(np.ascontiguousarray(part).tobytes() for part in answer)
