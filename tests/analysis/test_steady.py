"""Blocks of a long round tell the steady state; rounds that start empty tell themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.handmade import make_round, make_run, with_experiment
from tailmark import steady, summarize
from tailmark.analysis.steady import estimand
from tailmark.errors import InputError
from tailmark.quality.base import Floats
from tailmark.records.model import NONE, Int64s, Round, Run, Status

LOAD = 0.8
SERVICE = 1_000_000
IN_SYSTEM = SERVICE * (1 + LOAD / (2 * (1 - LOAD)))
"""The mean time an M/D/1 queue keeps a query in its steady state (Pollaczek and Khinchine)."""


def single_server(random: np.random.Generator, queries: int) -> tuple[Int64s, Int64s]:
    """When each query is due, and when it is done: Lindley's recursion from an empty queue.

    Unrolled: done_n = s (n + 1) + max over k <= n of (due_k - s k).
    """
    due = np.cumsum(np.rint(random.exponential(SERVICE / LOAD, queries)).astype(np.int64))
    own = SERVICE * np.arange(queries)
    return due, np.maximum.accumulate(due - own) + own + SERVICE


def queue_run(random: np.random.Generator, rounds: int, queries: int) -> Run:
    """Rounds that each start empty."""
    made = []
    for r in range(rounds):
        due, done = single_server(random, queries)
        made.append(
            make_round(
                (done - due).tolist(),
                [0] * queries,
                index=r,
                sample=[0] * queries,
                scheduled=due.tolist(),
                started=(done - SERVICE).tolist(),
            )
        )
    return served(make_run(made, [0]))


def served(run: Run, kind: str = "server") -> Run:
    """As a server's."""
    return with_experiment(run, scenario={"kind": kind, "target_qps": 800}, rounds=len(run))


def test_lindley_s_recursion_is_what_it_says() -> None:
    """The unrolled form is the step-by-step one: a query starts when due and the last is done."""
    due, done = single_server(np.random.default_rng(1), 500)
    free = 0
    for at, ended in zip(due.tolist(), done.tolist(), strict=True):
        free = max(free, at) + SERVICE
        assert ended == free


def means(runs: int) -> tuple[Floats, Floats]:
    """Whether each run's interval holds the steady state's mean: of blocks, and of short rounds."""
    random = np.random.default_rng(42)
    held = np.zeros((2, runs))
    for k in range(runs):
        long = steady(queue_run(random, 1, 20_000), "1s", 20)
        short = queue_run(random, 150, 40)
        for which, run in enumerate((long, short)):
            mean = summarize(run, deadlines=["3ms"]).latency.mean
            assert mean.low is not None
            assert mean.high is not None
            held[which, k] = mean.low <= IN_SYSTEM <= mean.high
    return held[0], held[1]


def test_blocks_know_the_steady_state_and_rounds_that_start_empty_do_not() -> None:
    """Of an M/D/1 queue at 80 % load: one system, two estimands.

    The pass rule: an interval that holds what it claims to 90 % (20 dependent blocks) or more is
    failed by chance once in a million times; the short rounds must miss more than such a one may.
    """
    runs = 24
    blocks, rounds = means(runs)
    most = binom.ppf(1 - 1e-6, runs, 0.1)
    assert runs - blocks.sum() <= most
    assert runs - rounds.sum() > most


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Run, int, int]:
    """A run, a ramp and a number of blocks that it bears."""
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    made = []
    for r in range(draw(st.integers(1, 3))):
        n = draw(st.integers(300, 400))
        due = np.sort(random.integers(0, 10_000, n))
        issued = due + random.integers(0, 3, n)
        spent = random.integers(1, 500, n)
        status = random.choice([Status.ok, Status.ok, Status.shed], n)
        one = make_round(
            (issued - due + spent).tolist(),
            [0] * n,
            index=r,
            sample=[0] * n,
            scheduled=due.tolist(),
            issued=issued.tolist(),
            started=np.where(status == Status.ok, issued, NONE).tolist(),
            status=status.tolist(),
        )
        made.append(one)
    return served(make_run(made, [0])), draw(st.integers(0, 3000)), draw(st.integers(2, 6))


@settings(max_examples=40)
@given(cut=cuts())
def test_blocks_hold_every_row_after_the_ramp_once(cut: tuple[Run, int, int]) -> None:
    """In order, with the same latency, lateness, wait and end; times begin with the block."""
    run, ramp, blocks = cut
    found = steady(run, ramp, blocks)
    settings_ = found.manifest.experiment["scenario"]["steady"]
    width = settings_["block_ns"]
    assert len(found) == blocks * len(run)
    for r, one in enumerate(run.rounds()):
        parts = [found.stored[r * blocks + b] for b in range(blocks)]
        inside = (one.scheduled_ns >= ramp) & (one.scheduled_ns < ramp + blocks * width)
        assert np.concatenate([p.query for p in parts]).tolist() == one.query[inside].tolist()
        for column in ("latency", "lateness", "wait"):
            told = np.concatenate([_of(p, column) for p in parts])
            assert told.tolist() == _of(one, column)[inside].tolist()
        for part in parts:
            assert part.scheduled_ns.min() >= 0
            assert part.scheduled_ns.max() < width
            assert part.facts["estimand"] == "steady state"
            assert part.facts["duration_ns"] == width


def _of(one: Round, column: str) -> Int64s:
    assert one.started_ns is not None
    return {
        "latency": one.latency_ns(),
        "lateness": one.issued_ns - one.scheduled_ns,
        "wait": np.where(one.started_ns == NONE, NONE, one.started_ns - one.scheduled_ns),
    }[column]


def test_the_estimand_is_named() -> None:
    """Of open loops, and of their steady state; closed loops have one meaning only."""
    run = queue_run(np.random.default_rng(0), 2, 5000)
    assert estimand(run) == "per round: each starts empty and drains"
    cut = summarize(steady(run, "1s", 10), deadlines=["3ms"])
    assert cut.estimand is not None
    assert cut.estimand.startswith("steady state: blocks of ")
    assert cut.estimand.endswith(" s after a ramp of 1 s") or "ms after" in cut.estimand
    assert json.loads(json.dumps(cut.to_dict()))["estimand"] == cut.estimand
    assert cut.rounds == 20
    assert cut.complete
    assert estimand(served(run, "single-stream")) is None
    assert estimand(with_experiment(run, scenario={})) is None


def test_a_steady_run_is_a_run_for_all_that_reads_one(tmp_path: Path) -> None:
    """A prediction and a report take it as they take any other."""
    from tailmark import predict, write_report

    run = steady(queue_run(np.random.default_rng(0), 1, 5000), "1s", 20)
    assert predict(run, deadline="3ms").trained_on == 20
    write_report([run], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("kind", "given_", "says"),
    [
        ("single-stream", {}, "'single-stream' has none: measure server, stream, replay, burst"),
        ("unknown", {}, "queries that do not wait"),
        ("offline", {}, "queries that do not wait"),
        ("ramp", {}, "the rate of a ramp changes all the time"),
        ("server", {"ramp": "5"}, "'5' has no unit"),
        ("server", {"ramp": "1h"}, "unknown unit 'h'"),
        ("server", {"ramp": "60s"}, "leaves nothing of rounds of"),
        ("server", {"blocks": 1}, "blocks is 1: give 2 or more"),
        ("server", {"ramp": "10ms", "blocks": 80}, "80 blocks one has . queries, 10 are needed"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, given_: dict[str, Any], says: str) -> None:
    """In one sentence with a way out."""
    run = served(queue_run(np.random.default_rng(0), 1, 500), kind)
    with pytest.raises(InputError, match=says):
        steady(run, **given_)


def test_blocks_are_not_cut_again() -> None:
    """A block of a block would claim a ramp that it has not."""
    run = steady(queue_run(np.random.default_rng(0), 1, 5000), "1s", 4)
    with pytest.raises(InputError, match="cut into blocks already"):
        steady(run, "1s", 2)
