"""The tail-quality paper's stopping rule, for reproduction: does the fitted density still move?

It bounds no error. The fits share their data, so their distance falls as rounds add up, also under
a steady drift; `HalfWidth` asks what is wanted instead.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tailmark.analysis.grading import latencies
from tailmark.errors import InputError
from tailmark.records.model import NEVER, Run
from tailmark.stats.density import fit, rjsd
from tailmark.stopping import Look


@dataclass(frozen=True)
class Rjsd:
    """Stops when rJSD is small, as the published code does it (arXiv 2212.13925).

    After ``warm`` rounds a density is fitted to all times so far, every ``every`` rounds; every
    ``window`` fits, but not at the first, the newest is compared with the ``window`` before it. It
    is enough when rJSD of the inference time, and of the total time where that was timed too, is
    ``rjsd`` or less. Queries without an answer have no time. What differs from the published code
    is said in `tailmark.stats.density`.

    Args:
        rjsd: The threshold.
        window: Fits.
        every: Rounds between fits.
        warm: Rounds before the first fit is counted from.

    Raises:
        InputError: A setting that means nothing.
    """

    rjsd: float
    window: int = field(default=5, kw_only=True)
    every: int = field(default=2, kw_only=True)
    warm: int = field(default=5, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        plain = isinstance(self.rjsd, int | float) and not isinstance(self.rjsd, bool)
        if not plain or not 0 < self.rjsd < 1:
            raise InputError(f"rjsd is {self.rjsd!r}: give a number between 0 and 1, such as 0.02")
        for name in ("window", "every", "warm"):
            given = getattr(self, name)
            if not isinstance(given, int) or given < 1:
                raise InputError(f"{name} is {given!r}: give a whole number, 1 or more")

    @property
    def grades(self) -> bool:
        """It looks at times alone."""
        return False

    @property
    def judges(self) -> bool:
        """It needs no requirement."""
        return False

    def describe(self) -> dict[str, Any]:
        """All of it, so that the defaults of another version are not taken for it."""
        return {
            "rjsd": self.rjsd,
            "window": self.window,
            "every": self.every,
            "warm": self.warm,
        }

    def looks(self, at_most: int) -> tuple[int, ...]:
        """Where there are ``window`` fits to compare with, and again after as many more.

        Raises:
            InputError: ``at_most`` ends before the first.
        """
        step = self.every * self.window
        first = self.warm + self.every + step
        if at_most < first:
            raise InputError(
                f"rjsd is first looked at after {first} rounds (warm + every × (window + 1)), and "
                f"at_most is {at_most}: give at_most {first} or more"
            )
        return tuple(range(first, at_most + 1, step))

    def explain(self, looks: tuple[int, ...]) -> str:
        """For ``tailmark check``."""
        times = "once" if len(looks) == 1 else f"{len(looks)} times at most"
        return (
            f"stops when rJSD is {self.rjsd:g} or less, which takes {looks[0]} rounds at least; "
            f"looks {times}; it is the paper's rule and bounds no error"
        )

    def look(self, run: Run, looks: tuple[int, ...]) -> Look:
        """Compare the newest fit with those before it."""
        found = {time: self._rjsd(run, time) for time in _times(run)}
        stop = all(one is not None and one <= self.rjsd for one in found.values())
        told = ", ".join(f"{_number(one)} of the {time} time" for time, one in found.items())
        worst = max((one for one in found.values() if one is not None), default=None)
        unmoved = (
            "" if stop or len(run) < looks[-1] else "; whether more rounds would do is unknown"
        )
        return Look(
            stop=stop,
            says=f"rJSD is {told}, where {self.rjsd:g} was wanted{unmoved}",
            brief=f"rJSD {_number(worst)} of {self.rjsd:g}",
            figures={"rjsd": found},
        )

    def _rjsd(self, run: Run, time: str) -> float | None:
        """Of one kind of time; None where no query of the first fit has an answer."""
        spent = [latencies(run, one, time) for one in run.rounds()]
        answered = [one[one != NEVER] for one in spent]
        newest = len(run)
        fits = []
        for back in range(self.window + 1):
            times = np.concatenate(answered[: newest - back * self.every])
            if not len(times):
                return None
            fits.append(fit(times))
        return rjsd(fits[0], fits[1:])


def _times(run: Run) -> list[str]:
    """The paper looks at inference and total; so does this, where both were timed."""
    timed = str(run.manifest.experiment.get("timed", "inference"))
    staged = timed == "total" and run.stored[0].inference_ns is not None
    return ["inference", "total"] if staged else [timed]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
