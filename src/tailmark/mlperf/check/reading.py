"""Files of strangers, read without ever failing otherwise than by `UnreadableError`."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import InputError
from tailmark.loadgen.detail import errors, read_detail
from tailmark.loadgen.reading import text_lines

_MARK = b":::MLLOG"
_LONGEST_BYTES = 2**26  # of what people write; logs are read piece by piece


class UnreadableError(Exception):
    """A file that cannot be read, and why: the end of a sentence that begins with its name."""


def read_text(path: Path) -> str:
    """The text of a file; bytes that are no UTF-8 are replaced.

    Raises:
        UnreadableError: There is no such file, or it may not be read.
    """
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            raise UnreadableError(f"is longer than {_LONGEST_BYTES // 2**20} MiB")
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as cause:
        raise UnreadableError(
            f"cannot be read ({cause.strerror or type(cause).__name__})"
        ) from cause


def read_object(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object.

    Raises:
        UnreadableError: It cannot be read, or holds anything else.
    """
    text = read_text(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise UnreadableError("is no JSON") from cause
    if not isinstance(found, dict):
        raise UnreadableError("holds no JSON object")
    return found


@dataclass(frozen=True)
class Log:
    """What a detail log of LoadGen says.

    Args:
        file: The log, relative to the directory that is checked.
        values: The first value under each key.
        errors: What LoadGen itself called an error.
        unread: Lines that could not be read.
        old: Whether LoadGen before 1.0 wrote it, which says less.
    """

    file: str
    values: Mapping[str, Any]
    errors: tuple[str, ...]
    unread: int
    old: bool

    def number(self, key: str) -> int | float | None:
        """A finite number under this key, if there is one."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value if isinstance(value, int) or math.isfinite(value) else None

    def text(self, key: str) -> str:
        """A text under this key; empty where there is none."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""


def read_log(path: Path, file: str) -> Log:
    """A detail log; lines that cannot be read are counted.

    Args:
        path: The log.
        file: What it is called in findings.

    Raises:
        UnreadableError: It cannot be read, or holds not one entry.
    """
    try:
        detail = read_detail(path)
        with path.open("rb") as opened:
            old = opened.read(len(_MARK)) != _MARK
    except (InputError, OSError) as cause:
        raise UnreadableError("cannot be read") from cause
    if not detail.entries:
        raise UnreadableError("holds no entry")
    values: dict[str, Any] = {}
    for entry in detail.entries:
        values.setdefault(entry.key, entry.value)
    return Log(
        file=file,
        values=values,
        errors=tuple(" ".join(text.split()) for text in errors(detail)),
        unread=detail.unread if old else sum(not _whole(line) for line in text_lines(path)),
        old=old,
    )


def _whole(line: str) -> bool:
    """Whether the official checker can read a line; our reader saves what it can of others."""
    if not line.strip():
        return True
    try:
        entry = json.loads(line.removeprefix(_MARK.decode()))
        return {"key", "value"} <= entry.keys() and "is_error" in entry["metadata"]
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        return False
