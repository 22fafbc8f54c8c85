"""What every plug-in owes its seam. Each check raises an AssertionError that says what is missing.

A plug-in's own tests call the check of its seam; ours call all of them on every built-in.
"""

import json
import pickle
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from tailmark.conversion.base import Conversion, Inputs
from tailmark.decode.base import Declared, Decoder
from tailmark.quality.base import Arrivals, Metric, SetGrader
from tailmark.records.model import Int32s, Run
from tailmark.scenario.base import Order, Scenario, Schedule
from tailmark.stopping import StoppingRule, first_rounds
from tailmark.system.asynchronous import as_predictor
from tailmark.system.base import Batch, System, joined, split, with_batch_axis
from tailmark.workload.base import Workload

_GRACE_S = 0.1


def check_workload(workload: Workload) -> None:
    """A workload opens to the same samples each time, here and in another process."""
    _plain(workload.describe(), "describe()")
    samples, again = workload.open(), pickle.loads(pickle.dumps(workload)).open()  # noqa: S301
    count = len(samples)
    _owes(count > 0, "a workload has at least one sample")
    _owes(len(set(samples.ids)) == count, "sample ids are unique")
    _owes(samples.fingerprint == again.fingerprint, "the fingerprint is the same when opened again")
    _owes(samples.ids == again.ids, "the ids are the same when opened again")
    if samples.references is not None:
        _owes(_rows(samples.references) == count, "there is one reference a sample")
    for index in {0, count // 2, count - 1}:
        one = with_batch_axis(samples.prepare(samples.load(index)))
        other = with_batch_axis(again.prepare(again.load(index)))
        for values, same in zip(_arrays(one), _arrays(other), strict=True):
            _owes(np.array_equal(values, same), f"sample {index} is the same when opened again")
            _owes(values.flags.c_contiguous, f"sample {index} is contiguous")
        if samples.thumbnail is not None:
            picture = samples.thumbnail(index)
            _owes(picture[:3] in (b"\x89PN", b"\xff\xd8\xff"), "a thumbnail is a PNG or a JPEG")


def check_system(system: System, batch: Batch) -> None:
    """A system opens twice, answers a batch of one, gives the same shape, and keeps its input.

    Args:
        system: The recipe.
        batch: A batch of one that it takes.
    """
    _plain(system.describe(), "describe()")
    fingerprint = system.fingerprint()
    _owes(fingerprint is None or len(fingerprint) == 64, "a fingerprint is SHA-256 in hex, or None")
    predictor = as_predictor(system.open())
    predictor.check(batch)
    before = [values.copy() for values in _arrays(batch)]
    first, second = predictor.predict(batch), predictor.predict(batch)
    for values, kept in zip(_arrays(batch), before, strict=True):
        _owes(np.array_equal(values, kept, equal_nan=values.dtype.kind == "f"), "the input is kept")
    _owes(np.shape(first) == np.shape(second), "the output's shape does not change")
    _plain(predictor.describe(), "the predictor's describe()")
    other = as_predictor(system.open()).predict(batch)
    _owes(np.shape(other) == np.shape(first), "a second opening gives the same shape")


def check_responder(system: System, batch: Batch, patience_s: float = 30.0) -> None:
    """A system that answers when it likes completes every ticket once, whatever it has in hand.

    Args:
        system: The recipe; what it opens into has ``submit``.
        batch: A batch of one that it takes.
        patience_s: How long it may take over some twenty tickets.
    """
    live = system.open()
    _owes(hasattr(live, "submit"), "what it opens into has submit(tickets, batches, complete)")
    responder: Any = live
    responder.check(batch)
    completed: list[int] = []
    errors: list[BaseException] = []
    all_there = threading.Event()
    queries = [[0], [1, 2, 3], [7], *([ticket] for ticket in range(20, 36))]
    asked = [ticket for query in queries for ticket in query]

    def complete(ticket: int, output: Any = None, error: BaseException | None = None) -> None:
        del output
        completed.append(ticket)
        errors.extend([error] if error is not None else [])
        if len(completed) >= len(asked):
            all_there.set()

    for query in queries:
        responder.submit(query, [batch] * len(query), complete)
    _owes(all_there.wait(patience_s), f"every ticket is completed within {patience_s:g} s")
    threading.Event().wait(_GRACE_S)  # what comes twice may come a little later
    _owes(not errors, f"a batch that it takes is answered, and not with {errors[:1]}")
    _owes(sorted(completed) == asked, "each ticket is completed once, and no other")
    _plain(responder.describe(), "the responder's describe()")


def check_batches(
    system: System, batch: Batch, *, relative: float = 1e-3, absolute: float = 1e-4
) -> None:
    """Answers in a batch are the answers one by one, whoever else is in it and in whatever order.

    `tailmark.comply` holds the labels of a whole workload against each other; this is a first look.

    Args:
        system: The recipe.
        batch: Two samples or more, as many at once as it takes.
        relative: How far numbers may lie apart, as a share: sums are taken in another order.
        absolute: And in all. Whole numbers have to be equal.
    """
    ones = split(batch, len(_arrays(batch)[0]))
    _owes(len(ones) > 1, "there is a batch of two or more to check with")
    predictor = as_predictor(system.open())
    alone = [_arrays(predictor.predict(one)) for one in ones]
    for order in (range(len(ones)), range(len(ones))[::-1], range(len(ones) - 1)):
        output = predictor.predict(joined([ones[i] for i in order]))
        try:
            answers = split(output, len(order))
        except ValueError as cause:
            raise AssertionError(f"a batch has an output for each sample: {cause}") from cause
        for i, answer in zip(order, answers, strict=True):
            for a, b in zip(alone[i], _arrays(answer), strict=True):
                _owes(
                    _close(np.asarray(a), np.asarray(b), relative, absolute),
                    f"sample {i} is answered in a batch of {len(order)} as by itself",
                )


def _close(a: Any, b: Any, relative: float, absolute: float) -> bool:
    if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
        return False
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    return np.allclose(a, b, rtol=relative, atol=absolute, equal_nan=True)


def check_conversion(conversion: Conversion, source: Path, inputs: Inputs) -> None:
    """A conversion writes the file it names, and the same model each time; for ONNX models.

    Args:
        conversion: The recipe.
        source: A model that it takes.
        inputs: Of the source, one or more and as many as it wants.
    """
    _plain(conversion.describe(), "describe()")
    _owes(isinstance(conversion.describe().get("kind"), str), "describe() has its kind")
    copy = pickle.loads(pickle.dumps(conversion))  # noqa: S301
    _owes(copy == conversion, "a recipe equals its pickled copy")
    _owes(all(isinstance(one, str) for one in conversion.tools), "tools are distributions' names")
    _owes(conversion.wants_inputs >= 0, "it wants a number of inputs")
    before = source.read_bytes()
    answers = []
    with tempfile.TemporaryDirectory(prefix="tailmark-") as folder:
        for name, recipe in (("first", conversion), ("second", copy)):
            out = Path(folder) / name / conversion.writes
            out.parent.mkdir()
            recipe.convert(source, out, inputs[: conversion.wants_inputs])
            _owes(out.exists(), f"it writes {conversion.writes!r}")
            if out.suffix == ".onnx":
                answers.append([_answers(out, one) for one in inputs])
    _owes(source.read_bytes() == before, "the source is kept")
    if answers:
        first, second = (np.concatenate(one) for one in answers)
        _owes(np.array_equal(first, second, equal_nan=True), "two makings answer the same")


def _answers(model: Path, inputs: Any) -> Any:
    """All outputs of an ONNX model in a row; what it takes in half precision is given so."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # several take sums in another order
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    named = inputs if isinstance(inputs, Mapping) else {session.get_inputs()[0].name: inputs}
    half = {one.name for one in session.get_inputs() if one.type == "tensor(float16)"}
    given = {n: v.astype(np.float16) if n in half else v for n, v in named.items()}
    return np.concatenate([np.ravel(one) for one in session.run(None, given)])


def check_decoder(decoder: Decoder, raw: Any, declared: Declared | None = None) -> None:
    """A decoder's answers have its columns, and do not change with the calls between.

    Args:
        decoder: The recipe.
        raw: An output it reads.
        declared: What the workload says of its samples.
    """
    _plain(decoder.describe(), "describe()")
    decode, warnings = decoder.bind(raw, declared or Declared())
    _owes(all(isinstance(w, str) for w in warnings), "warnings are sentences")
    first, second = decode(raw, 0), decode(raw, 0)
    _owes(len(first) == len(decoder.columns), "an answer has a part for each column")
    _owes(set(decoder.ragged) <= set(decoder.columns), "ragged columns are columns")
    for a, b in zip(first, second, strict=True):
        _owes(isinstance(a, np.ndarray), "an answer's parts are arrays")
        _owes(a.dtype == b.dtype and np.array_equal(a, b), "the same output gives the same answer")


def check_metric(metric: Metric, outputs: Any, references: Any) -> None:
    """A metric scores each row by itself, from 0 to 1; one of sets grades what is there, no more.

    Args:
        metric: What to check.
        outputs: As it takes them, one a sample.
        references: Likewise.
    """
    _owes(isinstance(metric.name, str) and bool(metric.name), "a metric has a name")
    grader = metric.prepare(outputs, references)
    rows = np.arange(_rows(references), dtype=np.int32)
    scores = grader.scores(rows, rows)
    _owes(scores.shape == rows.shape and scores.dtype == np.float64, "one float64 score a row")
    _owes(bool(((scores >= 0) & (scores <= 1)).all()), "scores are from 0 to 1")
    backwards = grader.scores(rows[::-1].copy(), rows[::-1].copy())
    _owes(np.array_equal(backwards[::-1], scores), "a row's score does not depend on the others")
    nothing = grader.scores(rows, np.full_like(rows, -1))
    _owes(not nothing.any(), "no answer scores 0")
    if isinstance(grader, SetGrader):
        for left_out in (False, True):
            _check_sets(grader, rows, left_out=left_out)


def _check_sets(grader: SetGrader, sample: Int32s, *, left_out: bool) -> None:
    row = np.arange(len(sample), dtype=np.int64)
    at_ns = 2 * row + 1
    arrivals = Arrivals(sample=sample, row=row, at_ns=at_ns, output=sample, left_out=left_out)
    deadlines = np.arange(2 * len(sample) + 2, dtype=np.int64)
    values = grader.by_deadline(arrivals, deadlines)
    _owes(values.shape == deadlines.shape and values.dtype == np.float64, "one float64 a deadline")
    known = values[np.isfinite(values)]
    _owes(bool(((known >= 0) & (known <= 1)).all()), "quality is from 0 to 1")
    alone = [grader.by_deadline(arrivals, deadlines[k : k + 1])[0] for k in range(len(deadlines))]
    _owes(_equal(values, np.array(alone)), "a deadline's quality does not depend on the others")
    _owes(_equal(values[1:-1:2], values[2::2]), "quality changes only where an answer comes")
    twice = Arrivals(
        sample=sample,
        row=np.repeat(row, 2),
        at_ns=np.repeat(at_ns, 2) - np.tile([1, 0], len(row)),
        output=np.stack([np.roll(sample, 1), sample], axis=1).ravel(),
        left_out=left_out,
    )
    last = deadlines[-1:]
    _owes(
        _equal(grader.by_deadline(twice, last), values[-1:]),
        "a later answer takes the place of the one before",
    )
    backwards = replace(arrivals, sample=sample[::-1].copy(), output=sample[::-1].copy())
    _owes(
        _equal(grader.by_deadline(backwards, last), values[-1:]),
        "the order of the rows makes no difference",
    )


def _equal(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=0, atol=1e-12, equal_nan=True))


def _rows(values: Any) -> int:
    return len(next(iter(values.values()))) if isinstance(values, Mapping) else len(values)


def check_scenario(scenario: Scenario, samples: int = 20) -> None:
    """A schedule is whole, depends on (seed, round) alone, and its order is what it says.

    Args:
        scenario: The recipe.
        samples: In the workload, enough that no two orders of a round are alike by chance.
    """
    _plain(scenario.describe(), "describe()")
    copy = pickle.loads(pickle.dumps(scenario))  # noqa: S301
    _owes(copy == scenario, "a recipe equals its pickled copy")
    for order in get_args(Order):
        rounds = [scenario.schedule(samples, order=order, seed=1, index=i) for i in range(6)]
        again = [copy.schedule(samples, order=order, seed=1, index=i) for i in range(6)]
        for first, second in zip(rounds, again, strict=True):
            _check_schedule(first, samples)
            same = np.array_equal(first.sample, second.sample) and (
                (first.due_ns is None and second.due_ns is None)
                or np.array_equal(_times(first), _times(second))
            )
            _owes(same, "the same seed and round give the same schedule")
            _owes(_in_order(first.sample, samples, order), f"order {order!r} is what it says")
        if order != "fixed":
            moved = any(not np.array_equal(rounds[0].sample, one.sample) for one in rounds)
            _owes(moved, f"order {order!r} is what it says, anew each round")


def _check_schedule(one: Schedule, samples: int) -> None:
    _owes(one.sample.dtype == np.int32, "a schedule's samples are int32")
    _owes(len(one.sample) > 0, "a round sends something")
    _owes(
        bool(((one.sample >= 0) & (one.sample < samples)).all()), "a schedule names known samples"
    )
    _owes(one.per_query >= 1, "a query has at least one sample")
    if one.due_ns is None:
        return
    _owes(one.due_ns.dtype == np.int64, "times are int64")
    _owes(one.due_ns.shape == (one.queries,), "each query of an open loop is due once")
    _owes(bool((np.diff(one.due_ns, prepend=0) >= 0).all()), "times ascend from zero or more")


def _times(one: Schedule) -> Any:
    return [] if one.due_ns is None else one.due_ns


def _in_order(sample: Int32s, samples: int, order: Order) -> bool:
    """Whether each pass is as the order has it; what replacement draws, chance says."""
    if order == "replacement":
        return True
    if order == "fixed":
        return np.array_equal(sample, np.resize(np.arange(samples), len(sample)))
    passes = [sample[start : start + samples] for start in range(0, len(sample), samples)]
    once = all(len(np.unique(one)) == len(one) for one in passes)
    return once and (order == "shuffled" or len(passes[-1]) == samples)


def check_stopping_rule(rule: StoppingRule, run: Run, at_most: int) -> None:
    """A rule plans its looks beforehand, and sees the same in the same rounds.

    Args:
        rule: The recipe.
        run: Of ``at_most`` rounds or more.
        at_most: As many as it can come to an end within.
    """
    _plain(rule.describe(), "describe()")
    looks = rule.looks(at_most)
    _owes(bool(looks) and looks == rule.looks(at_most), "the looks are planned beforehand")
    _owes(list(looks) == sorted(set(looks)), "the looks ascend")
    _owes(looks[0] >= 1 and looks[-1] <= at_most, "it looks within the rounds allowed")
    sentence = rule.explain(looks)
    _owes(bool(sentence) and not sentence.endswith("."), "explain() has no full stop")
    for due in looks:
        first, second = (rule.look(first_rounds(run, due), looks) for _ in range(2))
        _plain(dict(first.figures), "a look's figures")
        _owes(bool(first.says and first.brief), "a look says what it saw")
        _owes(first == second, "the same rounds look the same")


def _arrays(batch: Any) -> list[Any]:
    return list(batch.values()) if isinstance(batch, dict) else [batch]


def _plain(described: Any, what: str) -> None:
    try:
        json.dumps(described)
    except TypeError as cause:
        raise AssertionError(f"{what} is plain data: {cause}") from cause


def _owes(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(f"this does not hold: {sentence}")
