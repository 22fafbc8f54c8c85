"""Queries that arrive by chance, in LoadGen's own arithmetic. Pure: a seed in, times out."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from tailmark.records.model import Int64s

Floats = npt.NDArray[np.float64]
Whole = Callable[[int], int]
"""How many queries are sent where so many are asked for."""

_AT_ONCE = 1_000_000
_WORD = 2.0**32
_BELOW_ONE = math.nextafter(1, 0)


def round_seed(seed: int, index: int) -> int:
    """32 bits for the arrivals of round ``index``, which are no part of its choice of samples."""
    return int(np.random.SeedSequence([seed, index], spawn_key=(1,)).generate_state(1)[0])


def waits(seed: int, expected: float) -> Iterator[Floats]:
    """Exponential waits of mean 1, chunk after chunk without end.

    Bit for bit what LoadGen draws, ``std::exponential_distribution`` over ``std::mt19937`` (from
    libstdc++): −ln(1 − u) with u = (r₀ + r₁·2³²) / 2⁶⁴. NumPy's logarithm is another than the C
    library's in the last bit, and a schedule that is off by one nanosecond is another schedule.

    Args:
        seed: Its low 32 bits are what counts.
        expected: About how many are needed.
    """
    stream = np.random.RandomState(seed % 2**32)
    some = int(min(expected + 4 * math.sqrt(expected) + 16, _AT_ONCE))
    while True:
        words = stream.randint(0, 2**32, 2 * some, dtype=np.uint32).astype(np.float64)
        u = np.minimum((words[0::2] + words[1::2] * _WORD) / _WORD**2, _BELOW_ONE)
        yield -np.fromiter(map(math.log, (1 - u).tolist()), np.float64, some)


def poisson(qps: float, *, seed: int, count: int, duration_ns: int, whole: Whole) -> Int64s:
    """A Poisson process whose first query is at 0, until count and duration are both reached.

    The last is the first that is due at ``duration_ns`` or after, unless the count asks for more:
    LoadGen's rule, under which the scheduled time is as long as its minimum duration.

    Returns:
        When queries are due, in nanoseconds; shape (queries,).
    """
    parts: list[Int64s] = [np.zeros(1, dtype=np.int64)]
    total = 1
    for wait in waits(seed, max(count, duration_ns * qps / 1e9)):
        gaps = (wait / qps * 1e9).astype(np.int64)
        parts.append(parts[-1][-1] + np.cumsum(gaps))
        total += len(wait)
        if total < count or parts[-1][-1] < duration_ns:
            continue
        due: Int64s = np.concatenate(parts)
        parts = [due]
        needed = whole(max(count, until(due, duration_ns)))
        if needed <= total:
            return due[:needed]
    raise AssertionError  # waits do not end


def constant(qps: float, *, count: int, duration_ns: int, whole: Whole) -> Int64s:
    """As many a second, evenly, until count and duration are both reached, as in `poisson`."""
    some = whole(max(count, int(duration_ns * qps / 1e9) + 2))
    due: Int64s = np.rint(np.arange(some) * 1e9 / qps).astype(np.int64)
    return due[: whole(max(count, until(due, duration_ns)))]


def until(due_ns: Int64s, duration_ns: int) -> int:
    """How many are due up to the first that is not before ``duration_ns``; 1 if that is 0."""
    return int(np.searchsorted(due_ns, duration_ns)) + 1


def varying(
    when: Callable[[Floats], Floats], *, load: float, duration_ns: int, seed: int, whole: Whole
) -> Int64s:
    """A Poisson process whose rate varies, by inversion of its integral; its first query is at 0.

    Exponential waits of mean 1, summed up, are a Poisson process of rate 1; the times at which the
    integrated rate Λ has those values are a Poisson process of the rate itself (Çinlar, 1975).

    Args:
        when: The inverse of Λ, in seconds; it does not fall.
        load: Λ at the end of the round.
        duration_ns: When that is: queries are due before it, those apart that ``whole`` adds.
        seed: Of `waits`.
        whole: Of the number of queries.

    Returns:
        When queries are due, in nanoseconds; shape (queries,).
    """
    parts: list[Floats] = [np.zeros(1)]
    for wait in waits(seed, load):
        parts.append(parts[-1][-1] + np.cumsum(wait))
        if parts[-1][-1] < load:
            continue
        loads = np.concatenate(parts)
        parts = [loads]
        within = int(np.searchsorted(loads, load))
        needed = whole(within)
        if needed > len(loads):
            continue
        due: Int64s = np.zeros(needed, dtype=np.int64)
        due[1:] = when(loads[1:needed]) * 1e9
        due[:within] = np.minimum(due[:within], duration_ns - 1)  # it may round to the end
        return due
    raise AssertionError  # waits do not end
