"""Every cheat is caught by the check that is there for it, and an honest system passes all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from mlperf.cheats import (
    SAMPLES,
    WORKLOAD,
    Alert,
    Honest,
    Hurried,
    Mixing,
    Remembering,
    Restless,
    checked,
    named,
)
from tailmark.errors import InputError
from tailmark.mlperf.compliance import batch_sizes
from tailmark.mlperf.repeats import Repeats

ALL = ("test04", "test01", "load", "batch")


def outcomes(found: Any) -> dict[str, str]:
    """By check."""
    return {one.name: one.outcome for one in found.checks}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What is said of an honest system."""
    return checked(tmp_path_factory.mktemp("honest") / "runs", Honest)


def test_an_honest_system_passes_every_check(honest: Any) -> None:
    """Whose times vary, and whose answers do not."""
    assert outcomes(honest) == dict.fromkeys(ALL, "pass")
    assert honest.outcome == "pass"
    assert not honest.warnings
    assert all(one.mend is None for one in honest.checks)


def test_every_sample_is_compared_under_every_condition(honest: Any) -> None:
    """In the performance run, under load by one worker and by two, in each size of batch."""
    conditions = [k for one in honest.checks for k in one.conditions]
    assert [k.name for k in conditions] == [
        "performance run",
        "one worker under load",
        "several workers under load",
        "batches of 2",
        "batches of 3",
    ]
    for one in conditions:
        seen = one.agreement
        assert (seen.compared, seen.passes) == (SAMPLES, 4 * SAMPLES)
        assert seen.answers >= 4 * SAMPLES
        assert (seen.differ, seen.whole_differ, seen.restless, seen.cause) == (0, 0, 0, None)
        assert one.quality is not None
        assert one.accuracy is not None
        assert one.quality.value == pytest.approx(one.accuracy.value, abs=0.05)


def test_conditions_are_what_they_are_called(honest: Any, tmp_path: Path) -> None:
    """Batches are full, the queue grows, and accuracy passes are in order, one at a time."""
    del honest
    checked(tmp_path / "runs", Honest, "test01", "load", "batch")
    runs = {path.name: tailmark.open_run(path) for path in (tmp_path / "runs").iterdir()}
    for name in ("accuracy-before", "accuracy-after"):
        assert len(runs[name]) == 2
        for one in runs[name].rounds():
            assert one.sample.tolist() == list(range(SAMPLES))
            assert (one.scheduled_ns[1:] >= one.completed_ns[:-1]).all()
    for size in (2, 3):
        for one in runs[f"batch-{size}"].rounds():
            _, together = np.unique(one.completed_ns, return_counts=True)
            assert together.max() == size
            assert (together == size).sum() == SAMPLES // size
    waits = runs["load-one-worker"].stored[0]
    assert waits.started_ns is not None
    waited = waits.started_ns - waits.scheduled_ns
    assert waited[-1] > 50 * np.median(waits.completed_ns - waits.started_ns)
    assert not runs["load-one-worker"].manifest.counts["timed_out"]
    assert runs["load-several-workers"].manifest.experiment["system"]["workers"] == 2


@pytest.mark.parametrize("most", [None, 1], ids=["everything", "the last answer alone"])
def test_a_cache_is_caught(tmp_path: Path, most: int | None) -> None:
    """Though it is full of all samples when it comes to the performance run; nothing else fails."""
    found = checked(tmp_path / "runs", lambda clock: Remembering(clock, most), "test04", "test01")
    assert outcomes(found) == {"test04": "fail", "test01": "pass"}
    seen = named(found)["test04"].caching
    assert seen is not None
    assert seen.ratio.high is not None
    assert seen.ratio.high < 0.5
    assert (seen.samples, seen.repeats) == (7 * 16, 3 * 7 * 16)


def test_a_cache_for_some_samples_is_caught(tmp_path: Path) -> None:
    """Two fifths of them."""
    found = checked(tmp_path / "runs", lambda clock: Remembering(clock, share=0.4), "test04")
    assert found.outcome == "fail"


def test_fast_samples_are_no_cache(tmp_path: Path) -> None:
    """One repeated sample may take a tenth of the others' time: it does so the first time too."""

    class Uneven(Honest):
        def takes(self, batch: Any) -> float:
            return super().takes(batch) * (0.1 if batch.tobytes()[1] % 2 else 1)

    assert checked(tmp_path / "runs", Uneven, "test04").outcome == "pass"


def test_answers_that_depend_on_the_batch_are_caught(tmp_path: Path) -> None:
    """And on nothing else."""
    found = checked(tmp_path / "runs", Mixing, "test01", "batch")
    assert outcomes(found) == {"test01": "pass", "batch": "fail"}
    for one in named(found)["batch"].conditions:
        assert one.agreement.cause == "conditions"
        assert one.agreement.whole_differ >= one.agreement.differ > 10
        assert one.agreement.restless == 0


def test_one_sample_is_asked_again_until_it_tells(tmp_path: Path) -> None:
    """One of many that changes in batches may be chance; of newly opened systems, it is not."""

    class Once(Honest):
        def answer(self, batch: Any) -> Any:
            turned = (batch == WORKLOAD.inputs[9]).all(axis=1)
            return np.where((turned & (len(batch) > 1))[:, None], batch[:, ::-1], batch)

    found = checked(tmp_path / "runs", Once, "test01", "batch", batch=2)
    assert outcomes(found) == {"test01": "pass", "batch": "fail"}
    (one,) = named(found)["batch"].conditions
    assert one.agreement.openings == (6, 5)
    assert [d.id for d in one.agreement.found] == ["9"]
    assert one.tolerated is True
    assert "within MLPerf's 1 %" in named(found)["batch"].says
    assert (tmp_path / "runs" / "batch-2-again-4").is_dir()
    assert not (tmp_path / "runs" / "test01-performance-again-1").exists()


def test_a_system_that_knows_the_accuracy_run_is_caught(tmp_path: Path) -> None:
    """It gives itself away where samples come in another order; the samples are named."""
    found = checked(tmp_path / "runs", Alert, "test01")
    (check,) = found.checks
    assert check.outcome == "fail"
    (one,) = check.conditions
    assert one.agreement.cause == "conditions"
    assert {d.index % 3 for d in one.agreement.found} == {0}
    for differing in one.agreement.found:
        (alone,) = differing.accuracy
        assert alone == (str(int(WORKLOAD.inputs[differing.index].argmax())), 4)
        assert str(int(WORKLOAD.inputs[differing.index][::-1].argmax())) in dict(differing.given)
    assert one.tolerated is False


def test_answers_that_change_with_the_queue_are_caught(tmp_path: Path) -> None:
    """A cheaper model for a long queue, of a system that queues by itself."""
    system = tailmark.Callback(make=Hurried)
    found = checked(tmp_path / "runs", lambda _: system, "test01", "load", clock=None)
    assert outcomes(found) == {"test01": "pass", "load": "fail"}
    assert {k.agreement.cause for k in named(found)["load"].conditions} <= {"conditions", None}


def test_chance_is_told_from_the_conditions(tmp_path: Path) -> None:
    """Answers that nobody can repeat fail every check of answers, and no condition is blamed."""
    found = checked(
        tmp_path / "runs", lambda clock: Restless(clock, 0.5), "test04", "test01", "load"
    )
    assert outcomes(found) == {"test04": "pass", "test01": "fail", "load": "fail"}
    for check in found.checks[1:]:
        assert {one.agreement.cause for one in check.conditions} == {"chance"}
        assert "among themselves" in check.says
        assert "repeatable" in (check.mend or "")


def test_scores_may_differ_where_labels_do_not(tmp_path: Path) -> None:
    """They are counted, and decide nothing."""

    class Rounding(Honest):
        def answer(self, batch: Any) -> Any:
            return batch * (1 + 1e-6 * (len(batch) - 1))

    found = checked(tmp_path / "runs", Rounding, "batch")
    assert found.outcome == "pass"
    assert found.checks[0].conditions[0].agreement.whole_differ == SAMPLES
    assert "not to the last bit" in found.checks[0].says


def test_what_is_not_answered_is_not_compared(tmp_path: Path) -> None:
    """And that is said."""

    class Failing(Honest):
        def answer(self, batch: Any) -> Any:
            if (batch[0] == WORKLOAD.inputs[5]).all():
                raise ValueError("not this one")
            return batch

    found = checked(tmp_path / "runs", Failing, "test01")
    assert found.outcome == "pass"
    assert f"{SAMPLES - 1} of {SAMPLES} samples" in found.checks[0].says
    assert "test01-performance: 4 queries have no answer" in " ".join(found.warnings)


def test_a_system_that_takes_no_batches_is_undecided(tmp_path: Path) -> None:
    """What could not be measured is said, and the other checks are made."""

    class Single(Honest):
        def answer(self, batch: Any) -> Any:
            if len(batch) > 1:
                raise ValueError("one at a time")
            return batch

    found = checked(tmp_path / "runs", Single, "test01", "batch")
    assert outcomes(found) == {"test01": "pass", "batch": "undecided"}
    assert "does not answer a batch of 2" in named(found)["batch"].says
    without = checked(tmp_path / "alone", Single, "batch", batch=None)
    assert without.outcome == "pass"
    assert "batch.max is 1" in without.checks[0].did


def test_the_document_is_plain_data(honest: Any) -> None:
    """Everything that is shown, as JSON."""
    document = json.loads(json.dumps(honest.to_dict(), allow_nan=False))
    assert document["outcome"] == "pass"
    assert [one["name"] for one in document["checks"]] == list(ALL)
    assert document["checks"][0]["caching"]["ratio"]["n"] == 16
    assert document["checks"][1]["conditions"][0]["within_mlperf_tolerance"] is True


def test_without_references_there_is_no_quality(tmp_path: Path) -> None:
    """Answers are compared all the same."""
    found = checked(
        tmp_path / "runs", Honest, "test01", workload=tailmark.Arrays(inputs=WORKLOAD.inputs)
    )
    assert found.outcome == "pass"
    assert found.metric is None
    assert found.checks[0].conditions[0].quality is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rounds": 1}, "rounds is 1: give 2 or more"),
        ({"batch": 0}, "batch is 0: give 1 or more"),
        ({"only": ["test1"]}, r"no check 'test1' \(did you mean 'test01'\?\)"),
        ({"workload": tailmark.Arrays(inputs=np.eye(2))}, "needs 3 samples or more"),
    ],
)
def test_bad_input_is_refused(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    """With the value, what is allowed and the way out."""
    only = settings.pop("only", ())
    with pytest.raises(InputError, match=says):
        checked(tmp_path / "runs", Honest, *only, **settings)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A directory that holds something is refused."""
    (tmp_path / "kept").touch()
    with pytest.raises(InputError, match="give a new directory"):
        checked(tmp_path, Honest)


def test_sizes_of_batches() -> None:
    """Each of the small ones, powers of two, and the largest."""
    assert batch_sizes(1) == []
    assert batch_sizes(2) == [2]
    assert batch_sizes(8) == [2, 3, 4, 5, 6, 7, 8]
    assert batch_sizes(9) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert batch_sizes(16) == [2, 3, 4, 5, 6, 7, 8, 16]
    assert batch_sizes(40) == [2, 3, 4, 5, 6, 7, 8, 16, 32, 40]


def test_no_sample_is_new_twice() -> None:
    """Rounds share the samples, each sent in a row; sample 0 is everybody's."""
    scenario = Repeats(fresh=4, again=2, lead=3)
    rounds = [scenario.schedule(17, order="fixed", seed=3, index=i).sample for i in range(5)]
    assert not rounds[0].any()
    own = [one[3:].reshape(4, 3) for one in rounds[1:]]
    assert all((one == one[:, :1]).all() for one in own)
    assert sorted(int(n) for one in own for n in one[:, 0]) == list(range(1, 17))
    with pytest.raises(InputError, match="were: give a larger workload"):
        scenario.schedule(17, order="fixed", seed=3, index=5)
