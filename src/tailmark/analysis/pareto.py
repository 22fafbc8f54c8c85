"""Which environments nothing beats in both quality and time, as surely as the intervals tell."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tailmark.stats.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Point:
    """One environment.

    Args:
        name: What it is called.
        quality: More is better.
        time: Less is better.
    """

    name: str
    quality: Estimate
    time: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "quality": self.quality.to_dict(),
            "time": self.time.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Front:
    """Who beats whom. One beats another if it is no worse in both and better in one.

    Args:
        points: All that have a quality and a time, in the order given.
        best: Names of those that nothing beats, by the values; the fastest first.
        beaten: By whom each of the others is beaten for sure: the whole of the one's intervals is
            no worse than any of the other's. In the order given.
        beaten_maybe: Names of those, on the front or not, that are not beaten for sure and that
            some other may beat, as far as the intervals tell.
    """

    points: tuple[Point, ...]
    best: tuple[str, ...]
    beaten: Mapping[str, tuple[str, ...]]
    beaten_maybe: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "points": [point.to_dict() for point in self.points],
            "best": list(self.best),
            "beaten": {name: list(by) for name, by in self.beaten.items()},
            "beaten_maybe": list(self.beaten_maybe),
        }


def pareto_front(*, quality: Mapping[str, Estimate], time: Mapping[str, Estimate]) -> Front:
    """Find the front.

    Each interval is believed as it is. Where many environments are compared, give estimates at the
    confidence that all of them together need.

    Args:
        quality: By environment, more is better; one without a value is on no front.
        time: By the same environments, less is better.
    """
    points = tuple(
        Point(name=name, quality=held, time=time[name])
        for name, held in quality.items()
        if held.value is not None and name in time and time[name].value is not None
    )
    best = [p for p in points if not any(_beats(q, p) for q in _others(p, points))]
    beaten = {p.name: tuple(q.name for q in _others(p, points) if _surely(q, p)) for p in points}
    maybe = [
        p.name
        for p in points
        if not beaten[p.name] and any(_maybe(q, p) for q in _others(p, points))
    ]
    return Front(
        points=points,
        best=tuple(p.name for p in sorted(best, key=lambda p: p.time.value or 0.0)),
        beaten={name: by for name, by in beaten.items() if by},
        beaten_maybe=tuple(maybe),
    )


def _others(point: Point, points: tuple[Point, ...]) -> Iterator[Point]:
    return (one for one in points if one is not point)


def _beats(q: Point, p: Point) -> bool:
    """By the values alone."""
    return _no_worse((_value(q.quality), -_value(q.time)), (_value(p.quality), -_value(p.time)))


def _surely(q: Point, p: Point) -> bool:
    """Wherever in their intervals the two are."""
    worst = (_ends(q.quality)[0], -_ends(q.time)[1])
    return _no_worse(worst, (_ends(p.quality)[1], -_ends(p.time)[0]))


def _maybe(q: Point, p: Point) -> bool:
    """Somewhere in their intervals."""
    most = (_ends(q.quality)[1], -_ends(q.time)[0])
    return _no_worse(most, (_ends(p.quality)[0], -_ends(p.time)[1]))


def _no_worse(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """And better somewhere."""
    return one != other and one[0] >= other[0] and one[1] >= other[1]


def _value(e: Estimate) -> float:
    return math.nan if e.value is None else e.value


def _ends(e: Estimate) -> tuple[float, float]:
    """Of what has no interval nothing is known for sure."""
    if e.low is None or e.high is None:
        return -math.inf, math.inf
    return e.low, e.high
