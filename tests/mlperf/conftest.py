"""Submissions by the genuine LoadGen, made once."""

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import tailmark
from mlperf.genuine import answer, needs_loadgen, run_loadgen, submission
from tailmark.system.base import Batch

SAMPLES = 60


def scores(batch: Batch) -> npt.NDArray[np.float32]:
    """Ten scores, the highest for the label that is asked."""
    found: npt.NDArray[np.float32] = np.eye(10, dtype=np.float32)[np.asarray(batch)[:, 0]]
    return found


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed submission that breaks no rule; not to be changed."""
    needs_loadgen()
    return submission(tmp_path_factory.mktemp("good"))


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    path = tmp_path / "submission"
    shutil.copytree(good, path)
    return path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run a scenario, as the LoadGen engine leaves them; 54 of 60 answers are right."""
    needs_loadgen()
    folder = tmp_path_factory.mktemp("runs")
    labels = np.arange(SAMPLES) % 10
    workload = tailmark.Arrays(inputs=labels[:, None], references=labels, classes=10)
    system = tailmark.Function(call=scores)
    first = folder / "SingleStream"
    tailmark.measure(workload, system, rounds=1, warmup=0, out=first)
    graded = run_loadgen(folder / "graded", "Offline", "AccuracyOnly", samples=SAMPLES, loaded=60)
    assert sum(answer(k) == k % 10 for k in range(SAMPLES)) == 54
    found = {}
    for scenario in ("SingleStream", "Server"):
        path = found[scenario] = folder / scenario
        if path != first:
            shutil.copytree(first, path, ignore=shutil.ignore_patterns("loadgen"))
        run_loadgen(path / "loadgen" / "00000", scenario, samples=SAMPLES, loaded=SAMPLES)
        shutil.copytree(graded, path / "loadgen" / "accuracy")
    return found
