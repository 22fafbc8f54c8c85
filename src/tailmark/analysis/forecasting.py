"""The models that foretell a round's quality, and what they learn from a run's rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
from scipy.special import ndtr

from tailmark.analysis.asked import resolve
from tailmark.analysis.grading import latencies, quality_of_set
from tailmark.analysis.masks import Masks, sent_of, spread_of_sets
from tailmark.errors import InputError
from tailmark.quality.base import Floats, Grader, SetGrader
from tailmark.records.model import NEVER, Int64s, Run
from tailmark.stats.bootstrap import round_weights
from tailmark.stats.density import improved_sheather_jones
from tailmark.stats.dependence import inflation, spread_by_chance
from tailmark.stats.forecast import Forecast
from tailmark.stats.round_effects import DRAWS, Chances, Groups, RoundEffects, shrunk

_ROUNDING = 1e-9


class Model(Protocol):
    """A fitted model: its forecast, and likely other ones."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def forecast(self) -> Forecast:
        """The distribution of one round's quality."""
        ...

    @property
    def means(self) -> Floats:
        """The expectation of each draw; shape (draws,)."""
        ...

    def quantiles(self, levels: Floats) -> Floats:
        """A quantile of each draw, each at its own level; shape (draws,)."""
        ...

    def at_least(self, target: float) -> Floats:
        """P(quality ≥ target) of each draw; shape (draws,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What the models learn from.

    Args:
        deadline_ns: Resolved on these rounds.
        label: As it was asked for.
        by_round: Each round's latencies, ascending, `NEVER` where there is no answer.
        ordered: All of them, ascending.
        quality: At the deadline, late answers wrong; shape (rounds,).
        sent: How often each sample was sent, shape (samples,).
        answered: How often it was answered, likewise.
        hits: How often it was on time, likewise.
        right: How likely an answer of it is worth anything, likewise.
        gain: What such an answer is worth, likewise.
        by_chance: Sd of a round's quality were its answers independent.
        sets: Simulates rounds of a given probability for each sample, where the metric grades
            sets; None where quality is a mean, and right and gain say what answers are worth.
    """

    deadline_ns: int
    label: str
    by_round: Sequence[Int64s]
    ordered: Int64s
    quality: Floats
    sent: Floats
    answered: Floats
    hits: Floats
    right: Floats
    gain: Floats
    by_chance: float
    sets: Callable[[Floats], Masks] | None = None

    @property
    def rounds(self) -> int:
        """How many."""
        return len(self.quality)

    @property
    def never_late(self) -> bool:
        """Whether no answer was late, so that nothing is known of lateness."""
        return bool(self.ordered[-1] <= self.deadline_ns)

    @cached_property
    def groups(self) -> Chances:
        """The answers of a round, each with its own probability of being on time."""
        seen = self.sent > 0
        if self.sets is not None:
            every = np.zeros(len(self.sent))
            every[seen] = shrunk(self.hits[seen], self.sent[seen])
            return self.sets(every)
        probability = shrunk(self.hits[seen], self.sent[seen])
        return self._gathered(probability, self.right, self.gain)

    def alike(self, probability: float) -> Chances:
        """The same, were all samples alike."""
        if self.sets is not None:
            return self.sets(np.full(len(self.sent), probability))
        # What a sample that never answered is worth is not known; alike, it is worth the mean.
        known = self.answered > 0
        mean = float((self.answered * self.right * self.gain).sum() / self.answered.sum())
        right, gain = np.where(known, self.right, mean), np.where(known, self.gain, 1.0)
        return self._gathered(np.full(int((self.sent > 0).sum()), probability), right, gain)

    def _gathered(self, probability: Floats, right: Floats, gain: Floats) -> Groups:
        seen = self.sent > 0
        count = self.sent[seen] / self.rounds
        return Groups.gathered(probability, gain[seen], count, float(count.sum()), right[seen])


def learn(
    run: Run, grader: Grader | SetGrader, deadline: str | int, time: str, *, rounds: Sequence[int]
) -> Trained:
    """Read some of a run's rounds.

    Args:
        run: What was measured.
        grader: From `grading.prepare_grader`.
        deadline: As `units.parse_deadline` reads it; a percentile is that of these rounds.
        time: Which latency counts, as `grading.check_time` gives it.
        rounds: Which.

    Raises:
        InputError: Not a deadline, or a percentile that was never answered.
    """
    samples = len(run.references)
    late = [latencies(run, run.stored[r], time) for r in rounds]
    by_round = [np.sort(one) for one in late]
    ordered = np.sort(np.concatenate(by_round))
    ((deadline_ns, label),) = resolve([deadline], ordered).items()
    quality = np.empty(len(rounds))
    sent, hits, answered, scored, scored2 = (np.zeros(samples) for _ in range(5))
    delivered, delivered2 = np.zeros(samples), np.zeros(samples)
    for k, r in enumerate(rounds):
        one = run.stored[r]
        punctual = late[k] <= deadline_ns
        there = late[k] != NEVER
        if isinstance(grader, SetGrader):
            score = there.astype(np.float64)  # what one is worth depends on the others
            quality[k] = quality_of_set(run, one, grader, np.array([deadline_ns]), time)[0]
        else:
            score = grader.scores(one.sample, one.output_id)
            quality[k] = (score * punctual).sum() / len(one)
        sent += np.bincount(one.sample, minlength=samples)
        hits += np.bincount(one.sample, weights=punctual, minlength=samples)
        answered += np.bincount(one.sample, weights=there, minlength=samples)
        scored += np.bincount(one.sample, weights=score, minlength=samples)
        scored2 += np.bincount(one.sample, weights=score**2, minlength=samples)
        delivered += np.bincount(one.sample, weights=score * punctual, minlength=samples)
        delivered2 += np.bincount(one.sample, weights=score**2 * punctual, minlength=samples)
    # Answers that differ from round to round are worth `gain` or nothing: so that both their mean
    # and their mean square are kept, which is exact for right or wrong, and for answers that agree.
    worth = scored > 0
    gain = np.divide(scored2, scored, out=np.zeros(samples), where=worth)
    right = np.divide(scored**2, answered * scored2, out=np.ones(samples), where=worth)
    right[right > 1 - _ROUNDING] = 1.0
    sets = None
    by_chance = spread_by_chance(sent, delivered, delivered2, len(rounds))
    if isinstance(grader, SetGrader):
        answers = [sent_of(run.stored[r]) for r in rounds]
        sets = partial(Masks.simulated, grader, answers)
        by_chance = spread_of_sets(grader, answers, hits / np.maximum(sent, 1))
    return Trained(
        deadline_ns=deadline_ns,
        label=label,
        by_round=by_round,
        ordered=ordered,
        quality=quality,
        sent=sent,
        answered=answered,
        hits=hits,
        right=right,
        gain=gain,
        by_chance=by_chance,
        sets=sets,
    )


@dataclass(frozen=True, kw_only=True)
class Parametric:
    """A model of chance, with or without effects of rounds.

    Args:
        name: What it is called.
        law: As fitted.
    """

    name: str
    law: RoundEffects

    @cached_property
    def forecast(self) -> Forecast:
        """See `Model`."""
        return self.law.forecast

    @cached_property
    def means(self) -> Floats:
        """See `Model`."""
        return self.law.means

    def quantiles(self, levels: Floats) -> Floats:
        """See `Model`."""
        return self.law.quantiles(levels)

    def at_least(self, target: float) -> Floats:
        """See `Model`."""
        return self.law.at_least(target)


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """The measured rounds again, drawn in blocks as long as they depend on each other.

    Args:
        quality: Of each round.
        drawn: Resamples, ascending, shape (draws, rounds).
    """

    name: str = "bootstrap"
    quality: Floats
    drawn: Floats

    @property
    def forecast(self) -> Forecast:
        """See `Model`."""
        return Forecast.of(self.quality)

    @property
    def means(self) -> Floats:
        """See `Model`."""
        mean: Floats = self.drawn.mean(axis=1)
        return mean

    def quantiles(self, levels: Floats) -> Floats:
        """See `Model`."""
        n = self.drawn.shape[1]
        rows = np.clip(np.ceil(levels * n - 1e-9).astype(np.int64) - 1, 0, n - 1)
        found: Floats = self.drawn[np.arange(len(self.drawn)), rows]
        return found

    def at_least(self, target: float) -> Floats:
        """See `Model`."""
        share: Floats = (self.drawn >= target - 1e-12).mean(axis=1)
        return share


def _round_effects(trained: Trained, seed: int) -> Model:
    law = RoundEffects.fit(trained.groups, trained.quality, seed=seed)
    return Parametric(name="round-effects", law=law)


def _independent(trained: Trained, seed: int) -> Model:
    law = RoundEffects.independent(trained.groups, trained.rounds, seed=seed)
    return Parametric(name="independent", law=law)


def _kde(trained: Trained, seed: int) -> Model:
    """The paper's: one density of all times, whoever's, and samples drawn from it independently."""
    answered = trained.ordered[: np.searchsorted(trained.ordered, NEVER)].astype(np.float64)
    if not len(answered):
        raise InputError("no query was answered, so 'kde' has no times to learn from")
    width = improved_sheather_jones(answered)
    share = len(answered) / len(trained.ordered)
    if width > 0:
        punctual = float(ndtr((trained.deadline_ns - answered) / width).mean())
    else:
        punctual = float((answered <= trained.deadline_ns).mean())
    groups = trained.alike(share * punctual)
    return Parametric(name="kde", law=RoundEffects.independent(groups, trained.rounds, seed=seed))


def _bootstrap(trained: Trained, seed: int) -> Model:
    block = float(inflation(trained.quality))
    weights = round_weights(trained.rounds, DRAWS, seed=seed, block=block).astype(np.int64)
    ordered = np.argsort(trained.quality)
    rows = [np.repeat(trained.quality[ordered], one[ordered]) for one in weights]
    return Resampled(quality=trained.quality, drawn=np.array(rows))


MODELS: dict[str, Callable[[Trained, int], Model]] = {
    "round-effects": _round_effects,
    "independent": _independent,
    "kde": _kde,
    "bootstrap": _bootstrap,
}
"""Each fits to what was learnt, with a seed for its draws."""


def fit(name: str, trained: Trained, seed: int) -> Model:
    """Fit the model of that name."""
    return MODELS[name](trained, seed)
