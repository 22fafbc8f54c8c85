"""Text to the answer in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.decode.base import BadOutputError, Declared, Decode
from tailmark.decode.extraction import Which, check_rule, extracted, text_of
from tailmark.errors import SystemSetupError
from tailmark.records.catalogue import Answer as Columns


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer is a text. Where the rule finds none it is empty: wrong, but no failure.

    Args:
        extract: A regular expression whose first group is the answer, without the white space
            around it; null for the whole text.
        match: Which of several matches: ``first`` or ``last``.
    """

    extract: str | None = None
    match: Which = "first"

    columns = ("answers",)
    ragged = ()

    def __post_init__(self) -> None:
        """Refuse a rule that cannot be carried out."""
        check_rule(self.extract)

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: The output is no text.
        """
        del declared  # any text may be an answer
        _check_text(raw)

        def decode(raw: Any, _sample: int) -> Columns:
            return (np.array(extracted(text_of(raw), self.extract, self.match)),)

        return decode, []

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {"kind": "answer", "extract": self.extract, "match": self.match}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The answer is one of several choices, known by what is found in a text.

    Its label is the number of the choice, from 0; -1 where none was given, which is wrong.

    Args:
        choices: What the model is to say, in the order of the labels. Upper and lower case are the
            same.
        extract: As of `Answer`: what it finds has to be a choice and nothing else.
        match: Likewise.
    """

    choices: tuple[str, ...] = ("A", "B", "C", "D")
    extract: str | None = None
    match: Which = "first"

    columns = ("labels",)
    ragged = ()

    def __post_init__(self) -> None:
        """Refuse a rule that cannot be carried out, and choices that cannot be told apart."""
        check_rule(self.extract)
        known = set(map(_folded, self.choices))
        if len(self.choices) < 2 or len(known) < len(self.choices) or "" in known:
            raise SystemSetupError(
                f"decode.choices is {list(self.choices)}: give two or more, each another and none "
                "empty"
            )

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: The output is no text, or the workload has other choices.
        """
        _check_text(raw)
        count = len(self.choices)
        if declared.classes not in (None, count):
            raise SystemSetupError(
                f"decode.choices has {count} and the workload declares {declared.classes}: give "
                "one for each of the workload's"
            )
        labels = {_folded(choice): label for label, choice in enumerate(self.choices)}

        def decode(raw: Any, _sample: int) -> Columns:
            given = _folded(extracted(text_of(raw), self.extract, self.match))
            return (np.array([labels.get(given, -1)], dtype=np.int32),)

        return decode, []

    def describe(self) -> dict[str, Any]:
        """The settings."""
        return {
            "kind": "choice",
            "choices": list(self.choices),
            "extract": self.extract,
            "match": self.match,
        }


def _folded(text: str) -> str:
    return text.strip().casefold()


def _check_text(raw: Any) -> None:
    try:
        text_of(raw)
    except BadOutputError as cause:
        raise SystemSetupError(f"{cause}: choose one with system.output, or decode") from cause
