"""The low-level entry: what it takes, and what it refuses."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from quality.oracle import POLICIES
from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError, UnknownNameError
from tailmark.quality.base import Floats, Grader
from tailmark.records.model import Int32s
from tailmark.testing import check_metric


def _grade(**changes: Any) -> Floats:
    """Three samples in two rounds; the third answer is wrong."""
    given: dict[str, Any] = {
        "latency_ns": [[1, 2, 3], [2, 2, 5]],
        "outputs": [0, 1, 2],
        "references": [0, 1, 0],
        "deadlines_ns": [1, 2, 5],
    }
    return quality_at_deadlines(**{**given, **changes})


def test_the_shape_is_rounds_by_deadlines() -> None:
    """One row a round, one column a deadline, of float64."""
    found = _grade()
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[1 / 3, 2 / 3, 2 / 3], [0, 2 / 3, 2 / 3]])


@pytest.mark.parametrize("dtype", ["int32", "uint8", "uint64", "float16", "float32", "float64"])
def test_latencies_may_be_of_any_real_type(dtype: str) -> None:
    """Small integers and floats of every width mean the same."""
    np.testing.assert_array_equal(
        _grade(latency_ns=np.array([[1, 2, 3], [2, 2, 5]], dtype=dtype)), _grade()
    )


def test_an_unsigned_time_beyond_the_largest_is_never() -> None:
    """A sentinel of 2^64 - 1 is an answer that never came, and not one before the first."""
    latency = np.array([[2**64 - 1, 2, 3]], dtype=np.uint64)
    assert _grade(latency_ns=latency, deadlines_ns=[2**62]).tolist() == [[1 / 3]]


def test_deadlines_may_be_of_any_whole_type() -> None:
    """Small or unsigned, and no digit of a long one is lost."""
    for dtype in ("uint8", "int32", "uint64"):
        np.testing.assert_array_equal(
            _grade(deadlines_ns=np.array([1, 2, 5], dtype=dtype)), _grade()
        )
    late_by_one = {"latency_ns": [[2**60 + 1]], "outputs": [0], "references": [0]}
    long = np.array([2**60, 2**60 + 1, 2**64 - 1], dtype=np.uint64)
    assert _grade(**late_by_one, deadlines_ns=long).tolist() == [[0.0, 1.0, 1.0]]


def test_where_outputs_fit_both_shapes_rounds_go_first() -> None:
    """Two rounds of two samples: a 2 × 2 array of labels is read by round and sample."""
    outputs = [[0, 1], [1, 1]]
    found = quality_at_deadlines([[1, 1], [1, 1]], outputs, [0, 1], deadlines_ns=[1], metric="top1")
    assert found.tolist() == [[1.0], [0.5]]


def test_nothing_is_written_into_the_arrays_given() -> None:
    """Read-only arrays are graded, so no caller's data changes."""
    arrays = {
        "latency_ns": np.array([[1, 2, 3], [2, 2, 5]]),
        "outputs": np.eye(3),
        "references": np.array([0, 1, 0]),
        "deadlines_ns": np.array([1, 2, 5]),
        "issue_order": np.array([2, 0, 1]),
    }
    for values in arrays.values():
        values.flags.writeable = False
    for policy in POLICIES:
        lent = (arrays["latency_ns"], arrays["outputs"])
        assert _grade(**arrays, on_late=policy, fallback=lent).shape == (2, 3)


class _Near:
    """A metric from code: full worth for the number itself, less the further it is off."""

    name = "near"

    def prepare(self, outputs: Any, references: Any) -> Grader:
        answers, truth = np.asarray(outputs, dtype=float), np.asarray(references, dtype=float)
        if answers.ndim != 1:
            raise MetricError(f"near grades one number a sample, not shape {answers.shape}")

        class Close:
            def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
                there = outputs >= 0
                worth: npt.NDArray[np.float64] = 1 / (1 + abs(answers[outputs] - truth[samples]))
                return np.where(there, worth, 0.0)

        return Close()


def test_a_metric_needs_no_plug_in() -> None:
    """Any object with a name and ``prepare`` grades, and partial credit adds up."""
    found = quality_at_deadlines(
        [[1, 2, 9]], [10.0, 12.0, 1.0], [10.0, 11.0, 1.0], metric=_Near(), deadlines_ns=[0, 1, 2, 9]
    )
    assert found.tolist() == [[0.0, 1 / 3, 1.5 / 3, 2.5 / 3]]
    check_metric(_Near(), np.array([1.0, 2.0, 5.0]), np.array([1.0, 2.5, 2.0]))


def test_a_metric_that_breaks_its_promises_is_found_out() -> None:
    """The conformance check refuses scores beyond 1 and worth for no answer."""

    class Generous(_Near):
        def prepare(self, outputs: Any, references: Any) -> Grader:
            del outputs, references

            class Two:
                def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
                    del outputs
                    return np.full(len(samples), 2.0)

            return Two()

    class Lenient(_Near):
        def prepare(self, outputs: Any, references: Any) -> Grader:
            del outputs, references

            class One:
                def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
                    del outputs
                    return np.ones(len(samples))

            return One()

    for metric, broken in ((Generous(), "from 0 to 1"), (Lenient(), "no answer scores 0")):
        with pytest.raises(AssertionError, match=broken):
            check_metric(metric, np.array([1.0, 2.0]), np.array([1.0, 2.0]))


_BAD: list[tuple[dict[str, Any], str]] = [
    ({"latency_ns": [1, 2, 3]}, r"latency_ns has shape \(3,\).*give numbers of shape \(rounds"),
    ({"latency_ns": 5}, r"latency_ns has shape \(\).*give numbers"),
    ({"latency_ns": [[1, 2], [1]]}, "latency_ns is ragged: give rows of equal length"),
    ({"latency_ns": [["1ms", "2ms", "3ms"]]}, "type <U3: give numbers"),
    ({"latency_ns": [[True, False, True]]}, "type bool: give numbers"),
    ({"latency_ns": [[1, 2, None]]}, "type object: give numbers"),
    ({"latency_ns": np.zeros((2, 0)), "outputs": [], "references": []}, "at least one sample"),
    ({"latency_ns": [[1, -2, 3]]}, "latency_ns holds -2: latencies are zero or more"),
    ({"latency_ns": [[1.0, -0.5, np.nan]]}, "latency_ns holds -0.5: latencies are zero or more"),
    ({"latency_ns": [[1.0, -np.inf, 2]]}, "latency_ns holds -inf: latencies are zero or more"),
    ({"deadlines_ns": [5, -1]}, "deadline -1 ns is below zero: a deadline is zero or more"),
    ({"deadlines_ns": [0.5]}, "type float64: give whole nanoseconds"),
    ({"deadlines_ns": ["5ms"]}, "type <U3: give whole nanoseconds"),
    ({"deadlines_ns": 5}, r"shape \(\).*give whole nanoseconds, shape \(deadlines,\)"),
    ({"deadlines_ns": [[1, 2]]}, r"shape \(1, 2\).*give whole nanoseconds"),
    ({"references": [0, 1]}, r"references have shape \(2,\).*give one reference a sample"),
    ({"references": 0}, r"references have shape \(\).*give one reference a sample"),
    ({"outputs": [0, 1]}, r"outputs have shape \(2,\).*\(samples,\) or \(rounds, samples\)"),
    ({"outputs": 0}, r"outputs have shape \(\).*first axes"),
    ({"outputs": [[0, 1, 2]]}, r"outputs have shape \(1, 3\).*first axes"),
    ({"outputs": [[0, 1], [1]]}, "outputs are 2 and latency_ns has shape .*one a sample"),
    ({"outputs": [[0, [1, 2]], [1], [2]]}, "outputs are ragged within a row"),
    (
        {"on_late": "forgive"},
        "'forgive' is no late policy.*: fail, drop, stale, fallback, linear:5",
    ),
    ({"on_late": "linear"}, "on_late 'linear' does not say how long.*: write linear:5ms"),
    (
        {"on_late": "exponential:0s"},
        "'exponential:0s' leaves no time to fade: write exponential:5ms",
    ),
    ({"on_late": "fall-back"}, r"'fall-back' is no late policy \(did you mean 'fallback'\?\)"),
    ({"on_late": "stale"}, "'stale' needs the order of issue: give issue_order"),
    ({"on_late": "fallback"}, "'fallback' needs another run's answers: give fallback"),
    ({"fallback": 5}, r"fallback is 5: give \(latency, outputs\)"),
    ({"fallback": ([[1, 2, 3]], [0, 1, 2])}, r"fallback's latency has shape \(1, 3\).*\(2, 3\)"),
    ({"fallback": ([[1, 2, -3]] * 2, [0, 1, 2])}, "fallback's latency holds -3"),
    ({"fallback": ([[1, 2, 3]] * 2, [0, 1])}, r"outputs have shape \(2,\)"),
    (
        {"on_late": "stale", "issue_order": [0, 1]},
        r"issue_order has shape \(2,\): give \(samples,\)",
    ),
    ({"on_late": "stale", "issue_order": [0, 1, 1]}, "issue_order does not name every sample once"),
    ({"on_late": "stale", "issue_order": [1, 2, 3]}, "issue_order does not name every sample once"),
    ({"on_late": "stale", "issue_order": [[0, 1], [2]]}, "issue_order is ragged"),
    ({"outputs": [0.1, 0.2, 0.3]}, "top1 cannot read outputs of float64"),
    ({"references": [0.0, 1.0, 0.0]}, "top1 grades against integer labels"),
    ({"metric": "top5"}, "top5 needs the 5 best answers"),
]


@pytest.mark.parametrize(("changes", "says"), _BAD)
def test_bad_arrays_are_refused_in_a_sentence(changes: dict[str, Any], says: str) -> None:
    """Each refusal is an InputError of one line: the value, and the way out."""
    with pytest.raises(InputError, match=says) as error:
        _grade(**changes)
    assert "\n" not in str(error.value)


def test_an_unknown_metric_lists_the_known_ones() -> None:
    """A misspelt metric is met by the nearest one and the list."""
    with pytest.raises(
        UnknownNameError, match=r"'top-1' \(did you mean 'top1'\?\): known are accuracy, ap"
    ):
        _grade(metric="top-1")
