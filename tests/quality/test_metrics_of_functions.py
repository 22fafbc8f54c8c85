"""Anyone's function is a metric: asked once for each set of answers, or for each answer."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from quality.masked import DEADLINES, rounds
from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError
from tailmark.quality.choose import choose
from tailmark.quality.custom import Masked, PerSample, additive, of_function
from tailmark.quality.f1 import f1_macro
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

ROWS = np.arange(4, dtype=np.int32)


def share_right(outputs: Any, references: Any, on_time: Any) -> float:
    """Of all rows; of none, nothing."""
    return float(((outputs == references) & on_time).mean())


@additive
def closeness(outputs: Any, references: Any) -> Any:
    """Of each answer."""
    return np.exp(-np.abs(outputs - references))


@settings(max_examples=100)
@given(data=st.data())
def test_a_function_is_given_the_answers_that_are_there(data: st.DataObject) -> None:
    """Rows in their order; where there is no answer, nothing stands in its place."""
    label = st.integers(0, 2)
    references = data.draw(st.lists(label, min_size=1, max_size=4))
    outputs = data.draw(st.lists(label, min_size=1, max_size=5))
    one = data.draw(rounds(len(references), len(outputs)))
    seen = []

    def keep(outputs: Any, references: Any, on_time: Any) -> float:
        seen.append((outputs.tolist(), references.tolist(), on_time.tolist()))
        return float(on_time.mean())

    grader = Masked(keep).prepare(np.array(outputs), np.array(references))
    found = grader.by_deadline(one.arrivals, np.array(DEADLINES, dtype=np.int64))
    expected = []
    for value, deadline in zip(found.tolist(), DEADLINES, strict=True):
        pairs = one.there(deadline)
        if not pairs:
            assert np.isnan(value)
            continue
        given = (
            [-1 if o is None else outputs[o] for _, o in pairs],
            [references[s] for s, _ in pairs],
            [o is not None for _, o in pairs],
        )
        assert value == np.mean(given[2])
        if given not in expected:
            expected.append(given)
    assert all(one in seen for one in expected)
    kinds = {(tuple(s for s, _ in p), tuple(o for _, o in p)) for p in map(one.there, DEADLINES)}
    assert len(seen) == len(kinds - {((), ())}), "each set is graded once"
    grader.by_deadline(one.arrivals, np.array(DEADLINES, dtype=np.int64))
    assert len(seen) == len(kinds - {((), ())}), "and not again"


@pytest.mark.parametrize("policy", ["fail", "drop", "stale", "penalty", "linear:3ns"])
def test_a_function_says_what_a_built_in_metric_says(policy: str) -> None:
    """Macro F1 by scikit-learn, under every policy."""
    random = np.random.default_rng(0)
    references, outputs = random.integers(0, 3, (2, 30))
    late = random.integers(0, 20, (3, 30))

    def f1(outputs: Any, references: Any, on_time: Any) -> float:
        del on_time
        return float(
            f1_score(references, outputs, labels=[0, 1, 2], average="macro", zero_division=0)
        )

    order = np.tile(np.arange(30), (3, 1)) if policy == "stale" else None
    at: Any = {"deadlines_ns": range(0, 30, 3), "on_late": policy, "issue_order": order}
    at["deadlines_ns"] = list(at["deadlines_ns"])
    ours = quality_at_deadlines(late, outputs, references, metric=f1_macro, **at)
    theirs = quality_at_deadlines(late, outputs, references, metric=Masked(f1), **at)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-12)


def test_metrics_of_functions_owe_their_seam_nothing() -> None:
    """Both kinds pass the check that plug-ins run."""
    labels, right = np.array([1, 2, 3, 0]), np.array([1, 2, 0, 0])
    check_metric(Masked(share_right), labels, right)
    check_metric(PerSample(closeness), labels.astype(float), right)


OUTPUTS: dict[str, Any] = {
    "ints": np.array([[1, 2], [3, 4]]),
    "floats": np.array([0.5, 1.5]),
    "texts": np.array(["a", "bc"]),
    "flags": np.array([True, True]),
    "bytes": np.array([7, 9], dtype=np.uint8),
    "rows": Ragged.of([[1], [2, 3]]),
    "objects": np.array([{}, {}], dtype=object),
}


def test_what_is_not_there_is_nothing_of_its_kind() -> None:
    """-1, NaN, the empty text, false, 0, an empty row, None: in every column."""
    seen: dict[str, Any] = {}

    def keep(outputs: Any, references: Any, on_time: Any) -> float:
        assert on_time.tolist() == [False, True]
        assert references["texts"].tolist() == ["x", "y"]
        seen.update(outputs)
        return 1.0

    grader = Masked(keep).prepare(OUTPUTS, {"texts": ["x", "y"]})
    only = rounds_of([0, 1], [(1, 0, 1)])
    grader.by_deadline(only, np.array([0]))
    assert seen["ints"].tolist() == [[-1, -1], [3, 4]]
    assert np.isnan(seen["floats"][0])
    assert seen["texts"].tolist() == ["", "bc"]
    assert seen["flags"].tolist() == [False, True]
    assert seen["bytes"].tolist() == [0, 9]
    assert [row.tolist() for row in seen["rows"]] == [[], [2, 3]]
    assert seen["objects"].tolist() == [None, {}]


def test_lists_of_mappings_and_of_rows_are_taken_row_by_row() -> None:
    """As they were given; a mapping that is not there is None."""
    seen: list[Any] = []

    def keep(outputs: Any, references: Any, on_time: Any) -> float:
        seen.append((outputs, [row.tolist() for row in references], on_time.tolist()))
        return 1.0

    grader = Masked(keep).prepare([{"a": 1}, {"a": 2}], [[1], [2, 3]])
    grader.by_deadline(rounds_of([1, 1], [(0, 0, 0)]), np.array([0]))
    assert seen == [([{"a": 1}, None], [[2, 3], [2, 3]], [True, False])]


def rounds_of(sample: list[int], answers: list[tuple[int, int, int]]) -> Any:
    """One round's arrivals."""
    from quality.masked import AnyRound

    return AnyRound(sample, answers, left_out=False).arrivals


def test_scores_of_answers_are_asked_once_for_each_pair() -> None:
    """However many rounds have it; no answer scores 0."""
    asked: list[Any] = []

    @additive
    def keep(outputs: Any, references: Any) -> Any:
        asked.extend(zip(outputs.tolist(), references.tolist(), strict=True))
        return (outputs == references).astype(float)

    grader = of_function(keep).prepare(np.array([5, 6]), np.array([5, 6]))
    samples = np.array([0, 1, 0, 1], dtype=np.int32)
    outputs = np.array([0, 0, 0, -1], dtype=np.int32)
    for _ in range(2):
        assert grader.scores(samples, outputs).tolist() == [1, 0, 1, 0]
    assert sorted(asked) == [(5, 5), (5, 6)]
    assert grader.scores(samples, outputs[::-1].copy()).tolist() == [0, 0, 1, 0]
    assert sorted(asked) == [(5, 5), (5, 6)]


def test_a_function_that_is_additive_says_so() -> None:
    """And is graded by one sort; any other is of sets."""
    assert isinstance(of_function(closeness), PerSample)
    assert isinstance(of_function(share_right), Masked)
    assert of_function(closeness, called="close").name == "close"
    assert of_function(share_right).name == f"{__name__}:share_right"


def test_one_answer_alone_is_worth_one() -> None:
    """Of sets only the function says anything."""
    grader = Masked(share_right).prepare(ROWS, ROWS)
    assert grader.scores(ROWS, np.array([0, -1, 3, 2], dtype=np.int32)).tolist() == [1, 0, 1, 1]


def fails(*_: Any) -> float:
    """Is no metric."""
    raise ZeroDivisionError("nothing\nto divide")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (fails, "fails raised ZeroDivisionError: nothing to divide"),
        (lambda *_: 1.5, r"returned 1.5 with 1 of 2 answers there: quality is from 0 to 1"),
        (lambda *_: float("nan"), "returned nan with 1 of 2 answers there"),
        (lambda *_: np.zeros(3), r"returned ndarray of shape \(3,\): return one number"),
        (lambda *_: None, "returned None: return one number from 0 to 1"),
    ],
)
def test_what_a_function_does_wrong_is_one_sentence(
    function: Callable[..., Any], says: str
) -> None:
    """It names the function and what it returned."""
    grader = Masked(function).prepare(ROWS[:2], ROWS[:2])
    with pytest.raises(MetricError, match=says) as error:
        grader.by_deadline(rounds_of([0, 1], [(0, 0, 0)]), np.array([0]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (fails, "fails raised ZeroDivisionError: nothing to divide"),
        (lambda *_: [0.5, 1.5], "scored an answer 1.5: scores are from 0 to 1"),
        (lambda *_: [0.5, float("nan")], "scored an answer nan"),
        (lambda *_: [0.5], r"returned list of shape \(1,\) for 2 answers: return one score"),
        (lambda *_: "good", "returned 'good' for 2 answers"),
    ],
)
def test_what_an_additive_function_does_wrong_is_one_sentence(
    function: Callable[..., Any], says: str
) -> None:
    """Likewise."""
    with pytest.raises(MetricError, match=says):
        PerSample(function).prepare(ROWS, ROWS).scores(ROWS[:2], ROWS[:2])


def test_a_rounding_beyond_one_is_one() -> None:
    """Sums of shares are not exact."""
    grader = Masked(lambda *_: 1 + 1e-12).prepare(ROWS, ROWS)
    assert grader.by_deadline(rounds_of([0], []), np.array([0])).tolist() == [1]


MODULE = """
    import os
    import sys
    import numpy as np
    import tailmark

    def share_right(outputs, references, on_time):
        print("this goes elsewhere")
        return ((outputs == references) & on_time).mean()

    def process(outputs, references, on_time):
        return os.getpid() / 1e9

    def leaves(outputs, references, on_time):
        if on_time.sum() > 2 and not hasattr(sys, "_pytest_is_here"):
            os._exit(3)
        return 0.5

    def fails(outputs, references, on_time):
        raise KeyError(int(on_time.sum()))

    @tailmark.additive
    def close(outputs, references):
        return np.exp(-np.abs(outputs - references))

    class Whole:
        name = "whole"
        def prepare(self, outputs, references):
            return "prepared"

    whole = Whole()
    number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of functions that Python finds only in the current folder."""
    (tmp_path / "graded_for_a_test.py").write_text(textwrap.dedent(MODULE), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield "graded_for_a_test"
    sys.modules.pop("graded_for_a_test", None)


def by_processes(module: str, function: str, **settings: Any) -> Any:
    """A metric that other processes ask at once."""
    chosen: Any = choose(f"{module}:{function}", code=True)
    return Masked(chosen.function, called=chosen.name, workers=2, patience_s=0, **settings)


def test_several_processes_say_what_one_says(module: str) -> None:
    """What they print does not mix with what they say; progress is told as it comes."""
    told = []
    metric = by_processes(module, "share_right", progress=lambda *done: told.append(done))
    random = np.random.default_rng(0)
    references, outputs = random.integers(0, 2, (2, 12))
    late = np.arange(12)[None]
    at: Any = {"deadlines_ns": list(range(12))}
    ours = quality_at_deadlines(late, outputs, references, metric="top1", **at)
    found = quality_at_deadlines(late, outputs, references, metric=metric, **at)
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-15)
    assert told == [(k + 1, 12) for k in range(12)]


def test_the_work_is_done_elsewhere(module: str) -> None:
    """By processes that are not this one, and two of them where there is much to do."""
    import os

    grader = by_processes(module, "process").prepare(ROWS, ROWS)
    several = rounds_of([0, 1, 2, 3], [(row, row, row) for row in range(4)])
    found = grader.by_deadline(several, np.arange(4))
    assert {round(pid * 1e9) for pid in found} & {os.getpid()} == set()


def test_what_fails_elsewhere_fails_here(module: str) -> None:
    """With the same sentence."""
    grader = by_processes(module, "fails").prepare(ROWS, ROWS)
    with pytest.raises(MetricError, match=f"{module}:fails raised KeyError: 0"):
        grader.by_deadline(rounds_of([0, 1], [(0, 1, 0)]), np.arange(3))


def test_a_process_that_ends_by_itself_is_an_error(module: str) -> None:
    """Not a wait without end."""
    grader = by_processes(module, "leaves").prepare(ROWS, ROWS)
    with pytest.raises(MetricError, match=r"ended by itself \(exit code 3\): grade by one process"):
        grader.by_deadline(
            rounds_of([0, 1, 2, 3], [(row, row, row) for row in range(4)]), np.arange(4)
        )


def test_what_no_other_process_can_import_is_asked_here() -> None:
    """A lambda, a function within a function, one of a module that is nowhere."""
    nowhere = type(sys)("nowhere_to_be_found")
    exec("def half(*_): return 0.5", nowhere.__dict__)  # as a notebook does
    sys.modules["nowhere_to_be_found"] = nowhere
    for function in (lambda *_: 0.5, nowhere.half):
        grader = Masked(function, workers=2, patience_s=0).prepare(ROWS, ROWS)
        found = grader.by_deadline(rounds_of([0, 1], [(0, 1, 0)]), np.arange(3))
        assert found.tolist() == [0.5] * 3
    del sys.modules["nowhere_to_be_found"]


def test_fewer_processes_than_one_are_refused() -> None:
    """This one counts."""
    with pytest.raises(InputError, match="workers is 0: give 1 or more processes"):
        Masked(share_right, workers=0)


def test_code_is_chosen_by_module_and_function(module: str) -> None:
    """It is called as it is written; an object that is a metric already is that metric."""
    metric = choose(f"{module}:share_right", code=True)
    assert isinstance(metric, Masked)
    assert metric.name == f"{module}:share_right"
    assert choose(metric.name, code=True) == metric
    assert isinstance(choose(f"{module}:close", code=True), PerSample)
    assert choose(f"{module}:whole", code=True).name == "whole"
    with pytest.raises(InputError, match=f"module {module!r} has no function 'number'"):
        choose(f"{module}:number", code=True)
    with pytest.raises(InputError, match="has no function 'nothing'"):
        choose(f"{module}:nothing", code=True)
