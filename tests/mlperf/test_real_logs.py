"""Logs that were handed in to MLPerf in 2019, held against today's rules."""

import json
import shutil
from pathlib import Path

import pytest

from mlperf.genuine import ACCURACY
from tailmark.mlperf import rules
from tailmark.mlperf.check.submission import check_submission
from tailmark.mlperf.truncation import hash_line, truncated


@pytest.fixture
def hailo(data: Path, tmp_path: Path) -> Path:
    """Hailo's MobileNet results of v0.5 in today's layout, closed division."""
    home = tmp_path / "closed" / "Hailo"
    folder = home / "results" / "hailo8" / "mobilenet" / "SingleStream"
    shutil.copytree(data / "mlperf/hailo_v05_mobilenet_SingleStream_results", folder)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    log = (folder / "accuracy" / ACCURACY).read_bytes()
    (folder / "accuracy" / ACCURACY).write_bytes(truncated(log))
    with (folder / "accuracy" / "accuracy.txt").open("a") as file:
        file.write(f"\n{hash_line(log)}\n")
    (home / "systems").mkdir()
    (home / "src").mkdir()
    system = dict.fromkeys(rules.SYSTEM_FIELDS, "N/A") | {
        "division": "closed",
        "submitter": "Hailo",
        "status": "preview",
        "system_type": "edge",
        "number_of_nodes": 1,
        "accelerators_per_node": 1,
    }
    (home / "systems" / "hailo8.json").write_text(json.dumps(system))
    return tmp_path


def test_results_of_2019_are_held_against_today_s_rules(hailo: Path) -> None:
    """Their log is old, their run lasted 60 s, their seeds and their accuracy are of their time."""
    found = check_submission(hailo)
    assert {one.rule for one in found} == {
        "log-old",
        "seed",
        "min-duration",
        "accuracy-target",  # MobileNet's 70.95 %, under a name that stands for ResNet-50 today
        "scenario-missing",
        "compliance-missing",
        "file-missing",
    }
    said = {one.rule: one.found for one in found}
    assert said["min-duration"] == "the run was to last 60 s or more"
    assert said["accuracy-target"] == "accuracy is 70.95"


@pytest.mark.parametrize("name", ["results", "TEST04A"])
def test_a_lone_folder_of_results_has_its_logs_checked(data: Path, name: str) -> None:
    """Nobody says whose they are, and that is said; their logs are read all the same."""
    found = check_submission(data / "mlperf" / f"hailo_v05_mobilenet_SingleStream_{name}")
    assert {"layout", "log-old", "min-duration", "seed"} <= {one.rule for one in found}
