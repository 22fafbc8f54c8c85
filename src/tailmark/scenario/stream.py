"""Frames at a fixed rate, in the workload's order: what a camera sends."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

from tailmark.errors import InputError
from tailmark.scenario.arrivals import constant
from tailmark.scenario.base import Order, Schedule, select, whole_passes
from tailmark.scenario.settings import check_count, check_duration, check_rate, check_volume


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An open loop of equal gaps that shows each frame once; the first is due at 0.

    With the late policy ``stale`` and a deadline of 0 each frame is graded with the newest answer
    that is there when the frame is: streaming accuracy (Li, Wang and Ramanan, "Towards streaming
    perception", ECCV 2020).

    Args:
        fps: Frames a second.
        frames: So many of them, the first ones, each round; by default all.
        duration: Instead: those that are due before it is over, such as ``10s``.
    """

    order: ClassVar[Order] = "fixed"

    fps: float
    frames: int | None = None
    duration: str | int | None = None

    def __post_init__(self) -> None:
        """Refuse what no camera sends."""
        check_rate("scenario.fps", self.fps)
        check_count("scenario.frames", self.frames)
        if self.frames is not None and self.duration is not None:
            raise InputError(
                f"scenario.frames is {self.frames} and scenario.duration {self.duration!r}: one of "
                "them says how long a stream is"
            )
        self._check_volume(self._asked or 1)

    def at_rate(self, qps: float) -> Self:
        """See `Paced.at_rate`: the same frames, faster or slower."""
        return replace(self, fps=qps, frames=self._asked, duration=None)

    def schedule(self, samples: int, *, order: Order, seed: int, index: int) -> Schedule:
        """See `Scenario.schedule`."""
        asked = self._asked or samples
        if asked > samples:
            raise InputError(
                f"a stream of {asked:,} frames shows each once, and the workload has {samples:,}: "
                "ask for no more, or leave scenario.frames and scenario.duration out"
            )
        count = whole_passes(asked, samples, order)
        self._check_volume(count)
        return Schedule(
            sample=select(samples, count, order=order, seed=seed, index=index),
            due_ns=constant(self.fps, count=count, duration_ns=0, whole=int),
        )

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "stream", **asdict(self), "fps": float(self.fps)}

    @property
    def _asked(self) -> int | None:
        """How many frames are asked for; None for all there are."""
        if self.duration is None:
            return self.frames
        duration_ns = check_duration("scenario.duration", self.duration)
        some = duration_ns / 1e9 * self.fps
        self._check_volume(some)
        count = math.ceil(some) + 1
        while self._due_ns(count - 1) >= duration_ns:
            count -= 1
        return count

    def _due_ns(self, frame: int) -> int:
        return round(frame * 1e9 / self.fps)

    def _check_volume(self, frames: float) -> None:
        check_volume("stream", frames, frames / self.fps)
