"""Quality at deadlines for anyone's arrays: no run needed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.quality.base import Floats, Grader, Metric, SetGrader
from tailmark.quality.choose import choose
from tailmark.quality.late import Graded, parse_policy, quality_by_deadline
from tailmark.records.columns import joined, joined_columns
from tailmark.records.model import NEVER, Column, Int32s, Int64s
from tailmark.records.ragged import Ragged


def quality_at_deadlines(
    latency_ns: npt.ArrayLike,
    outputs: Any,
    references: Any,
    *,
    metric: str | Metric = "top1",
    deadlines_ns: Sequence[int] | npt.NDArray[np.int64],
    on_late: str = "fail",
    issue_order: npt.ArrayLike | None = None,
    fallback: tuple[npt.ArrayLike, Any] | None = None,
) -> Floats:
    """Grade every round at every deadline, exactly.

    Args:
        latency_ns: Shape (rounds, samples). NaN or infinity (in a float array), or the largest
            int64, is an answer that never came.
        outputs: Shape (samples, …) if each sample's answer is the same in all rounds, or
            (rounds, samples, …), which goes first where both fit; what the metric grades (see
            `TopK.prepare`). What is no array, as boxes, comes as a list of one mapping a sample (or
            a list of such a round), or by column: arrays and `Ragged` of length samples, or rounds
            times samples.
        references: Likewise, one a sample.
        metric: A metric as people write it (``top1``, ``ndcg@10``, ``module:function``), or one
            from code.
        deadlines_ns: Shape (deadlines,), in any order. An answer exactly at it is on time.
        on_late: ``fail``, ``drop``, ``stale``, ``fallback``, ``linear:5ms``, ``exponential:5ms`` or
            ``penalty`` (see `tailmark.quality.late`).
        issue_order: For ``stale``: shape (samples,) or (rounds, samples), the samples in the order
            they were issued, each when the last had completed.
        fallback: For ``fallback``: another system's latency and outputs, shaped as the first two.

    Returns:
        Quality of shape (rounds, deadlines); NaN where the policy leaves nothing to grade.

    Raises:
        InputError: Shapes, a negative latency or deadline, or an argument a policy lacks.
    """
    grading = choose(metric, code=True) if isinstance(metric, str) else metric
    policy = parse_policy(on_late)
    latency = _latencies(latency_ns, "latency_ns")
    rounds, samples = latency.shape
    deadlines = _deadlines(deadlines_ns)
    right = references if _by_name(references) else _column(references, "references")
    if _length(right) != samples:
        raise InputError(
            f"references have {_shown(right)} and latency_ns {latency.shape}: give one reference a "
            "sample"
        )
    answers = [_Answers(outputs, latency.shape)]
    lent = None
    if fallback is not None:
        if not isinstance(fallback, tuple | list) or len(fallback) != 2:
            raise InputError(f"fallback is {fallback!r}: give (latency, outputs) of another")
        lent = _latencies(fallback[0], "fallback's latency")
        if lent.shape != latency.shape:
            raise InputError(
                f"fallback's latency has shape {lent.shape}, latency_ns {latency.shape}: "
                "give the same rounds and samples"
            )
        answers.append(_Answers(fallback[1], latency.shape))
        for one in answers:
            grading.prepare(one.values, right)
    grader = grading.prepare(_together([one.values for one in answers]), right)
    orders = _orders(issue_order, latency.shape)
    worth = _Worth(grader, answers[0], samples)

    result = np.empty((rounds, len(deadlines)))
    for index in range(rounds):
        order = orders[index] if orders is not None else np.arange(samples, dtype=np.int32)
        late = latency[index] if orders is None else latency[index, order]
        given = answers[0].output_ids(index, order, late)
        other = lent[index, order] if lent is not None else None
        rows = Graded(
            sample=order,
            output=given,
            latency_ns=late,
            score=worth(order, given, late),
            scheduled_ns=_one_after_another(late) if orders is not None else None,
            fallback_ns=other,
            fallback_output=None
            if other is None
            else answers[1].output_ids(index, order, other, first=answers[0].count),
        )
        result[index] = quality_by_deadline(rows, grader, policy).at(deadlines)
    return result


class _Answers:
    """Outputs of either shape.

    Args:
        given: As `quality_at_deadlines` takes them.
        shape: Of the latencies.
    """

    def __init__(self, given: Any, shape: tuple[int, ...]) -> None:
        self._samples = shape[1]
        self.by_round = False
        if _by_name(given):
            nested = isinstance(given, list) and isinstance(given[0], list)
            self._lengths([one for row in given for one in row] if nested else given, shape)
            self.by_round |= nested
            return
        values = _column(given, "outputs")
        if isinstance(values, Ragged):
            self._lengths(values, shape)
            return
        self.by_round = values.shape[:2] == shape
        if not self.by_round and values.shape[:1] != (self._samples,):
            raise InputError(
                f"outputs have shape {values.shape} and latency_ns {shape}: their first axes are "
                "(samples,) or (rounds, samples)"
            )
        self.values = values.reshape(-1, *values.shape[2:]) if self.by_round else values

    def _lengths(self, values: Any, shape: tuple[int, ...]) -> None:
        """Take what is no array."""
        self.values = values
        self.by_round = self.count != self._samples
        if self.count not in (self._samples, shape[0] * shape[1]):
            raise InputError(
                f"outputs are {self.count} and latency_ns has shape {shape}: give one a sample, or "
                "one for each sample of each round"
            )

    @property
    def count(self) -> int:
        """How many outputs there are."""
        return _length(self.values)

    def output_ids(self, index: int, order: Int32s, latency: Int64s, first: int = 0) -> Int32s:
        """Which output each row has; -1 where it never came."""
        first += index * self._samples if self.by_round else 0
        ids = (first + order).astype(np.int32, copy=False)
        ids[latency == NEVER] = -1
        return ids


class _Worth:
    """What each row's own answer is worth, scored once where it is the same in all rounds."""

    def __init__(self, grader: Grader | SetGrader, answers: _Answers, samples: int) -> None:
        self._grader = grader
        self._fixed = None
        if not answers.by_round and not isinstance(grader, SetGrader):
            everyone = np.arange(samples, dtype=np.int32)
            self._fixed = grader.scores(everyone, everyone)

    def __call__(self, order: Int32s, output: Int32s, latency: Int64s) -> Floats:
        if isinstance(self._grader, SetGrader):
            return np.empty(0)
        if self._fixed is None:
            return self._grader.scores(order, output)
        worth = self._fixed[order]
        worth[latency == NEVER] = 0.0
        return worth


def _by_name(values: Any) -> bool:
    """Whether it is no array: columns by name, rows of different lengths, or a mapping a sample."""
    if isinstance(values, Mapping | Ragged):
        return True
    first = values[0] if isinstance(values, list | tuple) and values else None
    first = first[0] if isinstance(first, list | tuple) and first else first
    return isinstance(first, Mapping)


def _length(values: Any) -> int:
    if isinstance(values, np.ndarray) and values.ndim == 0:
        return 0
    return len(next(iter(values.values()), ())) if isinstance(values, Mapping) else len(values)


def _shown(values: Any) -> str:
    return f"shape {values.shape}" if isinstance(values, np.ndarray) else f"{_length(values)} rows"


def _together(several: list[Any]) -> Any:
    """The outputs of one, and after them those of another."""
    first = several[0]
    if len(several) == 1:
        return first
    if isinstance(first, list):
        return [one for held in several for one in held]
    if isinstance(first, Mapping):
        return joined_columns(several)
    return joined(several)


def _deadlines(given: Sequence[int] | npt.NDArray[np.int64]) -> Int64s:
    deadlines = _array(given, "deadlines_ns")
    if deadlines.ndim != 1 or deadlines.dtype.kind not in "iu":
        raise InputError(
            f"deadlines_ns has shape {deadlines.shape} and type {deadlines.dtype}: give whole "
            "nanoseconds, shape (deadlines,)"
        )
    if (deadlines < 0).any():
        raise InputError(f"deadline {deadlines.min()} ns is below zero: a deadline is zero or more")
    return _whole(deadlines)


def _column(values: Any, what: str) -> Column:
    """An array; rows of different lengths as they are."""
    try:
        return np.asarray(values)
    except ValueError:
        pass
    try:
        return Ragged.of(values)
    except (TypeError, ValueError):
        raise InputError(
            f"{what} are ragged within a row: give a list of numbers a sample"
        ) from None


def _array(values: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"{what} is ragged: give rows of equal length") from None


def _latencies(values: npt.ArrayLike, what: str) -> Int64s:
    given = _array(values, what)
    if given.ndim != 2 or given.dtype.kind not in "iuf":
        raise InputError(
            f"{what} has shape {given.shape} and type {given.dtype}: give numbers of shape "
            "(rounds, samples)"
        )
    if given.shape[1] == 0:
        raise InputError(f"{what} has shape {given.shape}: give at least one sample")
    if given.dtype.kind == "f":
        came = given.astype(np.float64, copy=False) < NEVER
        if (given < 0).any():
            raise InputError(f"{what} holds {np.nanmin(given)}: latencies are zero or more")
        whole = np.full(given.shape, NEVER, dtype=np.int64)
        whole[came] = np.ceil(given[came]).astype(np.int64)
        return whole
    if (given < 0).any():
        raise InputError(f"{what} holds {given.min()}: latencies are zero or more")
    return _whole(given)


def _whole(given: npt.NDArray[Any]) -> Int64s:
    """As int64; an unsigned time beyond the largest of those is never."""
    if given.dtype == np.uint64:
        given = np.minimum(given, np.uint64(NEVER))
    return given.astype(np.int64, copy=False)


def _orders(issue_order: npt.ArrayLike | None, shape: tuple[int, ...]) -> Int32s | None:
    if issue_order is None:
        return None
    given = _array(issue_order, "issue_order")
    if given.shape not in (shape, shape[1:]):
        raise InputError(
            f"issue_order has shape {given.shape}: give (samples,) or (rounds, samples), as "
            "latency_ns has"
        )
    orders = np.broadcast_to(given, shape)
    if not (np.sort(orders, axis=1) == np.arange(shape[1])).all():
        raise InputError("issue_order does not name every sample once in each round")
    return orders.astype(np.int32)


def _one_after_another(latency: Int64s) -> Int64s:
    """When each was scheduled if each waited for the last; one that never came took no time."""
    spent = np.where(latency == NEVER, 0, latency)
    return np.cumsum(spent) - spent
