"""Whatever LoadGen writes is read back, as it wrote it or as another program wrote it anew."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.written import FOOTER, HEADER, Sent, accuracy_text, lines_of, sents, trace_text
from tailmark.loadgen import reading
from tailmark.loadgen.accuracy import Accuracy, read_accuracy
from tailmark.loadgen.trace import Trace, read_trace

ANSWERS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.binary(max_size=9)))


def trace_of(text: str | bytes) -> Trace:
    """What is read of a trace with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_trace(path)


def accuracy_of(text: str | bytes) -> Accuracy:
    """What is read of an accuracy log with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "accuracy.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_accuracy(path)


def rows(trace: Trace) -> list[tuple[int, ...]]:
    """A trace, sample by sample."""
    columns = (
        trace.sample_seq,
        trace.query_seq,
        trace.sample_idx,
        trace.scheduled_ns,
        trace.issued_ns,
        trace.completed_ns,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def wanted(sent: list[Sent]) -> list[tuple[int, ...]]:
    """What `rows` has to be."""
    began = min((one.scheduled for one in sent), default=0)
    return [
        (
            one.sample_seq,
            one.query_seq,
            one.sample_idx,
            one.scheduled - began,
            one.scheduled - began + one.issued,
            one.scheduled - began + one.completed,
        )
        for one in sorted(sent, key=lambda one: one.sample_seq)
    ]


@given(sents(), st.randoms(use_true_random=False))
def test_every_sample_of_a_trace_comes_back(sent: list[Sent], order: random.Random) -> None:
    """In the order in which they were issued, however they were answered."""
    mixed = list(sent)
    order.shuffle(mixed)
    trace = trace_of(trace_text(mixed))
    assert rows(trace) == wanted(sent)
    assert (trace.unread, trace.repeated, trace.whole) == (0, 0, True)


@given(sents(), st.sampled_from([None, 1]))
def test_a_trace_that_was_written_anew_comes_back(sent: list[Sent], indent: int | None) -> None:
    """As any JSON library writes it, in one line or in many."""
    document = json.loads(HEADER + "".join(map(lines_of, sent)) + FOOTER)
    trace = trace_of(json.dumps(document, indent=indent))
    assert rows(trace) == wanted(sent)


@given(sents().filter(len), st.data())
def test_a_second_answer_is_left_out_and_counted(sent: list[Sent], data: st.DataObject) -> None:
    """LoadGen logs it before it finds that the sample had one."""
    again = data.draw(st.sampled_from(sent))
    late = Sent(*(again.sample_seq, again.query_seq, again.sample_idx, again.scheduled, 0, 10**13))
    trace = trace_of(trace_text([*sent, late]))
    assert rows(trace) == wanted(sent)
    assert trace.repeated == 1


def test_a_trace_of_many_pieces_is_read_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Wherever the pieces end."""
    sent = [Sent(k, k, k, 1000 * k, 1, 7 * k) for k in range(200)]
    path = tmp_path / "trace.json"
    path.write_text(trace_text(sent), encoding="utf-8")
    for size in (100, 257, 1000):
        monkeypatch.setattr(reading, "PIECE_BYTES", size)
        trace = read_trace(path)
        assert rows(trace) == wanted(sent)
        assert (trace.unread, trace.whole) == (0, True)


@given(ANSWERS)
def test_every_answer_comes_back(answers: list[tuple[int, int, bytes]]) -> None:
    """As LoadGen writes it, and as any JSON library does."""
    text = accuracy_text(answers)
    for one in (text, json.dumps(json.loads(text)), json.dumps(json.loads(text), indent=2)):
        log = accuracy_of(one)
        held = zip(log.seq_id.tolist(), log.qsl_idx.tolist(), log.data, strict=True)
        assert list(held) == answers
        assert (log.unread, log.token_count) == (0, None)


@given(st.lists(st.tuples(st.integers(0, 99), st.binary(max_size=4), st.integers(1, 10**6))))
def test_tokens_are_counted_where_they_are_logged(
    answers: list[tuple[int, bytes, int]],
) -> None:
    """With or without the first tokens beside."""
    entries: list[dict[str, Any]] = [
        {"seq_id": n, "qsl_idx": n, "data": data.hex(), "token_data": "00", "token_count": count}
        for n, data, count in answers
    ]
    for one in (entries, [{k: v for k, v in e.items() if k != "token_data"} for e in entries]):
        log = accuracy_of(json.dumps(one))
        assert len(log) == len(answers)
        if answers:
            assert log.token_count is not None
            assert log.token_count.tolist() == [count for _, _, count in answers]
