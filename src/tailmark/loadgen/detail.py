"""``mlperf_log_detail.txt``: settings, warnings, errors and results, key by key.

Since version 1.0 a line is ``:::MLLOG {"key": …, "value": …, "time_ms": …}``; before, it was
``"pid": 1, "tid": 1, "ts": 2205ns : key : value``, under headings. Old keys are given here the
names they have since, so ``effective_target_latency_ns`` is found in both.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.loadgen.reading import text_lines

_NEW = ":::MLLOG"
_KEY = re.compile(r'"key": "([^"]*)"')
_TIME = re.compile(r'"time_ms": (\d{1,12})\.(\d{6})')
_VALUE = re.compile(r'"value": (.*), "time_ms": ')
_OLD = re.compile(r'"pid": \d+, "tid": \d+, "ts": (-?\d{1,18})ns : (.*)')
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?")
_HEADINGS = {"Effective Settings:": "effective_", "Requested Settings:": "requested_"}
_SINCE = {
    "version": "loadgen_version",
    "System Under Test (SUT) name": "sut_name",
    "Query Sample Library (QSL) name": "qsl_name",
    "QSL total size": "qsl_reported_total_count",
    "QSL performance size*": "qsl_reported_performance_count",
    "Date + time of test": "test_datetime",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line.

    Args:
        key: Its name.
        value: Text, a number, a truth, a list or a mapping; text where it is no JSON.
        time_ns: When it was logged, since logging began; None where that cannot be read.
        error: Whether it tells of an error.
        warning: Whether it warns.
    """

    key: str
    value: Any
    time_ns: int | None
    error: bool = False
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A detail log.

    Args:
        entries: In the order in which they were logged.
        unread: Lines that could not be read.
    """

    entries: tuple[Entry, ...]
    unread: int

    def get(self, key: str, default: Any = None) -> Any:
        """The last value of a key."""
        return next((e.value for e in reversed(self.entries) if e.key == key), default)

    def all(self, key: str) -> list[Any]:
        """Every value of a key."""
        return [entry.value for entry in self.entries if entry.key == key]


def read_detail(path: str | Path) -> Detail:
    """Read a detail log of any version; a line that cannot be read costs that line.

    Raises:
        InputError: The file cannot be read.
    """
    entries: list[Entry] = []
    unread = 0
    heading = ""
    old = False
    for line in text_lines(Path(path)):
        if line.startswith(_NEW):
            one = _read_new(line)
            unread += one is None
            entries += [one] if one else []
        elif found := _OLD.fullmatch(line):
            old = True
            text = found[2].strip()
            if text in _HEADINGS or not text:
                heading = _HEADINGS.get(text, "")
                continue
            entries.append(_read_old(text, int(found[1]), heading))
        elif line.strip() and not old:
            unread += 1  # in old logs, lists run on over many lines
        elif line.startswith('"pid"'):
            unread += 1
    return Detail(entries=tuple(entries), unread=unread)


def _read_new(line: str) -> Entry | None:
    """One line since version 1.0; its value may hold quotes that were not escaped."""
    text = line[len(_NEW) :].strip()
    try:
        held = json.loads(text)
        about = held.get("metadata", {})
        key, value = held["key"], held.get("value")
        marks = (bool(about.get("is_error")), bool(about.get("is_warning")))
    except (ValueError, KeyError, AttributeError, RecursionError):
        named, said = _KEY.search(text), _VALUE.search(text)
        if not named or not said:
            return None
        key, value = named[1], said[1].strip('"')
        marks = ('"is_error": true' in text, '"is_warning": true' in text)
    if not isinstance(key, str):
        return None
    when = _TIME.search(text)
    time_ns = int(when[1]) * 10**6 + int(when[2]) if when else None
    return Entry(key=key, value=value, time_ns=time_ns, error=marks[0], warning=marks[1])


def _read_old(text: str, time_ns: int, heading: str) -> Entry:
    for word in ("ERROR", "WARNING"):
        if text.startswith(f"{word} :"):
            said = text.partition(":")[2].strip()
            return Entry(
                key=f"{word.lower()}_generic_message",
                value=said,
                time_ns=time_ns,
                error=word == "ERROR",
                warning=word == "WARNING",
            )
    key, _, rest = text.partition(":")
    key, value = key.strip(), rest.strip()
    if _NUMBER.fullmatch(key) and value:  # the counters stand the other way round
        key, value = value, key
    name = heading + _slug(key) if heading else _SINCE.get(key, key)
    return Entry(key=name, value=_number(value), time_ns=time_ns)


def _slug(key: str) -> str:
    """``target_latency (ns)`` as it is called since: ``target_latency_ns``."""
    return re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")


def _number(text: str) -> str | int | float | bool:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def errors(detail: Detail) -> Iterator[str]:
    """What went wrong, in LoadGen's words."""
    return (str(entry.value) for entry in detail.entries if entry.error)
