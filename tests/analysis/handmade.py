"""Runs made by hand, in memory: every latency, failure and delay is chosen by the test."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from tailmark.records.model import NEVER, NONE, Manifest, References, Round, Run, Status

CLASSES = 3

Answer = int | None
"""The label answered, or None where the query failed."""


def column(values: Sequence[int] | None) -> npt.NDArray[np.int64] | None:
    """A column of moments, where there is one."""
    return None if values is None else np.array(values, dtype=np.int64)


def make_round(
    latency: Sequence[int],
    answers: Sequence[Answer],
    *,
    index: int = 0,
    sample: Sequence[int] | None = None,
    scheduled: Sequence[int] | None = None,
    issued: Sequence[int] | None = None,
    started: Sequence[int] | None = None,
    status: Sequence[Status] | None = None,
    duration_ns: int | None = None,
    inference: Sequence[int] | None = None,
) -> Round:
    """One round; a row without an answer failed, unless ``status`` says how it ended.

    By default each query is scheduled and issued when the last completed.
    """
    rows = len(latency)
    spent = np.array(latency, dtype=np.int64)
    due = np.cumsum(spent) - spent if scheduled is None else np.array(scheduled, dtype=np.int64)
    ended = np.array(
        [Status.failed if a is None else Status.ok for a in answers] if status is None else status,
        dtype=np.int8,
    )
    answered = ended == Status.ok
    return Round(
        index=index,
        facts={"duration_ns": duration_ns or int((due + spent).max()) or 1},
        query=np.arange(rows, dtype=np.int64),
        sample=np.array(range(rows) if sample is None else sample, dtype=np.int32),
        scheduled_ns=due,
        issued_ns=due if issued is None else np.array(issued, dtype=np.int64),
        started_ns=column(started),
        completed_ns=np.where(answered, due + spent, NONE),
        status=ended,
        output_id=np.array([NONE if a is None else a for a in answers], dtype=np.int32),
        preprocess_ns=None if inference is None else spent - np.array(inference, dtype=np.int64),
        inference_ns=column(inference),
        postprocess_ns=None if inference is None else np.zeros(rows, dtype=np.int64),
    )


def make_run(
    rounds: Sequence[Round],
    references: Sequence[int] | None,
    *,
    samples: int | None = None,
    **manifest: Any,
) -> Run:
    """A run of these rounds; output number n is the label n."""
    count = len(references) if references is not None else samples or len(rounds[0])
    held: dict[str, Any] = {
        "tailmark": "0.0",
        "created": "2026-01-01T00:00:00+00:00",
        "experiment": {
            "workload": {"kind": "handmade", "order": "fixed"},
            "rounds": len(rounds),
            "timed": "inference",
            "quality": {},
        },
        "design_id": "0" * 32,
        "hashes": {},
        "environment": {"processor": {"model": "abacus", "usable_cores": 1}},
        "system": {"kind": "hand"},
        "audit": {},
        "cold_start": {"open_ns": 5, "first_query_ns": 7},
        "status": "complete",
    }
    return Run(
        path=None,
        manifest=Manifest(**{**held, **manifest}),
        references=References(
            ids=tuple(f"s{i}" for i in range(count)),
            values=None if references is None else np.array(references, dtype=np.int64),
        ),
        outputs={"labels": np.arange(CLASSES, dtype=np.int32)[:, None]},
        stored=list(rounds),
    )


def drawn_run(
    random: np.random.Generator,
    rounds: int,
    samples: int = 100,
    *,
    effect: float = 0.0,
    pace: npt.ArrayLike = 1.0,
    unlike: float = 0.1,
    correct: float = 0.8,
    memory: float = 0.0,
) -> Run:
    """Log-normal latencies around 1 ms, every sample once a round, in another order each time.

    Args:
        random: What draws them.
        rounds: How many.
        samples: Likewise.
        effect: Sd of the logarithm of what a whole round shares.
        pace: What each round's latencies are multiplied by, shape (rounds,).
        unlike: Sd of the logarithm of what a sample always takes.
        correct: The share of samples that are answered rightly, by chance.
        memory: Autocorrelation of the noise, 0.2 in all, from one query to the next.
    """
    own = unlike * random.standard_normal(samples)
    answers = np.where(random.random(samples) < correct, 0, 1)
    paces = np.broadcast_to(np.asarray(pace, dtype=np.float64), (rounds,))
    made = []
    for r in range(rounds):
        order = random.permutation(samples)
        noise = random.standard_normal(samples)
        for j in range(1, samples if memory else 0):
            noise[j] = memory * noise[j - 1] + np.sqrt(1 - memory**2) * noise[j]
        logs = own[order] + effect * random.standard_normal() + 0.2 * noise
        latency = np.rint(1e6 * paces[r] * np.exp(logs)).astype(np.int64)
        made.append(
            make_round(latency.tolist(), answers[order].tolist(), index=r, sample=order.tolist())
        )
    return make_run(made, [0] * samples)


def with_experiment(run: Run, **changes: Any) -> Run:
    """The same run, had it been asked for differently."""
    experiment = {**run.manifest.experiment, **changes}
    return replace(run, manifest=replace(run.manifest, experiment=experiment))


def told(one: Round, *, at: str = "scheduled") -> list[int | None]:
    """A round's latencies as a list, from its schedule, issue or start; None for no answer."""
    began = getattr(one, f"{at}_ns")
    return [
        int(one.completed_ns[j] - began[j]) if one.status[j] == Status.ok else None
        for j in range(len(one))
    ]


def labels(one: Round) -> list[Answer]:
    """What each row was answered."""
    return [int(o) if o != NONE else None for o in one.output_id]


@st.composite
def hand_rounds(
    draw: st.DrawFn, *, index: int = 0, rows: int | None = None, samples: int = 4
) -> Round:
    """A round under open load: late generators, queues, failures, repeats, ties and zeros."""
    n = draw(st.integers(1, 8)) if rows is None else rows

    def some(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=n, max_size=n))

    scheduled = np.cumsum(some(0, 3))
    issued = scheduled + some(0, 2)
    started = issued + some(0, 2)
    completed = started + some(0, 4)
    ways = st.sampled_from([Status.ok] * 5 + [Status.failed, Status.timed_out, Status.lost])
    status = draw(st.lists(ways, min_size=n, max_size=n))
    answers = [
        a if s == Status.ok else None for a, s in zip(some(0, CLASSES - 1), status, strict=True)
    ]
    punctual, queue = draw(st.booleans()), draw(st.booleans())
    return make_round(
        (completed - scheduled).tolist(),
        answers,
        index=index,
        sample=some(0, samples - 1),
        scheduled=scheduled.tolist(),
        issued=(scheduled if punctual else issued).tolist(),
        started=started.tolist() if queue else None,
        status=status,
        duration_ns=draw(st.integers(1, 100)),
    )


@st.composite
def hand_runs(draw: st.DrawFn) -> Run:
    """A few such rounds over four samples."""
    rounds = [draw(hand_rounds(index=r)) for r in range(draw(st.integers(1, 4)))]
    return make_run(rounds, draw(st.lists(st.integers(0, CLASSES - 1), min_size=4, max_size=4)))


@st.composite
def plain_runs(draw: st.DrawFn, *, failures: bool = True) -> Run:
    """Every sample once a round, one after another: what single-stream measures."""
    samples, count = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    rounds = []
    for r in range(count):
        answer = (
            st.one_of(st.none(), st.integers(0, CLASSES - 1))
            if failures
            else st.integers(0, CLASSES - 1)
        )
        answers = draw(st.lists(answer, min_size=samples, max_size=samples))
        latency = draw(st.lists(st.integers(0, 9), min_size=samples, max_size=samples))
        order = draw(st.permutations(range(samples)))
        rounds.append(make_round(latency, answers, index=r, sample=order))
    references = draw(st.lists(st.integers(0, CLASSES - 1), min_size=samples, max_size=samples))
    return make_run(rounds, references)


DEADLINES = np.arange(14, dtype=np.int64)
"""Every moment at which anything in a hand-made run can happen, and one beyond."""

__all__ = [
    "CLASSES",
    "DEADLINES",
    "NEVER",
    "drawn_run",
    "hand_rounds",
    "hand_runs",
    "labels",
    "make_round",
    "make_run",
    "plain_runs",
    "told",
    "with_experiment",
]
