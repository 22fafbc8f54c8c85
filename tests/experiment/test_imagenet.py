"""On real models and images, quality is what their publishers and we have found before."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
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


LOADS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "server": ({"kind": "server", "target_qps": 150}, []),
    "two-workers": ({"kind": "server", "target_qps": 250}, ["system.workers=2"]),
    "multi-stream": ({"kind": "multi-stream", "samples_per_query": 8}, []),
    "offline": ({"kind": "offline"}, ["system.batch={max: 1}"]),
    "replay": ({"kind": "replay", "scale": 60.0, "duration": "1s"}, []),
}


@pytest.fixture(scope="module")
def few(data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The setting that takes a hundred of the images."""
    lines = (data / "imagenet500/labels.csv").read_text(encoding="utf-8").splitlines()
    labels = tmp_path_factory.mktemp("few") / "labels.csv"
    labels.write_text("\n".join(lines[:1] + lines[1::5]), encoding="utf-8")
    return f"workload.labels={labels}"


@pytest.fixture(scope="module")
def alone(data: Path, few: str, tmp_path_factory: pytest.TempPathFactory) -> tailmark.Run:
    """Every image once, one after another."""
    out = tmp_path_factory.mktemp("alone") / "run"
    return tailmark.run_experiment(load(data, "mobilenet", few), out=out)


@pytest.mark.parametrize("name", list(LOADS))
def test_a_load_changes_when_answers_come_and_not_what_they_are(
    data: Path, few: str, tmp_path: Path, alone: tailmark.Run, name: str
) -> None:
    """The real model answers each image as it does alone, however it is asked."""
    scenario, settings = LOADS[name]
    if name == "replay":
        scenario = {**scenario, "trace": str(data / "traces/AzureLLMInferenceTrace_conv.csv")}
    changes = [few, f"scenario={json.dumps(scenario)}", *settings]
    run = tailmark.run_experiment(load(data, "mobilenet", *changes), out=tmp_path / "run")
    one = run.stored[0]
    assert one.answered.all()
    first = alone.stored[0]
    expected = dict(zip(first.sample.tolist(), first.output_id.tolist(), strict=True))
    for sample, output in zip(one.sample.tolist(), one.output_id.tolist(), strict=True):
        ours, theirs = run.outputs["labels"][output], alone.outputs["labels"][expected[sample]]
        assert ours.tolist() == theirs.tolist()
    if name != "replay":  # which sends as many as came in a second
        assert np.array_equal(np.sort(one.sample), np.arange(100))
    assert one.started_ns is not None
    assert (one.scheduled_ns <= one.issued_ns).all()
    assert (one.issued_ns <= one.started_ns).all()
    assert (one.started_ns < one.completed_ns).all()
