"""What one model does in many environments: the finding behind ``tailmark diff``."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.answered import Answered, answered
from tailmark.analysis.asked import metric_of
from tailmark.analysis.at_deadline import UNGRADED, AtDeadline
from tailmark.analysis.flips import Tally, deadline_flips, ideal_difference, tally
from tailmark.analysis.grading import check_time, prepare_grader
from tailmark.analysis.jackknife import ideal_difference_of_sets
from tailmark.analysis.latency import means_of_both, observe
from tailmark.analysis.margins import Scored, scored
from tailmark.analysis.matched_boxes import matched_boxes
from tailmark.analysis.pairs import Pair, PairAt, flips_between
from tailmark.analysis.pareto import Front, pareto_front
from tailmark.analysis.summary import Summary, summarize
from tailmark.errors import InputError, StoreError
from tailmark.quality.base import Grader, Metric, SetGrader
from tailmark.records.differential import DifferentialRecord, Environment, read_differential
from tailmark.records.model import NEVER, Int64s, Run
from tailmark.records.raw import RawOutputs
from tailmark.stats.differences import mcnemar, mean_difference
from tailmark.stats.estimate import Estimate
from tailmark.stats.multiplicity import holm
from tailmark.stats.numeric_error import numeric_error
from tailmark.stats.quantiles import latency_percentile
from tailmark.stats.rank_agreement import jaccard, kendall_tau, rank_biased_overlap
from tailmark.stats.ratios import paired_ratio

FORMAT = 1

SPREAD = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Where a distribution of latencies is told."""

_ANSWERS = 99
"""The percentage of queries that an environment must answer to be judged by its mean latency."""

PICTURES = 200
"""The most flipped samples whose pictures are kept."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One environment, measured or failed.

    Args:
        environment: What it was, how it was made, and why it failed if it did.
        summary: What it delivers; None where nothing was measured.
        missing: Samples that were sent and have no answer.
        spread_ns: Latency by share of the queries answered within it, of `SPREAD`; without those
            that too few were answered for, empty where nothing was timed.
    """

    environment: Environment
    summary: Summary | None
    missing: int
    spread_ns: Mapping[float, int]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.environment.name

    @property
    def system(self) -> Mapping[str, Any]:
        """The settings in effect, as the runtime told them."""
        return self.summary.system if self.summary is not None else {}

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        one, summary = self.environment, self.summary
        return {
            "name": one.name,
            "changes": dict(one.changes),
            "made": one.made,
            "contents": one.contents,
            "answers_only": one.answers_only,
            "system": dict(self.system),
            "failed": {"stage": one.stage, "error": one.error} if one.error else None,
            "rounds": summary.rounds if summary else 0,
            "missing": self.missing,
            "ideal": summary.ideal.to_dict() if summary and summary.ideal else None,
            "latency": summary.latency.to_dict() if summary else None,
            "spread_ns": {f"{share:g}": ns for share, ns in self.spread_ns.items()},
            "at": [at.to_dict() for at in summary.at] if summary else [],
        }


@dataclass(frozen=True, kw_only=True)
class Differential:
    """What one model does in many environments.

    Args:
        name: The directory's name.
        path: The directory.
        complete: Whether the differential run came to its end.
        baseline: The environment that the others are told against.
        oracle: The one whose numbers are taken for true.
        metric: What quality means; None without references.
        samples: In the workload.
        cells: The environments, the baseline first.
        pairs: All pairs of measured ones, in their order.
        front: Which of them nothing beats in both quality at the headline's deadline and time; None
            without references.
        attributions: What causes what; plain data as `study.attribution` wrote it.
        warnings: Sentences for the reader.
        pictures: Small PNGs or JPEGs of samples that flip, by the sample.
    """

    name: str
    path: Path
    complete: bool
    baseline: str
    oracle: str
    metric: str | None
    samples: int
    cells: tuple[Cell, ...]
    pairs: tuple[Pair, ...]
    front: Front | None
    attributions: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]
    pictures: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def measured(self) -> tuple[Cell, ...]:
        """The environments that answered."""
        return tuple(cell for cell in self.cells if cell.summary is not None)

    @property
    def failed(self) -> tuple[Cell, ...]:
        """Those that failed, also after some rounds."""
        return tuple(cell for cell in self.cells if cell.environment.error is not None)

    def pair(self, a: str, b: str) -> Pair | None:
        """Two of them, in either order as they are told; None if it is one and the same."""
        return next((one for one in self.pairs if {one.a, one.b} == {a, b}), None)

    @property
    def against_baseline(self) -> tuple[Pair, ...]:
        """The others against the baseline."""
        return tuple(one for one in self.pairs if one.a == self.baseline)

    @property
    def flips(self) -> list[list[int]]:
        """How many samples flip, by environment and environment, as in `measured`."""
        names = [cell.name for cell in self.measured]
        found = []
        for a in names:
            pairs = [self.pair(a, b) for b in names]
            found.append([len(pair.flips) if pair else 0 for pair in pairs])
        return found

    def to_dict(self) -> dict[str, Any]:
        """The document ``diff --json`` prints."""
        return {
            "format": FORMAT,
            "name": self.name,
            "complete": self.complete,
            "baseline": self.baseline,
            "oracle": self.oracle,
            "metric": self.metric,
            "samples": self.samples,
            "environments": [cell.to_dict() for cell in self.cells],
            "matrix": {"names": [cell.name for cell in self.measured], "flips": self.flips},
            "pairs": [pair.to_dict() for pair in self.pairs],
            "front": self.front.to_dict() if self.front else None,
            "attribution": [dict(one) for one in self.attributions],
            "failed": [
                {"name": c.name, "stage": c.environment.stage, "error": c.environment.error}
                for c in self.failed
            ],
            "warnings": list(self.warnings),
        }


def open_differential(path: str | Path, *, metric: str | Metric | None = None) -> Differential:
    """Say again what a differential run found.

    Args:
        path: Its directory.
        metric: What quality means; None for what its file said, unless that is code.

    Raises:
        StoreError: It is none, or damaged.
        InputError: It cannot be graded.
    """
    return differential_of(read_differential(path), metric=metric)


def differential_of(
    record: DifferentialRecord, *, metric: str | Metric | None = None
) -> Differential:
    """What a differential run found.

    Args:
        record: The run.
        metric: As for `open_differential`.

    Raises:
        InputError: Nothing was measured, or nothing can be graded.
    """
    record, sides, headline = _read(record, metric)
    baseline = record.baseline if record.baseline in sides else headline.name
    order = dict.fromkeys([baseline, record.baseline, *(one.name for one in record.environments)])
    sides = {name: sides[name] for name in order if name in sides}
    told = headline.summary
    pairs = [_pair(sides[a], sides[b], told.at) for a, b in itertools.combinations(sides, 2)]
    adjusted = holm([pair.p_value for pair in pairs])
    cells = tuple(_cell(record.environment(name), sides.get(name)) for name in order)
    return Differential(
        name=record.path.name,
        path=record.path,
        complete=record.complete,
        baseline=baseline,
        oracle=record.oracle,
        metric=told.metric,
        samples=told.samples,
        cells=cells,
        pairs=tuple(replace(pair, p_adjusted=p) for pair, p in zip(pairs, adjusted, strict=True)),
        front=_front([side for side in sides.values() if side.timed], told),
        attributions=record.attributions,
        warnings=tuple(_warnings(record, sides, told, baseline)),
        pictures=_pictures(headline.run, [pair for pair in pairs if pair.a == baseline]),
    )


def _read(
    record: DifferentialRecord, metric: str | Metric | None
) -> tuple[DifferentialRecord, dict[str, "_Side"], "_Side"]:
    """The environments that can be told of, and the one whose deadlines all are told at.

    What cannot be graded, since it never answered for one, is a failed environment.

    Raises:
        InputError: There is none.
    """
    names = dict.fromkeys([record.baseline, *(one.name for one in record.environments)])
    known = [record.environment(name) for name in names]
    sides: dict[str, _Side] = {}
    headline: _Side | None = None
    cause: InputError | None = None
    for one in sorted(known, key=lambda one: one.answers_only):  # deadlines are of a timed one
        run = record.run(one.name)
        if run is None:
            continue
        deadlines = [at.deadline_ns for at in headline.summary.at] if headline else None
        try:
            asked = metric_of(run, metric)
            summary = summarize(run, metric=metric, deadlines=deadlines)
            if headline is not None:
                summary = replace(summary, first=headline.summary.first)
            side = _Side(
                environment=one,
                run=run,
                summary=summary,
                metric=asked,
                outputs=record.outputs(one.name),
            )
            _ = side.grader
        except StoreError:
            raise
        except InputError as error:
            cause = cause or error
            if one.error is None:
                failed = replace(one, stage="measuring", error=str(error))
                record = record.with_environment(failed)
            continue
        headline = headline or side
        sides[one.name] = side
    if headline is None:
        raise cause or InputError(f"{str(record.path)!r} holds no environment that was measured")
    return record, sides, headline


def _cell(environment: Environment, side: "_Side | None") -> Cell:
    if side is None:
        return Cell(environment=environment, summary=None, missing=0, spread_ns={})
    spread_ns: dict[float, int] = {}
    if side.timed:
        ordered = observe(side.run, check_time(side.run, None)).ordered
        spread_ns = {share: latency_percentile(ordered, 100 * share) for share in SPREAD}
        spread_ns = {share: ns for share, ns in spread_ns.items() if ns != NEVER}
    return Cell(
        environment=environment,
        summary=side.summary,
        missing=int((side.answered.sent & ~side.answered.there).sum()),
        spread_ns=spread_ns,
    )


def _pictures(run: Run, pairs: Sequence[Pair]) -> dict[int, bytes]:
    thumbnails = run.references.thumbnails
    if thumbnails is None:
        return {}
    flipped = dict.fromkeys(flip.sample for pair in pairs for flip in pair.flips)
    return {sample: thumbnails[sample] for sample in itertools.islice(flipped, PICTURES)}


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One measured environment, and what is read of it once for all pairs."""

    environment: Environment
    run: Run
    summary: Summary
    metric: Metric
    outputs: RawOutputs | None

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def timed(self) -> bool:
        return not self.environment.answers_only

    @cached_property
    def grader(self) -> Grader | SetGrader | None:
        return prepare_grader(self.run, self.metric) if self.summary.metric else None

    @cached_property
    def tally(self) -> Tally:
        deadlines: Int64s = np.array([at.deadline_ns for at in self.summary.at], dtype=np.int64)
        return tally(
            self.run,
            self.grader,
            deadlines_ns=deadlines,
            moments_ns=deadlines,
            time=check_time(self.run, None),
        )

    @property
    def unanswered(self) -> int:
        return self.summary.queries - self.summary.latency.answered

    @cached_property
    def answered(self) -> Answered:
        return answered(self.run)

    @cached_property
    def scored(self) -> Scored | None:
        return scored(self.answered)


def _pair(a: _Side, b: _Side, at: tuple[AtDeadline, ...]) -> Pair:
    flips = flips_between(
        a.answered,
        b.answered,
        ids=a.run.references.ids,
        worth=(a.tally.first_score, b.tally.first_score),
        scores=(a.scored, b.scored),
        references=a.run.references.values,
    )
    counts = Counter(flip.kind for flip in flips)
    timed = a.timed and b.timed
    graded = a.grader is not None and b.grader is not None
    return Pair(
        a=a.name,
        b=b.name,
        samples=int((a.answered.sent & b.answered.sent).sum()),
        flips=flips,
        counts=dict(counts),
        p_value=mcnemar(*_discordant(a, b)) if graded else None,
        p_adjusted=None,
        quality=_quality(a, b) if graded else None,
        rankings=_rankings(a.scored, b.scored),
        numeric=_numeric(a.outputs, b.outputs),
        boxes=_boxes(a.answered, b.answered),
        latency_ratio=_latency_ratio(a, b) if timed else None,
        at=tuple(_at(a, b, k) for k in range(len(at))) if timed else (),
    )


def _discordant(a: _Side, b: _Side) -> tuple[int, int]:
    """Samples that only B, and only A, has right; one without an answer is not right."""
    before, after = a.tally.first_score, b.tally.first_score
    if before is None or after is None:
        return 0, 0
    return int((after > before).sum()), int((before > after).sum())


def _latency_ratio(a: _Side, b: _Side) -> Estimate:
    """Of the samples that both answered, or one that fails on the slow ones would seem fast."""
    if a.unanswered or b.unanswered:
        return paired_ratio(*means_of_both(a.run, b.run))
    return paired_ratio(a.tally.mean_ns, b.tally.mean_ns)


def _quality(a: _Side, b: _Side) -> Estimate:
    if isinstance(a.grader, SetGrader) and isinstance(b.grader, SetGrader):
        return ideal_difference_of_sets((a.run, a.grader), (b.run, b.grader))
    return ideal_difference(a.tally, b.tally)


def _at(a: _Side, b: _Side, k: int) -> PairAt:
    one, other = a.summary.at[k], b.summary.at[k]
    if one.mean is not None and other.mean is not None:
        rounds = (np.array(side.rounds, dtype=np.float64) for side in (one, other))
        difference = mean_difference(*rounds, paired=True, undefined=UNGRADED)
    else:
        within = (side.tally.within[:, k] for side in (a, b))
        difference = mean_difference(*within, paired=True)
    return PairAt(
        deadline_ns=one.deadline_ns,
        label=one.label,
        difference=difference,
        flips=deadline_flips(a.tally, b.tally, k, paired=True),
    )


def _rankings(a: Scored | None, b: Scored | None) -> dict[str, float] | None:
    """Mean agreement of the best few over the samples that both answered."""
    if a is None or b is None:
        return None
    both = (a.labels[:, 0] >= 0) & (b.labels[:, 0] >= 0)
    top = min(a.labels.shape[1], b.labels.shape[1])
    if not both.any() or top < 2:
        return None
    lists = a.labels[both, :top], b.labels[both, :top]
    measures = {"kendall": kendall_tau, "rbo": rank_biased_overlap, "jaccard": jaccard}
    return {name: float(np.mean(measure(*lists))) for name, measure in measures.items()}


def _numeric(a: RawOutputs | None, b: RawOutputs | None) -> dict[str, Mapping[str, Any]] | None:
    """By output, in order: frameworks give the same output names of their own."""
    if a is None or b is None or len(a.names) != len(b.names):
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for name, other in zip(a.names, b.names, strict=True):
        one, two = a[name], b[other]
        there = np.ones(len(one), dtype=np.bool_)
        there[[*a.failures, *b.failures]] = False
        if one.shape != two.shape and one[0].size == two[0].size:
            one, two = (x.reshape(len(x), -1) for x in (one, two))
        if one.shape != two.shape or not there.any():
            continue
        found[name] = numeric_error(two, one, where=there).to_dict()
    return found or None


def _boxes(a: Answered, b: Answered) -> dict[str, Any] | None:
    found = matched_boxes(a, b)
    return found.to_dict() if found is not None else None


def _front(sides: list[_Side], headline: Summary) -> Front | None:
    """Quality at the headline's deadline against mean latency."""
    if headline.metric is None or not sides:
        return None
    quality, time = {}, {}
    for side in sides:
        mean, latency = side.summary.at[headline.first].mean, side.summary.latency
        # Of one that answers the quick ones only, the mean says nothing.
        told = latency.percentiles[_ANSWERS].value is not None
        if mean is not None and told and latency.mean.value is not None:
            quality[side.name], time[side.name] = mean, latency.mean
    return pareto_front(quality=quality, time=time) if quality else None


def _warnings(
    record: DifferentialRecord, sides: Mapping[str, _Side], headline: Summary, baseline: str
) -> list[str]:
    said = []
    if record.baseline != baseline:
        said.append(
            f"the baseline {record.baseline!r} failed, so the others are told against {baseline!r}"
        )
    if not record.complete:
        said.append("the differential run did not come to its end: go on with it by --resume")
    shared = set(headline.warnings)
    for side in sides.values():
        shared &= set(side.summary.warnings)
    said += [one for one in headline.warnings if one in shared]
    for side in sides.values():
        said += [f"{side.name}: {one}" for one in side.summary.warnings if one not in shared]
        changed = int(side.tally.changed.sum())
        if changed:
            said.append(
                f"{side.name}: answered {changed} of {headline.samples} samples differently from "
                "round to round: its first answer is compared"
            )
    return said
