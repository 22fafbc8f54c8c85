"""Experiments measured by turns share a design, disturb nobody, and fail alone."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.errors import InputError
from tailmark.experiment import Experiment
from tailmark.interleaved import run_interleaved
from tailmark.records.raw import read_raw
from tailmark.units import parse_duration

INPUTS = np.arange(12, dtype=np.float32).reshape(6, 2)


def scores(batch: Any) -> Any:
    """Two classes: which number is higher."""
    return np.asarray(batch) * np.array([1.0, -1.0], dtype=np.float32)


def failing(batch: Any) -> Any:
    """Ends its process on the third sample."""
    if batch[0, 0] == 4:
        os._exit(3)
    return scores(batch)


def experiment(call: str = "scores", **settings: Any) -> Experiment:
    """Six samples, three rounds."""
    return Experiment(
        workload=tailmark.Arrays(inputs=INPUTS, references=np.ones(6, dtype=np.int64), classes=2),
        system=tailmark.Function(call=f"test_interleaved:{call}", folder=Path(__file__).parent),
        isolate=True,
        warmup=2,
        timeout_ns=parse_duration("20s", "a timeout"),
        **{"rounds": 3, **settings},
    )


def began(run: tailmark.Run) -> list[str]:
    """When each round began."""
    return [one.facts["began"] for one in run.rounds()]


def test_rounds_are_taken_by_turns_and_pair(tmp_path: Path) -> None:
    """Round r of each comes before round r + 1 of any, and the runs pair by round."""
    ended = run_interleaved(
        {"a": experiment(), "b": experiment(), "short": experiment(rounds=1)},
        out=tmp_path / "runs",
        outputs=tmp_path / "outputs",
        design_id="one",
    )
    assert {name: (one.rounds, one.error) for name, one in ended.items()} == {
        "a": (3, None),
        "b": (3, None),
        "short": (1, None),
    }
    a, b = (tailmark.open_run(tmp_path / "runs" / name) for name in "ab")
    for earlier, later in zip(range(2), range(1, 3), strict=True):
        assert max(began(a)[earlier], began(b)[earlier]) <= min(began(a)[later], began(b)[later])
    assert tailmark.compare(a, b, deadlines=["1s"]).paired_by == "round"
    kept = read_raw(tmp_path / "outputs" / "a")
    assert kept is not None
    assert np.array_equal(kept["output"], scores(INPUTS))


def test_an_answer_takes_what_its_own_process_says(tmp_path: Path) -> None:
    """The way to the process and back is no latency of the system."""
    run_interleaved({"a": experiment()}, out=tmp_path, design_id="one")
    for one in tailmark.open_run(tmp_path / "a").rounds():
        assert one.inference_ns is not None
        assert np.array_equal(one.latency_ns(), one.inference_ns)
        assert (one.completed_ns - one.scheduled_ns > one.latency_ns()).all()


def test_one_that_cannot_be_opened_fails_alone(tmp_path: Path) -> None:
    """The others are measured, and the reason is kept."""
    ended = run_interleaved(
        {"bad": experiment("no_such_function"), "good": experiment()},
        out=tmp_path,
        design_id="one",
    )
    assert "no function 'no_such_function'" in str(ended["bad"].error)
    assert ended["bad"].rounds == 0
    assert ended["good"].error is None
    assert len(tailmark.open_run(tmp_path / "good")) == 3


def test_a_process_that_ends_costs_its_sample_alone(tmp_path: Path) -> None:
    """Its outputs are missing, its rows have no answer, and it goes on."""
    ended = run_interleaved(
        {"crashing": experiment("failing", rounds=1)},
        out=tmp_path / "runs",
        outputs=tmp_path / "outputs",
        design_id="one",
    )
    assert ended["crashing"].error is None
    kept = read_raw(tmp_path / "outputs" / "crashing")
    assert kept is not None
    assert list(kept.failures) == [2]
    assert "exit code 3" in kept.failures[2]
    run = tailmark.open_run(tmp_path / "runs" / "crashing")
    (one,) = run.rounds()
    assert one.sample[~one.answered].tolist() == [2]


def test_what_was_measured_is_gone_on_with(tmp_path: Path) -> None:
    """Only the missing rounds are measured, and outputs are not asked for again."""
    both = {"a": experiment(rounds=1), "b": experiment(rounds=1)}
    where: dict[str, Any] = {
        "out": tmp_path / "runs",
        "outputs": tmp_path / "outputs",
        "design_id": "one",
    }
    run_interleaved(both, **where)
    first = json.loads((tmp_path / "runs" / "a" / "run.json").read_text())["created"]
    before = (tmp_path / "outputs" / "a" / "0.npy").stat().st_mtime_ns
    more = {name: replace(one, rounds=2) for name, one in both.items()}
    ended = run_interleaved(more, resume=True, **where)
    assert [one.rounds for one in ended.values()] == [2, 2]
    assert json.loads((tmp_path / "runs" / "a" / "run.json").read_text())["created"] == first
    assert (tmp_path / "outputs" / "a" / "0.npy").stat().st_mtime_ns == before


def test_systems_measured_by_turns_have_processes_of_their_own(tmp_path: Path) -> None:
    """One that would not is refused before anything is measured."""
    with pytest.raises(InputError, match="set isolate: true"):
        run_interleaved(
            {"here": replace(experiment(), isolate=False)}, out=tmp_path, design_id="one"
        )
    assert not list(tmp_path.iterdir())
