"""Samples that one run gets right and another does not: by answer, and on time.

An answer has no time, so each sample is one pair, and McNemar's exact test holds. At a deadline
what is right depends on the round too: all samples of a slow round are late together, so sample ×
round pairs are far from independent, and rounds are what is resampled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tailmark.analysis.answered import label_of
from tailmark.analysis.grading import latencies
from tailmark.quality.base import Floats, Grader
from tailmark.records.model import Column, Int64s, Run
from tailmark.records.ragged import Ragged
from tailmark.stats.bootstrap import REPLICATES, bootstrap_interval, round_weights
from tailmark.stats.dependence import inflation
from tailmark.stats.differences import difference_over_samples, mcnemar
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import mean_by_round

Counts = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]

UNANSWERED = np.iinfo(np.int64).min
"""No answer: a label may be -1, where a background is named or no choice was made."""

_UNIT = (0.0, 1.0)
_RIGHT = 0.5
_AT_ONCE = 4_096


@dataclass(frozen=True, kw_only=True)
class Tally:
    """One pass over a run, by sample and by round.

    Args:
        sent: How often each sample was sent, shape (rounds, samples).
        hits: How often it was right and on time, shape (deadlines, rounds, samples); without
            references, how often it was on time.
        within: Share of each round's queries answered by each moment, shape (rounds, moments).
        mean_ns: Mean latency of each round's answers, shape (rounds,); NaN where it has none.
        score: What each sample's answers were worth on average, shape (samples,); NaN where it was
            never sent, None without references.
        answer: What each sample was answered first, as `answer_labels` has it, `UNANSWERED` if
            nothing; shape (samples,). None where the run kept no outputs.
        first_score: What that answer is worth; None without references.
        changed: Whether a later round answered otherwise, shape (samples,).
    """

    sent: Counts
    hits: Counts
    within: Floats
    mean_ns: Floats
    score: Floats | None
    answer: Int64s | None
    first_score: Floats | None
    changed: Bools


def tally(
    run: Run, grader: Grader | None, *, deadlines_ns: Int64s, moments_ns: Int64s, time: str
) -> Tally:
    """Read every round once.

    Args:
        run: What was measured.
        grader: From `prepare_grader`; None counts punctuality alone.
        deadlines_ns: Shape (deadlines,).
        moments_ns: Shape (moments,).
        time: Which latency counts, as `check_time` gives it.
    """
    rounds, samples = len(run), len(run.references)
    names = answer_labels(run)
    # One byte each: 1,000 rounds of 50,000 samples are 50 MB a deadline.
    sent: Counts = np.zeros((rounds, samples), dtype=np.uint8)
    hits: Counts = np.zeros((len(deadlines_ns), rounds, samples), dtype=np.uint8)
    within = np.empty((rounds, len(moments_ns)))
    mean_ns = np.full(rounds, np.nan)
    times, total = np.zeros(samples), np.zeros(samples)
    answer = np.full(samples, UNANSWERED, dtype=np.int64)
    first_score = np.zeros(samples)
    changed = np.zeros(samples, dtype=np.bool_)
    for r, one in enumerate(run.rounds()):
        late = latencies(run, one, time)
        count = np.bincount(one.sample, minlength=samples)
        if count.max(initial=0) > np.iinfo(sent.dtype).max:
            sent, hits = sent.astype(np.int32), hits.astype(np.int32)
        sent[r] = count
        times += count
        within[r] = [np.count_nonzero(late <= moment) / len(one) for moment in moments_ns]
        if one.answered.any():
            mean_ns[r] = late[one.answered].mean()
        score = grader.scores(one.sample, one.output_id) if grader else np.ones(len(one))
        total += np.bincount(one.sample, weights=score, minlength=samples)
        right = score >= _RIGHT
        for k, deadline in enumerate(deadlines_ns):
            hits[k, r] = np.bincount(one.sample[right & (late <= deadline)], minlength=samples)
        there = np.flatnonzero(one.output_id >= 0)
        sample, said = one.sample[there], names[one.output_id[there]]
        new = np.flatnonzero(answer[sample] == UNANSWERED)[::-1]  # backwards: the first one stays
        answer[sample[new]] = said[new]
        first_score[sample[new]] = score[there[new]]
        changed[sample[said != answer[sample]]] = True
    with np.errstate(invalid="ignore"):
        mean = total / times
    return Tally(
        sent=sent,
        hits=hits,
        within=within,
        mean_ns=mean_ns,
        score=mean if grader else None,
        answer=answer if run.outputs else None,
        first_score=first_score if grader else None,
        changed=changed,
    )


def answer_labels(run: Run) -> Int64s:
    """What each distinct output of a run names first; shape (outputs,).

    A label or an item; of whole numbers and texts, a number for all that is in them. Outputs of
    real numbers are 0, whatever they are: no two runs give the same.
    """
    held = label_of(run.outputs)
    if held is not None:
        return held
    columns = list(run.outputs.values())
    count = len(columns[0]) if columns else 0
    if any(_dtype(column).kind == "f" for column in columns):
        return np.zeros(count, dtype=np.int64)
    rows = ((np.asarray(column[row]) for column in columns) for row in range(count))
    return np.array([crc32(b"\0".join(map(_content, row))) for row in rows], dtype=np.int64)


def _dtype(column: Column) -> np.dtype[Any]:
    return (column.values if isinstance(column, Ragged) else column).dtype


def _content(row: npt.NDArray[Any]) -> bytes:
    """As bytes that are the same in any run, however wide its columns are."""
    if row.dtype.kind in "iub":
        return row.astype(np.int64).tobytes()
    return "\0".join(map(str, row.ravel().tolist())).encode()


@dataclass(frozen=True, kw_only=True)
class AnswerFlips:
    """Samples that two runs answer differently, whatever the time; each by its first answer.

    Args:
        samples: Sent in both runs.
        differ: Of these, answered or graded differently.
        fixes: Ids of those that only B has right; None without references, as all below.
        breaks: Ids of those that only A has right.
        both_right: Ids of those that both have right, with other answers.
        both_wrong: Likewise wrong.
        p_value: McNemar's exact test of fixes against breaks.
        changed: Samples that A, and B, answered differently from round to round.
    """

    samples: int
    differ: int
    fixes: tuple[str, ...] | None
    breaks: tuple[str, ...] | None
    both_right: tuple[str, ...] | None
    both_wrong: tuple[str, ...] | None
    p_value: float | None
    changed: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        kinds = ("fixes", "breaks", "both_right", "both_wrong")
        ids = {kind: getattr(self, kind) for kind in kinds}
        return {
            "samples": self.samples,
            "differ": self.differ,
            **{kind: None if held is None else len(held) for kind, held in ids.items()},
            "p_value": self.p_value,
            "test": "McNemar's exact test over samples",
            "changed_between_rounds": dict(zip("ab", self.changed, strict=True)),
            "ids": {kind: list(held) for kind, held in ids.items() if held is not None},
        }


def answer_flips(a: Tally, b: Tally, ids: Sequence[str]) -> AnswerFlips | None:
    """Compare the answers of two runs, sample by sample; None where a run kept none."""
    if a.answer is None or b.answer is None:
        return None
    both = _sent_in_both(a, b)
    other = both & (a.answer != b.answer)
    changed = (int(a.changed.sum()), int(b.changed.sum()))
    if a.first_score is None or b.first_score is None:
        return AnswerFlips(
            samples=int(both.sum()),
            differ=int(other.sum()),
            fixes=None,
            breaks=None,
            both_right=None,
            both_wrong=None,
            p_value=None,
            changed=changed,
        )

    def named(which: Bools) -> tuple[str, ...]:
        return tuple(ids[i] for i in np.flatnonzero(which).tolist())

    fixes = named(both & (b.first_score > a.first_score))
    breaks = named(both & (a.first_score > b.first_score))
    level = other & (a.first_score == b.first_score)
    right = a.first_score >= _RIGHT
    return AnswerFlips(
        samples=int(both.sum()),
        differ=int((other | (both & (a.first_score != b.first_score))).sum()),
        fixes=fixes,
        breaks=breaks,
        both_right=named(level & right),
        both_wrong=named(level & ~right),
        p_value=mcnemar(len(fixes), len(breaks)),
        changed=changed,
    )


def ideal_difference(a: Tally, b: Tally) -> Estimate:
    """How much more B's answers are worth with no deadline, with an interval over samples.

    For these samples the value is exact, as far as answers do not change between rounds; the
    interval is for samples like them. Both runs were asked the same ones, so they pair.
    """
    if a.score is None or b.score is None:
        return Estimate(value=None, reason="there are no references")
    both = _sent_in_both(a, b)
    return difference_over_samples(a.score[both], b.score[both])


def _sent_in_both(a: Tally, b: Tally) -> Bools:
    return np.logical_and(a.sent.any(axis=0), b.sent.any(axis=0))


@dataclass(frozen=True, kw_only=True)
class DeadlineFlips:
    """How much of the workload one run delivers by a deadline and the other does not.

    ``gained − lost`` is the difference in quality under the late policy ``fail``.

    Args:
        lost: Share right and on time in A and not in B.
        gained: In B and not in A.
    """

    lost: Estimate
    gained: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"lost": self.lost.to_dict(), "gained": self.gained.to_dict()}


def deadline_flips(a: Tally, b: Tally, k: int, *, paired: bool) -> DeadlineFlips:
    """What flips at the k-th deadline.

    Rounds measured beside each other are compared as they are. Of rounds measured apart, any could
    have met any: what is estimated is the share that flips between a round of A and a round of B
    drawn independently, Σᵢ pA(i) (1 − pB(i)) / N, which is the mean over all pairs of rounds.

    Args:
        a: Of the one run.
        b: Of the other.
        k: Which deadline.
        paired: Whether round r of one was measured beside round r of the other.
    """
    if paired:
        return _beside(a, b, k)
    lost, gained, pairs = _meetings(a, b, k)
    return DeadlineFlips(lost=_apart(lost, pairs), gained=_apart(gained, pairs))


def _beside(a: Tally, b: Tally, k: int) -> DeadlineFlips:
    both = min(len(a.sent), len(b.sent))
    lost, gained = np.empty(both), np.empty(both)
    for r in range(both):
        asked, hit = a.sent[r].astype(np.float32), a.hits[k, r].astype(np.float32)
        asked_b, hit_b = b.sent[r].astype(np.float32), b.hits[k, r].astype(np.float32)
        pairs = float(asked @ asked_b) or math.nan
        lost[r] = hit @ (asked_b - hit_b) / pairs
        gained[r] = (asked - hit) @ hit_b / pairs
    undefined = "some round of A has no sample of B's"
    shares: dict[str, Any] = {"bounds": _UNIT, "undefined": undefined}
    return DeadlineFlips(lost=mean_by_round(lost, **shares), gained=mean_by_round(gained, **shares))


def _meetings(a: Tally, b: Tally, k: int) -> tuple[Floats, Floats, Floats]:
    """For round r of A and s of B: what flips away, what flips to, of how many; (rounds, rounds).

    Each pair of a query of A and a query of B for one sample counts.
    """
    shape = (len(a.sent), len(b.sent))
    lost, gained, pairs = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    once = all(bool((t.sent == 1).all()) for t in (a, b))  # then two of three products are sums
    for start in range(0, a.sent.shape[1], _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        asked, hit = (x.astype(np.float32) for x in (a.sent[:, some], a.hits[k, :, some]))
        asked_b, hit_b = (x.astype(np.float32).T for x in (b.sent[:, some], b.hits[k, :, some]))
        both = hit @ hit_b
        lost += (hit.sum(axis=1, keepdims=True) if once else hit @ asked_b) - both
        gained += (hit_b.sum(axis=0) if once else asked @ hit_b) - both
        pairs += asked.shape[1] if once else asked @ asked_b
    return lost, gained, pairs


def _apart(flips: Floats, pairs: Floats) -> Estimate:
    """The mean over all pairs of rounds; the rounds of each run are resampled.

    Rounds that depend on each other count as the fewer independent ones they are worth: a resample
    draws only so many.
    """
    rounds = flips.shape
    method = "BCa bootstrap over the rounds of each run"
    if not pairs.sum():
        return Estimate(value=None, method=method, reason="no sample was sent in both runs")
    value = float(flips.sum() / pairs.sum())
    off = (flips - value * pairs) / pairs.mean()
    influences = [off.mean(axis=1), off.mean(axis=0)]
    draws = [max(2, round(len(one) / float(inflation(one)))) for one in influences]
    moved = [_resampled(flips, pairs, draws, seeds) for seeds in ((0, 1), (1, 0))]
    spread = sum(float((x**2).mean()) / m for x, m in zip(influences, draws, strict=True))
    third = sum(float((x**3).mean()) / m**2 for x, m in zip(influences, draws, strict=True))
    return bootstrap_interval(
        value,
        np.concatenate(moved),
        worth=min(draws),
        n=min(rounds),
        acceleration=third / (6 * spread**1.5) if spread > 0 else 0.0,
        method=method,
    )


def _resampled(
    flips: Floats, pairs: Floats, draws: Sequence[int], seeds: tuple[int, int]
) -> Floats:
    """Half of the resamples; the other half swaps the seeds, so that B − A mirrors A − B."""
    one, other = (
        round_weights(count, REPLICATES // 2, seed=seed, draws=draw)
        for count, draw, seed in zip(flips.shape, draws, seeds, strict=True)
    )
    with np.errstate(invalid="ignore"):
        found: Floats = ((one @ flips) * other).sum(axis=1) / ((one @ pairs) * other).sum(axis=1)
    return found[np.isfinite(found)]
