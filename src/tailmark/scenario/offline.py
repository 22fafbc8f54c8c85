"""Everything at once, at the start (MLPerf's Offline)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import check_count


@dataclass(frozen=True, kw_only=True)
class Offline:
    """One query at time 0; each sample's latency is when its own answer is there.

    Args:
        samples: Of the query; by default every sample once.
    """

    samples: int | None = None

    def __post_init__(self) -> None:
        """Refuse a query of nothing."""
        check_count("scenario.samples", self.samples)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        count = whole_passes(self.samples or samples, samples, order)
        return Schedule(
            sample=select(samples, count, order=order, seed=seed, index=index),
            due_ns=np.zeros(1, dtype=np.int64),
            per_query=count,
            patient=True,
        )

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "offline", **asdict(self)}
