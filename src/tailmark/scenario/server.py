"""Queries of one sample that arrive at a rate, whatever becomes of them (MLPerf's Server)."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, Self, get_args

from tailmark.errors import InputError
from tailmark.scenario.arrivals import constant, poisson, round_seed
from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import check_count, check_duration, check_rate, check_volume

Arrivals = Literal["poisson", "constant"]


@dataclass(frozen=True, kw_only=True)
class Server:
    """An open loop: a Poisson process, whose first query is at 0.

    A round sends every sample once, unless ``duration`` or ``queries`` say otherwise; given both,
    until both are reached. As in LoadGen, a duration's last query is the first that is due when it
    is over, so that the scheduled time is at least as long.

    Args:
        target_qps: Queries a second, on average.
        duration: For how long queries are due in a round, such as ``60s``.
        queries: At least how many a round sends.
        arrivals: ``poisson``, or ``constant`` for equal gaps.
        schedule_seed: LoadGen's ``schedule_rng_seed``: round 0 is due when its queries are, to the
            nanosecond, and round r when they are for the seed + r. By default arrivals follow from
            the run's seed.
    """

    target_qps: float
    duration: str | int | None = None
    queries: int | None = None
    arrivals: Arrivals = "poisson"
    schedule_seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what nobody could send."""
        check_rate("scenario.target_qps", self.target_qps)
        check_count("scenario.queries", self.queries)
        if self.arrivals not in get_args(Arrivals):
            raise InputError(
                f"scenario.arrivals is {self.arrivals!r}: {' or '.join(get_args(Arrivals))}"
            )
        if self.schedule_seed is not None and self.schedule_seed < 0:
            raise InputError(f"scenario.schedule_seed is {self.schedule_seed}: give 0 or more")
        if self.schedule_seed is not None and self.arrivals == "constant":
            raise InputError(
                "scenario.schedule_seed says when poisson arrivals come: leave it out of constant"
            )
        self._check_volume(self.queries or 1)

    @property
    def duration_ns(self) -> int:
        """For how long queries are due; 0 without a duration."""
        return 0 if self.duration is None else check_duration("scenario.duration", self.duration)

    def at_rate(self, qps: float) -> Self:
        """See `Paced.at_rate`."""
        return replace(self, target_qps=qps)

    def shortened(self, samples: int, duration_ns: int) -> Self | None:
        """The same in rounds that end so early; None where they are no longer than that.

        Queues begin empty, so what is too much for a short round is too much for a long one.
        """
        asked = self.queries or (samples if self.duration is None else 1)
        if max(asked / self.target_qps * 1e9, self.duration_ns) <= duration_ns:
            return None
        return replace(self, queries=None, duration=f"{duration_ns}ns")

    def round_seed(self, seed: int, index: int) -> int:
        """What LoadGen would have to be seeded with to send round ``index`` when this does."""
        if self.schedule_seed is None:
            return round_seed(seed, index)
        return (self.schedule_seed + index) % 2**32

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        asked = self.queries or (samples if self.duration is None else 1)
        self._check_volume(asked)
        whole = partial(whole_passes, samples=samples, order=order)
        if self.arrivals == "constant":
            due = constant(self.target_qps, count=asked, duration_ns=self.duration_ns, whole=whole)
        else:
            due = poisson(
                self.target_qps,
                seed=self.round_seed(seed, index),
                count=asked,
                duration_ns=self.duration_ns,
                whole=whole,
            )
        return Schedule(
            sample=select(samples, len(due), order=order, seed=seed, index=index), due_ns=due
        )

    def describe(self) -> dict[str, Any]:
        """The settings."""
        settings = asdict(self) | {"target_qps": float(self.target_qps)}
        return {"kind": "server", **settings}

    def _check_volume(self, queries: int) -> None:
        seconds = max(queries / self.target_qps, self.duration_ns / 1e9)
        check_volume("server", max(queries, seconds * self.target_qps), seconds)
