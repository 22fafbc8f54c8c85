"""``mlperf_log_trace.json``: the only log that says when each sample was answered.

A trace is JSON by its end only: a test that was stopped leaves it cut short, and old versions wrote
quotes unescaped. So it is read line by line. Each answered sample has the line ::

    {"name":"Sample",…,"ph":"b",…,"ts":426048.865,"args":{"sample_seq":0,"query_seq":0,
     "sample_idx":4885,"issue_start_ns":0,"complete_ns":7348171}},

from version 0.5 to 6.0 (LoadGen's ``loadgen.cc``, ``ResponseDelegateDetailed``): ``ts`` is when the
query was scheduled, in microseconds since logging began, with three decimals; the other times are
nanoseconds since then. A sample that was never answered has no line.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tailmark.loadgen.reading import pieces

Int64s = npt.NDArray[np.int64]

_BEGINS = b'{"name":"Sample","cat":"default","ph":"b"'
_ENDS = b'{"name":"Sample","cat":"default","ph":"e"'
_SHAPE = (
    _BEGINS + b',"pid":,"id":,"ts":.,"args":{"sample_seq":,"query_seq":,"sample_idx":,'
    b'"issue_start_ns":,"complete_ns":}},'
)
"""The line without its digits: what has this shape need not be parsed as JSON."""
_NUMBERS = 9  # pid, id, ts, its decimals, and the five arguments
_DIGITS = b"0123456789"
_BLANK = bytes(byte if byte in _DIGITS else ord(" ") for byte in range(256))
_FRAME = (b'{"traceEvents":[', b"],", b"]", b"}", b"]}", b"", b'{"name":"LastTrace"}')
_FOOTER = (b'"displayTimeUnit"', b'"otherData"', b'"ts":', b'"version"')
_MOST = (10**13, 10**18, 10**16)
"""Of a scheduled time in µs, a sample's number, a time in ns: more is no test, and may overflow."""

_LOOSE = re.compile(
    rb'"name"\s*:\s*"Sample"\s*,[^{}]*?"ph"\s*:\s*"b"\s*,[^{}]*?"ts"\s*:\s*(-?\d{1,13})\.?(\d{0,3})'
    rb'\d*\s*,\s*"args"\s*:\s*\{\s*"sample_seq"\s*:\s*(\d{1,18})\s*,\s*"query_seq"\s*:\s*(\d{1,18})'
    rb'\s*,\s*(?:"sample_idx"\s*:\s*(\d{1,9})\s*,\s*)?"issue_start_ns"\s*:\s*(\d{1,16})\s*,'
    rb'\s*"complete_ns"\s*:\s*(\d{1,16})\s*\}'
)

NONE = -1


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Every answered sample of a test, in the order in which they were issued; shape (samples,).

    Args:
        sample_seq: Its number in the test, also in the accuracy log (``seq_id``).
        query_seq: Its query's.
        sample_idx: Which sample of the library it is; -1 where the version does not say.
        scheduled_ns: When the query was to be sent, since the first one was.
        issued_ns: When it was.
        completed_ns: When LoadGen was told of the answer.
        repeated: Answers that came after a sample's first; they are left out.
        unread: Lines that could not be read.
        whole: Whether the file has its end.
    """

    sample_seq: Int64s
    query_seq: Int64s
    sample_idx: Int64s
    scheduled_ns: Int64s
    issued_ns: Int64s
    completed_ns: Int64s
    repeated: int
    unread: int
    whole: bool

    def __len__(self) -> int:
        """Samples."""
        return len(self.sample_seq)

    @property
    def missing(self) -> int:
        """Samples that were issued before the last one here, and have no line."""
        if not len(self):
            return 0
        return int(self.sample_seq.max() - self.sample_seq.min()) + 1 - len(self)


def read_trace(path: str | Path) -> Trace:
    """Read a trace, cut short or not; a line that cannot be read costs that line.

    Raises:
        InputError: The file cannot be read.
    """
    found: list[Int64s] = []
    unread = 0
    tail = b""
    for piece in pieces(Path(path)):
        rows, left = _read(piece)
        found.append(rows)
        unread += left
        tail = (tail + piece)[-512:]
    # sample_seq, query_seq, sample_idx, scheduled, issued and completed since that
    rows = np.concatenate(found) if found else np.empty((0, 6), dtype=np.int64)
    found.clear()  # a long trace need not be there twice
    repeated = 0
    if not (np.diff(rows[:, 0]) > 0).all():
        _, first = np.unique(rows[:, 0], return_index=True)
        repeated = len(rows) - len(first)
        rows = rows[first]
    sample_seq, query_seq, sample_idx, scheduled, issued, completed = rows.T
    began = scheduled.min() if len(scheduled) else 0
    return Trace(
        sample_seq=sample_seq.copy(),
        query_seq=query_seq.copy(),
        sample_idx=sample_idx.copy(),
        scheduled_ns=scheduled - began,
        issued_ns=scheduled - began + issued,
        completed_ns=scheduled - began + completed,
        repeated=repeated,
        unread=unread,
        whole=b'"LastTrace"' in tail,
    )


def _read(piece: bytes) -> tuple[Int64s, int]:
    """The rows of whole lines, shape (rows, 6), and how many lines could not be read."""
    like = [_BEGINS + rest.partition(b"\n")[0] for rest in piece.split(_BEGINS)[1:]]
    if not like and b'"Sample"' in piece and _ENDS not in piece:
        return _read_loosely([piece])  # another program wrote it anew
    shapes = [line.translate(None, _DIGITS) for line in like]
    plain = [line for line, shape in zip(like, shapes, strict=True) if shape == _SHAPE]
    broken = [line for line, shape in zip(like, shapes, strict=True) if shape != _SHAPE]
    rows = _read_plain(plain)
    if rows is None:
        rows, broken = np.empty((0, 6), dtype=np.int64), like
    others, unread = _read_loosely(broken)
    return np.concatenate([rows, others]), unread + _count_unreadable(piece)


def _read_plain(lines: list[bytes]) -> Int64s | None:
    """Rows of lines that have the shape; None if a number is missing in one of them."""
    text = b" ".join(lines).translate(_BLANK)
    numbers = np.fromstring(text, dtype=np.int64, sep=" ") if lines else np.empty(0, dtype=np.int64)
    if len(numbers) != _NUMBERS * len(lines):
        return None
    table = numbers.reshape(-1, _NUMBERS)
    columns = (table[:, 2], table[:, 4:7], table[:, 7:9], table[:, 3])
    if any(c.max(initial=0) >= most for c, most in zip(columns, (*_MOST, 1000), strict=True)):
        return None
    scheduled = table[:, 2] * 1000 + table[:, 3]
    return np.column_stack([table[:, 4:7], scheduled, table[:, 7:9]])


def _read_loosely(texts: Iterable[bytes]) -> tuple[Int64s, int]:
    """The same for text of any spacing."""
    rows = []
    begun = 0
    for text in texts:
        found = _LOOSE.findall(text)
        begun += max(len(re.findall(rb'"ph"\s*:\s*"b"', text)), 1) - len(found)
        for whole, part, sample, query, index, issued, completed in found:
            micro = int(whole) * 1000
            nano = int(part.ljust(3, b"0"))
            rows.append(
                (
                    int(sample),
                    int(query),
                    int(index) if index else NONE,
                    micro - nano if whole.startswith(b"-") else micro + nano,
                    int(issued),
                    int(completed),
                )
            )
    return np.array(rows, dtype=np.int64).reshape(-1, 6), max(begun, 0)


def _count_unreadable(piece: bytes) -> int:
    """Lines that are no whole event and no part of the frame."""
    # Almost every piece is whole: one search says so.
    joints = piece.count(b'},\n{"name":"')
    if joints == piece.count(b"\n") - 1 and piece.startswith(b'{"name":"'):
        return int(not piece.endswith(b"},\n"))
    return sum(
        not (line.startswith(b'{"name":') and line.endswith((b"}", b"},")))
        and line not in _FRAME
        and not line.startswith((*_FOOTER, _BEGINS))
        for line in piece.split(b"\n")
    )
