"""Each distinct answer is stored once and keeps its number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tailmark.records.catalogue import Catalogue

ANSWERS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30)


@given(st.lists(ANSWERS, max_size=4), st.integers(0, 4))
def test_a_number_always_finds_its_answer_even_after_resuming(
    rounds: list[list[tuple[int, int]]], interrupted_after: int
) -> None:
    """What the rounds handed over, end to end, holds at each number the answer that got it."""
    columns = ("labels", "scores")
    catalogue = Catalogue(columns, {})
    stored = {"labels": np.empty((0, 1), np.int32), "scores": np.empty((0, 1), np.float32)}
    given_out: list[tuple[tuple[int, int], int]] = []
    for index, answers in enumerate(rounds):
        if index == interrupted_after:
            catalogue = Catalogue(columns, stored if len(stored["labels"]) else {})
        for label, score in answers:
            parts = (np.array([label], np.int32), np.array([score], np.float32))
            given_out.append(((label, score), catalogue.number(parts)))
        fresh = catalogue.take_new()
        if fresh:
            stored = {name: np.concatenate([stored[name], fresh[name]]) for name in columns}
    distinct = {answer for answer, _ in given_out}
    assert len(stored["labels"]) == len(distinct)
    for (label, score), number in given_out:
        assert stored["labels"][number, 0] == label
        assert stored["scores"][number, 0] == score


def test_nothing_new_is_nothing_to_store() -> None:
    """A later round of the same answers adds no file."""
    catalogue = Catalogue(("labels",), {})
    answer = (np.array([1], np.int32),)
    assert catalogue.number(answer) == 0
    assert list(catalogue.take_new()) == ["labels"]
    assert catalogue.number(answer) == 0
    assert catalogue.take_new() == {}
