"""Times as people write them, and integer nanoseconds: the only place that parses or prints them.

Knows nothing of clocks or records.
"""

import math
import re
from dataclasses import dataclass
from numbers import Integral

from tailmark.errors import InputError

_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60 * 10**9}
_TIME = re.compile(r"\s*([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*([a-zµ]*)\s*", re.IGNORECASE)
_TOO_LONG_NS = 2**63
_PERCENTILE = re.compile(r"\s*p(\d{1,2}(?:\.\d+)?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Percentile:
    """A deadline given as a percentile of the measured latencies: ``p99`` has ``percent`` 99."""

    percent: float

    def __str__(self) -> str:
        """As the user writes it."""
        return f"p{self.percent:g}"


Deadline = int | Percentile
"""Nanoseconds, or a percentile that a run's latencies resolve to nanoseconds."""


def parse_duration(text: str | int, what: str = "a time") -> int:
    """Read ``"20ms"`` as nanoseconds.

    Args:
        text: A number with a unit (ns, us, ms, s, min).
        what: What the time is for, to name it in the error.

    Raises:
        InputError: No number, no unit, an unknown unit, or below zero.
    """
    match = _TIME.fullmatch(str(text))
    if not match:
        raise InputError(f"{text!r} is not {what}: write a number with a unit, such as 20ms")
    number, unit = float(match[1]), match[2].lower().replace("\u03bc", "µ")  # Greek mu is micro too
    if not unit:
        raise InputError(f"{text!r} has no unit: write {text}ms or {text}s (ns, us, ms, s, min)")
    if unit not in _NS:
        raise InputError(f"{text!r} has the unknown unit {unit!r}: use ns, us, ms, s or min")
    if number < 0:
        raise InputError(f"{text!r} is below zero: {what} is zero or more")
    if number * _NS[unit] >= _TOO_LONG_NS:
        raise InputError(f"{text!r} is too long: {what} is less than 292 years")
    return round(number * _NS[unit])


def parse_deadline(text: str | int | Percentile) -> Deadline:
    """Read ``"20ms"`` as nanoseconds, ``"p99"`` as a `Percentile`, an int as nanoseconds.

    Raises:
        InputError: Neither a duration nor a percentile.
    """
    if isinstance(text, Percentile):
        return text
    if isinstance(text, int | Integral):  # NumPy's integers too
        if text < 0:
            raise InputError(f"deadline {text} ns is below zero: a deadline is zero or more")
        if text >= _TOO_LONG_NS:
            raise InputError(f"deadline {text} ns is too long: a deadline is less than 292 years")
        return int(text)
    text = str(text)
    match = _PERCENTILE.fullmatch(text)
    if match:
        return Percentile(float(match[1]))
    if text.strip().lower().startswith("p"):
        raise InputError(f"{text!r} is not a percentile: write p50, p99 or p99.9 (below 100)")
    return parse_duration(text, "a deadline (20ms or p99)")


def format_duration(ns: float | None, digits: int = 3) -> str:
    """Print nanoseconds with the unit that suits them: ``5062000`` is ``"5.06 ms"``."""
    if ns is None or math.isnan(ns):
        return "–"
    if math.isinf(ns):
        return "never"
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if abs(ns) >= size * 0.9995:
            return f"{_significant(ns / size, digits)} {unit}"
    return f"{_significant(ns, digits)} ns"


def _significant(x: float, digits: int) -> str:
    if x == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(x)) + 1e-9))
    text = f"{x:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
