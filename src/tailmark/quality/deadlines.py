"""Quality at deadlines for anyone's arrays: no run needed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark import plugins
from tailmark.errors import InputError
from tailmark.quality.base import Floats, Grader, Metric
from tailmark.quality.late import Graded, parse_policy, quality_by_deadline
from tailmark.records.model import NEVER, Int32s, Int64s


def quality_at_deadlines(
    latency_ns: npt.ArrayLike,
    outputs: npt.ArrayLike,
    references: npt.ArrayLike,
    *,
    metric: str | Metric = "top1",
    deadlines_ns: Sequence[int] | npt.NDArray[np.int64],
    on_late: str = "fail",
    issue_order: npt.ArrayLike | None = None,
    fallback: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Floats:
    """Grade every round at every deadline, exactly.

    Args:
        latency_ns: Shape (rounds, samples). NaN or infinity (in a float array), or the largest
            int64, is an answer that never came.
        outputs: Shape (samples, …) if each sample's answer is the same in all rounds, or
            (rounds, samples, …), which goes first where both fit; what the metric grades (see
            `TopK.prepare`).
        references: Shape (samples, …).
        metric: A metric's name, or one from code.
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
    grading = plugins.load("metrics", metric) if isinstance(metric, str) else metric
    policy = parse_policy(on_late)
    latency = _latencies(latency_ns, "latency_ns")
    rounds, samples = latency.shape
    deadlines = _array(deadlines_ns, "deadlines_ns")
    if deadlines.ndim != 1 or deadlines.dtype.kind not in "iu":
        raise InputError(
            f"deadlines_ns has shape {deadlines.shape} and type {deadlines.dtype}: give whole "
            "nanoseconds, shape (deadlines,)"
        )
    if (deadlines < 0).any():
        raise InputError(f"deadline {deadlines.min()} ns is below zero: a deadline is zero or more")
    deadlines = _whole(deadlines)
    reference_values = _array(references, "references")
    if reference_values.shape[:1] != (samples,):
        raise InputError(
            f"references have shape {reference_values.shape} and latency_ns {latency.shape}: "
            "give one reference a sample"
        )
    answers = _Answers(outputs, latency.shape, reference_values, grading)
    lent = None
    if fallback is not None:
        if not isinstance(fallback, tuple | list) or len(fallback) != 2:
            raise InputError(f"fallback is {fallback!r}: give (latency, outputs) of another")
        lent_latency = _latencies(fallback[0], "fallback's latency")
        if lent_latency.shape != latency.shape:
            raise InputError(
                f"fallback's latency has shape {lent_latency.shape}, latency_ns {latency.shape}: "
                "give the same rounds and samples"
            )
        lent = (lent_latency, _Answers(fallback[1], latency.shape, reference_values, grading))
    orders = _orders(issue_order, latency.shape)

    result = np.empty((rounds, len(deadlines)))
    for index in range(rounds):
        order = orders[index] if orders is not None else np.arange(samples, dtype=np.int32)
        late = latency[index] if orders is None else latency[index, order]
        rows = Graded(
            sample=order,
            output=answers.output_ids(index, order, late),
            latency_ns=late,
            score=answers.scores(index, order, late),
            scheduled_ns=_one_after_another(late) if orders is not None else None,
            fallback_ns=lent[0][index, order] if lent else None,
            fallback_score=lent[1].scores(index, order, lent[0][index, order]) if lent else None,
        )
        result[index] = quality_by_deadline(rows, answers.grader, policy).at(deadlines)
    return result


class _Answers:
    """Outputs of either shape, graded once."""

    def __init__(
        self,
        outputs: npt.ArrayLike,
        shape: tuple[int, ...],
        references: npt.NDArray[Any],
        metric: Metric,
    ) -> None:
        values = _array(outputs, "outputs")
        self._samples = shape[1]
        self._by_round = values.shape[:2] == shape
        if not self._by_round and values.shape[:1] != (self._samples,):
            raise InputError(
                f"outputs have shape {values.shape} and latency_ns {shape}: their first axes are "
                "(samples,) or (rounds, samples)"
            )
        flat = values.reshape(-1, *values.shape[2:]) if self._by_round else values
        self.grader: Grader = metric.prepare(flat, references)
        everyone = np.arange(self._samples, dtype=np.int32)
        self._fixed = None if self._by_round else self.grader.scores(everyone, everyone)

    def output_ids(self, index: int, order: Int32s, latency: Int64s) -> Int32s:
        """Which output each row has; -1 where it never came."""
        first = index * self._samples if self._by_round else 0
        ids = (first + order).astype(np.int32, copy=False)
        ids[latency == NEVER] = -1
        return ids

    def scores(self, index: int, order: Int32s, latency: Int64s) -> Floats:
        """What each row's own answer is worth."""
        if self._fixed is not None:
            worth = self._fixed[order]
            worth[latency == NEVER] = 0.0
            return worth
        return self.grader.scores(order, self.output_ids(index, order, latency))


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
