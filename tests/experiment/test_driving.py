"""The driving example: one network of three tasks, each graded at the same deadline."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.experiment_file import load_experiment

EXAMPLE = Path(__file__).parents[2] / "examples" / "driving"
TRAIN, TEST = 50, 12


def script() -> Any:
    """The script that makes it, as a module."""
    spec = importlib.util.spec_from_file_location("make_driving", EXAMPLE / "make_driving.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "make_driving", module)  # where dataclasses look for it
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tailmark.Run:
    """The experiment on fewer scenes, for two rounds."""
    make = script()
    made = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(make.SEED)
    scenes = [make.render(rng) for _ in range(TRAIN + TEST)]
    make.write(scenes[TRAIN:], made)
    (made / "driving.onnx").write_bytes(make.fit(scenes[:TRAIN]).SerializeToString())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIVING", str(made))
        experiment = load_experiment(EXAMPLE / "driving.yaml", ["rounds=2", "warmup=1"])
    return tailmark.run_experiment(experiment, out=made / "run")


@pytest.mark.parametrize(
    ("metric", "least"),
    [("ap50", 0.5), ("iou:column=road,label=1", 0.8), ("iou:column=lane,label=1", 0.7)],
)
def test_each_task_is_done_decently(run: tailmark.Run, metric: str, least: float) -> None:
    """Enough for a late answer to cost something."""
    ideal = tailmark.summarize(run, metric=metric).ideal
    assert ideal is not None
    assert ideal.value is not None
    assert ideal.value > least


def test_masks_are_graded_as_counted_by_hand(run: tailmark.Run) -> None:
    """Intersection over union of all pixels of a round, in its order of samples."""
    one = run.stored[0]
    for column in ("road", "lane"):
        found = run.outputs[column][one.output_id] == 1
        right = run.references.values[column][one.sample] == 1
        ideal = tailmark.summarize(run, metric=f"iou:column={column},label=1").ideal
        assert ideal is not None
        assert ideal.value == pytest.approx((found & right).sum() / (found | right).sum())


def test_a_late_answer_is_late_in_every_task(run: tailmark.Run) -> None:
    """At a deadline that no scene meets, nothing is found."""
    for metric in ("ap50", "iou:column=road,label=1", "iou:column=lane,label=1"):
        summary = tailmark.summarize(run, metric=metric, deadlines=[1])
        assert summary.at[0].rounds == (0, 0)


def test_scenes_are_drawn_alike_by_the_same_seed() -> None:
    """What the example reports can be had again."""
    make = script()
    one, other = (make.render(np.random.default_rng(3)) for _ in range(2))
    for name in ("image", "road", "lane", "boxes"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
