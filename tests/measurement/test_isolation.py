"""In a process of its own a system may do what it likes; the run goes on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.bench import Progress
from tailmark.errors import InputError
from tailmark.records.model import Status

HERE = Path(__file__).parent
WORKLOAD = tailmark.Arrays(inputs=np.arange(6), references=np.arange(6) % 3, classes=3)


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """However a test ends, every process it started has ended too, and been waited for."""
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def measure(out: Path, call: str, **changes: Any) -> tailmark.Run:
    """One round of a function of `misbehaving` in its own process."""
    system = tailmark.Function(call=f"misbehaving:{call}", folder=HERE)
    settings: dict[str, Any] = {
        "rounds": 1,
        "warmup": 0,
        "order": "fixed",
        "timeout": "700ms",
        **changes,
    }
    workload = settings.pop("workload", WORKLOAD)
    return tailmark.measure(workload, system, out=out, **{"isolate": True, **settings})


def test_every_misbehaviour_is_one_row_and_the_run_goes_on(tmp_path: Path) -> None:
    """It raises, it hangs, it leaves, it crashes: failed or timed out, by name; then it answers."""
    run = measure(tmp_path / "run", "faulty", rounds=2)
    for one in run.rounds():
        ok, failed, late = Status.ok, Status.failed, Status.timed_out
        assert one.status.tolist() == [ok, ok, failed, late, failed, failed]
        assert (one.output_id[2:] == -1).all()
        assert np.array_equal(run.outputs["labels"][one.output_id[:2], 0], [0, 1])
    assert {a["what"]: a["count"] for a in run.manifest.anomalies} == {
        "ValueError: no such layer": 2,
        "no answer within 0.7 s": 2,
        "its process ended (exit code 7)": 2,
        "its process ended (SIGSEGV)": 2,
    }
    assert run.complete
    assert run.manifest.counts == {"ok": 4, "failed": 6, "timed_out": 2, "lost": 0, "shed": 0}


def test_the_answers_are_those_given_in_our_own_process(tmp_path: Path) -> None:
    """And each stage's duration is there, within the latency that holds the hop too."""
    runs = [
        tailmark.measure(
            tailmark.Digits(),
            tailmark.DigitsNetwork(),
            out=tmp_path / str(isolate),
            rounds=1,
            warmup=0,
            isolate=isolate,
        )
        for isolate in (True, False)
    ]
    (one,), (other,) = (run.rounds() for run in runs)
    assert np.array_equal(one.sample, other.sample)
    for name in ("labels", "scores"):
        isolated, here = (
            run.outputs[name][row.output_id] for run, row in zip(runs, (one, other), strict=True)
        )
        assert np.array_equal(isolated, here)
    assert one.preprocess_ns is not None
    assert one.inference_ns is not None
    assert one.postprocess_ns is not None
    assert (one.inference_ns > 0).all()
    within = one.preprocess_ns + one.inference_ns + one.postprocess_ns
    assert (within < one.latency_ns()).all()
    assert runs[0].manifest.audit["hop_p50_ns"] > 0
    assert runs[0].manifest.system == runs[1].manifest.system


def test_total_time_is_measured_in_the_other_process_too(tmp_path: Path) -> None:
    """Preprocessing is timed where it happens."""
    run = tailmark.measure(
        tailmark.Digits(),
        tailmark.DigitsNetwork(),
        out=tmp_path / "run",
        rounds=1,
        warmup=0,
        isolate=True,
        timed="total",
    )
    (one,) = run.rounds()
    assert one.preprocess_ns is not None
    assert (one.preprocess_ns > 0).all()
    assert one.answered.all()


def test_a_first_sample_that_hangs_is_a_row_like_any(tmp_path: Path) -> None:
    """The parts are tried on another."""
    run = measure(tmp_path / "run", "hangs_on_the_first")
    (one,) = run.rounds()
    assert one.status.tolist() == [Status.timed_out] + [Status.ok] * 5


def test_a_system_that_always_hangs_is_refused_in_good_time(tmp_path: Path) -> None:
    """With one sentence, and nothing left behind."""
    with pytest.raises(InputError, match="did not answer its first query"):
        measure(tmp_path / "run", "always_hangs", timeout="100ms")
    assert not (tmp_path / "run").exists()


def test_a_system_that_ends_on_every_sample_is_refused(tmp_path: Path) -> None:
    """However few there are."""
    few = tailmark.Arrays(inputs=np.full(2, 4), references=np.zeros(2, int), classes=3)
    with pytest.raises(InputError, match="each of the 2 samples blocks or ends the system"):
        measure(tmp_path / "run", "faulty", workload=few)


def test_what_the_system_prints_does_not_reach_our_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """``--json`` prints one document to standard output and nothing else."""
    measure(tmp_path / "run", "chatty")
    out, err = capfd.readouterr()
    assert out == ""
    assert "a word from the system" in err
    assert "a word past Python" in err


def test_a_system_that_cannot_be_opened_again_ends_the_run_and_the_rounds_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accelerator is gone: the run is partial and says why."""
    monkeypatch.setenv("TAILMARK_TEST_ARMED", str(tmp_path / "armed"))

    def go(progress: Progress) -> None:
        if progress.done == 1:
            (tmp_path / "armed").touch()  # from now on

    with pytest.raises(InputError, match="the accelerator is gone") as caught:
        measure(tmp_path / "run", "ends_when_armed", rounds=3, progress=go)
    run = tailmark.open_run(tmp_path / "run")
    assert len(run) == 1
    assert run.manifest.status == "partial"
    assert any("the accelerator is gone" in said for said in run.manifest.ending)
    assert caught.value.exit_code == 2


def nested(batch: Any) -> Any:
    """Found by no other process: test modules cannot be imported by name."""
    return batch


@pytest.mark.parametrize("call", [lambda batch: batch, nested])
def test_a_function_another_process_cannot_find_is_one_clear_error(
    tmp_path: Path, call: Any
) -> None:
    """A lambda, or a function of a script: the way out is module:function."""
    with pytest.raises(InputError, match="module:function"):
        tailmark.measure(WORKLOAD, call, out=tmp_path / "run", rounds=1, isolate=True)
    assert not (tmp_path / "run").exists()


def test_a_function_of_the_main_script_is_one_clear_error(tmp_path: Path) -> None:
    """As it is in every first try from a notebook or a script."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, tailmark\n"
        "def mine(batch): return np.zeros((1, 3))\n"
        "if __name__ == '__main__':\n"
        "    workload = tailmark.Arrays(inputs=np.arange(6))\n"
        "    try:\n"
        "        tailmark.measure(workload, mine, out='run', rounds=1, isolate=True)\n"
        "    except tailmark.errors.InputError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1
    assert "module:function" in done.stdout
    assert done.stderr == ""


def test_a_killed_measurement_takes_its_child_along(tmp_path: Path) -> None:
    """Even kill -9 leaves no process that holds an accelerator."""
    settings = json.dumps({"rounds": 1000, "warmup": 0, "isolate": True})
    parent = subprocess.Popen(
        [sys.executable, HERE / "measuring.py", tmp_path / "run", "misbehaving:slow", settings]
    )
    patience = time.monotonic() + 60
    while not list((tmp_path / "run" / "rounds").glob("*.parquet")):
        assert parent.poll() is None
        assert time.monotonic() < patience
        time.sleep(0.02)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert len(children) == 1
    parent.kill()
    parent.wait()
    while Path("/proc", children[0]).exists():
        assert time.monotonic() < patience
        time.sleep(0.02)
