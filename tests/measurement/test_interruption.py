"""Ctrl-C keeps the rounds done and marks the run partial."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tailmark

HERE = Path(__file__).parent


@pytest.mark.parametrize("isolate", [False, True])
def test_ctrl_c_in_the_command_keeps_the_rounds(tmp_path: Path, isolate: bool) -> None:
    """One sentence, exit code 3, no traceback, and the run goes on from there."""
    np.savez(tmp_path / "samples.npz", inputs=np.arange(12), references=np.arange(12) % 3)
    (tmp_path / "experiment.yaml").write_text(
        "workload: {kind: arrays, path: samples.npz, classes: 3}\n"
        f"system: {{kind: function, call: 'misbehaving:slow', folder: {HERE},"
        f" isolate: {str(isolate).lower()}}}\n"
        "rounds: 1000\n"
    )
    command = [
        *(sys.executable, "-c", "from tailmark.cli.main import main; main()"),
        *("run", "experiment.yaml", "--out", "run"),
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    patience = time.monotonic() + 60
    while len(list((tmp_path / "run" / "rounds").glob("*.parquet"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < patience
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out == ""
    assert said.count("\n") == 1
    assert said.startswith("tailmark: interrupted after ")
    assert "'run' keeps them, go on with --resume" in said

    run = tailmark.open_run(tmp_path / "run")
    assert f"after {len(run)} of 1000 rounds" in said
    assert 2 <= len(run) < 1000
    assert not run.complete
    assert run.manifest.ending == ("interrupted by the user",)
    assert run.manifest.counts["ok"] == 12 * len(run)

    more = ["--resume", "--set", f"rounds={1000}"]
    resumed = subprocess.Popen(
        [*command, *more], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(list((tmp_path / "run" / "rounds").glob("*.parquet"))) <= len(run):
        assert resumed.poll() is None, resumed.communicate()
        assert time.monotonic() < patience
        time.sleep(0.01)
    resumed.send_signal(signal.SIGINT)
    resumed.communicate(timeout=60)
    assert resumed.returncode == 3
    assert len(tailmark.open_run(tmp_path / "run")) > len(run)
