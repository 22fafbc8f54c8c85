"""Which part of a text is the answer: a declared rule, never a guess."""

import re
from typing import Any, Literal

import numpy as np

from tailmark.decode.base import BadOutputError
from tailmark.errors import SystemSetupError

Which = Literal["first", "last"]
"""Of several matches."""


def check_rule(extract: str | None) -> None:
    """Refuse a rule that cannot be carried out.

    Raises:
        SystemSetupError: It is no regular expression, or has no group.
    """
    if extract is None:
        return
    try:
        groups = re.compile(extract).groups
    except re.error as cause:
        raise SystemSetupError(
            f"decode.extract {extract!r} is no regular expression: {cause}"
        ) from cause
    if not groups:
        raise SystemSetupError(
            f"decode.extract {extract!r} has no group: put what is the answer in parentheses"
        )


def extracted(text: str, extract: str | None, which: Which) -> str:
    """The answer without the white space around it; empty where there is none.

    Args:
        text: What the model said.
        extract: A regular expression whose first group is the answer; None for the whole text.
        which: Of several matches.
    """
    if extract is None:
        return text.strip()
    matches = list(re.finditer(extract, text))
    if not matches:
        return ""
    found = matches[0 if which == "first" else -1]
    return (found[1] or "").strip()  # a group may have had no part in the match


def text_of(raw: Any) -> str:
    """The one text in an output.

    Args:
        raw: A str, UTF-8 bytes, or an array or list of one of these.

    Raises:
        BadOutputError: It is something else, or more than one.
    """
    held = raw.ravel().tolist() if isinstance(raw, np.ndarray) else raw
    if isinstance(held, list | tuple):
        if len(held) != 1:
            raise BadOutputError(f"output has {len(held)} texts, not one")
        held = held[0]
    try:
        if isinstance(held, bytes):
            return held.decode()
        if isinstance(held, str):
            held.encode()  # half a surrogate pair is no text, and cannot be stored
            return str(held)
    except UnicodeError as cause:
        raise BadOutputError(f"output is no text in UTF-8: {cause}") from None
    raise BadOutputError(f"output of type {type(held).__name__} is no text")
