"""`engine: loadgen`: the genuine LoadGen asks, its logs are kept, and the records are its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.bench import Progress
from tailmark.errors import InputError, InterruptedRunError, MeasurementError
from tailmark.loadgen.logs import read_accuracy, read_summary, read_trace
from tailmark.records.model import NONE, Round, Status
from tailmark.scenario.base import Scenario

pytest.importorskip("mlperf_loadgen", reason="LoadGen is an extra")

HERE = Path(__file__).parent
WORKLOAD = tailmark.Arrays(inputs=np.arange(6), references=np.arange(6) % 3, classes=3)
QUICK = tailmark.LoadGen(min_duration="0ms", min_queries=40)
BURST = tailmark.Burst(base_qps=9, burst_qps=99, every="1s", length="1ms", duration="1s")
SCENARIOS = {
    "single-stream": tailmark.SingleStream(),
    "multi-stream": tailmark.MultiStream(samples_per_query=2),
    "server": tailmark.Server(target_qps=400),
    "offline": tailmark.Offline(),
}


def measure(out: Path, call: str, **changes: Any) -> tailmark.Run:
    """One round of a function of `questioned`."""
    settings: dict[str, Any] = {
        "system": tailmark.Function(call=f"questioned:{call}", folder=HERE),
        "workload": WORKLOAD,
        "rounds": 1,
        "warmup": 0,
        "engine": QUICK,
        **changes,
    }
    return tailmark.measure(settings.pop("workload"), settings.pop("system"), out=out, **settings)


def one_of(run: tailmark.Run) -> Round:
    """Its only round."""
    (one,) = run.rounds()
    return one


def logs(run: tailmark.Run, name: str = "00000") -> Path:
    """Where LoadGen's own account of a test is."""
    assert run.path is not None
    return run.path / "loadgen" / name


@pytest.mark.parametrize("kind", SCENARIOS)
def test_the_records_are_loadgens_own(tmp_path: Path, kind: str) -> None:
    """Every statistic that LoadGen prints, and every latency of its trace, to the nanosecond."""
    run = measure(
        tmp_path / "run",
        "right",
        workload=tailmark.Digits(),
        system=tailmark.DigitsNetwork(),
        scenario=SCENARIOS[kind],
    )
    one, summary = one_of(run), read_summary(logs(run) / "mlperf_log_summary.txt")
    trace = read_trace(logs(run) / "mlperf_log_trace.json")
    assert np.array_equal(
        one.completed_ns - one.scheduled_ns, trace.completed_ns - trace.scheduled_ns
    )
    assert np.array_equal(one.sample, trace.sample_idx)

    latency = one.latency_ns()[
        :: 2 if kind == "multi-stream" else 1
    ]  # LoadGen counts queries there
    ordered = np.sort(latency)
    expected = {
        f"p{p:g}": int(ordered[int(len(ordered) * p / 100)]) for p in (50, 90, 95, 97, 99, 99.9)
    }
    expected |= {"min": int(ordered[0]), "max": int(ordered[-1]), "mean": int(latency.mean())}
    assert summary.statistics == expected
    assert summary.scenario == kind
    assert one.facts["loadgen_valid"] is summary.valid
    (reported,) = run.manifest.reported
    assert reported["round"] == 0
    assert reported["statistics"] == summary.statistics
    assert not any("LoadGen reported" in one for one in tailmark.summarize(run).warnings)

    assert one.started_ns is not None
    assert (one.scheduled_ns <= one.issued_ns).all()
    assert (one.issued_ns <= one.started_ns).all()
    assert (one.started_ns < one.completed_ns).all()
    accuracy = read_accuracy(logs(run, "accuracy") / "mlperf_log_accuracy.json")
    told = {
        int(i): int.from_bytes(d, "little", signed=True)
        for i, d in zip(accuracy.qsl_idx, accuracy.data, strict=True)
    }
    assert sorted(told) == list(range(360))
    best = run.outputs["labels"][one.output_id, 0]
    assert [told[int(sample)] for sample in one.sample] == best.tolist()
    assert run.manifest.experiment["engine"]["kind"] == "loadgen"
    assert not any("LoadGen" in said for said in run.manifest.warnings)


def test_by_round_both_engines_send_at_the_same_times(tmp_path: Path) -> None:
    """LoadGen's schedule is ours to the nanosecond, and another in each round."""
    scenario = tailmark.Server(target_qps=2000)
    engine = tailmark.LoadGen(min_duration="0ms", min_queries=50, seeds="by-round")
    run = measure(tmp_path / "run", "right", scenario=scenario, engine=engine, rounds=2, seed=3)
    for index, one in enumerate(run.rounds()):
        ours = tailmark.Server(target_qps=2000, queries=50).schedule(
            6, order="replacement", seed=3, index=index
        )
        assert ours.due_ns is not None
        assert np.array_equal(one.scheduled_ns, ours.due_ns)


@pytest.mark.parametrize("kind", ["single-stream", "server", "offline"])
def test_what_raises_or_never_returns_is_a_row_and_the_test_goes_on(
    tmp_path: Path, kind: str
) -> None:
    """LoadGen alone would end the process for the one, and wait for ever for the other."""
    run = measure(
        tmp_path / "run",
        "raises_and_hangs",
        workload=tailmark.Arrays(inputs=np.arange(8), references=np.arange(8) % 3, classes=3),
        scenario=SCENARIOS[kind],
        timeout="400ms",
        engine=tailmark.LoadGen(min_duration="0ms", min_queries=8),
        order="equal-issue",
    )
    one = one_of(run)
    assert set(one.sample.tolist()) == set(range(8))
    assert (one.status[one.sample == 4] == Status.timed_out).all()
    assert not one.answered[
        one.sample == 2
    ].any()  # behind a queue it may wait too long to be asked
    assert (one.completed_ns[~one.answered] == NONE).all()
    if kind != "server":
        assert (one.status[one.sample == 2] == Status.failed).all()
        assert one.answered[~np.isin(one.sample, (2, 4))].all()
        assert any(a["what"] == "KeyError: 'no such layer'" for a in run.manifest.anomalies)
    assert any(said.startswith("LoadGen knows no failures") for said in run.manifest.warnings)


def test_a_system_that_answers_by_itself_may_forget_and_repeat_itself(tmp_path: Path) -> None:
    """What was lost is lost, what came twice counts once."""
    run = measure(
        tmp_path / "run",
        "",
        system=tailmark.Callback(make="questioned:forgetful", folder=HERE),
        scenario=SCENARIOS["server"],
        timeout="400ms",
    )
    one = one_of(run)
    assert (one.status[one.sample == 3] == Status.lost).all()
    assert (one.status[one.sample != 3] == Status.ok).all()
    assert (one.sample == 3).any()
    twice = "a response came when it had been given up, or a second time"
    counted = {a["what"]: a["count"] for a in run.manifest.anomalies}
    assert counted[twice] == (one.sample == 1).sum()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("dies_later", r"ended its process in round 0 \(exit code 7\)"),
        ("stuck_later", r"did not return within the timeout of 200 ms in round 0"),
    ],
)
def test_a_process_that_cannot_go_on_ends_the_run_in_a_sentence(
    tmp_path: Path, call: str, said: str
) -> None:
    """What was finished stands; the logs of what was not do not count."""
    with pytest.raises(MeasurementError, match=said):
        measure(tmp_path / "run", call, timeout="200ms")
    assert sorted(p.name for p in (tmp_path / "run" / "loadgen").iterdir()) == [
        "00000.part",
        "accuracy",
    ]
    document = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert document["status"] == "partial"


def test_an_interrupted_run_goes_on_at_its_next_round(tmp_path: Path) -> None:
    """Logs without a round are removed; the accuracy test is not done again."""

    def interrupt(now: Progress) -> None:
        if now.done == 1 and now.doing.startswith("LoadGen"):
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        measure(tmp_path / "run", "right", rounds=2, progress=interrupt)
    folder = tmp_path / "run" / "loadgen"
    for name in ("00001", "00002.part"):
        (folder / name).mkdir()
    before = (folder / "accuracy" / "mlperf_log_detail.txt").read_text(encoding="utf-8")
    run = measure(tmp_path / "run", "right", rounds=2, resume=True)
    assert run.complete
    assert len(run) == 2
    assert sorted(p.name for p in folder.iterdir()) == ["00000", "00001", "accuracy"]
    assert read_summary(folder / "00001" / "mlperf_log_summary.txt").valid is not None
    assert (folder / "accuracy" / "mlperf_log_detail.txt").read_text(encoding="utf-8") == before


def test_answers_that_change_from_test_to_test_are_told(tmp_path: Path) -> None:
    """LoadGen compares nothing by itself."""
    run = measure(tmp_path / "run", "fickle")
    (said,) = (w for w in run.manifest.warnings if "otherwise" in w)
    assert said.startswith("1 of 6 samples are answered otherwise in round 0")
    assert "'1'" in said


def test_batches_and_workers_serve_loadgen_too(tmp_path: Path) -> None:
    """A query of eight is four batches of two, by two workers; stages are timed where asked."""
    run = measure(
        tmp_path / "run",
        "right",
        scenario=tailmark.MultiStream(samples_per_query=8),
        workers=2,
        batch=2,
        timed="total",
    )
    one = one_of(run)
    assert one.answered.all()
    assert (run.outputs["labels"][one.output_id, 0] == one.sample % 3).all()
    assert one.started_ns is not None
    _, sizes = np.unique(one.started_ns, return_counts=True)
    assert set(sizes.tolist()) <= {1, 2, 4}  # two workers may begin in the same nanosecond
    assert one.inference_ns is not None
    assert (one.inference_ns > 0).all()


def test_a_compliance_test_sees_the_answers_of_a_performance_test(tmp_path: Path) -> None:
    """With an audit.config that asks for samples of the answers, as TEST01's does."""
    audit = tmp_path / "audit.config"
    audit.write_text(
        "*.*.mode = 2\n*.*.accuracy_log_rng_seed = 720381539243781796\n"
        "*.*.accuracy_log_sampling_target = 20\n",
        encoding="utf-8",
    )
    engine = tailmark.LoadGen(min_duration="0ms", min_queries=40, audit=audit)
    run = measure(tmp_path / "run", "right", engine=engine)
    sampled = read_accuracy(logs(run) / "mlperf_log_accuracy.json")
    assert len(sampled) > 0
    for sample, data in zip(sampled.qsl_idx.tolist(), sampled.data, strict=True):
        assert int.from_bytes(data, "little") == sample % 3


def test_a_function_another_process_cannot_find_is_one_sentence(tmp_path: Path) -> None:
    """The way out is module:function."""
    with pytest.raises(InputError, match="module:function"):
        tailmark.measure(WORKLOAD, lambda batch: batch, out=tmp_path / "run", engine=QUICK)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"scenario": BURST},
            "no scenario 'burst'",
        ),
        ({"scenario": tailmark.Server(target_qps=9, arrivals="constant")}, "'constant'"),
        ({"order": "fixed"}, "workload.order is 'fixed'"),
        ({"isolate": True}, "isolate: true is not LoadGen's"),
    ],
)
def test_what_loadgen_cannot_do_is_refused(
    tmp_path: Path, changes: dict[str, Scenario], said: str
) -> None:
    """Before anything is opened."""
    with pytest.raises(InputError, match=said):
        measure(tmp_path / "run", "right", **changes)
    assert not (tmp_path / "run").exists()
