"""Samples that a system has never seen, each again at once: what a cache of results shows at.

MLPerf's TEST04 repeats one sample and compares with the performance run. That misses a cache which
the performance run has filled already, and takes a fast sample for a cache. Here no round repeats
another's samples, and each sample is held against its own first time.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tailmark.errors import InputError
from tailmark.scenario.base import Order, Schedule
from tailmark.scenario.settings import check_count


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """A closed loop of one. Each round has samples of its own, each sent several times in a row.

    A round begins with sample 0, which every system has seen when it was opened and warmed up: what
    a round's first queries find cold is no sign of anything. Round 0 sends nothing else, so that
    nothing else is warmed up with. The rounds after it share the other samples, by chance.

    Args:
        fresh: Samples that are new in each round.
        again: How often each of them is repeated, right after its first time: whatever slows the
            machine for a while slows both.
        lead: How often sample 0 is sent first.
    """

    fresh: int
    again: int
    lead: int = 20

    def __post_init__(self) -> None:
        """Refuse rounds of nothing."""
        check_count("scenario.fresh", self.fresh)
        check_count("scenario.again", self.again)
        check_count("scenario.lead", self.lead, 0)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`; ``order`` is the scenario's own."""
        del order
        known = np.zeros(self.lead, dtype=np.int32)
        if index == 0:
            return Schedule(sample=np.zeros(self.lead + self.fresh, dtype=np.int32))
        if samples - 1 < index * self.fresh:
            raise InputError(
                f"round {index} needs {self.fresh} samples that were not sent before, and all "
                f"{samples} were: give a larger workload, or fewer rounds"
            )
        order_of_all = 1 + np.random.default_rng([seed, samples]).permutation(samples - 1)
        own = order_of_all[(index - 1) * self.fresh : index * self.fresh].astype(np.int32)
        return Schedule(sample=np.concatenate([known, np.repeat(own, 1 + self.again)]))

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "repeats", **asdict(self)}
