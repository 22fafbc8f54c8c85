"""LoadGen's logs become runs that say no more than the logs do."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student

import tailmark
from loadgen.written import (
    Sent,
    accuracy_test,
    accuracy_text,
    begin_line,
    detail_text,
    performance_test,
    queries,
    summary_text,
    trace_text,
)
from tailmark.errors import InputError
from tailmark.importers.loadgen_answers import decode_answers
from tailmark.loadgen.logs import ACCURACY, DETAIL, SUMMARY, TRACE
from tailmark.records.model import NEVER, NONE, Run
from tailmark.stats.proportions import share_of

STREAM = "mlperf/hailo_v05_mobilenet_SingleStream_TEST04A"
OFFLINE = "mlperf/hailo_v05_resnet50_Offline_TEST04A"
RESULTS = "mlperf/hailo_v05_mobilenet_SingleStream_results"
SERVER = "mlperf/nvidia_v05_T4x8_mobilenet_Server_5runs"
LABELS = "mlperf/imagenet_val_map_50000.txt"

SENT = queries(40)
ANSWERS = [(k, k, k.to_bytes(8, "little")) for k in range(10)]


def labels_file(path: Path, labels: list[int]) -> Path:
    """One label a line."""
    path.write_text("\n".join(map(str, labels)), encoding="utf-8")
    return path


def warned(run: Run, words: str) -> bool:
    """Whether a warning has these words."""
    return any(words in one for one in tailmark.summarize(run).warnings)


@pytest.mark.parametrize("test", [STREAM, OFFLINE])
def test_a_real_trace_has_the_statistics_that_were_reported(
    data: Path, tmp_path: Path, test: str
) -> None:
    """Every percentile, the least, the most and the mean, to the nanosecond."""
    run = tailmark.import_loadgen(data / test, out=tmp_path / "run")
    (told,) = run.manifest.reported
    latency = tailmark.summarize(run).to_dict()["latency"]
    own = {f"p{p}": e["value"] for p, e in latency["percentiles"].items()}
    own |= {"min": latency["min_ns"], "max": latency["max_ns"]}
    own["mean"] = int(latency["mean"]["value"])
    assert own == told["statistics"]
    assert (len(run), len(run.stored[0]), told["valid"]) == (1, 1024, False)
    assert not warned(run, "reported")


def test_a_trace_and_an_accuracy_log_are_quality_at_deadlines(data: Path, tmp_path: Path) -> None:
    """The 1,024 samples of the trace, each with its own answer and label, added up by hand."""
    run = tailmark.import_loadgen(
        data / STREAM,
        accuracy=data / RESULTS / "accuracy",
        labels=data / LABELS,
        dtype="float32",
        out=tmp_path / "run",
    )
    answers = {
        entry["qsl_idx"]: np.frombuffer(bytes.fromhex(entry["data"]), "<f4")[0]
        for entry in json.loads((data / RESULTS / "accuracy" / ACCURACY).read_text("utf-8"))
    }
    right = [int(line.split()[1]) for line in (data / LABELS).read_text("utf-8").splitlines()]
    on_time = total = 0
    for line in (data / STREAM / "performance/run_1" / TRACE).read_text("utf-8").splitlines():
        if line.startswith('{"name":"Sample"') and '"ph":"b"' in line:
            event = json.loads(line.rstrip(","))["args"]
            good = answers[event["sample_idx"]] == right[event["sample_idx"]]
            on_time += good and event["complete_ns"] <= 7_000_000
            total += 1
    at = tailmark.summarize(run, deadlines=["7ms"]).at[0]
    assert at.mean is not None
    assert at.mean.value == pytest.approx(on_time / total, abs=1e-12)
    assert warned(run, "answers are those of the accuracy test")
    assert run.references.ids[0].startswith("ILSVRC2012_val_")


def test_a_real_accuracy_log_is_worth_what_it_says(data: Path, tmp_path: Path) -> None:
    """35,475 of 50,000, beside the performance test's own figures; and no time is invented."""
    run = tailmark.import_loadgen(data / RESULTS, labels=data / LABELS, out=tmp_path / "run")
    found = tailmark.reported(run)
    (answered,) = found.quality
    exact = binomtest(35_475, 50_000).proportion_ci(0.95, "exact")
    quality = answered.quality
    assert quality.value == 35_475 / 50_000
    assert (quality.low, quality.high) == pytest.approx((exact.low, exact.high))
    assert found.statistics["p99"].value == 8_959_393
    assert found.statistics["p99"].low is None
    one = run.stored[0]
    for column in (one.scheduled_ns, one.issued_ns, one.completed_ns):
        assert (column == NONE).all()
    assert (one.latency_ns() == NEVER).all()
    assert one.to_arrow().column("scheduled_ns").null_count == 50_000
    assert run.manifest.experiment["timed"] == "none"


def test_five_real_server_tests_have_means_with_intervals(data: Path, tmp_path: Path) -> None:
    """Of what their summaries say, line by line."""
    run = tailmark.import_loadgen(data / SERVER, out=tmp_path / "run")
    found = tailmark.reported(run)
    texts = [path.read_text("utf-8") for path in sorted((data / SERVER).glob(f"*/{SUMMARY}"))]
    names = {"p99": "99.00 percentile latency (ns)", "max": "Max latency (ns)"}
    for name, line in names.items():
        values = [float(text.split(line)[1].split(":")[1].split()[0]) for text in texts]
        e = found.statistics[name]
        assert e.value == pytest.approx(np.mean(values))
        wanted = student.interval(0.95, 4, np.mean(values), np.std(values, ddof=1) / 5**0.5)
        assert (e.low, e.high) == pytest.approx(wanted)
        assert (e.n, "tests" in e.method) == (5, True)
    assert found.metric["Scheduled samples per second"].value == pytest.approx(135072.99)
    assert found.valid == (True,) * 5
    assert found.parameters["target_qps"] == 135000
    assert [one["test"] for one in found.each] == [f"run_{k}" for k in range(1, 6)]
    assert (len(run), len(run.references), run.complete) == (0, 0, True)


def _without_times(tmp_path: Path) -> Run:
    accuracy_test(tmp_path / "logs", ANSWERS)
    labels = labels_file(tmp_path / "labels.txt", list(range(10)))
    return tailmark.import_loadgen(tmp_path / "logs", labels=labels, out=tmp_path / "run")


@pytest.mark.parametrize(
    "ask",
    [
        tailmark.summarize,
        tailmark.extremes,
        tailmark.mlperf_result,
        tailmark.steady,
        lambda run: tailmark.predict(run, deadline="5ms"),
        lambda run: tailmark.compare(run, run),
        lambda run: tailmark.judge(run, {"latency": "p99 <= 5ms"}),
        lambda run: tailmark.what_if(run, qps=10),
        lambda run: tailmark.write_report(run, run.path / "report.html"),
    ],
)
def test_nothing_is_said_of_times_that_nobody_knows(
    ask: Callable[[Run], object], tmp_path: Path
) -> None:
    """Whatever needs them says what is missing, and how LoadGen writes it."""
    run = _without_times(tmp_path)
    with pytest.raises(InputError, match=r"mlperf_log_trace\.json if LogSettings\.enable_trace"):
        ask(run)


def test_what_was_measured_here_has_no_report_of_another(tmp_path: Path) -> None:
    """And a run whose manifest is older than reports opens as ever."""
    performance_test(tmp_path / "logs", SENT)
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    manifest = json.loads((tmp_path / "run/run.json").read_text("utf-8"))
    del manifest["reported"]
    (tmp_path / "run/run.json").write_text(json.dumps(manifest), encoding="utf-8")
    older = tailmark.open_run(tmp_path / "run")
    assert older.manifest.reported == ()
    assert tailmark.summarize(older).latency == tailmark.summarize(run).latency
    with pytest.raises(InputError, match="holds no report of another harness"):
        tailmark.reported(older)


def test_performance_tests_are_rounds_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """With the answers of the accuracy test beside them; compliance tests are left alone."""
    for number, took in ((1, 1_000_000), (2, 2_000_000), (10, 3_000_000)):
        performance_test(tmp_path / f"logs/performance/run_{number}", queries(40, took=took))
    performance_test(tmp_path / "logs/TEST04/performance/run_1", queries(40, took=9_000_000))
    accuracy_test(tmp_path / "logs/accuracy", ANSWERS)
    labels = labels_file(tmp_path / "labels.txt", [0, 1, 2, 3, 4, 9, 9, 9, 9, 9])
    run = tailmark.import_loadgen(tmp_path / "logs", labels=labels, out=tmp_path / "run")
    assert [int(one.latency_ns()[0]) for one in run.rounds()] == [1_000_000, 2_000_000, 3_000_000]
    wanted = ["performance/run_1", "performance/run_2", "performance/run_10"]
    assert [one.facts["test"] for one in run.rounds()] == wanted
    summary = tailmark.summarize(run)
    assert summary.ideal is not None
    assert summary.ideal.value == 0.6  # samples 0 to 4, and 9
    reported = {one["test"]: one["round"] for one in summary.reported}
    assert reported == {name: k for k, name in enumerate(wanted)} | {"accuracy": None}


def test_a_trace_that_lacks_queries_is_told(tmp_path: Path) -> None:
    """It has other percentiles than LoadGen reported, and both are named."""
    performance_test(tmp_path / "logs", SENT)
    text = trace_text(SENT).replace(begin_line(SENT[-5]), "")
    (tmp_path / "logs" / TRACE).write_text(text, encoding="utf-8")
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    assert len(run.stored[0]) == 39
    assert warned(run, "lacks 1 of 40 samples")
    assert warned(run, f"reported mean {sum(s.completed for s in SENT) // 40} and not ")
    assert warned(run, "is not the whole test")


@pytest.mark.parametrize("spoil", ["cut", "garble", "repeat"])
def test_what_is_wrong_with_a_trace_is_told(spoil: str, tmp_path: Path) -> None:
    """Cut short, unreadable in places, answered twice."""
    performance_test(tmp_path / "logs", SENT)
    text = trace_text(SENT)
    line = begin_line(SENT[7])
    spoilt, words = {
        "cut": (text[: text.index(line)], "cut short"),
        "garble": (text.replace(line, line.replace("query_seq", "q\x00")), "1 line that cannot"),
        "repeat": (text.replace(line, line + line), "1 answers to samples that had one"),
    }[spoil]
    (tmp_path / "logs" / TRACE).write_text(spoilt, encoding="utf-8")
    assert warned(tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run"), words)


def test_the_answers_of_a_test_are_joined_by_its_own_numbers(tmp_path: Path) -> None:
    """Where one test has both logs, a sample may be answered otherwise each time."""
    sent = queries(6, library=2)
    answers = [(one.sample_seq, one.sample_idx, bytes([k])) for k, one in enumerate(sent)]
    accuracy_test(tmp_path / "logs", answers)
    (tmp_path / "logs" / TRACE).write_text(trace_text(sent), encoding="utf-8")
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    assert run.outputs["labels"][run.stored[0].output_id, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert warned(run, "the times are those of an accuracy test")


def test_a_trace_without_sample_indices_is_joined_or_left_alone(tmp_path: Path) -> None:
    """By the answers of the same test; without them each query is a sample, and that is said."""
    sent = queries(6, library=5)
    nameless = trace_text(sent)
    for one in sent:
        nameless = nameless.replace(f'"sample_idx":{one.sample_idx},', "")
    answers = [(one.sample_seq, one.sample_idx, bytes([one.sample_idx])) for one in sent]
    accuracy_test(tmp_path / "both", answers)
    (tmp_path / "both" / TRACE).write_text(nameless, encoding="utf-8")
    joined = tailmark.import_loadgen(tmp_path / "both", out=tmp_path / "joined")
    assert joined.references.ids == ("0", "1", "2", "3", "4")
    assert joined.stored[0].sample.tolist() == [one.sample_idx for one in sent]
    performance_test(tmp_path / "alone", sent)
    (tmp_path / "alone" / TRACE).write_text(nameless, encoding="utf-8")
    alone = tailmark.import_loadgen(
        tmp_path / "alone", accuracy=tmp_path / "both", out=tmp_path / "left"
    )
    assert len(alone.references) == 6
    assert not alone.outputs
    assert warned(alone, "does not say which samples were sent")


def test_answers_that_are_not_there_for_all_are_left_out(tmp_path: Path) -> None:
    """Of a truncated accuracy log nobody knows what the others were."""
    performance_test(tmp_path / "logs/performance/run_1", SENT)
    accuracy_test(tmp_path / "logs/accuracy", ANSWERS[:7])
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    assert not run.outputs
    assert warned(run, "3 of 10 samples that were sent have no answer")
    with pytest.raises(InputError, match="holds no answer that is a label"):
        tailmark.import_loadgen(
            tmp_path / "logs",
            labels=labels_file(tmp_path / "labels.txt", list(range(10))),
            out=tmp_path / "other",
        )
    assert not (tmp_path / "other").exists()


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any),
    st.sampled_from(["float32", "int32", "int64", "float64"]),
)
def test_a_labels_type_is_recognised(labels: list[int], dtype: str) -> None:
    """Whole numbers of a small size are those of one type only; declared, nothing is assumed."""
    data = [np.array([label], dtype=dtype).tobytes() for label in labels]
    found = decode_answers(data, None)
    assert found.labels is not None
    assert found.labels[:, 0].tolist() == labels
    assert f"type {dtype}" in str(found.says)
    assert decode_answers(data, dtype).says is None


def test_answers_of_several_labels_need_their_type(tmp_path: Path) -> None:
    """Best first; what is no label is left out, or refused where it was declared to be one."""
    data = [np.array(ranks, "<i4").tobytes() for ranks in ([3, 1, 2], [1, 2, 3])]
    assert decode_answers(data, None).labels is None
    assert "no single label" in str(decode_answers(data, None).says)
    found = decode_answers(data, "int32").labels
    assert found is not None
    assert found.tolist() == [[3, 1, 2], [1, 2, 3]]
    assert decode_answers([b"\0" * 4, b"\0" * 8], None).labels is None
    with pytest.raises(InputError, match="so they are no int32 labels"):
        decode_answers([b"\0" * 4, b"\0" * 8], "int32")
    with pytest.raises(InputError, match="which is no label"):
        decode_answers([np.array([0.5], "<f4").tobytes()], "float32")
    with pytest.raises(InputError, match="12 bytes each, which is no int64"):
        decode_answers(data, "int64")
    with pytest.raises(InputError, match=r"no dtype 'int33' \(did you mean 'int32'\?\)"):
        tailmark.import_loadgen(tmp_path, dtype="int33", out=tmp_path / "run")


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg 4\nb.jpg\t5\nc.jpg 6\n",
        "4\n5\n6\n",
        "sample,label\na,4\nb,5\nc,6\n",
        "0,4\n1,5\n2,6\n",
        "2,6\n0,4\n1,5\n",
    ],
)
def test_labels_come_in_several_forms(text: str, tmp_path: Path) -> None:
    """Names and labels, labels alone, tables by name or by index."""
    accuracy_test(tmp_path / "logs", [(k, k, bytes([4 + k])) for k in range(3)])
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    run = tailmark.import_loadgen(
        tmp_path / "logs", labels=tmp_path / "labels.txt", out=tmp_path / "run"
    )
    assert tailmark.reported(run).quality[0].quality.value == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no label"),
        ("1\n2\nthree\n", "line 3: there is no label"),
        ("a 1\n2\n", "line 2: there is no label"),
        ("1\n2\n", "2 labels and none of sample 2"),
        ("0,1\n0,2\n", "two labels of sample 0"),
        ("99999999999\n1\n1\n", "line 1: there is no label"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(text: str, words: str, tmp_path: Path) -> None:
    """The line is named."""
    accuracy_test(tmp_path / "logs", [(k, k, bytes([4 + k])) for k in range(3)])
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        tailmark.import_loadgen(
            tmp_path / "logs", labels=tmp_path / "labels.txt", out=tmp_path / "run"
        )


def test_results_that_are_not_one_are_refused(tmp_path: Path) -> None:
    """Of several systems, or of several scenarios; and a directory without logs."""
    performance_test(tmp_path / "many/a/performance/run_1", SENT)
    performance_test(tmp_path / "many/b/performance/run_1", SENT)
    with pytest.raises(InputError, match=r"holds 2 results \(a, b\): import them one by one"):
        tailmark.import_loadgen(tmp_path / "many", out=tmp_path / "run")
    performance_test(tmp_path / "mixed/run_1", SENT)
    performance_test(tmp_path / "mixed/run_2", SENT)
    text = summary_text(SENT).replace("SingleStream", "Offline")
    (tmp_path / "mixed/run_2" / SUMMARY).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="tests of offline and single-stream"):
        tailmark.import_loadgen(tmp_path / "mixed", out=tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no LoadGen log that says anything"):
        tailmark.import_loadgen(tmp_path / "empty", out=tmp_path / "run")
    with pytest.raises(InputError, match="is no directory"):
        tailmark.import_loadgen(tmp_path / "gone", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_search_for_the_peak_is_no_round(tmp_path: Path) -> None:
    """Its queries are of many loads."""
    performance_test(tmp_path / "logs", SENT)
    detail = detail_text("FindPeakPerformance", "Server")
    (tmp_path / "logs" / DETAIL).write_text(detail, encoding="utf-8")
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    assert len(run) == 0
    assert any("search for the peak rate" in one for one in tailmark.reported(run).warnings)


def test_a_query_of_several_samples_counts_by_its_slowest(tmp_path: Path) -> None:
    """In multi-stream, as LoadGen counts it."""
    sent = [
        Sent(k, k // 4, k, 1_000_000 * (k // 4), 0, 1000 * (k % 4 + 1) + k // 4) for k in range(8)
    ]
    performance_test(tmp_path / "logs", sent)
    for name in (SUMMARY, DETAIL):
        text = (tmp_path / "logs" / name).read_text("utf-8").replace("SingleStream", "MultiStream")
        (tmp_path / "logs" / name).write_text(text, encoding="utf-8")
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    assert run.stored[0].latency_ns().tolist() == [4000] * 4 + [4001] * 4


def test_blocks_of_a_steady_state_are_no_tests(tmp_path: Path) -> None:
    """So they are not held against what was reported of the whole."""
    sent = [Sent(k, k, k % 7, 1_000_000 * k, 0, 10_000 + k) for k in range(300)]
    performance_test(tmp_path / "logs", sent)
    for name in (SUMMARY, DETAIL):
        text = (tmp_path / "logs" / name).read_text("utf-8").replace("SingleStream", "Server")
        (tmp_path / "logs" / name).write_text(text, encoding="utf-8")
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    blocks = tailmark.steady(run, "10ms", blocks=5)
    assert len(blocks) == 5
    assert not warned(blocks, "is not the whole test")


def test_several_accuracy_tests_are_told_apart(tmp_path: Path) -> None:
    """Each has its own quality; and a figure is a mean over tests that have it."""
    accuracy_test(tmp_path / "logs/run_1", ANSWERS)
    accuracy_test(tmp_path / "logs/run_2", [(k, k, b"\x01" + bytes(7)) for k in range(10)])
    labels = labels_file(tmp_path / "labels.txt", list(range(10)))
    run = tailmark.import_loadgen(tmp_path / "logs", labels=labels, out=tmp_path / "run")
    found = tailmark.reported(run)
    assert [(one.test, one.quality.value) for one in found.quality] == [
        ("run_1", 1),
        ("run_2", 0.1),
    ]
    assert found.statistics == {}
    assert tailmark.reported(run).to_dict()["quality"]["at"][1]["answers"] == 10


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_has_the_exact_interval(counts: tuple[int, int]) -> None:
    """Clopper and Pearson's, as scipy's own test inverts it."""
    count, n = counts
    exact = binomtest(count, n).proportion_ci(0.95, "exact")
    found = share_of(count, n)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_an_accuracy_log_of_data_that_are_no_labels_is_said(tmp_path: Path) -> None:
    """Of tokens, say: as long as each answer was."""
    accuracy_test(tmp_path / "logs", [])
    text = accuracy_text([(0, 0, bytes(40)), (1, 1, bytes(44))])
    (tmp_path / "logs" / ACCURACY).write_text(text, encoding="utf-8")
    run = tailmark.import_loadgen(tmp_path / "logs", out=tmp_path / "run")
    assert any("40 to 44 bytes" in one for one in run.manifest.warnings)
    assert (run.stored[0].output_id == NONE).all()


def test_the_logs_may_lie_in_a_tree_that_was_copied(tmp_path: Path) -> None:
    """The same logs are the same run, wherever they lie."""
    performance_test(tmp_path / "a/performance/run_1", SENT)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first, second = (
        tailmark.import_loadgen(tmp_path / name, out=tmp_path / f"run {name}") for name in "ab"
    )
    same = replace(second.manifest, created=first.manifest.created)
    assert replace(same, design_id=first.manifest.design_id) == first.manifest
