"""LoadGen's logs as it writes them, with any content."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from tailmark.loadgen.logs import ACCURACY, DETAIL, SUMMARY, TRACE


@dataclass(frozen=True)
class Sent:
    """One answered sample: times in ns, the scheduled one since logging began."""

    sample_seq: int
    query_seq: int
    sample_idx: int
    scheduled: int
    issued: int
    completed: int


HEADER = '{"traceEvents":[\n'
FOOTER = (
    '{"name":"LastTrace"}\n],\n"displayTimeUnit":"ns",\n"otherData":{\n"ts":1572622573253469.000,\n'
    '"version":"MLPerf LoadGen v1.0"\n}\n}\n'
)
LOUD = (
    '{"name":"LogDetail","ph":"X","pid":1,"tid":2,"ts":9.967,"dur":0.4,"args":{"message":"Loading '
    'QSL : "set" : "[1,2]""}},\n'
)
"""Old versions wrote quotes unescaped, so a trace is no JSON."""


def micros(ns: int) -> str:
    """Microseconds with three decimals."""
    return f"{'-' if ns < 0 else ''}{abs(ns) // 1000}.{abs(ns) % 1000:03d}"


def begin_line(one: Sent) -> str:
    """The line that says everything."""
    return (
        f'{{"name":"Sample","cat":"default","ph":"b","pid":7,"id":{one.sample_seq},'
        f'"ts":{micros(one.scheduled)},"args":{{"sample_seq":{one.sample_seq},'
        f'"query_seq":{one.query_seq},"sample_idx":{one.sample_idx},'
        f'"issue_start_ns":{one.issued},"complete_ns":{one.completed}}}}},\n'
    )


def lines_of(one: Sent) -> str:
    """All lines of one sample."""
    done = micros(one.scheduled + one.completed)
    return (
        f'{{"name":"Latency","ph": "C","pid":7,"ts":{micros(one.scheduled)},"args":{{ '
        f'"issue_delay":{one.issued},"issue_to_done":{one.completed - one.issued}}}}},\n'
        + begin_line(one)
        + f'{{"name":"Sample","cat":"default","ph":"e", "pid":7,"id":{one.sample_seq},'
        f'"ts":{done}}},\n'
        f'{{"name":"QuerySamplesComplete","ph":"X","pid":7,"tid":7,"ts":{done},"dur":4.803,'
        '"args":{}},\n'
    )


def trace_text(sent: Sequence[Sent]) -> str:
    """A whole trace."""
    return HEADER + LOUD + "".join(map(lines_of, sent)) + FOOTER


def queries(count: int, *, library: int = 10, took: int = 1_000_000) -> list[Sent]:
    """A single stream: samples in turn, each 1 % slower than the one before."""
    found, due = [], 5_000_000
    for k in range(count):
        spent = took + k * took // 100
        found.append(Sent(k, k, (k * 3) % library, due, 0, spent))
        due += spent + 1_000
    return found


def accuracy_text(answers: Sequence[tuple[int, int, bytes]]) -> str:
    """An accuracy log of (seq_id, qsl_idx, data)."""
    entries = (
        f'\n{{ "seq_id" : {seq}, "qsl_idx" : {index}, "data" : "{data.hex().upper()}" }}'
        for seq, index, data in answers
    )
    return "[" + ",".join(entries) + "\n]\n"


SUMMARY_TEXT = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : SingleStream
Mode     : PerformanceOnly
90.0th percentile latency (ns) : {p90}
Result is : VALID
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
Early Stopping Result:
 * Processed at least 64 queries (300).
 * Would discard 17 highest latency queries.
 * Early stopping 90.0th percentile estimate: 3755

================================================
Additional Stats
================================================
QPS w/ loadgen overhead         : 196039.86

Min latency (ns)                : {min}
Max latency (ns)                : {max}
Mean latency (ns)               : {mean}
50.00 percentile latency (ns)   : {p50}
90.00 percentile latency (ns)   : {p90}
99.90 percentile latency (ns)   : {p999}

================================================
Test Parameters Used
================================================
samples_per_query : 1
target_qps : 1000
schedule_rng_seed : 16159082839903944936
print_timestamps : 0

No warnings encountered during test.

1 ERROR encountered. See detailed log.
"""


def summary_text(sent: Sequence[Sent]) -> str:
    """What LoadGen would say of them, by its own formula: ``sorted[floor(n p)]``."""
    ordered = sorted(one.completed for one in sent)
    n = len(ordered)
    return SUMMARY_TEXT.format(
        min=ordered[0],
        max=ordered[-1],
        mean=sum(ordered) // n,
        p50=ordered[int(n * 0.5)],
        p90=ordered[int(n * 0.9)],
        p999=ordered[int(n * 0.999)],
    )


def detail_text(mode: str, scenario: str = "SingleStream") -> str:
    """Some lines of a detail log."""
    values = {
        "loadgen_version": "6.0.17 @ d6147c7eb7",
        "test_datetime": "2026-11-22T21:06:39Z",
        "sut_name": "PySUT",
        "effective_scenario": scenario,
        "effective_test_mode": mode,
        "effective_target_latency_ns": 15_000_000,
        "effective_target_latency_percentile": 0.99,
    }
    return "".join(
        f':::MLLOG {{"key": "{key}", "value": {json.dumps(value)}, "time_ms": 0.005718, '
        '"namespace": "mlperf::logging", "event_type": "POINT_IN_TIME", "metadata": {"is_error": '
        'false, "is_warning": false, "file": "x.cc", "line_no": 1, "pid": 2, "tid": 2}}\n'
        for key, value in values.items()
    )


def performance_test(folder: Path, sent: Sequence[Sent], *, trace: bool = True) -> Path:
    """The files of a performance test."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).write_text(summary_text(sent), encoding="utf-8")
    (folder / DETAIL).write_text(detail_text("PerformanceOnly"), encoding="utf-8")
    (folder / ACCURACY).write_text("[\n]\n", encoding="utf-8")
    if trace:
        (folder / TRACE).write_text(trace_text(sent), encoding="utf-8")
    return folder


def accuracy_test(folder: Path, answers: Sequence[tuple[int, int, bytes]]) -> Path:
    """The files of an accuracy test."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).write_text("\nNo warnings encountered during test.\n", encoding="utf-8")
    (folder / DETAIL).write_text(detail_text("AccuracyOnly"), encoding="utf-8")
    (folder / ACCURACY).write_text(accuracy_text(answers), encoding="utf-8")
    return folder


@st.composite
def sents(draw: st.DrawFn) -> list[Sent]:
    """Any samples of any test, in the order of their numbers."""
    numbers = draw(st.lists(st.integers(0, 10**6), unique=True, max_size=12).map(sorted))
    times = st.integers(0, 10**12)
    return [
        Sent(n, draw(st.just(n)), draw(st.integers(0, 10**8)), *(draw(times) for _ in range(3)))
        for n in numbers
    ]
