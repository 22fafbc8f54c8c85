"""A query that fails is a row, counted and warned of; it never ends the run."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import tailmark
from tailmark.errors import EveryQueryFailedError, SystemSetupError
from tailmark.records.model import Status
from tailmark.testing import FaultySystem

WORKLOAD = tailmark.Arrays(inputs=np.arange(6), references=np.arange(6) % 3, classes=3)


def right(batch: Any) -> Any:
    """Scores that single out the sample's own class."""
    return np.eye(3)[[int(batch[0]) % 3]]


def measure(out: Path, faults: Callable[[int], Any], **changes: Any) -> tailmark.Run:
    """Two rounds in a fixed order, without a warm-up: call 0 is the first try, 1 to 6 round 0."""
    system = FaultySystem(answer=right, faults=faults)
    settings = {"rounds": 2, "warmup": 0, "order": "fixed", **changes}
    return tailmark.measure(WORKLOAD, system, out=out, **settings)


class UnheardOfError(BaseException):
    """Not even an Exception."""


FAULTS: dict[str, tuple[Any, str]] = {
    "raises": (ValueError("no such layer\nand more"), "ValueError: no such layer"),
    "raises nothing to say": (KeyError(), "KeyError"),
    "leaves": (SystemExit(3), "SystemExit: 3"),
    "is cancelled": (asyncio.CancelledError(), "CancelledError"),
    "raises what is no Exception": (UnheardOfError("x"), "UnheardOfError: x"),
    "gives NaN": (np.array([[0.0, np.nan, 1.0]]), "BadOutputError: output has NaN"),
    "gives another shape": (
        np.zeros((1, 4)),
        "BadOutputError: output has 4 scores, the first had 3",
    ),
    "gives words": ("cat", "BadOutputError: output of type <U3 is not class scores"),
}


@pytest.mark.parametrize("timed", ["inference", "total"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_failed_row(
    tmp_path: Path, name: str, timed: Literal["inference", "total"]
) -> None:
    """Without an output, its cause counted; the rows around it are untouched."""
    fault, cause = FAULTS[name]
    run = measure(tmp_path / "run", lambda call: fault if call in (2, 5) else None, timed=timed)
    first, second = run.rounds()
    assert np.flatnonzero(first.status == Status.failed).tolist() == [1, 4]
    assert np.flatnonzero(first.output_id == -1).tolist() == [1, 4]
    assert np.flatnonzero(first.completed_ns == -1).tolist() == [1, 4]
    assert second.answered.all()
    kept = first.answered
    assert np.array_equal(run.outputs["labels"][first.output_id[kept], 0], first.sample[kept] % 3)
    assert run.manifest.status == "complete"
    assert run.manifest.counts == {"ok": 10, "failed": 2, "timed_out": 0, "lost": 0, "shed": 0}
    assert list(run.manifest.anomalies) == [{"what": cause, "count": 2}]
    assert run.manifest.ending == (f"2 of 12 queries have no answer; most often (2): {cause}",)


def test_a_first_sample_that_fails_is_not_the_end(tmp_path: Path) -> None:
    """The parts are tried on another, and the failing one is a row like any."""
    run = measure(tmp_path / "run", lambda call: OSError("cold") if call == 0 else None)
    assert run.manifest.counts["ok"] == 12


def test_a_system_that_answers_nothing_at_first_is_refused(tmp_path: Path) -> None:
    """Before anything is timed, with its first cause, chained."""
    with pytest.raises(
        SystemSetupError, match=r"failed on each of the first 6 .*: OSError: 0"
    ) as c:
        measure(tmp_path / "run", OSError)
    assert isinstance(c.value.__cause__, OSError)
    assert not (tmp_path / "run").exists()


def test_a_round_in_which_every_query_fails_is_an_error_that_shows_the_cause(
    tmp_path: Path,
) -> None:
    """The first round stands, as the evidence."""
    with pytest.raises(EveryQueryFailedError) as caught:
        measure(tmp_path / "run", lambda call: OSError("no licence") if call else None)
    text = str(caught.value)
    assert text == "every query of the first round failed, 6 of 6 with: OSError: no licence"
    assert caught.value.exit_code == 3
    run = tailmark.open_run(tmp_path / "run")
    assert run.manifest.status == "partial"
    assert text in run.manifest.ending
    assert run.manifest.counts["failed"] == len(next(run.rounds())) == 6


def test_many_different_causes_are_counted_without_end(tmp_path: Path) -> None:
    """A system that puts the time into its message must not fill the memory."""
    many = tailmark.Arrays(inputs=np.arange(500), references=np.arange(500) % 3, classes=3)
    system = FaultySystem(
        answer=right, faults=lambda call: OSError(f"at {call}") if call > 10 else None
    )
    run = tailmark.measure(many, system, out=tmp_path / "run", rounds=1, warmup=0)
    assert run.manifest.counts["failed"] == 490
    assert len(run.manifest.anomalies) == 100
