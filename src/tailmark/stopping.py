"""How many rounds to measure: a number, or until a rule has seen enough.

Holds the seam of stopping rules. A rule reads the finished rounds and nothing else, so what it saw
can be seen again: a run gone on with is looked at anew. Knows no statistics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tailmark.errors import InputError
from tailmark.records.model import Round, Rounds, Run
from tailmark.records.store import open_run


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a rule saw.

    Args:
        stop: Whether it is enough.
        says: What is known how well; where it is not enough, also what would be.
        brief: The same in a few words, for a progress bar.
        figures: The numbers, as plain data.
    """

    stop: bool
    says: str
    brief: str
    figures: Mapping[str, Any] = field(default_factory=dict)


class StoppingRule(Protocol):
    """A recipe that says when to look, and whether what is there is enough.

    Its name in an experiment file is that of its entry point, and the setting of the same name is
    its target: ``until: {half_width: 0.005, of: tail}``.
    """

    @property
    def grades(self) -> bool:
        """Whether it asks for quality, so that the workload must have references."""
        ...

    @property
    def judges(self) -> bool:
        """Whether it asks for a verdict, so that the experiment must have a requirement."""
        ...

    def looks(self, at_most: int) -> tuple[int, ...]:
        """After how many rounds to look, ascending, none above ``at_most``, at least one.

        Raises:
            InputError: ``at_most`` is too few, and how many would do.
        """
        ...

    def explain(self, looks: tuple[int, ...]) -> str:
        """What is waited for, and when it is looked for; one sentence without its full stop."""
        ...

    def look(self, run: Run, looks: tuple[int, ...]) -> Look:
        """Whether the rounds of ``run``, as many as one of ``looks``, are enough."""
        ...

    def describe(self) -> dict[str, Any]:
        """The settings as an experiment file has them, as plain data."""
        ...


@dataclass(frozen=True)
class Until:
    """Rounds are measured until a rule has seen enough.

    Args:
        rule: What is enough: `HalfWidth`, `Decided`, `Rjsd`.
        at_most: Rounds.

    Raises:
        InputError: The rule cannot come to an end within so many.
    """

    rule: StoppingRule
    at_most: int = field(kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if not isinstance(self.at_most, int) or self.at_most < 1:
            raise InputError(f"at_most is {self.at_most!r}: give a whole number, 1 or more")
        if not self.looks:
            raise InputError(f"the rule never looks within {self.at_most} rounds: give more")

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many rounds it is looked."""
        return self.rule.looks(self.at_most)

    def check_references(self, there: bool) -> None:
        """Refuse a rule about quality where nobody knows what is right.

        Raises:
            InputError: So it is.
        """
        if self.rule.grades and not there:
            raise InputError(
                f"rounds wait for {_name(self.rule)} of a quality, and the workload has no "
                "references: wait for of: on_time or of: p99, or give references"
            )

    def check_requirement(self, there: bool) -> None:
        """Refuse a rule about a verdict where nothing is required.

        Raises:
            InputError: So it is.
        """
        if self.rule.judges and not there:
            raise InputError(
                f"rounds wait for {_name(self.rule)}, and there is no require: say what is to be "
                "decided, such as require: {quality: '>= 0.75', at: 5ms}"
            )

    def describe(self) -> dict[str, Any]:
        """As an experiment file has it."""
        return {"until": self.rule.describe(), "at_most": self.at_most}


class Lookout:
    """Looks at a run in the making whenever its rule says, and remembers what it saw.

    Args:
        asked: A number of rounds, or a rule.
        path: The run's directory.
    """

    def __init__(self, asked: int | Until, path: Path) -> None:
        self._until = asked if isinstance(asked, Until) else None
        self._at_most = at_most(asked)
        self._path = path
        self._seen: dict[int, Look] = {}

    def enough(self, rounds: int) -> bool:
        """Whether so many finished rounds are enough; looks, if it is time to."""
        if self._until is None:
            return rounds >= self._at_most
        run = None
        for due in self._until.looks:
            if due > rounds or self._stopped:
                break
            if due not in self._seen:
                run = run or open_run(self._path)
                self._seen[due] = self._until.rule.look(first_rounds(run, due), self._until.looks)
        return rounds >= self._at_most or self._stopped

    @property
    def _stopped(self) -> bool:
        return any(look.stop for look in self._seen.values())

    @property
    def brief(self) -> str:
        """What the last look saw, in a few words; empty before the first."""
        return list(self._seen.values())[-1].brief if self._seen else ""

    def account(self, rounds: int, inferences: int) -> dict[str, Any] | None:
        """What there is to say of the stop so far, as plain data; None without a rule.

        Args:
            rounds: That are finished.
            inferences: In them.
        """
        if self._until is None:
            return None
        done = rounds >= self._at_most or self._stopped
        return {
            **self._until.describe(),
            "looks": [
                {"rounds": due, "stop": look.stop, **look.figures}
                for due, look in self._seen.items()
            ],
            "reached": self._stopped if done else None,
            "inferences": inferences,
            "says": self._sentence(rounds, inferences) if done else "",
        }

    def _sentence(self, rounds: int, inferences: int) -> str:
        last = list(self._seen.values())[-1]
        took = f"({inferences:,} inferences)"
        if self._stopped:
            return f"stopped after {rounds} of at most {self._at_most} rounds {took}: {last.says}"
        return f"not reached in {rounds} rounds {took}, the most allowed: {last.says}"


def at_most(asked: int | Until) -> int:
    """The most rounds that may be measured."""
    return asked.at_most if isinstance(asked, Until) else asked


def first_rounds(run: Run, count: int) -> Run:
    """The run as it was after ``count`` rounds."""
    return run if len(run) == count else replace(run, stored=_First(run.stored, count))


@dataclass(frozen=True)
class _First:
    """The first rounds of some."""

    stored: Rounds
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Round:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return self.stored[index]


def _name(rule: StoppingRule) -> str:
    return next(iter(rule.describe()))
