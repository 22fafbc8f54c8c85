"""Queries that arrive at a rate which rises in bursts, whatever becomes of them."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from tailmark.errors import InputError
from tailmark.scenario.arrivals import Floats, round_seed, varying
from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import (
    check_duration,
    check_rate,
    check_rate_or_none,
    check_volume,
)


@dataclass(frozen=True, kw_only=True)
class Burst:
    """An open loop: a Poisson process whose rate switches; its first query is at 0.

    Each ``every`` begins with a burst of ``length``.

    Args:
        base_qps: Queries a second between bursts, on average; 0 for silence.
        burst_qps: Queries a second in a burst.
        every: From the start of one burst to that of the next, such as ``10s``.
        length: Of a burst, such as ``1s``.
        duration: Of a round, such as ``60s``: queries are due before it is over (to complete the
            last pass of an ``equal-issue`` order the bursts go on).
    """

    base_qps: float
    burst_qps: float
    every: str | int
    length: str | int
    duration: str | int

    def __post_init__(self) -> None:
        """Refuse bursts that nobody could send."""
        check_rate_or_none("scenario.base_qps", self.base_qps)
        check_rate("scenario.burst_qps", self.burst_qps)
        every_s, length_s, duration_s = self._seconds()
        if length_s >= every_s:
            raise InputError(
                f"scenario.length is {self.length!r}: give less than every, which is {self.every!r}"
            )
        check_volume("burst", self._load(duration_s), duration_s)

    def at_rate(self, qps: float) -> Self:
        """See `Paced.at_rate`: both rates rise alike."""
        duration_s = self._seconds()[2]
        scale = qps * duration_s / self._load(duration_s)
        return replace(self, base_qps=self.base_qps * scale, burst_qps=self.burst_qps * scale)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        due = varying(
            self._when,
            load=self._load(self._seconds()[2]),
            duration_ns=round(self._seconds()[2] * 1e9),
            seed=round_seed(seed, index),
            whole=partial(whole_passes, samples=samples, order=order),
        )
        return Schedule(
            sample=select(samples, len(due), order=order, seed=seed, index=index), due_ns=due
        )

    def describe(self) -> dict[str, Any]:
        """The settings."""
        rates = {"base_qps": float(self.base_qps), "burst_qps": float(self.burst_qps)}
        return {"kind": "burst", **asdict(self), **rates}

    def _seconds(self) -> tuple[float, float, float]:
        """Every, length and duration."""
        every, length, duration = (
            check_duration(f"scenario.{name}", getattr(self, name)) / 1e9
            for name in ("every", "length", "duration")
        )
        return every, length, duration

    @property
    def _burst_load(self) -> float:
        """How many queries a burst has on average."""
        return self.burst_qps * self._seconds()[1]

    @property
    def _period_load(self) -> float:
        """How many queries there are on average from one burst to the next."""
        every_s, length_s, _ = self._seconds()
        return self._burst_load + self.base_qps * (every_s - length_s)

    def _load(self, seconds: float) -> float:
        """How many queries are due by then on average: the integrated rate."""
        every_s, length_s, _ = self._seconds()
        periods, rest = divmod(seconds, every_s)
        within = min(rest, length_s) * self.burst_qps + max(rest - length_s, 0) * self.base_qps
        return periods * self._period_load + within

    def _when(self, load: Floats) -> Floats:
        """By when so many are due on average, in seconds; the inverse of `_load`."""
        periods, rest = np.divmod(load, self._period_load)
        after = np.maximum(rest - self._burst_load, 0)
        quiet = after / self.base_qps if self.base_qps else after
        within: Floats = np.minimum(rest, self._burst_load) / self.burst_qps + quiet
        return periods * self._seconds()[0] + within
