"""A log that is cut short or garbled costs what is broken of it, and never more than a sentence."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tailmark
from loadgen.test_a_written_log_comes_back import accuracy_of, rows, trace_of, wanted
from loadgen.written import (
    Sent,
    accuracy_text,
    begin_line,
    detail_text,
    queries,
    summary_text,
    trace_text,
)
from tailmark.analysis.reported import reported
from tailmark.errors import InputError
from tailmark.loadgen.logs import ACCURACY, DETAIL, SUMMARY, TRACE, read_detail, read_summary

SENT = queries(12)
ANSWERS = [(k, (k * 3) % 10, bytes([k, 0, 0, 0])) for k in range(12)]
WHOLE = {
    TRACE: trace_text(SENT).encode(),
    ACCURACY: accuracy_text(ANSWERS).encode(),
    SUMMARY: summary_text(SENT).encode(),
    DETAIL: detail_text("PerformanceOnly").encode(),
}
OLD_DETAIL = (
    b'"pid": 1, "tid": 1, "ts": 2205ns : version : .5a1 @ 1b1cabc04b\n'
    b'"pid": 1, "tid": 1, "ts": 38477ns : Effective Settings:\n'
    b'"pid": 1, "tid": 1, "ts": 38477ns : target_latency (ns): 10000000\n'
    b'"pid": 1, "tid": 1, "ts": 99ns : ERROR : Ending early: Ran out of queries.\n'
)


@st.composite
def garbled(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a part of it replaced, and its end gone."""
    start = draw(st.integers(0, len(content)))
    stop = draw(st.integers(start, min(len(content), start + 60)))
    noise = draw(st.binary(max_size=20) | st.sampled_from([b"{", b"}", b'"', b"\n", b"9" * 40]))
    content = content[:start] + noise + content[stop:]
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


@given(st.integers(0, len(WHOLE[TRACE])))
def test_a_trace_that_is_cut_has_its_first_samples(end: int) -> None:
    """Those whose numbers are all there; and it says that its end is gone."""
    content = WHOLE[TRACE][:end]
    count = sum((begin_line(one).rstrip("},\n") + "}").encode() in content for one in SENT)
    trace = trace_of(content)
    assert rows(trace) == wanted(SENT[:count])
    assert trace.whole == (b'{"name":"LastTrace"' in content)


@given(st.integers(0, len(SENT) - 1), st.data())
def test_a_garbled_line_costs_that_line(which: int, data: st.DataObject) -> None:
    """The others are read, and the broken one is counted."""
    line = begin_line(SENT[which])
    cut = data.draw(st.integers(45, len(line) - 10))
    text = trace_text(SENT).replace(line, line[:cut] + "\x00?" + "\n")
    trace = trace_of(text)
    assert rows(trace) == wanted(SENT[:which] + SENT[which + 1 :])
    assert trace.unread >= 1


@given(st.lists(st.integers(1, WHOLE[TRACE].count(b"\n") - 1), max_size=5))
def test_lines_that_are_no_events_are_counted(places: list[int]) -> None:
    """Stray bytes between whole lines cost nothing, and each is told."""
    lines = WHOLE[TRACE].decode().splitlines(keepends=True)
    for place in places:
        lines.insert(place, "\x07 stray\n")
    trace = trace_of("".join(lines))
    assert rows(trace) == wanted(SENT)
    assert trace.unread == len(places)


@given(st.integers(0, len(WHOLE[ACCURACY])))
def test_an_accuracy_log_that_is_cut_has_its_first_answers(end: int) -> None:
    """Those whose entries are whole."""
    content = WHOLE[ACCURACY][:end]
    log = accuracy_of(content)
    count = content.count(b"}")
    assert log.data == tuple(data for _, _, data in ANSWERS[:count])
    assert log.unread == content.count(b'"seq_id"') - count


def test_a_submissions_accuracy_log_has_its_two_ends() -> None:
    """What the rules leave of it: the first and the last 4 KiB, with dots between."""
    answers = [(k, k, bytes(8)) for k in range(1000)]
    content = accuracy_text(answers).encode()
    log = accuracy_of(content[:4096] + b"\n\n...\n\n" + content[-4096:])
    kept = log.seq_id.tolist()
    assert kept[0] == 0
    assert kept[-1] == 999
    assert 100 < len(kept) < 200
    assert log.unread == 1  # the one that was cut in its data


@given(garbled(WHOLE[TRACE]), garbled(WHOLE[ACCURACY]))
def test_no_garbling_is_a_traceback(trace: bytes, accuracy: bytes) -> None:
    """Numbers stay numbers: never more samples than lines, never a time before the first."""
    read = trace_of(trace)
    assert len(read) <= trace.count(b"\n") + 1
    assert read.scheduled_ns.min(initial=0) >= 0
    assert (read.completed_ns >= read.scheduled_ns).all()
    assert accuracy_of(accuracy).unread >= 0


@given(garbled(WHOLE[SUMMARY]), garbled(WHOLE[DETAIL]) | garbled(OLD_DETAIL))
def test_nor_is_one_of_the_texts(summary: bytes, detail: bytes) -> None:
    """Whatever cannot be read is counted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        path.write_bytes(summary)
        assert read_summary(path).unread >= 0
        path.write_bytes(detail)
        assert read_detail(path).unread >= 0


@settings(max_examples=20)
@given(st.fixed_dictionaries({name: garbled(content) for name, content in WHOLE.items()}))
def test_garbled_logs_become_a_run_or_a_sentence(files: dict[str, bytes]) -> None:
    """One that every command can open, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        logs.mkdir()
        for name, content in files.items():
            (logs / name).write_bytes(content)
        out = Path(folder) / "run"
        with suppress(InputError):
            run = tailmark.import_loadgen(logs, out=out)
            tell = tailmark.summarize if run.manifest.experiment["timed"] != "none" else reported
            assert tell(run).to_dict()
        assert not out.exists() or tailmark.open_run(out).complete


@pytest.mark.parametrize(
    "huge",
    [
        Sent(99, 0, 0, 0, 0, 10**25),
        Sent(99, 0, 0, 0, 0, 10**17),
        Sent(99, 0, 0, 10**17, 0, 0),
        Sent(10**18, 0, 0, 0, 0, 0),
    ],
)
def test_numbers_beyond_any_test_are_not_read(huge: Sent) -> None:
    """They would wrap around in 64 bits."""
    trace = trace_of(trace_text([huge, *SENT]))
    assert rows(trace) == wanted(SENT)
    assert trace.unread == 1
