"""``mlperf_log_accuracy.json``: what was answered, without the time of it.

Entries look like ``{ "seq_id" : 0, "qsl_idx" : 4885, "data" : "00800744" }``, with ``token_count``
after the data where tokens are counted. The file ends in the middle where a test was stopped, and
submissions keep only its ends; so entries are found one by one.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tailmark.loadgen.reading import pieces

_ENTRY = re.compile(rb"\{[^{}]*\}")
_PLAIN = re.compile(
    rb'\{\s*"seq_id"\s*:\s*(\d{1,18})\s*,\s*"qsl_idx"\s*:\s*(\d{1,18})\s*,\s*'
    rb'"data"\s*:\s*"([0-9A-Fa-f]*)"\s*(?:,\s*"token_count"\s*:\s*(-?\d{1,18})\s*)?\}'
)
_LARGEST = 10**18

NONE = -1


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Every answer of an accuracy log, in the order in which they were logged.

    Args:
        seq_id: The sample's number in the test (``sample_seq`` of the trace), shape (entries,).
        qsl_idx: Which sample of the library it is, shape (entries,).
        data: The bytes answered, one an entry.
        token_count: Shape (entries,), -1 where there is none; None where no entry has one.
        unread: Entries that could not be read.
    """

    seq_id: npt.NDArray[np.int64]
    qsl_idx: npt.NDArray[np.int64]
    data: tuple[bytes, ...]
    token_count: npt.NDArray[np.int64] | None
    unread: int

    def __len__(self) -> int:
        """Entries."""
        return len(self.data)


def read_accuracy(path: str | Path) -> Accuracy:
    """Read an accuracy log, cut short or not; an entry that cannot be read costs that entry.

    Raises:
        InputError: The file cannot be read.
    """
    numbers: list[tuple[int, int, int]] = []
    data: list[bytes] = []
    unread = 0
    for piece in pieces(Path(path), ends=b"}"):
        taken = 0
        for entry in _ENTRY.findall(piece):
            one = _read(entry)
            if one is not None:
                numbers.append(one[0])
                data.append(one[1])
                taken += 1
        unread += max(piece.count(b'"seq_id"') - taken, 0)
    table = np.array(numbers, dtype=np.int64).reshape(-1, 3)
    tokens = table[:, 2]
    return Accuracy(
        seq_id=table[:, 0].copy(),
        qsl_idx=table[:, 1].copy(),
        data=tuple(data),
        token_count=tokens.copy() if (tokens != NONE).any() else None,
        unread=unread,
    )


def _read(entry: bytes) -> tuple[tuple[int, int, int], bytes] | None:
    """One entry's numbers and data; None where it is none."""
    plain = _PLAIN.fullmatch(entry)
    if plain:
        seq, index, text, tokens = plain.groups()
        digits = text.decode("ascii")
        numbers = (int(seq), int(index), int(tokens) if tokens else NONE)
    else:
        try:
            held = json.loads(entry)
        except (ValueError, RecursionError):
            return None
        digits = held.get("data")
        numbers = (held.get("seq_id"), held.get("qsl_idx"), held.get("token_count", NONE))
        whole = all(type(number) is int and -1 <= number < _LARGEST for number in numbers)
        if not whole or min(numbers[:2]) < 0 or not isinstance(digits, str):
            return None
    try:
        return numbers, bytes.fromhex(digits)
    except ValueError:
        return None
