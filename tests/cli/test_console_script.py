"""The installed command, as a shell runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

import tailmark


def _run(script: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_it_says_its_version(script: Path) -> None:
    """``tailmark --version`` is the installed version."""
    done = _run(script, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"tailmark {version('tailmark')}\n"


def test_bad_input_is_one_line_and_exit_code_two(script: Path, tmp_path: Path) -> None:
    """No traceback, nothing on standard output."""
    done = _run(script, "summarize", tmp_path / "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tailmark: ")
    assert done.stderr.count("\n") == 1


def test_json_is_all_of_standard_output(script: Path, digits_run: Path) -> None:
    """Another program can read it as it comes."""
    done = _run(script, "summarize", digits_run, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["format"] == 1


@pytest.mark.parametrize("form", ["--json", "--markdown", None])
def test_a_reader_who_has_seen_enough_is_no_error(
    form: str | None, script: Path, digits_run: Path
) -> None:
    """``tailmark summarize RUN | head`` ends with 0 and without a word, in every form."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [script, "summarize", digits_run, *([form] if form else [])],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


# A shell's background jobs ignore Ctrl-C, and so would their children.
_HEARING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_ctrl_c_keeps_the_rounds_that_are_done(script: Path, small: Path) -> None:
    """Exit code 3, one sentence; the run is partial, can be read, and goes on with --resume."""
    out = small.parent / "out"
    measuring = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _HEARING,
            script,
            "run",
            small,
            "--set",
            "rounds=100000",
            "--out",
            out,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    patience = time.monotonic() + 60
    while not (out / "rounds" / "00001.parquet").exists() and time.monotonic() < patience:
        time.sleep(0.02)
    measuring.send_signal(signal.SIGINT)
    stdout, stderr = measuring.communicate(timeout=60)
    assert (measuring.returncode, stdout) == (3, ""), stderr
    assert stderr.startswith("tailmark: interrupted after ")
    assert stderr.count("\n") == 1
    run = tailmark.open_run(out)
    assert not run.complete
    assert len(run) >= 2
    assert any("the run is partial" in w for w in tailmark.summarize(run).warnings)


def test_a_run_of_failures_ends_with_three(script: Path, small: Path) -> None:
    """Every query of the first round failed: one sentence with the cause, exit code 3."""
    (small.parent / "moody.py").write_text(
        "import numpy\n"
        "calls = 0\n"
        "def predict(batch):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls > 1:\n"
        "        raise RuntimeError('out of mood')\n"
        "    return numpy.zeros((1, 10), dtype=numpy.float32)\n",
        encoding="utf-8",
    )
    text = small.read_text(encoding="utf-8")
    assert "{kind: onnxruntime, model: model.onnx}" in text
    small.write_text(
        text.replace(
            "{kind: onnxruntime, model: model.onnx}", "{kind: function, call: 'moody:predict'}"
        ),
        encoding="utf-8",
    )
    done = _run(script, "run", small, "--out", small.parent / "out")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("tailmark: every query of the first round failed")
    assert "out of mood" in done.stderr
    assert done.stderr.count("\n") == 1


def test_its_help_loads_nothing_heavy(tmp_path: Path) -> None:
    """The commands are listed without numpy, a runtime, pyarrow, pydantic or plots."""
    code = "import json, sys, tailmark.cli.main; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    heavy = {"numpy", "scipy", "onnxruntime", "pyarrow", "pydantic", "altair", "PIL", "jinja2"}
    assert heavy.isdisjoint(json.loads(done.stdout))
