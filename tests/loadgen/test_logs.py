"""The logs of real tests, old and new, say what LoadGen wrote."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from loadgen.written import detail_text, queries, summary_text
from tailmark.errors import InputError
from tailmark.loadgen.logs import (
    ACCURACY,
    DETAIL,
    SUMMARY,
    TRACE,
    read_accuracy,
    read_detail,
    read_summary,
    read_trace,
)

STREAM = "mlperf/hailo_v05_mobilenet_SingleStream_TEST04A/performance/run_1"
OFFLINE = "mlperf/hailo_v05_resnet50_Offline_TEST04A/performance/run_1"
RESULTS = "mlperf/hailo_v05_mobilenet_SingleStream_results"
SERVER = "mlperf/nvidia_v05_T4x8_mobilenet_Server_5runs"


@pytest.mark.parametrize("test", [STREAM, OFFLINE])
def test_a_real_trace_has_every_statistic_of_its_summary(data: Path, test: str) -> None:
    """Of 1,024 samples: every percentile, the least, the most and the mean, to the nanosecond."""
    trace = read_trace(data / test / TRACE)
    told = read_summary(data / test / SUMMARY).statistics
    spent = np.sort(trace.completed_ns - trace.scheduled_ns)
    own = {"min": spent[0], "max": spent[-1], "mean": spent.sum() // len(spent)}
    own |= {f"p{p:g}": spent[int(1024 * p / 100)] for p in (50, 90, 95, 97, 99, 99.9)}
    assert {name: int(ns) for name, ns in own.items()} == told
    assert (len(trace), trace.missing, trace.unread, trace.repeated) == (1024, 0, 0, 0)
    assert trace.whole


@pytest.mark.parametrize("test", [STREAM, OFFLINE])
def test_a_real_trace_reads_as_json_would(data: Path, test: str) -> None:
    """Each line by itself, where it is JSON; slowly."""
    wanted = []
    for line in (data / test / TRACE).read_text(encoding="utf-8").splitlines():
        if line.startswith('{"name":"Sample"') and '"ph":"b"' in line:
            event = json.loads(line.rstrip(","))
            due = round(event["ts"] * 1000)
            wanted.append((due, *event["args"].values()))
    trace = read_trace(data / test / TRACE)
    began = min(due for due, *_ in wanted)
    for k, (due, sample, query, index, issued, completed) in enumerate(wanted):
        assert (trace.sample_seq[k], trace.query_seq[k]) == (sample, query)
        assert trace.sample_idx[k] == index
        assert trace.scheduled_ns[k] == due - began
        assert trace.issued_ns[k] == due - began + issued
        assert trace.completed_ns[k] == due - began + completed
    assert len(wanted) == len(trace)


def test_a_real_accuracy_log_is_as_good_as_it_says(data: Path) -> None:
    """Its 50,000 answers are right 35,475 times, as its own ``accuracy.txt`` says."""
    folder = data / RESULTS / "accuracy"
    log = read_accuracy(folder / ACCURACY)
    said = re.search(r"good=(\d+), total=(\d+)", (folder / "accuracy.txt").read_text("utf-8"))
    assert said
    lines = (data / "mlperf/imagenet_val_map_50000.txt").read_text("utf-8").splitlines()
    labels = np.array([int(line.split()[-1]) for line in lines])
    answers = np.frombuffer(b"".join(log.data), "<f4")
    assert (int((labels[log.qsl_idx] == answers).sum()), len(log)) == (int(said[1]), int(said[2]))
    assert (log.unread, log.token_count) == (0, None)


def test_old_details_have_the_keys_of_new_ones(data: Path) -> None:
    """Settings, errors and warnings of version 0.5 are found by the names they have since."""
    detail = read_detail(data / SERVER / "run_4" / DETAIL)
    assert detail.unread == 0
    assert detail.get("effective_scenario") == "Server"
    assert detail.get("effective_target_latency_ns") == 10_000_000
    assert detail.get("effective_target_latency_percentile") == 0.99
    assert detail.get("requested_min_query_count") == 270_336
    assert detail.get("test_datetime") == "2019-10-09T14:47:25Z"
    assert detail.get("qsl_reported_total_count") == 50_000
    assert detail.get("start_reading_entries_retry_count") is not None
    assert sum(entry.error for entry in detail.entries) == 2
    assert sum(entry.warning for entry in detail.entries) == 1
    told = read_summary(data / SERVER / "run_4" / SUMMARY)
    assert (told.errors, told.warnings, told.valid, told.scenario) == (2, 1, True, "server")


def test_a_summary_is_read_to_the_last_line(tmp_path: Path) -> None:
    """Metric, verdict, conditions, statistics, figures, estimates and settings."""
    (tmp_path / SUMMARY).write_text(summary_text(queries(100)), encoding="utf-8")
    told = read_summary(tmp_path / SUMMARY)
    assert told.metric == {"90.0th percentile latency (ns)": told.statistics["p90"]}
    assert told.statistics["min"] == 1_000_000
    assert set(told.statistics) == {"min", "max", "mean", "p50", "p90", "p99.9"}
    assert told.constraints["Early stopping satisfied"]
    assert told.early_stopping_ns == {"p90": 3755}
    assert told.rates == {"QPS w/ loadgen overhead": 196039.86}
    assert told.parameters["schedule_rng_seed"] == 16159082839903944936
    assert (told.warnings, told.errors, told.unread) == (0, 1, 0)
    assert (told.scenario, told.mode, told.valid) == ("single-stream", "PerformanceOnly", True)


def test_new_details_are_read_with_quotes_unescaped(tmp_path: Path) -> None:
    """A value that breaks the JSON costs nothing but its type; a line without a key is counted."""
    broken = detail_text("AccuracyOnly").replace('"PySUT"', '"a "quoted" SUT"') + ":::MLLOG {???\n"
    (tmp_path / DETAIL).write_text(broken, encoding="utf-8")
    detail = read_detail(tmp_path / DETAIL)
    assert detail.get("sut_name") == 'a "quoted" SUT'
    assert detail.get("effective_test_mode") == "AccuracyOnly"
    assert {entry.time_ns for entry in detail.entries} == {5718}
    assert detail.unread == 1


@pytest.mark.parametrize("read", [read_trace, read_accuracy, read_detail, read_summary])
def test_a_file_that_is_not_there_is_named(read: object, tmp_path: Path) -> None:
    """As every complaint names what is wrong."""
    assert callable(read)
    with pytest.raises(InputError, match=r"gone\.txt' does not exist"):
        read(tmp_path / "gone.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)
