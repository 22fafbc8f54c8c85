"""Intervals for a claim about the population the samples come from, not these samples alone.

Samples and rounds are crossed: each sample is in every round. Over rounds alone, an estimate is
sure of these samples; others would have been easier or harder. Both doubts are added in squares,
which counts what neither explains twice: on the wide side, as the pigeonhole bootstrap (Owen 2007),
but in one pass. What is no mean over samples is asked without a twentieth of them at a time: the
delete-a-group jackknife (Kott 2001).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from tailmark.analysis.at_deadline import UNIT, AtDeadline
from tailmark.analysis.grading import Grades, latencies
from tailmark.analysis.jackknife import half_widths, left_out
from tailmark.analysis.latency import Latency
from tailmark.errors import InputError, nearest
from tailmark.quality.base import Floats, Grader, SetGrader
from tailmark.records.model import NEVER, Int32s, Int64s, Run
from tailmark.stats.estimate import Estimate
from tailmark.stats.quantiles import latency_percentile, lower_quantile

_ROUNDS_READ = 20

About = Literal["samples", "population"]


def parse_about(name: str) -> About:
    """Read what a claim is about.

    Raises:
        InputError: Neither of the two.
    """
    known = get_args(About)
    if name not in known:
        raise InputError(
            f"about is {name!r}{nearest(name, known)}: 'samples' (these), or 'population' (those "
            "they come from)"
        )
    return name  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class BySample:
    """What each sample does, as the mean over its rounds, and what that leaves in doubt.

    Args:
        on_time: Shape (deadlines, samples).
        quality: Half widths of what samples leave in doubt at each deadline, late answers being
            wrong, shape (deadlines,); None without references.
        ideal: Likewise with no deadline; None likewise.
        tails: By share: the same as ``quality`` over the rounds of that tail alone.
        below: Share of its latencies at or below each percentile, by percent, shape (samples,).
        mean_ns: Of its latencies, shape (samples,).
    """

    on_time: Floats
    quality: Floats | None
    ideal: float | None
    tails: Mapping[float, Floats]
    below: Mapping[float, Floats]
    mean_ns: Floats


def by_sample(
    run: Run,
    grader: Grader | SetGrader | None,
    grades: Grades,
    latency: Latency,
    shares: tuple[float, ...],
    time: str,
) -> BySample:
    """Read the rounds once more, sample by sample.

    Args:
        run: What was measured.
        grader: From `grading.prepare_grader`.
        grades: Which deadlines, and which rounds are in a tail.
        latency: Which percentiles.
        shares: The tails.
        time: Which latency counts.
    """
    deadlines_ns, quality = grades.deadlines_ns, grades.quality
    percentiles_ns = {p: e.value for p, e in latency.percentiles.items() if e.value is not None}
    samples, count = len(run.references), len(deadlines_ns)
    sent, total, answered = np.zeros(samples), np.zeros(samples), np.zeros(samples)
    on_time, worth = np.zeros((count, samples)), np.zeros((count, samples))
    ideal = np.zeros(samples)
    tails = {share: np.zeros((count, samples)) for share in shares}
    in_tail = {share: np.zeros((count, samples)) for share in shares}
    below = {percent: np.zeros(samples) for percent in percentiles_ns}
    edges = {}
    if quality is not None:
        edges = {s: [lower_quantile(column, s) for column in quality.T] for s in shares}
    for r, one in enumerate(run.rounds()):
        late = latencies(run, one, time)
        there = one.answered
        summed = partial(_summed, one.sample, samples)
        seen = summed(np.ones(len(one)))
        sent += seen
        answered += summed(there.astype(np.float64))
        total += summed(np.where(there, late, 0).astype(np.float64))
        for percent, value in percentiles_ns.items():
            below[percent] += summed((late <= value).astype(np.float64))
        score = None
        if grader is not None and not isinstance(grader, SetGrader):
            score = grader.scores(one.sample, one.output_id)
            ideal += summed(score)
        for k, deadline in enumerate(deadlines_ns):
            punctual = (late <= deadline).astype(np.float64)
            on_time[k] += summed(punctual)
            if score is None or quality is None:
                continue
            delivered = summed(score * punctual)
            worth[k] += delivered
            for share in shares:
                if quality[r, k] <= edges[share][k]:
                    tails[share][k] += delivered
                    in_tail[share][k] += seen
    had = sent > 0
    n = sent[had]
    if isinstance(grader, SetGrader):
        inside = {s: quality <= np.array(e) for s, e in edges.items()}
        doubt = _doubt_of_sets(run, grader, deadlines_ns, inside, time)
    else:
        doubt = _Doubt(
            quality=np.array([spread_by_sample(row) for row in worth[:, had] / n]),
            ideal=spread_by_sample(ideal[had] / n),
            tails={
                share: np.array(
                    [
                        spread_by_sample(row)
                        for row in tails[share][:, had] / np.maximum(in_tail[share][:, had], 1)
                    ]
                )
                for share in edges
            },
        )
    return BySample(
        on_time=on_time[:, had] / n,
        quality=None if grader is None else doubt.quality,
        ideal=None if grader is None else doubt.ideal,
        tails=doubt.tails,
        below={percent: values[had] / n for percent, values in below.items()},
        mean_ns=total[had] / np.maximum(answered[had], 1),
    )


@dataclass(frozen=True)
class _Doubt:
    """Half widths of what samples leave in doubt; see `BySample`."""

    quality: Floats
    ideal: float
    tails: Mapping[float, Floats]


def _doubt_of_sets(
    run: Run,
    grader: SetGrader,
    deadlines_ns: Int64s,
    inside: Mapping[float, npt.NDArray[np.bool_]],
    time: str,
) -> _Doubt:
    """From some rounds, and all those of a tail.

    Args:
        run: What was measured.
        grader: Of the metric.
        deadlines_ns: Shape (deadlines,).
        inside: By share: which rounds are in that tail, shape (rounds, deadlines).
        time: Which latency counts.
    """
    rounds = len(run)
    some = np.unique(np.linspace(0, rounds - 1, min(rounds, _ROUNDS_READ)).astype(int))
    wanted = np.unique(np.concatenate([some, *(np.flatnonzero(t.any(1)) for t in inside.values())]))
    asked = np.append(deadlines_ns, NEVER - 1)
    values = {r: left_out(run, run.stored[r], grader, asked, time) for r in wanted.tolist()}
    whole = half_widths(np.mean([values[r] for r in some.tolist()], axis=0))
    tails = {}
    for share, member in inside.items():
        each = [
            np.mean([values[r][:, k] for r in np.flatnonzero(member[:, k]).tolist()], axis=0)
            for k in range(len(deadlines_ns))
        ]
        tails[share] = half_widths(np.array(each).T)
    return _Doubt(quality=whole[:-1], ideal=float(whole[-1]), tails=tails)


def _summed(sample: Int32s, samples: int, values: Floats) -> Floats:
    """Of each sample; shape (samples,)."""
    return np.bincount(sample, weights=values, minlength=samples).astype(np.float64)


def spread_by_sample(values: Floats, confidence: float = 0.95) -> float:
    """Half the width of the t interval of a mean over samples.

    Args:
        values: Shape (samples,).
        confidence: Of the interval.
    """
    n = len(values)
    if n < 2:
        return math.inf
    return float(stdtrit(n - 1, 0.5 + confidence / 2) * values.std(ddof=1) / math.sqrt(n))


def widened(
    e: Estimate, half: float, bounds: tuple[float, float], half_above: float | None = None
) -> Estimate:
    """An estimate over rounds, with the samples' doubt added in squares.

    Args:
        e: Over rounds.
        half: The samples' half width, in the estimate's unit.
        bounds: What it cannot leave.
        half_above: The half width above the value, where it is another.
    """
    if e.value is None or e.low is None or e.high is None:
        return e
    above = half if half_above is None else half_above
    if not math.isfinite(half + above):
        return replace(e, low=None, high=None, reason="a population needs 2 samples or more")
    return replace(
        e,
        low=max(bounds[0], e.value - math.hypot(e.value - e.low, half)),
        high=min(bounds[1], e.value + math.hypot(e.high - e.value, above)),
        method=f"{e.method}, crossed with t over samples",
    )


def about_population(
    samples: BySample,
    latency: Latency,
    ideal: Estimate | None,
    at: Sequence[AtDeadline],
    ordered: Int64s,
) -> tuple[Latency, Estimate | None, tuple[AtDeadline, ...]]:
    """The same findings, their intervals allowing for other samples too.

    Args:
        samples: What each sample does.
        latency: Over rounds.
        ideal: Over rounds.
        at: Over rounds, in the order of the deadlines of ``samples``.
        ordered: All latencies, ascending.
    """
    mean = widened(latency.mean, spread_by_sample(samples.mean_ns), (0.0, math.inf))
    percentiles = {
        p: _percentile(e, p, samples.below[p], ordered) if p in samples.below else e
        for p, e in latency.percentiles.items()
    }
    if ideal is not None and samples.ideal is not None:
        ideal = widened(ideal, samples.ideal, UNIT)
    return (
        replace(latency, mean=mean, percentiles=percentiles),
        ideal,
        tuple(_at(samples, k, one) for k, one in enumerate(at)),
    )


def _at(samples: BySample, k: int, at: AtDeadline) -> AtDeadline:
    """One deadline's; a tail's doubt is that of its own rounds."""
    at = replace(
        at,
        on_time=widened(at.on_time, spread_by_sample(samples.on_time[k]), UNIT),
        goodput_per_s=replace(
            at.goodput_per_s, low=None, high=None, reason="goodput is told of these samples only"
        ),
    )
    if at.mean is None or samples.quality is None:
        return at
    tails = {share: float(halves[k]) for share, halves in samples.tails.items()}
    return replace(
        at,
        mean=widened(at.mean, float(samples.quality[k]), UNIT),
        tail={share: widened(e, tails[share], UNIT) for share, e in (at.tail or {}).items()},
        cvar={share: widened(e, tails[share], UNIT) for share, e in (at.cvar or {}).items()},
    )


def _percentile(e: Estimate, percent: float, below: Floats, ordered: Int64s) -> Estimate:
    """A latency percentile over rounds, with the samples' doubt turned into latencies.

    Args:
        e: Over rounds.
        percent: As 99.
        below: Each sample's share of latencies at or below it, shape (samples,).
        ordered: All latencies, ascending.
    """
    if e.value is None or e.low is None or e.high is None:
        return e
    half = 100 * spread_by_sample(below, e.confidence)
    if percent + half >= 100 or percent - half <= 0:
        return replace(
            e,
            low=None,
            high=None,
            reason=f"p{percent:g} of the population lies beyond what these samples show: "
            "take more samples",
        )
    low = latency_percentile(ordered, percent - half)
    high = latency_percentile(ordered, percent + half)
    return widened(e, e.value - low, (0.0, math.inf), high - e.value)
