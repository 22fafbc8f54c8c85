"""Questions and their answers: free texts, or one of several choices."""

import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tailmark.errors import WorkloadError, nearest
from tailmark.records.ragged import Ragged
from tailmark.workload.base import Samples, digest
from tailmark.workload.text_file import read_text

_LETTERS = string.ascii_uppercase
_PLACE = re.compile(r"\{(\w+)\}")
_PLACES = ("question", "choices")


@dataclass(frozen=True)
class _Question:
    where: str
    name: str
    prompt: str
    answer: Any
    choices: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Questions:
    """A JSONL file with a question a line. A sample is its prompt: an array of one text, shape ().

    Args:
        path: The file.
        template: The prompt, with ``{question}`` in it, and with ``{choices}`` where these are to
            be shown: lines of ``A. first``, ``B. second``.
        question_field: What is asked.
        answer_field: A text, or a list of several that are accepted; of choices the letter, or the
            number from 0. Not there, or null, in all lines where nobody knows.
        choices_field: A list of texts, in all lines or in none.
        id_field: What the question is called; its number from 0 where there is none.
    """

    path: Path
    template: str = "{question}"
    question_field: str = "question"
    answer_field: str = "answer"
    choices_field: str = "choices"
    id_field: str = "id"

    def __post_init__(self) -> None:
        """Refuse a template that asks nothing, or for something else."""
        places = _PLACE.findall(self.template)
        for place in places:
            if place not in _PLACES:
                raise WorkloadError(
                    f"workload.template has {{{place}}}{nearest(place, _PLACES)}: it may have "
                    "{question} and {choices}"
                )
        if "question" not in places:
            raise WorkloadError(
                f"workload.template is {self.template!r}: it needs {{question}} in it"
            )

    def open(self) -> Samples:
        """Read the file.

        References are texts, or a row of texts each where several are accepted, or the numbers of
        choices.

        Raises:
            WorkloadError: A missing file, or a line that cannot be used; the first is named.
        """
        questions = [
            self._question(where, number, entry)
            for number, (where, entry) in enumerate(self._entries())
        ]
        self._check_alike(questions)
        prompts = [one.prompt for one in questions]
        return Samples(
            ids=tuple(one.name for one in questions),
            load=prompts.__getitem__,
            prepare=_as_array,
            fingerprint=digest(prompt.encode() for prompt in prompts),
            references=_references([one.answer for one in questions]),
            classes=max(len(one.choices) for one in questions) or None,
        )

    def _entries(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Where each is, and what it says."""
        entries: list[tuple[str, Mapping[str, Any]]] = []
        for line, text in enumerate(read_text(self.path).split("\n"), start=1):
            if not text.strip():
                continue
            where = f"{str(self.path)!r} line {line}"
            try:
                entry = json.loads(text)
            except (ValueError, RecursionError) as cause:
                raise WorkloadError(f"{where} cannot be read as JSON: {cause}") from cause
            if not isinstance(entry, dict):
                raise WorkloadError(f"{where} is no question: give an object of fields")
            entries.append((where, entry))
        if not entries:
            raise WorkloadError(f"{str(self.path)!r} has no questions: give at least one line")
        return entries

    def _question(self, where: str, number: int, entry: Mapping[str, Any]) -> _Question:
        asked = entry.get(self.question_field)
        if not _is_text(asked):
            has = ", ".join(entry) or "none"
            raise WorkloadError(
                f"{where} has {self.question_field} {asked!r}: give a text that is not empty, or "
                f"name its field with question_field (it has {has})"
            )
        choices = entry.get(self.choices_field) or ()
        if choices and not _are_choices(choices):
            raise WorkloadError(
                f"{where} has {self.choices_field} {choices!r}: give a list of 2 to "
                f"{len(_LETTERS)} texts"
            )
        shown = "\n".join(
            f"{letter}. {one}" for letter, one in zip(_LETTERS, choices, strict=False)
        )
        told = {"question": str(asked), "choices": shown}
        return _Question(
            where=where,
            name=str(entry.get(self.id_field, number)),
            prompt=_PLACE.sub(lambda place: told[place[1]], self.template),
            answer=self._answer(where, entry.get(self.answer_field), choices),
            choices=choices,
        )

    def _answer(self, where: str, given: Any, choices: Sequence[str]) -> Any:
        """A text, a list of texts, the number of a choice, or None."""
        if given is None:
            return None
        if choices:
            letters = _LETTERS[: len(choices)]
            if isinstance(given, str) and len(given) == 1 and given in letters:
                return letters.index(given)
            if type(given) is int and 0 <= given < len(choices):
                return given
            raise WorkloadError(
                f"{where} has {self.answer_field} {given!r}: give the letter of one of its "
                f"{len(choices)} choices (A to {letters[-1]}), or its number from 0"
            )
        several = isinstance(given, list) and given
        if all(map(_is_text, given if several else [given])):
            return given
        raise WorkloadError(
            f"{where} has {self.answer_field} {given!r}: give a text that is not empty, or a list "
            "of such"
        )

    def _check_alike(self, questions: Sequence[_Question]) -> None:
        """Refuse what only some of them have, and ids that are there twice."""
        first = questions[0]
        seen: dict[str, str] = {}
        for one in questions:
            for has, other, field in (
                (one.choices, first.choices, self.choices_field),
                (one.answer is not None, first.answer is not None, self.answer_field),
            ):
                if bool(has) != bool(other):
                    raise WorkloadError(
                        f"{one.where} has {'a' if has else 'no'} field {field!r} and "
                        f"{first.where} has {'one' if other else 'none'}: give it in all lines, or "
                        "in none"
                    )
            if one.name in seen:
                raise WorkloadError(
                    f"{one.where} has the id {one.name!r} of {seen[one.name]}: give each question "
                    "its own"
                )
            seen[one.name] = one.where
        if "choices" in _PLACE.findall(self.template) and not first.choices:
            raise WorkloadError(
                f"workload.template has {{choices}} and {first.where} has none: name their field "
                "with choices_field"
            )

    def describe(self) -> dict[str, Any]:
        """The settings; of the path, the last part (the contents' hash is in the run)."""
        return {"kind": "questions", **asdict(self), "path": self.path.name}


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(value.strip()) and bool(value.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _are_choices(given: Any) -> bool:
    return (
        isinstance(given, list) and 2 <= len(given) <= len(_LETTERS) and all(map(_is_text, given))
    )


def _references(answers: Sequence[Any]) -> Any:
    if answers[0] is None:
        return None
    if isinstance(answers[0], int):
        return np.array(answers, dtype=np.int64)
    if any(isinstance(one, list) for one in answers):
        rows = [one if isinstance(one, list) else [one] for one in answers]
        return Ragged.of(rows, np.str_)
    return np.array(answers)


def _as_array(prompt: str) -> npt.NDArray[np.str_]:
    return np.array(prompt)
