"""What nothing beats in both quality and time."""

from collections.abc import Mapping
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


@dataclass(frozen=True, kw_only=True)
class Front:
    """Environments by quality and time.

    Args:
        points: All of them.
        best: Names of those that none is at least as good as in both and better in one, by time.
        beaten_surely: Names of those that one beats in both, by intervals that do not meet.
    """

    points: tuple[Point, ...]
    best: tuple[str, ...]
    beaten_surely: tuple[str, ...]

    @property
    def beaten_maybe(self) -> tuple[str, ...]:
        """Names of the others: beaten as measured, but not for sure."""
        told = {*self.best, *self.beaten_surely}
        return tuple(point.name for point in self.points if point.name not in told)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "best": list(self.best),
            "beaten_surely": list(self.beaten_surely),
            "beaten_maybe": list(self.beaten_maybe),
            "points": [
                {
                    "name": point.name,
                    "quality": point.quality.to_dict(),
                    "time_ns": point.time.to_dict(),
                }
                for point in self.points
            ],
        }


def pareto_front(*, quality: Mapping[str, Estimate], time: Mapping[str, Estimate]) -> Front:
    """Find what nothing beats.

    Args:
        quality: By name, each with a value.
        time: Likewise.
    """
    points = tuple(Point(name=name, quality=quality[name], time=time[name]) for name in quality)
    best = [one for one in points if not any(_beats(other, one) for other in points)]
    surely = [one for one in points if any(_beats_surely(other, one) for other in points)]
    return Front(
        points=points,
        best=tuple(one.name for one in sorted(best, key=lambda one: one.time.value or 0.0)),
        beaten_surely=tuple(one.name for one in surely),
    )


def _beats(one: Point, other: Point) -> bool:
    better = (one.quality.value or 0.0) - (other.quality.value or 0.0)
    sooner = (other.time.value or 0.0) - (one.time.value or 0.0)
    return better >= 0 and sooner >= 0 and (better > 0 or sooner > 0)


def _beats_surely(one: Point, other: Point) -> bool:
    ends = (one.quality.low, other.quality.high, one.time.high, other.time.low)
    if any(end is None for end in ends):
        return False
    low, high, late, soon = (end or 0.0 for end in ends)
    return low > high and late < soon
