"""Stops measuring when it is decided whether the run meets its requirement."""

import math
from dataclasses import dataclass
from typing import Any

from tailmark.analysis.gate import Verdict, judge
from tailmark.errors import InputError
from tailmark.quality.requirement import parse_requirement
from tailmark.records.model import Run
from tailmark.stopping import Look

WRONG = 0.05
"""The chance that a wrong verdict may have, all looks and all parts of a requirement together."""

_FACTOR = 1.5
_EARLIEST = 3
_PASSES_FROM = 14
"""By then what disturbs one round in five was seen, 19 times of 20; before, a pass may be luck."""


@dataclass(frozen=True)
class Decided:
    """Stops when the run meets its ``require``, or when it surely does not, although one peeks.

    It is looked at after a few numbers of rounds, fixed beforehand, each about 1.5 times the one
    before; the last is the most allowed. Looks and parts of the requirement share the 5 % that may
    go wrong evenly (Bonferroni), so a wrong verdict has no more than that chance whatever made it
    stop and however looks depend on each other, as far as each interval holds what it claims. What
    is hopeless is seen after three rounds; that a requirement is met is believed from 14 on, when
    what disturbs one round in five was seen 19 times of 20. What is rarer no 14 rounds tell.

    Args:
        decided: True; there is nothing else to wait for.

    Raises:
        InputError: Anything else.
    """

    decided: bool

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.decided is not True:
            raise InputError(f"decided is {self.decided!r}: it is true, or leave it out")

    @property
    def grades(self) -> bool:
        """What it asks for, the requirement says."""
        return False

    @property
    def judges(self) -> bool:
        """It waits for a verdict."""
        return True

    def describe(self) -> dict[str, Any]:
        """The one setting."""
        return {"decided": True}

    def looks(self, at_most: int) -> tuple[int, ...]:
        """From three rounds on, or from two where no more are allowed.

        Raises:
            InputError: One round decides nothing.
        """
        if at_most < 2:
            raise InputError(
                f"decided needs 2 rounds at least, and at_most is {at_most}: give at_most 2 or more"
            )
        found = [at_most]
        while (earlier := math.ceil(found[0] / _FACTOR)) >= _EARLIEST and earlier < found[0]:
            found.insert(0, earlier)
        return tuple(found)

    def explain(self, looks: tuple[int, ...]) -> str:
        """For ``tailmark check``."""
        times = "once" if len(looks) == 1 else f"{len(looks)} times"
        return (
            "stops when it is decided whether the requirement is met, which takes "
            f"{looks[0]} rounds at least and {_passes_from(looks)} to pass; looks {times}, and a "
            f"wrong verdict has a chance of {100 * WRONG:g} % at most for all looks together"
        )

    def look(self, run: Run, looks: tuple[int, ...]) -> Look:
        """Judge these rounds."""
        found = verdict(run, looks)
        stop = found.outcome == "fail" or (
            found.outcome == "pass" and len(run) >= _passes_from(looks)
        )
        sure = confidence(run, looks)
        rounds = found.rounds_to_decide
        way_out = f"; about {rounds} rounds would decide" if rounds else ""
        says = {
            "pass": "the requirement is met",
            "fail": "the requirement is not met",
            "undecided": f"whether the requirement is met is undecided{way_out}",
        }[found.outcome]
        return Look(
            stop=stop,
            says=f"{says}, by {100 * sure:.4g} % intervals",
            brief=found.outcome if found.outcome != "pass" or stop else "passing so far",
            figures={
                "outcome": found.outcome,
                "confidence": sure,
                "estimates": [one.estimate.to_dict() for one in found.parts or (found,)],
            },
        )


def confidence(run: Run, looks: tuple[int, ...]) -> float:
    """What looks and parts leave to each interval."""
    parts = len(parse_requirement(_required(run)))
    return 1 - WRONG / (len(looks) * parts)


def verdict(run: Run, looks: tuple[int, ...]) -> Verdict:
    """The run's, at the confidence that so many looks leave.

    Raises:
        InputError: It was measured without ``require``.
    """
    return judge(run, _required(run), confidence=confidence(run, looks))


def _required(run: Run) -> dict[str, Any]:
    require = run.manifest.experiment.get("require")
    if not require:
        raise InputError(
            "rounds wait until it is decided whether a requirement is met, and there is no "
            "require: give one, or wait for half_width"
        )
    return dict(require)


def _passes_from(looks: tuple[int, ...]) -> int:
    return min(_PASSES_FROM, looks[-1])
