"""The environment is everything that made the numbers, and nothing that names the user."""

import getpass
import json
import os
import platform
import subprocess
from pathlib import Path

import pytest

from tailmark.records.environment import capture, git_commit


def test_it_names_machine_and_software() -> None:
    """Processor, memory, kernel, Python and packages, as plain data."""
    found = json.loads(json.dumps(capture()))
    assert found["processor"]["usable_cores"] == len(os.sched_getaffinity(0))
    assert found["processor"]["flags"]
    assert found["memory_bytes"] > 2**20
    assert found["os"]["release"] == platform.release()
    assert found["python"]["version"] == platform.python_version()
    assert {"tailmark", "numpy", "onnxruntime"} <= set(found["packages"])
    assert found["git"] is None


def test_variables_that_set_threads_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They change the numbers, so they belong to them."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    assert capture()["variables"]["OMP_NUM_THREADS"] == "3"
    assert "hush" not in json.dumps(capture())


def test_neither_host_nor_home_is_told() -> None:
    """A run is meant to be shown to others."""
    text = json.dumps(capture(Path(__file__).parent))
    assert str(Path.home()) + "/" not in text
    if len(platform.node()) > 5:
        assert platform.node() not in text
    if len(getpass.getuser()) > 5:
        assert getpass.getuser() not in text


def test_the_experiments_commit_is_recorded_with_whether_it_is_changed(tmp_path: Path) -> None:
    """Clean, then dirty; nothing outside git."""
    assert git_commit(tmp_path / "absent") is None

    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "experiment.yaml").write_text("rounds: 1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert git_commit(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "experiment.yaml").write_text("rounds: 2")
    assert git_commit(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": True}
