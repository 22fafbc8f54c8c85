"""What a run knows of its system apart from any queue: how long service takes, and what it answers.

Knows nothing of arrivals, nor of what an answer is worth.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tailmark.analysis.grading import check_time
from tailmark.errors import InputError
from tailmark.quality.base import Floats
from tailmark.records.model import NONE, Int8s, Int32s, Int64s, Round, Run, Status
from tailmark.records.store import as_run
from tailmark.scenario.queueing import Queueing


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was sent, and what the system answered: all rounds, one after another.

    Args:
        sample: Shape (rows,).
        output_id: Shape (rows,); `NONE` where the system gave none.
        status: Shape (rows,); ok, or how it failed; lost where no round knows.
        first: The first row of each round, and one beyond the last; shape (rounds + 1,).
        borrowed: How many rows no worker began, so that another round's answer stands for them.
    """

    sample: Int32s
    output_id: Int32s
    status: Int8s
    first: Int64s
    borrowed: int

    def rows_of(self, begin: int, count: int) -> Int64s:
        """So many rows from the first of a round on, going round at the end; shape (count,)."""
        rows: Int64s = (self.first[begin] + np.arange(count)) % len(self.sample)
        return rows


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What the system did with its time, round after round, as if they followed on each other.

    A service is one batch; services stand in the order they began.

    Args:
        began_ns: Shape (services,), since the first round began.
        took_ns: Shape (services,).
        size: Of the batch, shape (services,).
        sample: Of a batch of one; else `NONE`.
        round_began_ns: Shape (rounds,).
        total_ns: When the last round was over.
    """

    began_ns: Int64s
    took_ns: Int64s
    size: Int64s
    sample: Int32s
    round_began_ns: Int64s
    total_ns: int


@dataclass(frozen=True, kw_only=True)
class ServiceTimes:
    """A run, as what it says of service.

    Args:
        run: Its name.
        timeline: When it served, and how long.
        answers: What it answered.
        by_size_ns: The mean time of a batch, by its size.
        pace: How much longer than others each sample takes, a factor; shape (samples,).
        workers: Side by side while it was measured.
    """

    run: str
    timeline: Timeline
    answers: Answers
    by_size_ns: Mapping[int, float]
    pace: Floats
    workers: int

    @property
    def rounds(self) -> int:
        """How many were recorded."""
        return len(self.timeline.round_began_ns)

    @property
    def capacity_qps(self) -> float:
        """Samples a second, with all workers always busy as they were."""
        line = self.timeline
        return self.workers * 1e9 * float(line.size.sum()) / float(line.took_ns.sum())

    def with_batches(self, other: "ServiceTimes") -> "ServiceTimes":
        """Take the sizes that this run did not measure from another of the same system.

        Where both measured a size, the other is taken to have been as much faster or slower on the
        whole as it was there.
        """
        both = sorted(set(self.by_size_ns) & set(other.by_size_ns))
        scale = 1.0
        if both:
            scale = sum(self.by_size_ns[b] for b in both) / sum(other.by_size_ns[b] for b in both)
        lent = {b: ns * scale for b, ns in other.by_size_ns.items()}
        return ServiceTimes(
            run=self.run,
            timeline=self.timeline,
            answers=self.answers,
            by_size_ns=dict(sorted((lent | dict(self.by_size_ns)).items())),
            pace=self.pace,
            workers=self.workers,
        )

    def mean_by_size(self, most: int) -> Floats:
        """The mean time of batches of 0, 1, …, ``most`` in nanoseconds; 0 for none.

        Sizes in between are interpolated, in a straight line.

        Raises:
            InputError: The smallest or the largest was never measured.
        """
        known = sorted(self.by_size_ns)
        if known[0] > 1:
            raise InputError(
                f"{self.run!r} has no batch of fewer than {known[0]}: measure the system "
                "single-stream, and give this run's batches by --batches"
            )
        if known[-1] < most:
            had = "of one" if known[-1] == 1 else f"up to {known[-1]}"
            raise InputError(
                f"{self.run!r} has batches {had} only, so nobody knows what {most} take: measure "
                f"a run with system.batch.max {most} (scenario offline fills its batches) and "
                "give it by --batches"
            )
        sizes = np.arange(most + 1)
        means: Floats = np.interp(sizes, known, [self.by_size_ns[b] for b in known])
        means[0] = 0.0
        return means

    def capacity_of(self, workers: int, batch: int) -> float:
        """Samples a second that so many workers serve at most, with batches of the best size."""
        means = self.mean_by_size(batch)
        return workers * 1e9 * float((np.arange(1, batch + 1) / means[1:]).max())


class Replayer:
    """Recorded services for simulated rounds.

    Whoever begins at a moment takes as long as the first recorded service that began at that moment
    or after, and none twice. So a slow phase of the machine is met for as long as it lasted by the
    clock, whatever the rate; a worker that is always busy repeats the recorded services one by one;
    and where service times are independent, so are these (what was skipped depends on earlier
    services alone). Differences between samples, and between sizes of batches, are factors: of what
    the recorded service was, and of what this one is.

    The first worker's clock starts with a recorded round; the others have clocks of their own, and
    so slow phases of their own.

    Args:
        service: What is replayed.
        queueing: How many workers, and the largest batch.
    """

    def __init__(self, service: ServiceTimes, queueing: Queueing) -> None:
        line = service.timeline
        self.total_ns = line.total_ns
        self.workers = queueing.workers
        self.round_began = line.round_began_ns.tolist()
        self.began, self.took = line.began_ns.tolist(), line.took_ns.tolist()
        self.size = line.size.tolist()
        self.means = service.mean_by_size(max(queueing.batch, int(line.size.max()))).tolist()
        alone = line.sample != NONE
        self.was = np.where(alone, service.pace[line.sample], 1.0).tolist()
        self.pace = service.pace
        self.round = np.searchsorted(line.round_began_ns, line.began_ns, side="right") - 1

    def replay(self, begin: int, samples: Int32s, random: np.random.Generator) -> "Replay":
        """The service of one simulated round, to be called once a batch in order of time.

        Args:
            begin: The recorded round that it begins with.
            samples: Of the simulated rows, shape (rows,).
            random: Says where the other workers' clocks start.
        """
        others = random.integers(self.total_ns, size=self.workers - 1).tolist()
        return Replay(self, [self.round_began[begin], *others], self.pace[samples].tolist())


class Replay:
    """See `Replayer.replay`.

    Args:
        replayer: What is recorded.
        starts: Where each worker's clock starts, in nanoseconds of the recorded time.
        pace: Of the simulated rows, shape (rows,).
    """

    def __init__(self, replayer: Replayer, starts: Sequence[int], pace: Sequence[float]) -> None:
        self._recorded, self._starts, self._pace = replayer, starts, pace
        self._last = [-1] * len(starts)
        self._served_by = [NONE] * len(pace)

    def __call__(self, rows: Sequence[int], worker: int, at: int) -> int:
        """How long a batch takes that begins then."""
        recorded = self._recorded
        lap, moment = divmod(self._starts[worker] + at, recorded.total_ns)
        count = len(recorded.took)
        one = max(self._last[worker] + 1, lap * count + bisect_left(recorded.began, moment))
        self._last[worker] = one
        one %= count
        many, was = len(rows), recorded.size[one]
        factor = 1.0 if many == was else recorded.means[many] / recorded.means[was]
        if many == 1:
            factor *= self._pace[rows[0]] / recorded.was[one]
        for row in rows:
            self._served_by[row] = one
        return max(1, int(recorded.took[one] * factor + 0.5))

    @property
    def recorded_round(self) -> Int64s:
        """Which recorded round served each row; one that none did goes with the row before.

        Shape (rows,).
        """
        one = np.array(self._served_by, dtype=np.int64)
        known = np.maximum.accumulate(np.where(one != NONE, np.arange(len(one)), 0))
        rounds: Int64s = self._recorded.round[np.maximum(one[known], 0)]
        return rounds


def capacity_qps(run: Run | str | Path, *, workers: int | None = None) -> float:
    """Queries a second that a run's system serves if it is never idle.

    The inverse of the mean service time, times the workers.

    Args:
        run: A run, or its directory.
        workers: As many as it was measured with, if nobody says.

    Raises:
        InputError: It has no answers, or no such workers.
    """
    run = as_run(run)
    service = service_times(run)
    if workers is None:
        return service.capacity_qps
    if workers < 1:
        raise InputError(f"workers is {workers}: give 1 or more")
    return service.capacity_qps / service.workers * workers


def service_times(run: Run) -> ServiceTimes:
    """Read a run's services: completed − started, or − scheduled where there was no queue.

    Raises:
        InputError: Nothing was ever answered, or queries overlap and nobody noted when a worker
            began them, so that service cannot be told from waiting.
    """
    if any(_overlaps(one) for one in run.rounds()):
        raise InputError(
            f"{run.name!r} does not say when a worker began its queries, and they overlap, so "
            "service cannot be told from waiting: measure single-stream, or with engine: tailmark"
        )
    check_time(run, None)
    parts = [_services(one) for one in run.rounds()]
    lengths = [_duration(one) for one in run.rounds()]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    began, took, size, sample = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("began_ns", "took_ns", "size", "sample")
    )
    if not len(took):
        raise InputError(f"{run.name!r} has no answer, so nobody knows what its service takes")
    shift = np.repeat(offsets[:-1], [len(part.took_ns) for part in parts])
    total = np.bincount(size, weights=took)
    often = np.bincount(size)
    return ServiceTimes(
        run=run.name,
        timeline=Timeline(
            began_ns=began + shift,
            took_ns=took,
            size=size,
            sample=sample,
            round_began_ns=offsets[:-1],
            total_ns=int(offsets[-1]),
        ),
        answers=_answers(run),
        by_size_ns={int(b): float(total[b] / often[b]) for b in np.flatnonzero(often)},
        pace=_pace(parts, len(run.references)),
        workers=int(run.manifest.experiment.get("system", {}).get("workers") or 1),
    )


@dataclass(frozen=True)
class _Services:
    """Of one round; see `Timeline`."""

    began_ns: Int64s
    took_ns: Int64s
    size: Int64s
    sample: Int32s


def _services(one: Round) -> _Services:
    """A batch's rows have one start and one completion."""
    rows = np.flatnonzero(one.answered & begun(one))
    start = (one.scheduled_ns if one.started_ns is None else one.started_ns)[rows]
    end = one.completed_ns[rows]
    order = np.lexsort((end, start))
    rows, start, end = rows[order], start[order], end[order]
    anew = np.ones(len(rows), dtype=np.bool_)
    if one.started_ns is not None:  # without a queue, equal moments are the clock's
        anew[1:] = (np.diff(start) != 0) | (np.diff(end) != 0)
    first = np.flatnonzero(anew)
    size = np.diff(np.append(first, len(rows)))
    sample = np.where(size == 1, one.sample[rows[first]], NONE).astype(np.int32)
    return _Services(start[first], np.maximum(end - start, 1)[first], size, sample)


def _overlaps(one: Round) -> bool:
    """Whether, without a start of service, a query came before the last was answered."""
    if one.started_ns is not None:
        return False
    there = one.answered
    return bool((one.scheduled_ns[there][1:] < one.completed_ns[there][:-1]).any())


def begun(one: Round) -> npt.NDArray[np.bool_]:
    """Which rows a worker began; shape (rows,). What the queue did to the others is the load's."""
    if one.started_ns is None:
        return np.ones(len(one), dtype=np.bool_)
    return np.not_equal(one.started_ns, NONE)


def _duration(one: Round) -> int:
    last = max(int(one.completed_ns.max(initial=0)), int(one.scheduled_ns.max(initial=0))) + 1
    return max(last, int(one.facts.get("duration_ns", 0)))


def _answers(run: Run) -> Answers:
    """A row that no worker began is answered as its sample was in another round."""
    samples = len(run.references)
    output = np.full(samples, NONE, dtype=np.int32)
    status = np.full(samples, Status.lost, dtype=np.int8)
    rows: list[tuple[Int32s, Int32s, Int8s, npt.NDArray[np.bool_]]] = []
    for one in run.rounds():
        known = begun(one)
        output[one.sample[known]] = one.output_id[known]
        status[one.sample[known]] = one.status[known]
        rows.append((one.sample, one.output_id, one.status, known))
    sample, output_id, ended, known = map(np.concatenate, zip(*rows, strict=True))
    return Answers(
        sample=sample,
        output_id=np.where(known, output_id, output[sample]),
        status=np.where(known, ended, status[sample]),
        first=np.cumsum([0, *(len(one[0]) for one in rows)]),
        borrowed=int((~known).sum()),
    )


def _pace(parts: Sequence[_Services], samples: int) -> Floats:
    """A factor for each sample, as far as its rounds tell it from chance.

    The mean over rounds of the logarithm of its times against the round's, drawn towards 0 by the
    share of its variance that chance explains (the best linear predictor of a random effect,
    Henderson 1975); with one round, or of whole batches, nothing is known and all are alike.
    """
    logs, which = [], []
    for part in parts:
        alone = part.size == 1
        if alone.any():
            log = np.log(part.took_ns[alone])
            logs.append(log - log.mean())
            which.append(part.sample[alone])
    if not logs:
        return np.ones(samples)
    value, sample = np.concatenate(logs), np.concatenate(which)
    often = np.bincount(sample, minlength=samples)
    mean = np.bincount(sample, weights=value, minlength=samples) / np.maximum(often, 1)
    freedom = int((often - 1)[often > 1].sum())
    seen = often > 0
    if freedom < 1 or seen.sum() < 2:
        return np.ones(samples)
    chance = float(((value - mean[sample]) ** 2).sum()) / freedom
    noise = chance / np.maximum(often, 1)
    between = max(0.0, float(np.var(mean[seen], ddof=1)) - float(noise[seen].mean()))
    kept = np.divide(between, between + noise, out=np.zeros(samples), where=between > 0)
    pace: Floats = np.exp(np.where(seen, kept * mean, 0.0))
    return pace
