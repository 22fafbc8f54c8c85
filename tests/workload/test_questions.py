"""Questions become prompts and their answers references, or the first line wrong is named."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.errors import WorkloadError
from tailmark.records.ragged import Ragged
from tailmark.system.base import with_batch_axis
from tailmark.testing import check_workload
from tailmark.workload.questions import Questions

CAPITALS = [
    {"question": "Capital of France?", "answer": "Paris", "id": "fr"},
    {"question": "Capital of Bolivia?", "answer": "Sucre", "id": "bo"},
]
SUMS = [
    {"question": "1 + 1?", "choices": ["1", "2", "3"], "answer": "B"},
    {"question": "2 + 2?", "choices": ["4", "5"], "answer": 0},
]


def written(folder: Path, lines: list[Any], **settings: Any) -> Questions:
    """A file of these lines."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "asked.jsonl").write_text("\n".join(texts), encoding="utf-8")
    return Questions(path=folder / "asked.jsonl", **settings)


def prompts(workload: Questions) -> list[str]:
    """What each sample asks, as a model gets it."""
    samples = workload.open()
    batches = [with_batch_axis(samples.prepare(samples.load(i))) for i in range(len(samples))]
    arrays = [np.asarray(batch) for batch in batches]
    assert all(one.shape == (1,) for one in arrays)
    return [str(one[0]) for one in arrays]


def test_a_question_is_a_sample_and_its_answer_a_text(tmp_path: Path) -> None:
    """In the order of the file."""
    workload = written(tmp_path, CAPITALS)
    samples = workload.open()
    assert prompts(workload) == ["Capital of France?", "Capital of Bolivia?"]
    assert samples.ids == ("fr", "bo")
    assert samples.references.tolist() == ["Paris", "Sucre"]
    assert samples.classes is None


def test_several_answers_may_be_accepted(tmp_path: Path) -> None:
    """Then each question has a row of them."""
    more = {"question": "And?", "answer": ["La Paz", "Sucre"]}
    samples = written(tmp_path, [CAPITALS[0], more]).open()
    assert isinstance(samples.references, Ragged)
    assert [row.tolist() for row in samples.references] == [["Paris"], ["La Paz", "Sucre"]]
    assert samples.ids == ("fr", "1")


def test_of_choices_the_answer_is_a_number(tmp_path: Path) -> None:
    """By letter or by number; the template shows them."""
    workload = written(tmp_path, SUMS, template="Q: {question}\n{choices}\nLetter:")
    samples = workload.open()
    assert prompts(workload)[0] == "Q: 1 + 1?\nA. 1\nB. 2\nC. 3\nLetter:"
    assert samples.references.tolist() == [1, 0]
    assert samples.references.dtype == np.int64
    assert samples.classes == 3
    assert samples.ids == ("0", "1")


@given(
    st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip),
    st.lists(st.text("{}ab choicesquestion", min_size=1).filter(str.strip), min_size=2, max_size=4),
)
def test_what_a_question_says_is_no_template(question: str, choices: list[str]) -> None:
    """Braces in it, or in a choice, stay as they are."""
    line = {"question": question, "choices": choices, "answer": 1}
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(json.dumps(line).encode())
        file.flush()
        samples = Questions(path=Path(file.name), template="{choices}|{question}{").open()
    letters = ["A. ", "B. ", "C. ", "D. "]
    shown = "\n".join(letters[n] + choice for n, choice in enumerate(choices))
    assert samples.load(0) == f"{shown}|{question}{{"


def test_nobody_need_know_the_answers(tmp_path: Path) -> None:
    """Then there are no references."""
    assert written(tmp_path, [{"question": "Why?"}, {"question": "How?"}]).open().references is None


def test_fields_have_the_names_that_are_declared(tmp_path: Path) -> None:
    """A file need not be rewritten; blank lines and a byte-order mark are no matter."""
    lines = ["\ufeff" + json.dumps({"q": "1 + 1?", "c": ["1", "2"], "a": 1, "n": 7}), "", "  "]
    samples = written(
        tmp_path, lines, question_field="q", choices_field="c", answer_field="a", id_field="n"
    ).open()
    assert samples.ids == ("7",)
    assert samples.references.tolist() == [1]


def test_it_keeps_the_workload_contract(tmp_path: Path) -> None:
    """The same samples each time, here and in another process."""
    check_workload(written(tmp_path, CAPITALS))
    check_workload(written(tmp_path, SUMS, template="{question} {choices}"))


def test_the_fingerprint_follows_the_prompts(tmp_path: Path) -> None:
    """Another template is another workload; another answer is not."""
    plain = written(tmp_path, CAPITALS).open().fingerprint
    assert written(tmp_path, CAPITALS, template="{question} Be brief.").open().fingerprint != plain
    other = [{**CAPITALS[0], "answer": "Lyon"}, CAPITALS[1]]
    assert written(tmp_path, other).open().fingerprint == plain


FIRST: dict[str, Any] = {"question": "Why?", "answer": "so"}
CHOSEN: dict[str, Any] = {"question": "Why?", "choices": ["a", "b"], "answer": "A"}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "asked.jsonl' has no questions: give at least one line"),
        (["{"], "asked.jsonl' line 1 cannot be read as JSON: "),
        (["", "[1, 2]"], "line 2 is no question: give an object of fields"),
        ([{"answer": "x"}], r"line 1 has question None: .* with question_field \(it has answer\)"),
        ([{}], r"line 1 has question None: .*\(it has none\)"),
        ([{"question": " "}], "line 1 has question ' ': give a text that is not empty"),
        (['{"question": "\\ud800"}'], r"line 1 has question '\\ud800': give a text"),
        ([{**FIRST, "answer": 3}], "line 1 has answer 3: give a text that is not empty, or a list"),
        ([{**FIRST, "answer": ""}], "line 1 has answer ''"),
        ([{**FIRST, "answer": []}], r"line 1 has answer \[\]"),
        ([{**FIRST, "answer": ["a", ""]}], r"line 1 has answer \['a', ''\]"),
        ([{**CHOSEN, "choices": ["a"]}], r"line 1 has choices \['a'\]: give a list of 2 to 26"),
        ([{**CHOSEN, "choices": "ab"}], "line 1 has choices 'ab'"),
        ([{**CHOSEN, "choices": ["a", 2]}], r"line 1 has choices \['a', 2\]"),
        (
            [{**CHOSEN, "answer": "C"}],
            r"line 1 has answer 'C': give the letter of one of its 2 choices \(A to B\), or its",
        ),
        ([{**CHOSEN, "answer": 2}], "line 1 has answer 2"),
        ([{**CHOSEN, "answer": -1}], "line 1 has answer -1"),
        ([{**CHOSEN, "answer": True}], "line 1 has answer True"),
        ([{**CHOSEN, "answer": "a"}], "line 1 has answer 'a'"),
        ([{**CHOSEN, "answer": ""}], "line 1 has answer ''"),
        ([FIRST, CHOSEN], "line 2 has a field 'choices' and .* line 1 has none: give it in all"),
        ([CHOSEN, FIRST], "line 2 has no field 'choices' and .* line 1 has one"),
        ([FIRST, {"question": "How?"}], "line 2 has no field 'answer' and .* line 1 has one"),
        (
            [{**FIRST, "id": 3}, "", {**FIRST, "id": "3"}],
            r"line 3 has the id '3' of '.*asked\.jsonl' line 1: give each question its own",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, lines: list[Any], says: str) -> None:
    """File, line, value, and what is allowed."""
    with pytest.raises(WorkloadError, match=says):
        written(tmp_path, lines).open()


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("", "workload.template is '': it needs {question} in it"),
        ("{choices}", "workload.template is '{choices}': it needs {question}"),
        (
            "{qestion}",
            r"workload.template has {qestion} \(did you mean 'question'\?\): it may have {q",
        ),
    ],
)
def test_a_template_that_asks_nothing_is_refused(template: str, says: str) -> None:
    """When it is written."""
    with pytest.raises(WorkloadError, match=says):
        Questions(path=Path("asked.jsonl"), template=template)


def test_a_template_that_shows_choices_needs_some(tmp_path: Path) -> None:
    """An empty place in every prompt would be a silent mistake."""
    workload = written(tmp_path, CAPITALS, template="{question} {choices}")
    with pytest.raises(WorkloadError, match=r"template has {choices} and .* line 1 has none: name"):
        workload.open()
