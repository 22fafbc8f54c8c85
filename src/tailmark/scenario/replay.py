"""Queries that arrive when those of a recording did, whatever becomes of them."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from tailmark.errors import InputError
from tailmark.records.model import Int64s
from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import check_duration, check_rate, check_volume
from tailmark.scenario.trace_file import Trace, read_trace
from tailmark.units import format_duration

Unit = Literal["ns", "us", "ms", "s"]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """An open loop of recorded arrivals, of which the first is at 0.

    A round replays the whole trace, or with ``duration`` one window of it: round 0 the first, round
    1 the next, and the first again after the last whole one. A window keeps its pauses; one in
    which nothing arrived is passed over.

    The file is read once by a recipe, when it is first needed.

    Args:
        trace: A CSV or JSONL file with a column of times, in any order (they are sorted).
        column: Which one; by default the one called ``timestamp``, ``time``, ``arrival`` or alike.
        unit: Of times that are numbers, where their column's name does not end in it.
        scale: By how much the rate rises: 2 sends twice as many a second.
        duration: Of a round, such as ``60s``, in replayed time.
    """

    trace: Path
    column: str | None = None
    unit: Unit | None = None
    scale: float = 1.0
    duration: str | int | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be replayed, whatever the file holds."""
        check_rate("scenario.scale", self.scale)
        if self.unit is not None and self.unit not in get_args(Unit):
            raise InputError(f"scenario.unit is {self.unit!r}: {', '.join(get_args(Unit))}")
        if self.duration is not None:
            check_duration("scenario.duration", self.duration)

    def __getstate__(self) -> dict[str, Any]:
        """The settings: what was read is read again."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def at_rate(self, qps: float) -> Self:
        """See `Paced.at_rate`: the whole trace, in a time that gives it this rate."""
        if not self._period_ns:
            raise InputError(
                f"all of the trace {str(self.trace)!r} arrives at one moment, so it has no rate"
            )
        now = len(self._arrival_ns) / (self._period_ns / 1e9)
        return dataclasses.replace(self, scale=self.scale * qps / now)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        first, count, origin_ns = self._window(index)
        rows = first + np.arange(whole_passes(count, samples, order))
        times = self._arrival_ns
        # Past its end the trace begins again: only an equal-issue order goes so far.
        due = times[rows % len(times)] + rows // len(times) * self._period_ns - origin_ns
        return Schedule(
            sample=select(samples, len(due), order=order, seed=seed, index=index), due_ns=due
        )

    def describe(self) -> dict[str, Any]:
        """The settings, and what the file turned out to hold: its name and hash, not its place."""
        read = self._read
        return {
            "kind": "replay",
            "trace": Path(self.trace).name,
            "sha256": read.sha256,
            "column": read.column,
            "unit": read.unit,
            "scale": float(self.scale),
            "duration": self.duration,
            "arrivals": len(read.arrival_ns),
            "unsorted": read.unsorted,
        }

    @cached_property
    def _read(self) -> Trace:
        return read_trace(Path(self.trace), self.column, self.unit)

    @cached_property
    def _arrival_ns(self) -> Int64s:
        """All of them, at the rate asked for."""
        times = self._read.arrival_ns
        check_volume("replay", len(times), int(times[-1]) / self.scale / 1e9)
        return times if self.scale == 1 else np.rint(times / self.scale).astype(np.int64)

    @property
    def _period_ns(self) -> int:
        """After which the trace begins again: the last arrival is followed by a gap as any."""
        times = self._arrival_ns
        return int(times[-1]) + round(int(times[-1]) / max(len(times) - 1, 1))

    @cached_property
    def _windows(self) -> tuple[int, Int64s]:
        """Their length, and the numbers of those in which something arrives."""
        length_ns = check_duration("scenario.duration", str(self.duration))
        whole = self._period_ns // length_ns
        if not whole:
            raise InputError(
                f"scenario.duration is {self.duration!r}, and the trace {str(self.trace)!r} lasts "
                f"{format_duration(self._period_ns)} at scale {self.scale:g}: give no more, or "
                "leave it out to replay all of it each round"
            )
        filled = np.unique(self._arrival_ns // length_ns)
        return length_ns, filled[filled < whole]

    def _window(self, index: int) -> tuple[int, int, int]:
        """The first arrival of round ``index``, how many there are, and when it begins."""
        if self.duration is None:
            return 0, len(self._arrival_ns), 0
        length_ns, filled = self._windows
        origin_ns = int(filled[index % len(filled)]) * length_ns
        first, last = np.searchsorted(self._arrival_ns, [origin_ns, origin_ns + length_ns])
        return int(first), int(last - first), origin_ns
