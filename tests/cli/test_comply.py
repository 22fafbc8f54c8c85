"""``tailmark mlperf comply``."""

import json
from pathlib import Path

import pytest

from cli.conftest import Command

EXPERIMENT = """
workload: {kind: arrays, path: inputs.npz, classes: 3}
system: {kind: function, call: "CALL"}
warmup: 5
"""
SYSTEMS = """
import numpy as np
def honest(batch):
    return batch
def mixing(batch):
    return batch - batch.mean(axis=0) if len(batch) > 1 else batch
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Systems and samples; `command` runs here."""
    import numpy as np

    inputs = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "inputs.npz", inputs=inputs, references=inputs.argmax(axis=1))
    (tmp_path / "comply_systems.py").write_text(SYSTEMS, encoding="utf-8")
    for name in ("honest", "mixing"):
        text = EXPERIMENT.replace("CALL", f"comply_systems:{name}")
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_system_that_complies_exits_with_0(command: Command, folder: Path) -> None:
    """And its runs are where it says."""
    done = command("mlperf", "comply", "honest.yaml", "--only", "test01,batch", "--batch", "2")
    assert (done.code, done.err) == (0, "")
    assert done.out.lstrip().startswith("PASS – 2 of 2 checks pass.")
    runs = folder / done.out.splitlines()[-1]
    assert {path.name for path in runs.iterdir()} == {
        "accuracy-before",
        "accuracy-after",
        "test01-performance",
        "batch-2",
    }


def test_one_that_does_not_exits_with_1(command: Command, folder: Path) -> None:
    """The document says why."""
    given = ("--only", "batch", "--batch", "2", "--rounds", "3", "--out", "runs/c", "--json")
    done = command("mlperf", "comply", "mixing.yaml", *given)
    assert (done.code, done.err) == (1, "")
    document = json.loads(done.out)
    assert document["outcome"] == "fail"
    assert document["checks"][0]["conditions"][0]["cause"] == "conditions"
    assert (folder / "runs/c/batch-2").is_dir()


def test_bad_input_is_one_sentence(command: Command, folder: Path) -> None:
    """The value, what is allowed, the way out."""
    assert folder.is_dir()
    comply = ("mlperf", "comply", "honest.yaml")
    assert "no check 'test02'" in command(*comply, "--only", "test02").complaint
    assert "rounds is 1" in command(*comply, "--rounds", "1").complaint
    assert "give a new directory" in command(*comply, "--out", ".").complaint
