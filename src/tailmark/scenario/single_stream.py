"""One query of one sample at a time, the next when the last completes (MLPerf's SingleStream)."""

from dataclasses import dataclass
from typing import Any

from tailmark.records.model import Int32s
from tailmark.scenario.base import Order, permutation


@dataclass(frozen=True, kw_only=True)
class SingleStream:
    """Every sample once a round; scheduled = issued, so latency is the service time."""

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Int32s:
        """See `Scenario.schedule`."""
        return permutation(samples, order=order, seed=seed, index=index)

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"kind": "single-stream"}
