"""Answers in words are right to the letter, or nearly so."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError
from tailmark.quality.answers import ExactMatch, as_squad
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

TEXTS = st.text("aA tTheHE.,!-\t'", max_size=8)


def worth(metric: ExactMatch, outputs: Any, references: Any) -> list[float]:
    """Each output answering its own sample."""
    rows = np.arange(len(outputs), dtype=np.int32)
    found: list[float] = metric.prepare(outputs, references).scores(rows, rows).tolist()
    return found


@given(answers=st.lists(TEXTS, min_size=1, max_size=5), data=st.data())
def test_an_answer_is_right_if_it_is_one_of_those_accepted(
    answers: list[str], data: st.DataObject
) -> None:
    """To the letter; and as SQuAD compares."""
    rows = st.lists(st.lists(TEXTS, max_size=3), min_size=len(answers), max_size=len(answers))
    accepted = data.draw(rows)
    exact = [float(a in some) for a, some in zip(answers, accepted, strict=True)]
    assert worth(ExactMatch(), answers, Ragged.of(accepted, np.str_)) == exact
    plain = [
        float(as_squad(a) in map(as_squad, some)) for a, some in zip(answers, accepted, strict=True)
    ]
    assert worth(ExactMatch("squad"), answers, Ragged.of(accepted, np.str_)) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("a an the", ""),
        ("theatre, another", "theatre another"),
        ("the-end", "theend"),
        ("U.S.", "us"),
        ("4\t2\n", "4 2"),
    ],
)
def test_squad_forgives_case_punctuation_articles_and_spaces(text: str, plain: str) -> None:
    """In this order, so an article that punctuation ties to a word stays."""
    assert as_squad(text) == plain


def test_a_late_answer_is_wrong() -> None:
    """One of several accepted strings is enough, when it is there."""
    answers = {"answers": np.array(["Paris", "rome"])}
    accepted = [["Paris", "Paris, France"], ["Rome"]]
    at: Any = {"deadlines_ns": [1, 5]}
    found = quality_at_deadlines([[1, 5]], answers, accepted, metric=ExactMatch("squad"), **at)
    assert found.tolist() == [[0.5, 1]]
    exact = quality_at_deadlines([[1, 5]], answers, accepted, metric=ExactMatch(), **at)
    assert exact.tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("metric", [ExactMatch(), ExactMatch("squad")], ids=lambda one: one.name)
def test_exact_match_owes_its_seam_nothing(metric: ExactMatch) -> None:
    """Arrays of strings, of objects and lists pass the check that plug-ins run."""
    check_metric(metric, np.array(["a", "B", ""]), np.array(["a", "b", "c"]))
    check_metric(metric, np.array(["a", "B"], dtype=object), ["a", "b"])


@pytest.mark.parametrize(
    ("outputs", "references", "says"),
    [
        (
            np.array([1, 2]),
            ["a", "b"],
            r"outputs of int64 and shape \(2,\): give one string an out",
        ),
        (["a"], [3], "cannot read references of int64: give strings"),
        ({"labels": ["a"]}, ["a"], "column 'answers' and the outputs have labels"),
        (np.array(["a", 1], dtype=object), ["a", "b"], "cannot read outputs of object"),
    ],
)
def test_what_are_no_words_is_refused(outputs: Any, references: Any, says: str) -> None:
    """The refusal names what was given and what to give."""
    with pytest.raises(MetricError, match=says):
        ExactMatch().prepare(outputs, references)


def test_there_are_two_ways_to_compare() -> None:
    """Another is refused; the usual one goes unsaid."""
    with pytest.raises(InputError, match="normalize is 'lower': give none or squad"):
        ExactMatch("lower")  # type: ignore[arg-type] # on purpose
    assert [ExactMatch().name, ExactMatch("squad").name] == ["exact_match", "exact_match:squad"]
