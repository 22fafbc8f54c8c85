"""MELD end to end: trained, served by ONNX Runtime, measured, and graded as scikit-learn does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

import tailmark
from tailmark.experiment_file import load_experiment

EXAMPLE = Path(__file__).parents[2] / "examples" / "meld"
ABSENT = -1
# Two of the five balances that the example chooses from, the one that it chooses among them.
TRAIN = "import train; train.BALANCES = (0.5, 0.7); train.main()"


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained model's folder."""
    folder = tmp_path_factory.mktemp("meld")
    words = ["--data", str(data / "emotion" / "MELD"), "--out", str(folder / "meld.onnx")]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *words],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def measured(model: Path, data: Path, out: Path, unit: str) -> tailmark.Run:
    """Two rounds of the example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILMARK_DATA", str(data))
        patch.setenv("MELD", str(model))
        settings = ["rounds=2", "warmup=5", f"workload.unit={unit}"]
        experiment = load_experiment(EXAMPLE / "meld.yaml", settings)
    return tailmark.run_experiment(experiment, out=out)


@pytest.mark.parametrize("unit", ["dialogue", "utterance"])
def test_late_ones_are_marked_as_the_field_does(
    model: Path, data: Path, tmp_path: Path, unit: str
) -> None:
    """Without a deadline at least .56; at one, F1 of what is there, late dialogues gone whole."""
    run = measured(model, data, tmp_path / "run", unit)
    one = run.stored[0]
    latency = one.latency_ns()
    deadline = int(np.median(latency))
    found = tailmark.summarize(run, deadlines=[deadline])
    assert found.ideal is not None
    assert found.ideal.value is not None
    assert found.ideal.value >= (0.56 if unit == "dialogue" else 0.53)
    right, given = [], []
    labels = run.outputs["labels"]
    for sample, output, spent in zip(one.sample, one.output_id, latency, strict=True):
        right.append(np.atleast_1d(run.references.values[sample]))
        answered = np.atleast_1d(labels[int(output)])
        given.append(answered if spent <= deadline else np.full_like(answered, ABSENT))
    told = np.concatenate(right), np.concatenate(given)
    assert len(told[0]) == 2610
    for metric, average in (("f1_weighted", "weighted"), ("f1_macro", "macro")):
        rounds = tailmark.summarize(run, metric=metric, deadlines=[deadline]).at[0].rounds
        assert rounds is not None
        expected = f1_score(*told, average=average, labels=range(7), zero_division=0)
        assert rounds[0] == pytest.approx(expected, abs=1e-12)
