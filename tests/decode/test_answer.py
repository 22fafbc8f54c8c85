"""What counts as the answer in a text is what the declared rule finds there."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.decode.answer import Answer, Choice
from tailmark.decode.base import BadOutputError, Declared
from tailmark.errors import SystemSetupError
from tailmark.testing import check_decoder

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
RULE = r"answer is (\w*)"


def answered(recipe: Answer | Choice, raw: Any) -> Any:
    """The answer's one column."""
    check_decoder(recipe, raw)
    decode, _ = recipe.bind(raw, Declared())
    (found,) = decode(raw, 0)
    return found


@given(TEXTS)
def test_without_a_rule_the_whole_text_is_the_answer(text: str) -> None:
    """Without the white space around it; in whatever form the one text comes."""
    forms = [
        text,
        text.encode(),
        [text],
        np.array([text]),
        np.array([[text]], dtype=object),
        np.array(text, dtype=object),
    ]
    for raw in forms:
        found = answered(Answer(), raw)
        assert found.shape == ()
        assert str(found) == text.strip()


@given(st.lists(st.sampled_from(["the answer is A", "answer is  ", "answer is B ", "is C", "\n"])))
def test_a_rule_finds_the_first_or_the_last_match(parts: list[str]) -> None:
    """And where there is none the answer is empty, which is wrong, and no failure."""
    text = " ".join(parts)
    said = [part.removeprefix("the ").split("is ")[1].strip() for part in parts if "answer" in part]
    for match, place in (("first", 0), ("last", -1)):
        found = answered(Answer(extract=RULE, match=match), text)  # type: ignore[arg-type]
        assert str(found) == (said[place] if said else "")


def test_a_group_that_had_no_part_in_the_match_is_empty() -> None:
    """As nothing found is."""
    assert str(answered(Answer(extract="x(y)?"), "x")) == ""


@given(st.permutations(["A", "B", "C", "Yes", "Straße"]), st.data())
def test_a_choice_is_known_by_its_number(choices: list[str], data: st.DataObject) -> None:
    """In upper or lower case; what is no choice is none."""
    recipe = Choice(choices=tuple(choices), extract=r"\[(.*?)\]", match="last")
    label = data.draw(st.integers(0, 4))
    for said in (choices[label], choices[label].upper(), f" {choices[label].lower()} "):
        assert answered(recipe, f"[D] no, [{said}]!").tolist() == [label]
    for text in ("no idea", f"{choices[label]}", f"[{choices[label]} or D]", "[]"):
        found = answered(recipe, text)
        assert found.tolist() == [-1]
        assert found.dtype == np.int32


@pytest.mark.parametrize(
    ("extract", "says"),
    [
        ("(A|B", r"decode\.extract '\(A\|B' is no regular expression: "),
        ("A|B", r"decode\.extract 'A\|B' has no group: put what is the answer in parentheses"),
    ],
)
def test_a_rule_that_cannot_be_carried_out_is_refused(extract: str, says: str) -> None:
    """When it is written, not when it is needed."""
    for kind in (Answer, Choice):
        with pytest.raises(SystemSetupError, match=says):
            kind(extract=extract)


@pytest.mark.parametrize("choices", [(), ("A",), ("A", "a"), ("A", ""), ("A", " A")])
def test_choices_that_cannot_be_told_apart_are_refused(choices: tuple[str, ...]) -> None:
    """Two or more, each another."""
    with pytest.raises(SystemSetupError, match=re.escape(f"decode.choices is {list(choices)}")):
        Choice(choices=choices)


def test_another_number_of_choices_than_the_workloads_is_refused() -> None:
    """The labels would mean something else."""
    Choice().bind("A", Declared(classes=4))
    with pytest.raises(SystemSetupError, match="has 4 and the workload declares 5"):
        Choice().bind("A", Declared(classes=5))


NO_TEXTS = [
    (np.zeros((1, 3)), "has 3 texts, not one"),
    (3.5, "type float is no text"),
    ([], "has 0 texts"),
    ({"text": "a"}, "type dict"),
    (b"\xff", "no text in UTF-8"),
    ("\ud800", "no text in UTF-8"),
    (np.array([4]), "type int"),
]


@pytest.mark.parametrize(("raw", "says"), NO_TEXTS)
def test_an_output_that_is_no_text_is_a_bad_one(raw: Any, says: str) -> None:
    """At first it is refused; later such a query fails."""
    for recipe in (Answer(), Choice()):
        with pytest.raises(SystemSetupError, match=says):
            recipe.bind(raw, Declared())
        decode, _ = recipe.bind("A", Declared())
        with pytest.raises(BadOutputError, match=says):
            decode(raw, 0)
