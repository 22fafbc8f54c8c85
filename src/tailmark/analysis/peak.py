"""The highest rate at which a requirement holds: what runs at several rates say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailmark.analysis.gate import Outcome, Verdict

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A rate that was tried.

    Args:
        qps: Queries a second.
        outcome: Of its own run; undecided is not passing.
        verdict: The same with its estimates, at the confidence that several looks leave.
        rounds: It took.
        queries: In them.
        shortened: Whether it failed in short rounds already, so that whole ones were not measured.
        generator_limited: Whether it would pass, had every query been issued when it was due.
        run: Its directory.
    """

    qps: float
    outcome: Outcome
    verdict: Verdict
    rounds: int
    queries: int
    shortened: bool
    generator_limited: bool
    run: str

    @property
    def parts(self) -> tuple[Verdict, ...]:
        """A verdict for each part of the requirement."""
        return self.verdict.parts or (self.verdict,)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "qps": self.qps,
            "outcome": self.outcome,
            "rounds": self.rounds,
            "queries": self.queries,
            "shortened": self.shortened,
            "generator_limited": self.generator_limited,
            "run": self.run,
            "parts": [
                {"outcome": one.outcome, "target": one.target, "estimate": one.estimate.to_dict()}
                for one in self.parts
            ],
        }


@dataclass(frozen=True, kw_only=True)
class FindPeak:
    """The highest rate at which a requirement holds, and the rates it was found by.

    Args:
        require: What was required.
        metric: What quality means.
        within: How close together, as a share, the ends of the bracket were wanted.
        capacity_qps: About what the system could answer one after another on all workers; None
            where the search began elsewhere.
        start_qps: The first rate tried.
        candidates: Rates ascending.
        ended: Why no more were tried.
        folder: Where their runs are.
    """

    require: Mapping[str, Any]
    metric: str
    within: float
    capacity_qps: float | None
    start_qps: float
    candidates: tuple[Candidate, ...]
    ended: str
    folder: str

    @property
    def bracket(self) -> tuple[float | None, float | None]:
        """The highest rate that passed below every rate that did not, and the lowest of those."""
        return bracket({one.qps: one.outcome for one in self.candidates})

    @property
    def peak_qps(self) -> float | None:
        """The lower end of the bracket: its own run passes, and so does every one below it."""
        return self.bracket[0]

    @property
    def peak(self) -> Candidate | None:
        """The candidate of that rate."""
        return next((one for one in self.candidates if one.qps == self.peak_qps), None)

    @property
    def limit(self) -> Candidate | None:
        """The candidate at the upper end of the bracket."""
        return next((one for one in self.candidates if one.qps == self.bracket[1]), None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Rates that passed above one that did not, and a bound that is the generator's."""
        limit = self.limit
        if limit is None or not limit.generator_limited:
            return self._contradictions()
        said = (
            f"generator-limited: at {limit.qps:g} queries a second the requirement would pass, had "
            "queries been issued on time, so the peak may be the generator's: leave it a core of "
            "its own"
        )
        return (*self._contradictions(), said)

    def _contradictions(self) -> tuple[str, ...]:
        high = self.bracket[1]
        above = [one.qps for one in self.candidates if one.outcome == "pass"]
        odd = [qps for qps in above if high is not None and qps > high]
        if not odd or self.limit is None:
            return ()
        rates = ", ".join(f"{qps:g}" for qps in odd)
        said = (
            f"{rates} passed though {high:g} did not ({self.limit.outcome}): the peak is the "
            "highest rate that passed below every rate that did not; more rounds would tell which "
            "of them is chance"
        )
        return (said,)

    def to_dict(self) -> dict[str, Any]:
        """The document ``find-peak --json`` prints."""
        return {
            "format": FORMAT,
            "require": dict(self.require),
            "metric": self.metric,
            "peak_qps": self.peak_qps,
            "bracket": list(self.bracket),
            "within": self.within,
            "capacity_qps": self.capacity_qps,
            "start_qps": self.start_qps,
            "candidates": [one.to_dict() for one in self.candidates],
            "ended": self.ended,
            "folder": self.folder,
            "warnings": list(self.warnings),
        }


def bracket(outcomes: Mapping[float, Outcome]) -> tuple[float | None, float | None]:
    """The highest passing rate below every rate that did not pass, and the lowest of those.

    Args:
        outcomes: By rate.
    """
    others = [qps for qps, outcome in outcomes.items() if outcome != "pass"]
    high = min(others, default=None)
    passing = [
        qps
        for qps, outcome in outcomes.items()
        if outcome == "pass" and (high is None or qps < high)
    ]
    return max(passing, default=None), high


def ascending(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """By rate."""
    return tuple(sorted(candidates, key=lambda one: one.qps))
