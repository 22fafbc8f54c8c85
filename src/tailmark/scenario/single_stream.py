"""One query of one sample at a time, the next when the last completes (MLPerf's SingleStream)."""

from dataclasses import asdict, dataclass
from typing import Any

from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import check_count


@dataclass(frozen=True, kw_only=True)
class SingleStream:
    """A closed loop of one: scheduled = issued, so latency is the service time.

    Args:
        queries: A round's; by default every sample once.
    """

    queries: int | None = None

    def __post_init__(self) -> None:
        """Refuse a round of nothing."""
        check_count("scenario.queries", self.queries)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        count = whole_passes(self.queries or samples, samples, order)
        return Schedule(sample=select(samples, count, order=order, seed=seed, index=index))

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "single-stream", **asdict(self)}
