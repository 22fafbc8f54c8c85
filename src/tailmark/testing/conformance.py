"""What every plug-in owes its seam. Each check raises an AssertionError that says what is missing.

A plug-in's own tests call the check of its seam; ours call all of them on every built-in.
"""

import json
import pickle
from typing import Any, get_args

import numpy as np

from tailmark.decode.base import Decoder
from tailmark.quality.base import Metric
from tailmark.records.model import Run
from tailmark.scenario.base import Order, Scenario
from tailmark.stopping import StoppingRule, first_rounds
from tailmark.system.base import Batch, System, with_batch_axis
from tailmark.workload.base import Workload


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
        _owes(len(samples.references) == count, "there is one reference a sample")
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
    predictor = system.open()
    predictor.check(batch)
    before = [values.copy() for values in _arrays(batch)]
    first, second = predictor.predict(batch), predictor.predict(batch)
    for values, kept in zip(_arrays(batch), before, strict=True):
        _owes(np.array_equal(values, kept, equal_nan=values.dtype.kind == "f"), "the input is kept")
    _owes(np.shape(first) == np.shape(second), "the output's shape does not change")
    _plain(predictor.describe(), "the predictor's describe()")
    other = system.open().predict(batch)
    _owes(np.shape(other) == np.shape(first), "a second opening gives the same shape")


def check_decoder(decoder: Decoder, raw: Any, classes: int | None = None) -> None:
    """A decoder's answers have its columns, and do not change with the calls between.

    Args:
        decoder: The recipe.
        raw: An output it reads.
        classes: How many classes to declare.
    """
    _plain(decoder.describe(), "describe()")
    decode, warnings = decoder.bind(raw, classes, None)
    _owes(all(isinstance(w, str) for w in warnings), "warnings are sentences")
    first, second = decode(raw), decode(raw)
    _owes(len(first) == len(decoder.columns), "an answer has a part for each column")
    for a, b in zip(first, second, strict=True):
        _owes(isinstance(a, np.ndarray), "an answer's parts are arrays")
        _owes(a.dtype == b.dtype and np.array_equal(a, b), "the same output gives the same answer")


def check_metric(metric: Metric, outputs: Any, references: Any) -> None:
    """An additive metric scores each row by itself, from 0 to 1, and no answer with 0.

    Args:
        metric: What to check.
        outputs: Shape (samples, …), one a sample.
        references: Shape (samples, …).
    """
    _owes(isinstance(metric.name, str) and bool(metric.name), "a metric has a name")
    grader = metric.prepare(outputs, references)
    rows = np.arange(len(references), dtype=np.int32)
    scores = grader.scores(rows, rows)
    _owes(scores.shape == rows.shape and scores.dtype == np.float64, "one float64 score a row")
    _owes(bool(((scores >= 0) & (scores <= 1)).all()), "scores are from 0 to 1")
    backwards = grader.scores(rows[::-1].copy(), rows[::-1].copy())
    _owes(np.array_equal(backwards[::-1], scores), "a row's score does not depend on the others")
    nothing = grader.scores(rows, np.full_like(rows, -1))
    _owes(not nothing.any(), "no answer scores 0")


def check_scenario(scenario: Scenario, samples: int = 20) -> None:
    """A schedule names known samples, depends on (seed, round) alone, and a shuffle shuffles."""
    _plain(scenario.describe(), "describe()")
    for order in get_args(Order):
        first = scenario.schedule(samples, order=order, seed=1, index=0)
        again = scenario.schedule(samples, order=order, seed=1, index=0)
        _owes(first.dtype == np.int32, "a schedule is int32")
        _owes(np.array_equal(first, again), "the same seed and round give the same schedule")
        _owes(bool(((first >= 0) & (first < samples)).all()), "a schedule names known samples")
        later = scenario.schedule(samples, order=order, seed=1, index=1)
        same = np.array_equal(first, later)
        _owes(same == (order == "fixed"), f"order {order!r} is what it says")


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
