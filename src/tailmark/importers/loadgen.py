"""LoadGen's logs become a run: with a trace, its queries; without, what it reported and answered.

A trace has every answered query's times and sample, and no answers; an accuracy log has answers and
no times. LoadGen's number of a sample in a test joins them where both are of one test, else the
sample's index in the library does. Nothing is guessed beyond that: what cannot be joined is left
out, and a warning says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.importers.imported import (
    Imported,
    Labels,
    agreement,
    check_size,
    distinct,
    write_run,
)
from tailmark.importers.loadgen_answers import (
    Known,
    check_dtype,
    decode_answers,
    read_labels,
    right_labels,
)
from tailmark.importers.loadgen_tests import LoadGenTest, find_tests
from tailmark.loadgen.logs import TRACE, Trace, read_trace
from tailmark.records.model import NONE, Int32s, Int64s, Round, Run, Status

UNTIMED = "none"

_OPEN = ("server", "offline")
_SETTINGS = {
    "server": {"target_qps": "target_qps"},
    "multi-stream": {"samples_per_query": "samples_per_query"},
}


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """One round to be.

    Args:
        test: Where it comes from.
        trace: Its times; None where there are none.
        query: Shape (rows,).
        index: Which sample of the library each row is, shape (rows,).
        answers: What was answered, shape (rows, ranks); None where that is not known of each.
    """

    test: LoadGenTest
    trace: Trace | None
    query: Int64s
    index: Int64s
    answers: Labels | None = None


def import_loadgen(
    directory: str | Path,
    *,
    labels: str | Path | None = None,
    accuracy: str | Path | None = None,
    dtype: str | None = None,
    out: str | Path,
) -> Run:
    """Turn the logs of LoadGen's tests into a run; each performance test is a round.

    A directory holds one test (``mlperf_log_summary.txt``, ``_detail.txt``, ``_accuracy.json``,
    ``_trace.json``, as far as they are there), or those of one result: ``performance/run_1``, …,
    ``accuracy``, or ``run_1``, …. Files of any version are read, as far as they can be.

    The arguments of every day are the first, ``labels`` and ``out``.

    Args:
        directory: Where the logs are.
        labels: What is right: ``name label`` (as ``val_map.txt``), ``sample,label`` or one label a
            line, in the order of the sample library.
        accuracy: The directory of the accuracy test, where it lies elsewhere.
        dtype: What an answer's bytes are: ``float32``, ``int32``, ``int64``, …, little-endian; by
            default what they look like, with a warning.
        out: The run directory; made, and not left behind on an error.

    Returns:
        The run. Without a trace its queries have no times: `tailmark.reported` tells what LoadGen
        said of them.

    Raises:
        InputError: No log, or those of several results; the labels are not those of the samples.
        StoreError: The run directory cannot be written.
    """
    directory = Path(directory)
    check_dtype(dtype)
    tests = find_tests(directory)
    elsewhere = find_tests(Path(accuracy)) if accuracy else []
    known = read_labels(Path(labels)) if labels else None
    warnings: list[str] = []
    rounds = _timed(tests, warnings)
    if rounds:
        rounds = _answered(rounds, [*elsewhere, *tests], dtype, warnings)
    else:
        if all(test.mode != "peak" for test in tests):
            warnings.append(f"no {TRACE} tells of queries, so their times are not known")
        rounds = _untimed([*elsewhere, *tests], dtype, warnings)
    if known and not any(one.answers is not None for one in rounds):
        raise InputError(
            f"labels are given and {str(directory)!r} holds no answer that is a label: give the "
            "accuracy test's directory by accuracy, or leave labels out"
        )
    said = [*warnings, *_unread([*tests, *elsewhere])]
    found = _found(tests, rounds, known, Path(labels or ""), said)
    extra = tuple(file for test in elsewhere for file in test.files)
    paths = (*found.files, *extra, *((Path(labels),) if labels else ()))
    return write_run(replace(found, files=paths), out)


def _timed(tests: Sequence[LoadGenTest], warnings: list[str]) -> list[_Rows]:
    """The rounds of the tests that have a trace: the performance tests', if one has."""
    rounds = [
        one
        for test in tests
        if test.mode in ("performance", "both")
        for one in _rows_of(test, warnings)
    ]
    if not rounds:
        rounds = [one for t in tests if t.mode == "accuracy" for one in _rows_of(t, warnings)]
        if rounds:
            warnings.append(
                "the times are those of an accuracy test, in which LoadGen sends each sample once "
                "and logs its answer"
            )
    warnings += [
        f"{_named(test, 'the test')} is a search for the peak rate, so its queries are of many "
        "loads and are left out"
        for test in tests
        if test.mode == "peak"
    ]
    return rounds


def _rows_of(test: LoadGenTest, warnings: list[str]) -> list[_Rows]:
    """A test's round; none if its trace tells of no query."""
    path = test.file(TRACE)
    if path is None:
        return []
    trace = read_trace(path)
    if test.mode == "both" and test.accuracy is not None:
        trace = _without(trace, test.accuracy.seq_id)
    warnings += _trace_doubts(test, trace)
    if not len(trace):
        return []
    index = trace.sample_idx
    if (index == NONE).any():
        index = _named_by_answers(test, trace, warnings)
    return [_Rows(test=test, trace=trace, query=trace.query_seq, index=index)]


def _without(trace: Trace, accuracy_seq: Int64s) -> Trace:
    """A submission's trace without the accuracy test before the performance test."""
    keep = ~np.isin(trace.sample_seq, accuracy_seq)
    if not keep.any() or keep.all():
        return trace
    began = trace.scheduled_ns[keep].min()
    return replace(
        trace,
        sample_seq=trace.sample_seq[keep],
        query_seq=trace.query_seq[keep],
        sample_idx=trace.sample_idx[keep],
        scheduled_ns=trace.scheduled_ns[keep] - began,
        issued_ns=trace.issued_ns[keep] - began,
        completed_ns=trace.completed_ns[keep] - began,
    )


def _named(test: LoadGenTest, what: str) -> str:
    """Which of a test's files; without its name where it is the only one."""
    return what if test.name == "." else f"{what} of {test.name!r}"


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"


def _trace_doubts(test: LoadGenTest, trace: Trace) -> list[str]:
    where = _named(test, "the trace")
    said = []
    if not trace.whole:
        said.append(f"{where} is cut short")
    if trace.missing:
        said.append(
            f"{where} lacks {trace.missing} of {len(trace) + trace.missing} samples: they had no "
            "answer or their lines are gone, and nothing is known of them"
        )
    if trace.unread:
        said.append(f"{where} has {_lines(trace.unread)} that cannot be read")
    if trace.repeated:
        said.append(
            f"{where} has {trace.repeated} answers to samples that had one: only the first counts"
        )
    if not len(trace):
        said.append(f"{where} tells of no sample")
    return said


def _named_by_answers(test: LoadGenTest, trace: Trace, warnings: list[str]) -> Int64s:
    """Which samples were sent, where the trace does not say: by the answers of the same test."""
    log = test.accuracy
    if log is not None and np.isin(trace.sample_seq, log.seq_id).all():
        order = np.argsort(log.seq_id, kind="stable")
        place = order[np.searchsorted(log.seq_id[order], trace.sample_seq)]
        named: Int64s = log.qsl_idx[place]
        return named
    warnings.append(
        "the trace does not say which samples were sent: each query counts as a sample of its own, "
        "and answers cannot be joined"
    )
    return trace.sample_seq


def _answered(
    rounds: Sequence[_Rows], tests: Sequence[LoadGenTest], dtype: str | None, warnings: list[str]
) -> list[_Rows]:
    """With the answers of each query, where they are known of all."""
    logs = [(test, test.accuracy) for test in tests if test.accuracy is not None]
    logs = [(test, log) for test, log in logs if len(log)]
    if not logs:
        return list(rounds)
    decoded = [decode_answers(log.data, dtype) for _, log in logs]
    warnings += dict.fromkeys(one.says for one in decoded if one.says)
    given = [
        (test, log, one.labels)
        for (test, log), one in zip(logs, decoded, strict=True)
        if one.labels is not None
    ]
    if not given or len({labels.shape[1] for _, _, labels in given}) > 1:
        return list(rounds)
    own = [
        _looked_up(r.trace.sample_seq, log.seq_id, labels)
        for r in rounds
        for test, log, labels in given
        if r.trace is not None and test.folder == r.test.folder
    ]
    if len(own) == len(rounds) and all(one is not None for one in own):
        return [replace(r, answers=a) for r, a in zip(rounds, own, strict=True)]
    if any((r.trace is not None and (r.trace.sample_idx == NONE).any()) for r in rounds):
        return list(rounds)
    index = np.concatenate([log.qsl_idx for _, log, _ in given])
    labels = np.concatenate([labels for _, _, labels in given])
    joined = [_looked_up(r.index, index, labels) for r in rounds]
    if any(one is None for one in joined):
        sent = np.unique(np.concatenate([r.index for r in rounds]))
        lacking = int((~np.isin(sent, index)).sum())
        warnings.append(
            f"{lacking} of {len(sent)} samples that were sent have no answer in the accuracy log, "
            "so answers are left out"
        )
        return list(rounds)
    warnings.append(
        "answers are those of the accuracy test to the same samples: LoadGen logs none of a "
        "performance test's"
    )
    return [replace(r, answers=a) for r, a in zip(rounds, joined, strict=True)]


def _looked_up(wanted: Int64s, keys: Int64s, labels: Labels) -> Labels | None:
    """The labels of each key that is wanted, the first of equal keys; None if one is not there."""
    order = np.argsort(keys, kind="stable")
    place = np.searchsorted(keys[order], wanted)
    if (place >= len(keys)).any() or (keys[order[place]] != wanted).any():
        return None
    found: Labels = labels[order[place]]
    return found


def _untimed(tests: Sequence[LoadGenTest], dtype: str | None, warnings: list[str]) -> list[_Rows]:
    """A round for each accuracy log: answers without times."""
    rounds = []
    for test in tests:
        log = test.accuracy
        if log is None or not len(log):
            continue
        decoded = decode_answers(log.data, dtype)
        if decoded.says and decoded.says not in warnings:
            warnings.append(decoded.says)
        _, first = np.unique(log.seq_id, return_index=True)
        labels = None if decoded.labels is None else decoded.labels[first]
        rounds.append(
            _Rows(
                test=test,
                trace=None,
                query=log.seq_id[first],
                index=log.qsl_idx[first],
                answers=labels,
            )
        )
    if len({one.answers.shape[1] for one in rounds if one.answers is not None}) > 1:
        raise InputError("the accuracy logs hold answers of different length: import them apart")
    return rounds


def _unread(tests: Sequence[LoadGenTest]) -> list[str]:
    """How much of the other files could not be read."""
    said = []
    for test in tests:
        lost = {
            "the summary": test.summary.unread,
            "the detail log": test.detail.unread,
            "the accuracy log": test.accuracy.unread if test.accuracy else 0,
        }
        said += [
            f"{_named(test, what)} has {_lines(n)} that cannot be read"
            for what, n in lost.items()
            if n
        ]
    return said


def _found(
    tests: Sequence[LoadGenTest],
    rounds: Sequence[_Rows],
    known: Known | None,
    labels: Path,
    warnings: Sequence[str],
) -> Imported:
    """What a run is written from."""
    timed = any(one.trace is not None for one in rounds)
    sent = np.unique(np.concatenate([one.index for one in rounds])) if rounds else _nothing()
    check_size(len(sent), sum(len(one.index) for one in rounds), "the logs")
    answers, output_ids = _distinct(rounds)
    right = right_labels(known, sent, labels) if known else None
    scenario = next((test.scenario for test in tests if test.scenario), "unknown")
    first = tests[0].summary.parameters
    names = known.name if known else {}
    doubts = agreement(right, answers)
    return Imported(
        source="loadgen",
        files=tuple(file for test in tests for file in test.files),
        ids=tuple(names.get(int(s), str(s)) for s in sent),
        references=right,
        answers=None if answers is None else {"labels": answers},
        count=len(rounds),
        rounds=_maker(rounds, sent, output_ids, scenario),
        timed="total" if timed else UNTIMED,
        workload={"order": "as LoadGen sent them"},
        scenario=scenario,
        settings={
            ours: first[theirs]
            for ours, theirs in _SETTINGS.get(scenario, {}).items()
            if theirs in first
        },
        require=_required(tests, scenario) if timed else None,
        system=_system(tests),
        reported=_reported(tests, rounds if timed else ()),
        warnings=(*dict.fromkeys(warnings), *doubts),
    )


def _nothing() -> Int64s:
    return np.empty(0, dtype=np.int64)


def _distinct(rounds: Sequence[_Rows]) -> tuple[Labels | None, list[Int32s | None]]:
    """The distinct answers of all rounds, and which of them each row is."""
    given = [one.answers for one in rounds if one.answers is not None]
    if not given:
        return None, [None] * len(rounds)
    answers, place = distinct(np.concatenate(given))
    ends = np.cumsum([len(one) for one in given])[:-1]
    places = iter(np.split(place, ends))
    return answers, [None if one.answers is None else next(places) for one in rounds]


def _maker(
    rounds: Sequence[_Rows], sent: Int64s, output_ids: Sequence[Int32s | None], scenario: str
) -> Callable[[], Iterator[Round]]:
    def make() -> Iterator[Round]:
        for number, (one, output) in enumerate(zip(rounds, output_ids, strict=True)):
            yield _round(number, one, np.searchsorted(sent, one.index), output, scenario)

    return make


def _round(
    number: int,
    one: _Rows,
    sample: npt.NDArray[np.int64],
    output: Int32s | None,
    scenario: str,
) -> Round:
    rows = len(sample)
    none = np.full(rows, NONE, dtype=np.int64)
    trace = one.trace
    facts: dict[str, Any] = {"order": "as LoadGen sent them", "test": one.test.name}
    if began := one.test.detail.get("test_datetime"):
        facts["began"] = str(began)
    if trace is not None:
        facts["duration_ns"] = int(trace.completed_ns.max())
        facts |= {"open_loop": True} if scenario in _OPEN else {}
        facts |= {"together": True} if scenario == "multi-stream" else {}
    return Round(
        index=number,
        facts=facts,
        query=one.query,
        sample=sample.astype(np.int32),
        scheduled_ns=none if trace is None else trace.scheduled_ns,
        issued_ns=none if trace is None else trace.issued_ns,
        completed_ns=none if trace is None else trace.completed_ns,
        status=np.full(rows, Status.ok, dtype=np.int8),
        output_id=none.astype(np.int32) if output is None else output,
    )


def _required(tests: Sequence[LoadGenTest], scenario: str) -> Mapping[str, Any] | None:
    """The server's latency bound, as the test had it."""
    detail = tests[0].detail
    bound = detail.get("effective_target_latency_ns")
    share = detail.get("effective_target_latency_percentile")
    sound = isinstance(bound, int) and bound > 0 and isinstance(share, float) and 0 < share < 1
    if scenario != "server" or not sound:
        return None
    return {"latency": f"p{100 * share:g} <= {bound}ns"}


def _system(tests: Sequence[LoadGenTest]) -> Mapping[str, Any]:
    """What the logs say of the system: its name."""
    name = tests[0].summary.sut or tests[0].detail.get("sut_name")
    return {"name": str(name)} if name else {}


def _reported(
    tests: Sequence[LoadGenTest], rounds: Sequence[_Rows]
) -> tuple[Mapping[str, Any], ...]:
    """What LoadGen said of each test, and which round it became."""
    number = {one.test.folder: k for k, one in enumerate(rounds)}
    return tuple(
        {
            "by": "loadgen",
            "test": test.name,
            "round": number.get(test.folder),
            "kind": test.mode,
            "version": test.detail.get("loadgen_version"),
            "began": test.detail.get("test_datetime"),
            **test.summary.to_dict(),
            "scenario": test.scenario,
        }
        for test in tests
    )
