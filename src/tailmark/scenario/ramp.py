"""Queries that arrive at a rate which rises or falls steadily, whatever becomes of them."""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from tailmark.errors import InputError
from tailmark.scenario.arrivals import Floats, round_seed, varying
from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import check_duration, check_rate_or_none, check_volume


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """An open loop: a Poisson process whose rate is linear in time; its first query is at 0.

    Args:
        from_qps: Queries a second at the start, on average.
        to_qps: Queries a second at the end.
        duration: Of a round, such as ``60s``: queries are due before it is over (to complete the
            last pass of an ``equal-issue`` order more come, at ``to_qps``).
    """

    from_qps: float
    to_qps: float
    duration: str | int

    def __post_init__(self) -> None:
        """Refuse a ramp that nobody could send."""
        check_rate_or_none("scenario.from_qps", self.from_qps)
        check_rate_or_none("scenario.to_qps", self.to_qps)
        if self.from_qps == self.to_qps == 0:
            raise InputError("scenario.from_qps and to_qps are 0: give one of them above 0")
        check_volume("ramp", self._load, self._seconds)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        if order == "equal-issue" and not self.to_qps:
            raise InputError(
                "a ramp down to 0 ends before the last pass over the samples does, which order "
                "'equal-issue' completes: give another order, or to_qps above 0"
            )
        due = varying(
            self._when,
            load=self._load,
            duration_ns=round(self._seconds * 1e9),
            seed=round_seed(seed, index),
            whole=partial(whole_passes, samples=samples, order=order),
        )
        return Schedule(
            sample=select(samples, len(due), order=order, seed=seed, index=index), due_ns=due
        )

    def describe(self) -> dict[str, Any]:
        """The settings."""
        rates = {"from_qps": float(self.from_qps), "to_qps": float(self.to_qps)}
        return {"kind": "ramp", **asdict(self), **rates}

    @property
    def _seconds(self) -> float:
        return check_duration("scenario.duration", self.duration) / 1e9

    @property
    def _load(self) -> float:
        """How many queries a round has on average: the integrated rate."""
        return (self.from_qps + self.to_qps) / 2 * self._seconds

    def _when(self, load: Floats) -> Floats:
        """By when so many are due on average, in seconds.

        The root of ``from·t + slope·t²/2 = load``, in the form that is exact where the slope is 0.
        """
        slope = (self.to_qps - self.from_qps) / self._seconds
        climbing = np.minimum(load, self._load)
        root = np.sqrt(np.maximum(self.from_qps**2 + 2 * slope * climbing, 0))
        when: Floats = 2 * climbing / (self.from_qps + root)
        beyond = load - climbing
        return when + beyond / self.to_qps if self.to_qps else when
