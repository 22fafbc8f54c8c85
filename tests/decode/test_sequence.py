"""Each member of a sequence gets its best class, whatever the sequence's length."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.sequence import SequenceClasses
from tailmark.errors import SystemSetupError
from tailmark.records.ragged import Ragged
from tailmark.testing import check_decoder

THREE_TWO = Ragged.of([[0, 6, 2], [1, 1]], np.int64)
SEVEN = np.zeros((1, 3, 7), np.float32)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.uint8]),
        st.tuples(st.just(1), st.integers(0, 6), st.integers(1, 5)),
        elements=st.integers(0, 3),
    )
)
def test_each_member_gets_its_best_class(raw: npt.NDArray[Any]) -> None:
    """The first of equal ones."""
    check_decoder(SequenceClasses(), raw)
    decode, _ = SequenceClasses().bind(raw, Declared())
    (labels,) = decode(raw, 0)
    assert labels.tolist() == [row.index(max(row)) for row in raw[0].tolist()]
    assert labels.dtype == np.int32


def test_sequences_may_differ_in_length() -> None:
    """Each as its reference has it."""
    decode, warnings = SequenceClasses().bind(SEVEN, Declared(classes=7, references=THREE_TWO))
    assert warnings == []
    assert len(decode(SEVEN, 0)[0]) == 3
    assert len(decode(SEVEN[:, :2], 1)[0]) == 2


@pytest.mark.parametrize(
    ("references", "sample"),
    [
        (THREE_TWO, 1),
        ({"labels": THREE_TWO}, 1),
        (np.array([4, 5]), 0),
        (np.array([[4, 5], [5, 6]]), 0),
    ],
)
def test_another_number_of_members_than_the_reference_has_is_a_bad_output(
    references: Any, sample: int
) -> None:
    """A label too many or too few would be graded against another utterance."""
    decode, _ = SequenceClasses().bind(SEVEN, Declared(classes=7, references=references))
    with pytest.raises(BadOutputError, match="scores of 3 members and the sample has"):
        decode(SEVEN, sample)


@pytest.mark.parametrize(
    ("later", "says"),
    [
        (np.full((1, 2, 7), np.nan), "NaN"),
        (np.zeros((1, 3, 6)), "scores of 6 classes, the first had 7"),
        (np.zeros((1, 7)), r"shape \(1, 7\)"),
        (np.zeros((2, 3, 7)), r"shape \(2, 3, 7\)"),
        ([[[1.0], [1.0, 2.0]]], "ragged"),
        (np.array([[["a"]]]), "type <U1"),
        (None, "type object"),
    ],
)
def test_an_output_that_is_no_answer_is_a_bad_one(later: Any, says: str) -> None:
    """Such a query fails."""
    decode, _ = SequenceClasses().bind(SEVEN, Declared(classes=7))
    with pytest.raises(BadOutputError, match=says):
        decode(later, 0)


@pytest.mark.parametrize("raw", [np.zeros((1, 7)), np.zeros((1, 3, 0)), {"a": SEVEN}, "joy"])
def test_a_first_output_that_is_no_scores_is_refused_before_timing(raw: Any) -> None:
    """The sentence says what to do."""
    with pytest.raises(SystemSetupError, match=r"choose one with system\.output, or decode"):
        SequenceClasses().bind(raw, Declared())


def test_another_number_of_classes_is_refused() -> None:
    """Six emotions against seven would shift every label."""
    with pytest.raises(SystemSetupError, match="model has 7 classes and the workload declares 6"):
        SequenceClasses().bind(SEVEN, Declared(classes=6))
    beyond = Ragged.of([[1, 7, 0]], np.int64)
    with pytest.raises(SystemSetupError, match=r"has 7 classes .* the workload has label 7"):
        SequenceClasses().bind(SEVEN, Declared(references=beyond))


def test_what_cannot_be_checked_is_said() -> None:
    """Without a declared number, labels that stop short leave the count open."""
    _, warnings = SequenceClasses().bind(SEVEN, Declared(references=Ragged.of([[1, 2, 0]])))
    assert len(warnings) == 1
    assert "set workload.classes" in warnings[0]
    _, warnings = SequenceClasses().bind(SEVEN, Declared(references=THREE_TWO))
    assert warnings == []
