"""What the scenarios' settings have in common: their checks."""

import math

from tailmark.errors import InputError
from tailmark.units import parse_duration

MOST_QUERIES = 100_000_000
LONGEST_S = 1e8
_YEAR_S = 365.25 * 86_400


def check_count(name: str, given: int | None, least: int = 1) -> None:
    """Refuse a count below ``least``, or of more than a round holds.

    Raises:
        InputError: Naming the setting.
    """
    if given is not None and given < least:
        raise InputError(f"{name} is {given}: give {least} or more")
    if given is not None and given > MOST_QUERIES:
        raise InputError(f"{name} is {given}: a round holds {MOST_QUERIES:,} at most")


def check_rate(name: str, given: float, least: float = 0.0) -> None:
    """Refuse a rate that is not above ``least``, or not finite.

    Raises:
        InputError: Naming the setting.
    """
    if not math.isfinite(given) or given <= least:
        raise InputError(f"{name} is {given:g}: give a number above {least:g}")


def check_rate_or_none(name: str, given: float) -> None:
    """Refuse a rate below zero, or not finite; zero is nothing sent.

    Raises:
        InputError: Naming the setting.
    """
    if not math.isfinite(given) or given < 0:
        raise InputError(f"{name} is {given:g}: give zero or more")


def check_duration(name: str, given: str | int) -> int:
    """A duration above zero, in nanoseconds.

    Raises:
        InputError: Naming the setting.
    """
    ns = parse_duration(given, name)
    if ns <= 0:
        raise InputError(f"{name} is {given!r}: give more than zero, such as 60s")
    return ns


def check_volume(kind: str, queries: float, seconds: float) -> None:
    """Refuse a round of more queries than memory holds, or of longer than anybody waits.

    Args:
        kind: Of the scenario.
        queries: About how many a round sends.
        seconds: About how long it takes.

    Raises:
        InputError: Saying how many, or how long.
    """
    if queries > MOST_QUERIES:
        raise InputError(
            f"a round of scenario {kind!r} would send about {queries:.3g} queries: it holds "
            f"{MOST_QUERIES:,} at most, so lower its rate, duration or number of queries"
        )
    if seconds > LONGEST_S:
        raise InputError(
            f"a round of scenario {kind!r} would last about {seconds / _YEAR_S:.3g} years: it "
            f"lasts {LONGEST_S / _YEAR_S:.0f} at most, so raise its rate, or lower its duration "
            "or number of queries"
        )
