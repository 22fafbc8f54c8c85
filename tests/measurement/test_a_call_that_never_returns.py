"""A call in our own process that never returns ends the run; the finished rounds stand."""

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.drive import watchdog
from tailmark.errors import QueryNeverReturnedError

HERE = Path(__file__).parent
WORKLOAD = tailmark.Arrays(inputs=np.arange(6), references=np.arange(6) % 3, classes=3)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the interruption may be slow to come; ours is not the process to leave."""
    monkeypatch.setattr(watchdog, "_GRACE_S", 60.0)


def right(batch: Any) -> Any:
    """Scores that single out the sample's own class."""
    return np.eye(3)[[int(batch[0]) % 3]]


def spin() -> None:
    """Pure Python that never ends."""
    while True:
        pass


def doze() -> None:
    """A wait that a signal wakes."""
    time.sleep(1e6)


def stubborn() -> None:
    """Python that swallows one exception, whatever it is, and then gives way."""
    try:
        spin()
    except BaseException:  # noqa: BLE001 - as some systems do
        raise ValueError("swallowed") from None


class Sticking:
    """Answers rightly until its n-th call, which never returns."""

    def __init__(self, at: int, how: Callable[[], None]) -> None:
        self.calls, self.at, self.how = 0, at, how

    def __call__(self, batch: Any) -> Any:
        """Count, and answer."""
        self.calls += 1
        if self.calls > self.at:
            self.how()
        return right(batch)


def stuck(out: Path, system: Any, **changes: Any) -> str:
    """What is said when it never returns; calls: 1 first try, 2 warm-up, then 6 a round."""
    settings = {"rounds": 3, "warmup": 2, "order": "fixed", "timeout": "300ms", **changes}
    with pytest.raises(QueryNeverReturnedError) as caught:
        tailmark.measure(WORKLOAD, system, out=out, **settings)
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("how", [spin, doze])
@pytest.mark.parametrize("timed", ["inference", "total"])
def test_the_finished_rounds_stand_and_the_query_is_named(
    tmp_path: Path, how: Callable[[], None], timed: str
) -> None:
    """By round, query and sample; the run is partial and can be gone on with."""
    said = stuck(tmp_path / "run", Sticking(1 + 2 + 6 + 4, how), timed=timed)
    assert said == (
        "query 4 of round 1 (sample '4') did not return within the timeout of 300 ms: "
        "1 finished rounds stand; isolate: true kills such a call and goes on"
    )
    run = tailmark.open_run(tmp_path / "run")
    assert len(run) == 1
    assert run.manifest.status == "partial"
    assert said in run.manifest.ending
    again = tailmark.measure(
        WORKLOAD,
        Sticking(10**6, how),
        out=tmp_path / "run",
        rounds=3,
        warmup=2,
        order="fixed",
        timeout="300ms",
        timed=timed,  # type: ignore[arg-type] # one of the two
        resume=True,
    )
    assert again.complete


@pytest.mark.usefixtures("patient")
def test_the_warm_up_and_the_first_try_are_watched_too(tmp_path: Path) -> None:
    """With nothing finished, nothing but the sentence is left."""
    said = stuck(tmp_path / "a", Sticking(1 + 1, spin))
    assert said.startswith("query 1 of the warm-up (sample '1') did not return")
    assert "0 finished rounds stand" in said
    said = stuck(tmp_path / "b", Sticking(0, spin))
    assert said.startswith("the first query (sample '0') did not return")
    assert not (tmp_path / "b").exists()


def test_a_call_that_swallows_the_interruption_is_late_or_failed_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    """It did return, after all."""
    system = Sticking(1 + 2 + 3, stubborn)

    def once(batch: Any) -> Any:
        try:
            return system(batch)
        finally:
            system.at += system.calls > system.at

    run = tailmark.measure(
        WORKLOAD, once, out=tmp_path / "run", rounds=1, warmup=2, timeout="300ms"
    )
    assert run.manifest.counts["failed"] + run.manifest.counts["timed_out"] >= 1


@pytest.fixture
def slow_garbage() -> Any:
    """A heap so large that collecting it takes half a second."""

    def wait(phase: str, info: Any) -> None:
        del info
        if phase == "start":
            time.sleep(0.5)

    gc.callbacks.append(wait)
    yield
    gc.callbacks.remove(wait)


def test_collecting_garbage_is_not_held_against_a_query(tmp_path: Path, slow_garbage: None) -> None:
    """It comes before the round; a short timeout is for the system alone."""
    assert slow_garbage is None
    run = tailmark.measure(
        WORKLOAD, right, out=tmp_path / "run", rounds=1, warmup=0, timeout="300ms"
    )
    assert run.complete


def test_slow_rounds_of_quick_queries_are_not_held_against_one(tmp_path: Path) -> None:
    """Each call has the whole timeout for itself."""

    def brief(batch: Any) -> Any:
        time.sleep(0.05)
        return right(batch)

    run = tailmark.measure(
        WORKLOAD, brief, out=tmp_path / "run", rounds=2, warmup=0, timeout="500ms"
    )
    assert run.manifest.counts["ok"] == 12


def test_native_code_that_never_returns_ends_the_process_with_one_sentence(
    tmp_path: Path,
) -> None:
    """No exception reaches it, so we leave: exit code 3, and the finished rounds stand."""
    settings = '{"rounds": 3, "warmup": 0, "order": "fixed", "timeout": "300ms"}'
    done = subprocess.run(
        [
            sys.executable,
            HERE / "measuring.py",
            tmp_path / "run",
            "misbehaving:deadlocks",
            settings,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == (
        "tailmark: query 3 of round 1 (sample '3') did not return within the timeout of 300 ms: "
        "1 finished rounds stand; isolate: true kills such a call and goes on\n"
    )
    run = tailmark.open_run(tmp_path / "run")
    assert len(run) == 1
    assert run.manifest.status == "partial"
