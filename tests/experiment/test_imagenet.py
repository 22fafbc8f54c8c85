"""On real models and images, quality is what their publishers and we have found before."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import tailmark
from tailmark.experiment_file import load_experiment

EXAMPLES = Path(__file__).parents[2] / "examples"


def ideal(experiment: tailmark.Experiment, out: Path, metric: str) -> float:
    """Quality without a deadline, over one round of the 500 images."""
    path = out / "run"
    run = (
        tailmark.open_run(path) if path.exists() else tailmark.run_experiment(experiment, out=path)
    )
    value: Any = tailmark.summarize(run, metric=metric).to_dict()["quality"]["ideal"]["value"]
    return float(value)


def load(data: Path, name: str, *changes: str) -> tailmark.Experiment:
    """An example, for one round."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILMARK_DATA", str(data))
        return load_experiment(
            EXAMPLES / f"imagenet-{name}.yaml", ["rounds=1", "warmup=0", *changes]
        )


@pytest.mark.parametrize(
    ("name", "top1", "top5"), [("mobilenet", 0.780, 0.944), ("squeezenet", 0.600, 0.806)]
)
def test_the_examples_reach_the_known_accuracy(
    data: Path, tmp_path: Path, name: str, top1: float, top5: float
) -> None:
    """Within .002: int8 kernels differ between processors."""
    experiment = load(data, name)
    assert ideal(experiment, tmp_path, "top1") == pytest.approx(top1, abs=0.002)
    assert ideal(experiment, tmp_path, "top5") == pytest.approx(top5, abs=0.002)


def test_the_order_of_the_channels_matters(data: Path, tmp_path: Path) -> None:
    """SqueezeNet given red first loses more than ten points: a mistake no shape check finds."""
    experiment = load(data, "squeezenet")
    workload: Any = experiment.workload
    red_first = dataclasses.replace(workload.preprocess, color="rgb")
    wrong = dataclasses.replace(
        experiment, workload=dataclasses.replace(workload, preprocess=red_first)
    )
    assert ideal(wrong, tmp_path, "top1") < 0.600 - 0.10
