"""The audit says what the machine can resolve, and warns of what stands in the way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tailmark
from tailmark.machine import Audit
from tailmark.testing import VirtualClock

CALM = Audit(
    timer_step_ns=40,
    timer_cost_ns=50.0,
    wakeup_p50_ns=60_000.0,
    wakeup_p99_ns=90_000.0,
    harness_p50_ns=70.0,
    harness_p99_ns=150.0,
    hop_p50_ns=None,
    hop_p99_ns=None,
    governor="performance",
    load=0.1,
    cores=4,
)


def test_an_audit_of_this_machine_is_plausible() -> None:
    """Time moves, costs something to read, and a median is no later than a tail."""
    found = tailmark.audit(full=False, isolated=True)
    assert found.timer_step_ns > 0
    assert 0 < found.timer_cost_ns < 1e6
    assert 0 < found.harness_p50_ns <= found.harness_p99_ns
    assert found.wakeup_p50_ns <= found.wakeup_p99_ns
    assert found.hop_p50_ns is not None
    assert found.hop_p50_ns > found.harness_p50_ns
    assert found.resolvable_ns == found.to_dict()["resolvable_ns"] > found.harness_p99_ns


def test_a_clock_that_stands_still_has_no_step() -> None:
    """On a clock that only sleeping moves, sleep ends when it is due."""
    found = tailmark.audit(full=False, clock=VirtualClock())
    assert (found.timer_step_ns, found.timer_cost_ns, found.harness_p99_ns) == (0, 0, 0)
    assert (found.wakeup_p50_ns, found.hop_p50_ns) == (0, None)


def test_a_calm_machine_gets_no_warning() -> None:
    """Nothing to say is said with nothing."""
    assert CALM.warnings() == []
    assert replace(CALM, governor=None, load=None).warnings() == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"governor": "powersave"}, "governor is 'powersave'"),
        ({"load": 3.5}, "load 3.5 on 4 cores"),
    ],
)
def test_what_unsteadies_times_is_warned_of(changes: dict[str, object], says: str) -> None:
    """A clock that follows load, and other people's work."""
    (said,) = replace(CALM, **changes).warnings()  # type: ignore[arg-type]
    assert says in said


def test_a_deadline_the_machine_could_not_resolve_is_warned_of(tmp_path: Path) -> None:
    """Whatever deadline is asked for, it is held against the audit stored with the run."""
    run = tailmark.measure(
        tailmark.Digits(),
        lambda _: np.eye(10, dtype=np.float32)[:1],
        rounds=1,
        warmup=0,
        out=tmp_path / "run",
    )
    near = [w for w in tailmark.summarize(run, deadlines=["1ns", "1s"]).warnings if "near" in w]
    assert len(near) == 1
    assert near[0].startswith("the deadline 1 ns is near what the machine could resolve")


def test_a_home_folder_in_a_failure_stays_unnamed(tmp_path: Path) -> None:
    """A run may be shown to others."""
    run = tailmark.measure(
        tailmark.Digits(), Lost(), rounds=1, warmup=0, out=tmp_path / "run", isolate=False
    )
    (anomaly,) = run.manifest.anomalies
    assert anomaly["what"] == "FileNotFoundError: ~/weights is gone"


class Lost:
    """Answers once, and then names a file at home."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, batch: object) -> object:
        """Answer the first two."""
        del batch
        self.asked += 1
        if self.asked > 2:
            raise FileNotFoundError(f"{Path.home()}/weights is gone")
        return np.eye(10, dtype=np.float32)[:1]
