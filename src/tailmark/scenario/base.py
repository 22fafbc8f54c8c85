"""The scenario seam: from (samples, seed, round) to what is sent when. Pure, without a clock."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np

from tailmark.errors import InputError
from tailmark.records.model import Int32s, Int64s

Order = Literal["fixed", "shuffled", "replacement", "equal-issue"]
"""How samples are chosen, one pass over them after another.

===========  ====================================================================================
fixed        in the workload's order
shuffled     each pass a new permutation (without replacement)
replacement  each by itself at random (LoadGen's performance mode)
equal-issue  shuffled, and no pass is left unfinished: every sample is sent equally often
===========  ====================================================================================
"""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is sent in one round, and when.

    Args:
        sample: Shape (rows,). The samples in the order they are sent.
        due_ns: Shape (queries,), ascending, since the round began: an open loop, which does not
            wait for answers. None is a closed loop: the next query when the last has completed.
        per_query: Samples a query; the last query of a round may have fewer.
        together: Whether a sample's answer counts from when the last of its query is there.
        patient: Whether waiting is what the scenario is about, so that a timeout bounds an answer's
            making and not its wait.
    """

    sample: Int32s
    due_ns: Int64s | None = None
    per_query: int = 1
    together: bool = False
    patient: bool = False

    def __len__(self) -> int:
        """Rows."""
        return len(self.sample)

    @property
    def queries(self) -> int:
        """How many queries the rows make."""
        return -(-len(self.sample) // self.per_query)


class Scenario(Protocol):
    """A recipe for schedules."""

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """What is sent in round ``index`` of a run, and when.

        Args:
            samples: In the workload.
            order: How they are chosen.
            seed: Of the run.
            index: Which round; the schedule depends on nothing else.

        Raises:
            InputError: A setting does not fit the workload, or a file is not what it should be.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The settings, as plain data."""
        ...


@runtime_checkable
class Paced(Scenario, Protocol):
    """A scenario with a rate, so that one may ask for the highest."""

    def at_rate(self, qps: float) -> Self:
        """The same, with so many queries a second on average.

        Raises:
            InputError: Nobody could send that.
        """
        ...


@runtime_checkable
class Ordered(Scenario, Protocol):
    """A scenario whose samples follow each other, so that one order alone makes sense."""

    @property
    def order(self) -> Order:
        """Which one."""
        ...


def order_of(scenario: Scenario, asked: Order | None) -> Order:
    """How a scenario's samples are chosen: as it must be, else as asked, else shuffled.

    Raises:
        InputError: It has an order of its own, and another is asked for.
    """
    if not isinstance(scenario, Ordered):
        return asked or "shuffled"
    if asked not in (None, scenario.order):
        kind = scenario.describe().get("kind")
        raise InputError(
            f"order is {asked!r} and the samples of scenario {kind!r} follow each other in the "
            f"order {scenario.order!r}: leave order out"
        )
    return scenario.order


def select(samples: int, count: int, *, order: Order, seed: int, index: int) -> Int32s:
    """What round ``index`` sends, pass after pass over the samples; shape (count,).

    The first so many of a larger count are the same.
    """
    random = np.random.default_rng([seed, index])
    if order == "replacement":
        return random.integers(0, samples, count, dtype=np.int32)
    in_order = np.arange(samples, dtype=np.int32)
    if order == "fixed":
        return np.resize(in_order, count)
    passes = np.tile(in_order, (-(-count // samples), 1))
    return random.permuted(passes, axis=1).reshape(-1)[:count]


def whole_passes(count: int, samples: int, order: Order) -> int:
    """``count``, or for ``equal-issue`` the next multiple of the samples."""
    return -(-count // samples) * samples if order == "equal-issue" else count
