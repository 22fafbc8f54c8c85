"""What a pickle would ask of the memory, seen without reading it.

The interpreter's own reader makes room for as many remembered objects as the highest number that
it is told to remember one by: eight bytes can ask for tens of gigabytes. No honest pickle has more
such numbers than bytes.
"""

import pickletools
import re
from collections.abc import Iterator
from contextlib import suppress

_LINES = {"GLOBAL": 2, "INST": 2}
"""Arguments of several lines; those of others have one."""

_REMEMBERS = {"PUT", "LONG_BINPUT"}
"""There is one more, whose number is one byte."""


def _fixed() -> Iterator[tuple[int, bytes]]:
    """By length of argument, the opcodes that have no number to look at."""
    for one in pickletools.opcodes:
        size = 0 if one.arg is None else one.arg.n
        if size >= 0 and one.name not in {*_REMEMBERS, "STOP"}:
            yield size, re.escape(one.code.encode("latin1"))


_LENGTHS = sorted({size for size, _ in _fixed()})
_RUN = re.compile(
    b"(?:"
    + b"|".join(
        b"[" + b"".join(code for n, code in _fixed() if n == size) + b"]" + b".{%d}" % size
        for size in _LENGTHS
    )
    + b")*+",
    re.DOTALL,
)
"""As many opcodes of fixed length as follow each other: a list of times is one such run."""

_OPCODES = {ord(one.code): one for one in pickletools.opcodes}
_COUNTED = {-2: 1, -3: 4, -4: 4, -5: 8}
"""Bytes of the length before an argument, by how `pickletools` marks it."""


def highest_number(content: bytes) -> int:
    """The highest number that an object is remembered by; 0 where there is none.

    What cannot be followed ends the count: the reader will stop there too.

    Args:
        content: A pickle, or any bytes.
    """
    highest, at = 0, 0
    while True:
        run = _RUN.match(content, min(at, len(content)))  # a length may point anywhere
        at = run.end() if run else at
        one = _OPCODES.get(content[at]) if at < len(content) else None
        if one is None or one.arg is None:  # an unknown opcode, the end, or the one that stops
            return highest
        begin, size = at + 1, one.arg.n
        if size >= 0:
            at = begin + size
            highest = max(highest, int.from_bytes(content[begin:at], "little"))
        elif size in _COUNTED:
            counted = begin + _COUNTED[size]
            at = counted + int.from_bytes(content[begin:counted], "little")
        else:
            at = _after_lines(content, begin, _LINES.get(one.name, 1))
            if one.name in _REMEMBERS:
                with suppress(ValueError):  # the reader reads numbers in this way too
                    highest = max(highest, int(content[begin:at]))


def _after_lines(content: bytes, at: int, lines: int) -> int:
    """Where what comes after so many lines begins; the end if there are not as many."""
    for _ in range(lines):
        end = content.find(b"\n", at)
        if end < 0:
            return len(content)
        at = end + 1
    return at
