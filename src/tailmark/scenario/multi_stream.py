"""One query of several samples at a time, the next when all are answered (MLPerf's MultiStream)."""

from dataclasses import asdict, dataclass
from typing import Any

from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import check_count


@dataclass(frozen=True, kw_only=True)
class MultiStream:
    """A closed loop whose latency is a query's: until the slowest of its samples is there.

    A query holds samples that follow each other in the order chosen: of a shuffled pass the next
    eight, in fixed order eight neighbours. LoadGen draws a query's first sample at random and takes
    its neighbours in the order loaded, so there a round may miss samples and repeat others.

    Args:
        samples_per_query: What a query holds.
        queries: A round's, each full; by default every sample once, and the last query may have
            fewer.
    """

    samples_per_query: int = 8
    queries: int | None = None

    def __post_init__(self) -> None:
        """Refuse queries of nothing."""
        check_count("scenario.samples_per_query", self.samples_per_query)
        check_count("scenario.queries", self.queries)
        check_count("queries × samples_per_query", (self.queries or 1) * self.samples_per_query)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        asked = samples if self.queries is None else self.queries * self.samples_per_query
        count = whole_passes(asked, samples, order)
        return Schedule(
            sample=select(samples, count, order=order, seed=seed, index=index),
            per_query=self.samples_per_query,
            together=True,
        )

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "multi-stream", **asdict(self)}
