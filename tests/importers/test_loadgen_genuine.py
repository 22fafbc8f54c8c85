"""What the genuine LoadGen writes today becomes a run that agrees with it in everything."""

from pathlib import Path

import numpy as np
import pytest

import tailmark
from loadgen.genuine import LIBRARY, SCENARIOS, genuine_logs, installed
from tailmark.analysis.reported import statistics

pytestmark = pytest.mark.skipif(
    not installed, reason="mlperf_loadgen is not installed: pip install mlcommons-loadgen"
)

KINDS = dict(zip(SCENARIOS, ("single-stream", "multi-stream", "server", "offline"), strict=True))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_import_has_loadgens_own_statistics(scenario: str, tmp_path: Path) -> None:
    """Of each scenario: every statistic of its summary, from the trace alone, exactly."""
    logs = genuine_logs(tmp_path / "logs", scenario, "PerformanceOnly")
    run = tailmark.import_loadgen(logs, out=tmp_path / "run")
    (told,) = run.manifest.reported
    assert told["scenario"] == KINDS[scenario] == run.manifest.experiment["scenario"]["kind"]
    one = run.stored[0]
    assert statistics(np.sort(one.latency_ns())) == told["statistics"]
    assert not any("is not the whole test" in w for w in tailmark.summarize(run).warnings)
    assert len(np.unique(one.query)) == (1 if scenario == "Offline" else 300)
    assert (one.issued_ns >= one.scheduled_ns).all()
    assert (one.completed_ns >= one.issued_ns).all()
    bound = {"min_duration": 0, "bound": "15ms" if scenario == "Server" else None}
    ours = tailmark.mlperf_result(run, **bound)  # type: ignore[arg-type]
    if scenario == "SingleStream":
        assert ours.value == told["early_stopping_ns"]["p90"]
    if scenario == "Server":
        assert ours.value == pytest.approx(told["metric"]["Completed samples per second"], abs=0.01)
        assert ours.bound_ns == 15_000_000
        assert run.manifest.experiment["require"] == {"latency": "p99 <= 15000000ns"}


def test_a_submission_run_is_its_performance_test_with_the_answers(tmp_path: Path) -> None:
    """The accuracy test before it is in the same trace, and no part of the round."""
    logs = genuine_logs(tmp_path / "logs", "SingleStream", "SubmissionRun", 200)
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(map(str, range(LIBRARY))), encoding="utf-8")
    run = tailmark.import_loadgen(logs, labels=labels, out=tmp_path / "run")
    (told,) = run.manifest.reported
    assert len(run.stored[0]) == 200
    assert statistics(np.sort(run.stored[0].latency_ns())) == told["statistics"]
    summary = tailmark.summarize(run)
    assert summary.ideal is not None
    assert summary.ideal.value == 1.0


@pytest.mark.parametrize("scenario", ["MultiStream", "Offline"])
def test_an_accuracy_test_has_every_sample_answered(scenario: str, tmp_path: Path) -> None:
    """Its trace says when, its own numbers which; what it answers is its index."""
    logs = genuine_logs(tmp_path / "logs", scenario, "AccuracyOnly")
    run = tailmark.import_loadgen(logs, out=tmp_path / "run")
    one = run.stored[0]
    assert set(run.references.ids) == set(map(str, range(LIBRARY)))
    answered = run.outputs["labels"][one.output_id, 0]
    assert [str(label) for label in answered] == [run.references.ids[s] for s in one.sample]
