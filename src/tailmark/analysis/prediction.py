"""What the rounds to come will deliver: the finding behind ``tailmark predict``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.asked import metric_of
from tailmark.analysis.forecasting import MODELS, Model, Trained, fit, learn
from tailmark.analysis.grading import check_time, prepare_grader
from tailmark.errors import InputError, nearest
from tailmark.quality.base import Floats, Metric
from tailmark.quality.late import parse_policy
from tailmark.quality.requirement import Requirement, parse_requirement
from tailmark.records.model import Run
from tailmark.records.store import as_run
from tailmark.stats.dependence import inflation
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.rounds import mean_by_round
from tailmark.units import format_duration

FORMAT = 1
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95)
PERCENTILES = (50, 90, 99, 99.9)
DEFAULT_MODEL = "round-effects"
ROUNDS_AHEAD = 1000
_TAIL = 0.05
_FEWEST = 2
_RESAMPLED = 40


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one model's forecast stands to the rounds that came.

    Args:
        mean: Forecast.
        tail: Forecast 5 % quantile.
        tail_error: Of it, against the 5 % quantile of what came: forecast − came.
        coverage: Share of the rounds that came at or below each forecast quantile, by its level.
        crps: Mean continuous ranked probability score, in shares of quality; less is better.
        divergence: Jensen-Shannon divergence to what came, in bits.
    """

    mean: float
    tail: float
    tail_error: float
    coverage: Mapping[float, float]
    crps: float
    divergence: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "mean": self.mean,
            "tail": self.tail,
            "tail_error": self.tail_error,
            "coverage": {f"{level:g}": share for level, share in self.coverage.items()},
            "crps": self.crps,
            "divergence": self.divergence,
        }


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """Models on trial: fitted to the first rounds, judged by later ones.

    Args:
        rounds: How many came after.
        mean: Of their qualities.
        tail: Their 5 % quantile.
        worst: The worst of them.
        scores: By model.
    """

    rounds: int
    mean: float
    tail: float
    worst: float
    scores: Mapping[str, Score]

    @property
    def best(self) -> str:
        """The model with the least CRPS."""
        return min(self.scores, key=lambda name: self.scores[name].crps)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rounds": self.rounds,
            "mean": self.mean,
            "tail": self.tail,
            "worst": self.worst,
            "best": self.best,
            "models": {name: score.to_dict() for name, score in self.scores.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the next rounds will deliver at a deadline.

    Args:
        run: The run's name.
        deadline_ns: Resolved on the training rounds.
        label: As it was asked for.
        metric: What quality means.
        model: Which model speaks.
        trained_on: How many rounds it was fitted to.
        rounds_ahead: How many are foretold.
        mean: Expected quality; its interval holds the mean of the rounds ahead.
        quantiles: Of the rounds ahead, by level; each interval holds what so many rounds will show.
        worst: The expected worst of the rounds ahead, likewise.
        chances: P(quality ≥ target) of a round, by target.
        time: Latency percentiles over the rounds ahead, by percent, in nanoseconds.
        overdispersion: sd of the rounds' qualities over what chance alone would give.
        by_chance: That standard deviation by chance alone.
        trained: The training rounds' qualities.
        density: The forecast of one round: values and their chances.
        holdout: The models on trial, where rounds were held out.
        warnings: Sentences for the reader.
    """

    run: str
    deadline_ns: int
    label: str
    metric: str
    model: str
    trained_on: int
    rounds_ahead: int
    mean: Estimate
    quantiles: Mapping[float, Estimate]
    worst: Estimate
    chances: Mapping[float, Estimate]
    time: Mapping[float, Estimate]
    overdispersion: Estimate
    by_chance: float
    trained: tuple[float, ...]
    density: tuple[tuple[float, float], ...]
    holdout: Holdout | None
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document ``predict --json`` prints."""
        return {
            "format": FORMAT,
            "run": self.run,
            "deadline_ns": self.deadline_ns,
            "label": self.label,
            "metric": self.metric,
            "model": self.model,
            "trained_on": self.trained_on,
            "rounds_ahead": self.rounds_ahead,
            "quality": {
                "mean": self.mean.to_dict(),
                "quantiles": {f"{level:g}": e.to_dict() for level, e in self.quantiles.items()},
                "worst_of": {str(self.rounds_ahead): self.worst.to_dict()},
                "at_least": {f"{target:g}": e.to_dict() for target, e in self.chances.items()},
                "trained": list(self.trained),
                "density": [list(pair) for pair in self.density],
            },
            "time": {f"{p:g}": e.to_dict() for p, e in self.time.items()},
            "overdispersion": self.overdispersion.to_dict(),
            "sd_by_chance": self.by_chance,
            "holdout": self.holdout.to_dict() if self.holdout else None,
            "warnings": list(self.warnings),
        }


def predict(
    run: Run | str | Path,
    *,
    deadline: str | int | None = None,
    model: str = DEFAULT_MODEL,
    rounds_ahead: int | None = None,
    train_rounds: int | None = None,
    holdout: int | None = None,
    targets: Sequence[float] = (),
    metric: str | Metric | None = None,
    time: str | None = None,
    seed: int = 0,
) -> Prediction:
    """Foretell the quality and the latency of the next rounds; late answers count as wrong.

    Args:
        run: A run, or its directory.
        deadline: ``"20ms"``, ``"p99"`` (of the training rounds) or nanoseconds; by default the
            experiment's first, or p99.
        model: ``round-effects`` (what a round shares, and chance), ``independent`` (chance alone),
            ``kde`` (the tail-quality paper's: all times pooled) or ``bootstrap`` (the measured
            rounds again).
        rounds_ahead: How many to foretell; 1,000, or as many as are held out.
        train_rounds: Fit to the first so many only; the rest is held out.
        holdout: Hold out the last so many, and score every model on them.
        targets: Qualities whose chance is asked for; by default that of the experiment's
            ``require``.
        metric: What quality means.
        time: Which latency counts.
        seed: For the intervals, which are simulated.

    Raises:
        InputError: Something asked for is not there.
    """
    run = as_run(run)
    if model not in MODELS:
        raise InputError(f"{model!r} is no model{nearest(model, MODELS)}: {', '.join(MODELS)}")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    declared = run.manifest.experiment.get("quality", {})
    chosen = metric_of(run, metric)
    time = check_time(run, time)
    grader = prepare_grader(run, chosen)
    if grader is None:
        raise InputError(f"{run.name!r} has no references, so it has no quality to predict")
    first, last = _split(len(run), train_rounds, holdout)
    ahead = _ahead(rounds_ahead, last)
    asked = deadline if deadline is not None else next(iter(declared.get("deadlines") or ["p99"]))
    trained = learn(run, grader, asked, time, rounds=range(first))
    came = None
    if last:
        later = range(len(run) - last, len(run))
        came = learn(run, grader, trained.deadline_ns, time, rounds=later).quality
    fitted = fit(model, trained, seed)
    spread = _overdispersion(trained)
    return Prediction(
        run=run.name,
        deadline_ns=trained.deadline_ns,
        label=trained.label,
        metric=chosen.name,
        model=model,
        trained_on=first,
        rounds_ahead=ahead,
        **_foretold(fitted, trained, ahead, _targets(targets, run), seed),
        time=_times(trained, ahead),
        overdispersion=spread,
        by_chance=trained.by_chance,
        trained=tuple(trained.quality.tolist()),
        density=tuple(zip(*_thinned(fitted), strict=True)),
        holdout=None if came is None else _trial(fitted, trained, came, seed),
        warnings=tuple(_warnings(run, trained, spread, model)),
    )


def _split(rounds: int, train: int | None, holdout: int | None) -> tuple[int, int]:
    """How many of the first rounds to fit to, and how many of the last to judge by."""
    for name, given in (("train_rounds", train), ("holdout", holdout)):
        if given is not None and given < 1:
            raise InputError(f"{name} is {given}: give 1 or more")
    last = holdout if holdout is not None else (rounds - train if train is not None else 0)
    first = train if train is not None else rounds - last
    if first < _FEWEST or last < 0 or first + last > rounds:
        raise InputError(
            f"of {rounds} rounds, {first} cannot be learnt from and {last} held out: "
            f"learn from {_FEWEST} or more, and hold out some of the rest"
        )
    return first, last


def _ahead(asked: int | None, held_out: int) -> int:
    ahead = asked if asked is not None else held_out or ROUNDS_AHEAD
    if ahead < 1:
        raise InputError(f"rounds_ahead is {ahead}: give 1 or more")
    return ahead


def _targets(given: Sequence[float], run: Run) -> tuple[float, ...]:
    for target in given:
        if not 0 < target <= 1:
            raise InputError(f"target {target:g} is no quality: give a share from 0 to 1")
    required = run.manifest.experiment.get("require")
    if given or not required:
        return tuple(given)
    parts = (one for one in parse_requirement(required) if isinstance(one, Requirement))
    return tuple(dict.fromkeys(one.quality for one in parts if not one.of_ideal))


def _foretold(
    fitted: Model, trained: Trained, ahead: int, targets: Sequence[float], seed: int
) -> dict[str, Any]:
    """Quality over the rounds ahead: values from the forecast, intervals from likely other ones.

    The k-th smallest of M rounds lies at a level of the forecast that is beta distributed, so an
    interval holds both what the fit does not know and what chance will do in so many rounds.
    """
    random = np.random.default_rng([seed, 1])
    forecast = fitted.forecast
    estimate = partial(Estimate, n=len(trained.quality), method=fitted.name)
    draws = len(fitted.means)

    def held(value: float, drawn: Floats) -> Estimate:
        low, high = np.quantile(drawn, [0.025, 0.975])
        return estimate(value=value, low=min(float(low), value), high=max(float(high), value))

    quantiles = {}
    for level in QUANTILES:
        k = max(1, math.ceil(level * ahead - 1e-9))
        levels = random.beta(k, ahead - k + 1, size=draws)
        quantiles[level] = held(forecast.quantile(level), fitted.quantiles(levels))
    worst = fitted.quantiles(random.beta(1, ahead, size=draws))
    by_chance = forecast.spread * math.sqrt(float(inflation(trained.quality)) / ahead)
    means = fitted.means + by_chance * random.standard_normal(draws)
    return {
        "mean": held(forecast.mean, np.clip(means, 0.0, 1.0)),
        "quantiles": quantiles,
        "worst": held(forecast.worst_of(ahead), worst),
        "chances": {t: held(forecast.at_least(t), fitted.at_least(t)) for t in targets},
    }


def _times(trained: Trained, ahead: int) -> dict[float, Estimate]:
    """Pooled percentiles; what the next rounds add to the doubt widens them by the root."""
    found = {}
    wider = math.sqrt(1 + len(trained.by_round) / ahead)
    for percent in PERCENTILES:
        e = pooled_percentile(trained.by_round, trained.ordered, percent)
        if e.value is not None and e.low is not None and e.high is not None:
            low = max(0.0, e.value - wider * (e.value - e.low))
            high = e.value + wider * (e.high - e.value)
            e = Estimate(value=e.value, low=low, high=high, n=e.n, method=f"{e.method}, ahead")
        found[float(percent)] = e
    return found


def _overdispersion(trained: Trained) -> Estimate:
    """sd(quality) over sd by chance; its interval from the squared deviations over rounds."""
    q, chance = trained.quality, trained.by_chance
    n = len(q)
    if chance == 0:
        return Estimate(
            value=None, n=n, method="ratio", reason="every sample was always, or never, on time"
        )
    squares = (q - q.mean()) ** 2 * n / (n - 1) / chance**2
    e = mean_by_round(squares, bounds=(0.0, math.inf))

    def root(x: float | None) -> float | None:
        return None if x is None else math.sqrt(x)

    return Estimate(
        value=root(e.value),
        low=root(e.low),
        high=root(e.high),
        n=n,
        method=f"root of {e.method}",
        reason=e.reason,
    )


def _trial(fitted: Model, trained: Trained, came: Floats, seed: int) -> Holdout:
    tail = float(np.quantile(came, _TAIL, method="inverted_cdf"))
    scores = {}
    for name in MODELS:
        forecast = (fitted if name == fitted.name else fit(name, trained, seed)).forecast
        scores[name] = Score(
            mean=forecast.mean,
            tail=forecast.quantile(_TAIL),
            tail_error=forecast.quantile(_TAIL) - tail,
            coverage={
                level: float((came <= forecast.quantile(level) + 1e-12).mean())
                for level in QUANTILES
            },
            crps=forecast.distance(came),
            divergence=forecast.divergence(came),
        )
    return Holdout(
        rounds=len(came),
        mean=float(came.mean()),
        tail=tail,
        worst=float(came.min()),
        scores=scores,
    )


def _thinned(fitted: Model, points: int = 200) -> tuple[list[float], list[float]]:
    """The forecast at no more than so many points, for a plot."""
    forecast = fitted.forecast
    low, high = forecast.quantile(0.0005), forecast.quantile(0.9995)
    inside = (forecast.values >= low) & (forecast.values <= high)
    values, chances = forecast.values[inside], forecast.chances[inside]
    lump = max(1, math.ceil(len(values) / points))
    starts = np.arange(0, len(values), lump)
    weight = np.add.reduceat(chances, starts)
    middle = np.add.reduceat(values * chances, starts) / np.maximum(weight, 1e-300)
    return middle.tolist(), weight.tolist()


def _warnings(run: Run, trained: Trained, spread: Estimate, model: str) -> list[str]:
    said = []
    declared = run.manifest.experiment.get("quality", {}).get("on_late") or "fail"
    if parse_policy(declared).kind != "fail":
        said.append(f"the run's late policy is {declared!r}; here late answers count as wrong")
    if model in ("independent", "kde") and (spread.low or 0.0) > 1.0:
        said.append(
            f"rounds differ {spread.value:.1f} times more than chance explains, and {model!r} "
            "knows chance alone: it is far too sure (use round-effects)"
        )
    if model == "bootstrap" and trained.rounds < _RESAMPLED:
        said.append(
            f"{trained.rounds} rounds drawn again show no round worse than theirs: below "
            f"{_RESAMPLED} rounds the intervals of 'bootstrap' for the tail are too narrow (use "
            "round-effects)"
        )
    if trained.never_late:
        said.append(
            f"the deadline {format_duration(trained.deadline_ns)} is never missed in the rounds "
            "learnt from, so all that is foretold is that it stays so"
        )
    return said
