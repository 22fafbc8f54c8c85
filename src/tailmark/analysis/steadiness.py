"""Whether a run's rounds repeat one thing: how they depend on each other, and where they change."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from tailmark.analysis.grading import latencies
from tailmark.analysis.masks import sent_of, spread_of_sets
from tailmark.quality.base import Floats, Grader, SetGrader
from tailmark.records.model import NEVER, Int32s, Int64s, Run
from tailmark.stats.dependence import (
    Change,
    drift,
    inflation,
    lag_one,
    spread_by_chance,
    warm_up,
)
from tailmark.units import format_duration

_ROUNDS_READ = 100
_FEWEST_QUERIES = 10


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """What the rounds are to each other, at the deadline a headline speaks of.

    Args:
        rounds: How many there are.
        autocorrelation: Of the rounds' qualities (or punctualities) from one to the next.
        effective_rounds: How many independent ones they are worth.
        within: Autocorrelation of the latencies of one query and the next, each less its sample's
            mean, by ranks; mean over at most 100 rounds. None where too few queries say.
        overdispersion: sd of the rounds' qualities, late answers wrong, over what chance alone
            would give, the samples being as they are; None where chance would give nothing.
        drift: A lasting change of the rounds' median latency.
        warm_up: A slow start of it.
        quality_drift: A lasting change of the rounds' qualities (or punctualities).
    """

    rounds: int
    autocorrelation: float
    effective_rounds: float
    within: float | None
    overdispersion: float | None
    drift: Change | None
    warm_up: Change | None
    quality_drift: Change | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rounds": self.rounds,
            "autocorrelation": self.autocorrelation,
            "effective_rounds": self.effective_rounds,
            "autocorrelation_within": self.within,
            "overdispersion": self.overdispersion,
            "drift": _plain(self.drift),
            "warm_up": _plain(self.warm_up),
            "quality_drift": _plain(self.quality_drift),
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the reader."""
        said = []
        if self.warm_up:
            k, change = self.warm_up.at, self.warm_up
            first = "the first round is" if k == 1 else f"the first {k} rounds are"
            said.append(
                f"warm-up: {first} slower than the rest (median {format_duration(change.before)}, "
                f"then {format_duration(change.after)}): measure with a longer warmup"
            )
        if self.drift:
            change = self.drift
            said.append(
                f"drift: from round {change.at + 1} on the median latency is "
                f"{format_duration(change.after)}, before {format_duration(change.before)}: the "
                "rounds do not repeat one thing, and their intervals say little of later ones"
            )
        elif self.quality_drift:
            change = self.quality_drift
            said.append(
                f"drift: from round {change.at + 1} on {100 * change.after:.1f} % are delivered, "
                f"before {100 * change.before:.1f} %: the rounds do not repeat one thing, and "
                "their intervals say little of later ones"
            )
        return tuple(said)


def steadiness(
    run: Run,
    by_round: list[Int64s],
    values: Floats,
    *,
    delivered: Floats,
    grader: Grader | SetGrader | None,
    deadline_ns: int,
    time: str,
) -> Steadiness:
    """Hold a run's rounds against each other.

    Args:
        run: What was measured.
        by_round: Each round's latencies, ascending.
        values: The rounds' qualities (or punctualities) at the deadline, shape (rounds,).
        delivered: The same with late answers wrong, whatever the late policy.
        grader: From `grading.prepare_grader`; None where values are punctualities.
        deadline_ns: The headline's.
        time: Which latency counts, as `grading.check_time` gives it.
    """
    rounds = len(by_round)
    told = np.nan_to_num(values)
    medians = np.array([_median(one) for one in by_round])
    known = np.flatnonzero(np.isfinite(medians))  # the rounds that have one
    paces = medians[known]
    # A later drift makes a slow start look like one of its swings: the first half is asked too.
    settling = _placed(warm_up(paces) or warm_up(paces[: len(paces) // 2]), known)
    start = settling.at if settling else 0
    later = known[known >= start]
    within, chance = _inside(run, grader, deadline_ns, time)
    spread = float(delivered.std(ddof=1)) if rounds > 1 else 0.0
    return Steadiness(
        rounds=rounds,
        autocorrelation=float(lag_one(told)) if rounds > 1 else 0.0,
        effective_rounds=rounds / float(inflation(told)),
        within=within,
        overdispersion=spread / chance if chance > 0 and rounds > 1 else None,
        drift=_placed(drift(medians[later]), later),
        warm_up=settling,
        quality_drift=_placed(drift(told[start:]), np.arange(start, rounds)),
    )


def _placed(change: Change | None, rounds: Int64s) -> Change | None:
    """A change, told by the run's own numbering of its rounds."""
    return change and replace(change, at=int(rounds[change.at]))


def _median(ordered: Int64s) -> float:
    """Of the answered; NaN where none was."""
    answered = ordered[: np.searchsorted(ordered, NEVER)]
    return float(np.median(answered)) if len(answered) else float("nan")


def _inside(
    run: Run, grader: Grader | SetGrader | None, deadline_ns: int, time: str
) -> tuple[float | None, float]:
    """Autocorrelation inside rounds, and the sd between rounds that chance alone would give."""
    samples = len(run.references)
    which = np.unique(np.linspace(0, len(run) - 1, min(len(run), _ROUNDS_READ)).astype(int))
    held: list[tuple[Int32s, Int64s]] = []
    sent, total, answered, delivered, squares = (np.zeros(samples) for _ in range(5))
    for r in which:
        one = run.stored[int(r)]
        late = latencies(run, one, time)
        there = late != NEVER
        held.append((one.sample[there], late[there]))
        sent += np.bincount(one.sample, minlength=samples)
        answered += np.bincount(one.sample, weights=there, minlength=samples)
        total += np.bincount(one.sample[there], weights=late[there], minlength=samples)
        worth = (late <= deadline_ns).astype(np.float64)
        if grader is not None and not isinstance(grader, SetGrader):
            worth *= grader.scores(one.sample, one.output_id)
        delivered += np.bincount(one.sample, weights=worth, minlength=samples)
        squares += np.bincount(one.sample, weights=worth**2, minlength=samples)
    mean = total / np.maximum(answered, 1)
    lags = []
    for sample, late in held:
        known = answered[sample] > 1  # of a single answer, the sample's mean is the answer itself
        if known.sum() >= _FEWEST_QUERIES:
            lags.append(float(lag_one(rankdata((late - mean[sample])[known]))))
    if isinstance(grader, SetGrader):
        rounds = [sent_of(run.stored[int(r)]) for r in which]
        chance = spread_of_sets(grader, rounds, delivered / np.maximum(sent, 1))
    else:
        chance = spread_by_chance(sent, delivered, squares, len(which))
    return (float(np.mean(lags)) if lags else None), chance


def _plain(change: Change | None) -> Mapping[str, Any] | None:
    if change is None:
        return None
    return {"at": change.at, "before": change.before, "after": change.after, "p": change.p}
